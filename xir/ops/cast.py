"""Casts beside the plain one: that stay within the range, to powers of two, of the bits alone, and of text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, cast

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Shape
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType, dtype_from_numpy
from xir.kernel import build
from xir.kernel.grammar import Bits, Kernel, Scalar
from xir.ops import bitwise, compare, elementwise
from xir.ops._build import scalar_like
from xir.ops._checks import require_dtype, require_floating, require_rank_at_least
from xir.ops._define import op
from xir.ops._numeric import Numbers, require_number
from xir.ops._powers import powers_of_two
from xir.ops.constant import constant
from xir.ops.shape import broadcast, reshape

LARGEST: Mapping[DType, float] = {
    DType.FLOAT8E4M3FN: 448.0,
    DType.FLOAT8E4M3FNUZ: 240.0,
    DType.FLOAT8E5M2: 57344.0,
    DType.FLOAT8E5M2FNUZ: 57344.0,
}
"""The largest numbers of the narrow floats (onnx docs/docsgen/source/technical/float8.md, 'E4M3FN and E5M2')."""

_PLAIN = (DType.FLOAT64, DType.FLOAT32, DType.FLOAT16, DType.BOOL)
_WORDS: Mapping[str, float] = {"true": 1.0, "false": 0.0}


@op
def saturating_cast(x: Value, *, dtype: DType) -> TensorType:
    """`x` as a float of 8 bits; what is too large, infinities too, becomes its largest number (ONNX Cast, saturate).

    x: numbers; result: `dtype`, one of f8e4m3fn, f8e4m3fnuz, f8e5m2, f8e5m2fnuz, the shape of x. NaN stays NaN.
    """
    require_number(x)
    if dtype not in LARGEST:
        raise InvalidModelError(f"one of {', '.join(map(str, LARGEST))} is needed, got {dtype}")
    return x.tensor.with_dtype(dtype)


@saturating_cast.reference
def _saturating_cast_reference(x: Numbers, *, dtype: DType) -> Array:
    wide = x.astype(np.float64 if x.dtype == np.float64 else np.float32)
    return np.asarray(np.clip(wide, -LARGEST[dtype], LARGEST[dtype])).astype(dtype.dtype)


@saturating_cast.decompose
def _saturating_cast_decompose(x: Value, *, dtype: DType) -> Value:
    if x.dtype not in (DType.FLOAT64, DType.FLOAT32):
        x = elementwise.cast(x, dtype=DType.FLOAT32)
    clipped = elementwise.clip(x, minimum=-LARGEST[dtype], maximum=LARGEST[dtype])
    return elementwise.cast(clipped, dtype=dtype)


saturating_cast.no_gradient("numbers of 8 bits are not trained through")


@op
def scale_cast(x: Value, *, rounding: Literal["up", "down", "nearest"], saturate: bool) -> TensorType:
    """`x` as a power of two in f8e8m0, rounded up, down, or to the nearest, ties up (ONNX Cast-24, round_mode).

    x: floating-point numbers; result: f8e8m0, the same shape. What is beyond 2**-127 and 2**127 becomes that number
    where `saturate`, else NaN; so do 0 and the infinity. Negative numbers count by their absolute value, of which
    ONNX says nothing. (OCP Microscaling Formats 1.0, section 5.4.)
    """
    require_floating(x)
    return x.tensor.with_dtype(DType.FLOAT8E8M0)


@scale_cast.reference
def _scale_cast_reference(x: Numbers, *, rounding: str, saturate: bool) -> Array:
    return powers_of_two(x, rounding, saturate)


@scale_cast.decompose
def _scale_cast_decompose(x: Value, *, rounding: Literal["up", "down", "nearest"], saturate: bool) -> Value:
    """The exponent of the number in f32, one more where the fraction rounds up."""
    wide = x if x.dtype is DType.FLOAT32 else elementwise.cast(x, dtype=DType.FLOAT32)
    bits = bit_cast(wide, dtype=DType.UINT32)

    def number(value: int) -> Value:
        return scalar_like(bits, value)

    exponent = bitwise.bitwise_and(bitwise.shift_right(bits, number(23)), number(0xFF))
    fraction = bitwise.bitwise_and(bits, number(0x7FFFFF))
    small = compare.equal(exponent, number(0))
    # From these fractions on (of normal numbers, and of those below 2**-126) the power of two above is taken.
    normal, tiny = {"up": (1, 0x400001), "nearest": (0x400000, 0x600000), "down": (0x800000, 0x800000)}[rounding]
    limit = elementwise.select(small, number(tiny), number(normal))
    one, zero = number(1), number(0)
    power = elementwise.add(exponent, elementwise.select(compare.greater_equal(fraction, limit), one, zero))
    special = compare.equal(exponent, number(255))
    is_nan = compare.logical_and(special, compare.greater(fraction, zero))
    power = elementwise.minimum(power, number(254 if saturate else 255))
    if not saturate:
        least = number({"up": 0x200001, "nearest": 0x300000, "down": 0x400000}[rounding])
        is_nan = compare.logical_or(is_nan, compare.logical_and(small, compare.less(fraction, least)))
    stored = elementwise.select(is_nan, number(255), power)
    return bit_cast(elementwise.cast(stored, dtype=DType.UINT8), dtype=DType.FLOAT8E8M0)


scale_cast.no_gradient("a power of two is constant wherever it has a derivative")


@op
def bit_cast(x: Value, *, dtype: DType) -> TensorType:
    """The bits of each element read as another type of as many bits (ONNX BitCast).

    x: any tensor but strings; result: `dtype`, the same shape. A byte that is read as bool is True unless it is 0.
    """
    if DType.STRING in (x.dtype, dtype) or x.dtype.bits != dtype.bits:
        raise InvalidModelError(f"{dtype} has {dtype.bits} bits, {x.type!r} has {x.dtype.bits}")
    return x.tensor.with_dtype(dtype)


@bit_cast.reference
def _bit_cast_reference(x: Array, *, dtype: DType) -> Array:
    plain = np.ascontiguousarray(x).reshape(x.shape)
    if dtype is DType.BOOL:
        return np.asarray(plain.view(np.uint8) != 0)
    if dtype.bits < 8:
        plain = plain.view(np.uint8) & np.uint8((1 << dtype.bits) - 1)
    return np.asarray(plain.view(dtype.dtype))


bit_cast.no_gradient("the bits of a number have no derivative")


@bit_cast.lower
def _bit_cast_lower(node: Node) -> Kernel:
    def value(x: Scalar) -> Scalar:
        dtype = node.outputs[0].dtype
        byte = build.cast(x, DType.UINT8) if x.dtype is DType.BOOL else x
        wanted = DType.UINT8 if dtype is DType.BOOL else dtype
        return build.cast(byte if byte.dtype is wanted else Bits(byte, wanted), dtype)

    return build.pointwise(node, value)


@op
def unpack_bits(x: Value, *, dtype: DType, offset: int = 0) -> TensorType:
    """The numbers that stand packed in bytes, the low bits first, each less `offset` (onnxruntime MatMulNBits).

    x: u8[..., B]; result: `dtype`, an integer of 2, 4 or 8 bits, [..., B * 8 / bits]. What does not fit wraps around.
    """
    require_dtype(x, DType.UINT8)
    require_rank_at_least(x, 1)
    if not dtype.is_integer or dtype.bits > 8:
        raise InvalidModelError(f"an integer of 2, 4 or 8 bits is needed, got {dtype}")
    return TensorType(dtype, (*x.shape[:-1], x.shape[-1] * (8 // dtype.bits)))


@unpack_bits.reference
def _unpack_bits_reference(x: Array, *, dtype: DType, offset: int) -> Array:
    moves = np.arange(0, 8, dtype.bits, dtype=np.uint8)
    fields = np.right_shift(x[..., None].astype(np.int16), moves) & np.int16((1 << dtype.bits) - 1)
    less = np.subtract(fields, np.int16(offset)).astype(np.int8 if dtype.is_signed else np.uint8)
    return np.asarray(less.reshape(*x.shape[:-1], -1 if x.size else x.shape[-1] * len(moves)).astype(dtype.dtype))


@unpack_bits.decompose
def _unpack_bits_decompose(x: Value, *, dtype: DType, offset: int) -> Value:
    fields = x
    if dtype.bits < 8:
        count = 8 // dtype.bits
        tail: Shape = (*x.shape, count)
        column = broadcast(reshape(x, shape=(*x.shape, 1)), shape=tail)
        moves = constant(value=constant_of(np.arange(count, dtype=np.uint8) * np.uint8(dtype.bits)))
        moved = bitwise.shift_right(column, broadcast(moves, shape=tail))
        kept = bitwise.bitwise_and(moved, scalar_like(moved, (1 << dtype.bits) - 1))
        fields = reshape(kept, shape=(*x.shape[:-1], x.shape[-1] * count))
    if offset:
        wide = elementwise.cast(fields, dtype=DType.INT32)
        fields = elementwise.sub(wide, scalar_like(wide, offset))
    return fields if fields.dtype is dtype else elementwise.cast(fields, dtype=dtype)


unpack_bits.no_gradient("the bits of a number have no derivative")


@op
def number_to_text(x: Value) -> TensorType:
    """Each number in plain decimal digits, as few as tell it from its neighbours (ONNX Cast to string).

    x: numbers or bool; result: str, the same shape. Whole floats end in `.0`; the others' words are INF, -INF and NaN,
    and `True` and `False` (ONNX Cast-13 names the first three; the digits are those of its reference evaluator).
    """
    if x.dtype in (DType.STRING, DType.COMPLEX64, DType.COMPLEX128):
        raise InvalidModelError(f"numbers are needed, got {x.type!r}")
    return x.tensor.with_dtype(DType.STRING)


@number_to_text.reference
def _number_to_text_reference(x: Numbers) -> Array:
    made = np.empty(x.shape, object)
    made.reshape(-1)[:] = [_plain(item) for item in _printable(x).reshape(-1)]
    return made


number_to_text.host("strings live in Python's memory")
number_to_text.no_gradient("text has no derivative")


def _printable(x: Numbers) -> Numbers:
    """The numbers in a type of NumPy's own."""
    held = dtype_from_numpy(x.dtype)
    if held in _PLAIN or (held.is_integer and held.bits >= 8):
        return x
    return cast("Numbers", x.astype(np.int64 if held.is_integer else np.float32))


def _plain(item: np.generic) -> str:
    if not isinstance(item, np.floating):
        return str(item)
    number = cast("np.float64", item)
    if np.isnan(number):
        return "NaN"
    if np.isinf(number):
        return "INF" if number > 0 else "-INF"
    return np.format_float_positional(number, unique=True, trim="0")


@op
def text_to_number(x: Value, *, dtype: DType) -> TensorType:
    """The number that each text says, in plain or scientific notation (ONNX Cast from string).

    x: str; result: `dtype`, any real type or bool, the same shape. INF, +INF, -INF and NaN are read in any case, `true`
    and `false` as 1 and 0; integers drop what is behind the point.

    Raises (at run time):
        InvalidModelError: a text that is no number, or one that the type cannot hold.
    """
    require_dtype(x, DType.STRING)
    if dtype in (DType.STRING, DType.COMPLEX64, DType.COMPLEX128, DType.FLOAT8E8M0):
        raise InvalidModelError(f"text cannot be read as {dtype}")
    return x.tensor.with_dtype(dtype)


@text_to_number.reference
def _text_to_number_reference(x: Array, *, dtype: DType) -> Array:
    items = [item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in x.reshape(-1)]
    if not dtype.is_integer:
        numbers = np.array([_number_in(item) for item in items], np.float64)
        return (numbers != 0 if dtype is DType.BOOL else numbers.astype(dtype.dtype)).reshape(x.shape)
    whole = [_integer_in(item) for item in items]
    low, high = (-(1 << dtype.bits - 1), 1 << dtype.bits - 1) if dtype.is_signed else (0, 1 << dtype.bits)
    wrong = next((number for number in whole if not low <= number < high), None)
    if wrong is not None:
        raise InvalidModelError(f"text_to_number: {wrong} is no {dtype}")
    return np.array(whole, np.uint64 if dtype is DType.UINT64 else np.int64).astype(dtype.dtype).reshape(x.shape)


text_to_number.host("strings live in Python's memory")
text_to_number.no_gradient("text has no derivative")


def _number_in(text: str) -> float:
    word = text.strip().lower()
    if word in _WORDS:
        return _WORDS[word]
    try:
        return float(word)
    except ValueError:
        raise InvalidModelError(f"text_to_number: {text[:80]!r} is no number") from None


def _integer_in(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        number = _number_in(text)
    if not math.isfinite(number):
        raise InvalidModelError(f"text_to_number: {text[:80]!r} is no integer")
    return int(number)
