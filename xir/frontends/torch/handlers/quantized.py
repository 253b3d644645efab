"""The operators of quantised programs, `quantized_decomposed` (torch/ao/quantization/fx/_decomposed.py).

Each does the steps of PyTorch's own definition in its order and types: it multiplies by the reciprocal of the scale,
so that no number falls to the other side of a half than in PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number
from xir.ir.dims import floor_divide
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops.reduce import reduce_max, reduce_min
from xir.ops.shape import reshape

operators = Operators("quantized_decomposed")

_LEAST_SCALE = float(np.finfo(np.float32).eps)


def _wide(call: Call, x: Value) -> Value:
    """Half precision as f32."""
    return call.cast(x, DType.FLOAT32) if x.dtype in (DType.FLOAT16, DType.BFLOAT16) else x


def _times(call: Call, x: Value, y: Value | Number) -> Value:
    return elementwise.mul(*call.promoted(x, y))


def _plus(call: Call, x: Value, y: Value | Number) -> Value:
    return elementwise.add(*call.promoted(x, y))


def _minus(call: Call, x: Value, y: Value | Number) -> Value:
    return elementwise.sub(*call.promoted(x, y))


def _inverse(call: Call, scale: Value) -> Value:
    return elementwise.div(call.filled(1, scale.dtype, scale.shape), scale)


def _number(call: Call, value: Value | Number, dtype: DType) -> Value:
    """A number, or a tensor of one, as a tensor without axes."""
    if not isinstance(value, Value):
        return call.scalar(value, dtype)
    return call.cast(value if not value.rank else reshape(value, shape=()), dtype)


@dataclass(frozen=True, slots=True)
class _Whole:
    """The integers, or f8, that numbers are quantised to, in PyTorch's words: their type, the least and the largest."""

    quant_min: Value | Number
    quant_max: Value | Number
    dtype: DType

    def clamped(self, call: Call, x: Value) -> Value:
        """The numbers within the bounds, as such integers.

        Raises:
            InvalidModelError: a bound is beyond the type.
        """
        self._check(call)
        x, least, most = call.aligned(x, *(call.tensor(bound, x.dtype) for bound in (self.quant_min, self.quant_max)))
        return call.cast(elementwise.minimum(elementwise.maximum(x, least), most), self.dtype)

    def ends(self, call: Call) -> tuple[int, int]:
        """The bounds as numbers.

        Raises:
            InvalidModelError: a bound is beyond the type.
            UnsupportedError: they are computed in the run.
        """
        self._check(call)
        low, high = self.quant_min, self.quant_max
        if not (isinstance(low, int) and isinstance(high, int)):
            call.refuse("bounds of integers that are computed in the run")
        return low, high

    def _check(self, call: Call) -> None:
        """Bounds that are known lie within the type (`_quant_min_max_bounds_check`)."""
        if not self.dtype.is_integer:
            return
        bits = self.dtype.bits - self.dtype.is_signed
        least = -(1 << bits) if self.dtype.is_signed else 0
        for bound in (self.quant_min, self.quant_max):
            if isinstance(bound, int) and not least <= bound < 1 << bits:
                call.invalid(f"{bound} is beyond {self.dtype}")


_BOUNDS = "int quant_min, int quant_max, ScalarType dtype"
_TENSORS = "Tensor quant_min, Tensor quant_max, ScalarType dtype"
_FORMER = ("quant_min", "quant_max")
"""What quantising was bounded by means nothing on the way back: PyTorch passes it on for those who match patterns."""


@operators.op(
    f"quantize_per_tensor(Tensor input, float scale, int zero_point, {_BOUNDS}) -> Tensor",
    f"quantize_per_tensor.tensor(Tensor input, Tensor scale, Tensor zero_point, {_BOUNDS}) -> Tensor",
    f"quantize_per_tensor.tensor2(Tensor input, Tensor scale, Tensor zero_point, {_TENSORS}) -> Tensor",
    records=(_Whole,),
)
def quantize_tensor(call: Call, x: Value, scale: Value | Number, zero: Value | Number, whole: _Whole) -> Value:
    """`round(x / scale) + zero`, kept within bounds."""
    x = _wide(call, x)
    inverse = call.cast(_inverse(call, _number(call, scale, DType.FLOAT64)), x.dtype)
    scaled = elementwise.round_(_times(call, x, inverse))
    return whole.clamped(call, elementwise.add(*call.aligned(scaled, _number(call, zero, x.dtype))))


def _check_type(call: Call, x: Value, dtype: DType) -> None:
    """PyTorch asserts that what is taken back is of the type that the call names."""
    if x.dtype is not dtype:
        call.invalid(f"elements of {dtype} are to be taken back, got {x.type!r}")


@operators.op(
    f"dequantize_per_tensor(Tensor input, float scale, int zero_point, {_BOUNDS}, *, ScalarType? out_dtype=None)"
    " -> Tensor",
    f"dequantize_per_tensor.tensor(Tensor input, Tensor scale, Tensor zero_point, {_BOUNDS}, *,"
    " ScalarType? out_dtype=None) -> Tensor",
    f"dequantize_per_tensor.tensor2(Tensor input, Tensor scale, Tensor zero_point, {_TENSORS}, *,"
    " ScalarType? out_dtype=None) -> Tensor",
    unused=_FORMER,
)
def dequantize_tensor(
    call: Call, x: Value, scale: Value | Number, zero: Value | Number, dtype: DType, made: DType | None
) -> Value:
    """`(x - zero) * scale` in `made`, f32 where it is not said."""
    _check_type(call, x, dtype)
    x = call.cast(x, made or DType.FLOAT32)
    x, offset, factor = call.aligned(x, _number(call, zero, x.dtype), _number(call, scale, x.dtype))
    return elementwise.mul(elementwise.sub(x, offset), factor)


def _along(call: Call, numbers: Value, x: Value, axis: int) -> Value:
    """One number for each place of an axis, in a shape that broadcasts to that of `x`."""
    axis = call.axis(axis, x.rank)
    return reshape(numbers, shape=tuple(numbers.shape[0] if place == axis else 1 for place in range(x.rank)))


@operators.op(
    f"quantize_per_channel(Tensor input, Tensor scales, Tensor zero_points, int axis, {_BOUNDS}) -> Tensor",
    records=(_Whole,),
)
def quantize_channel(call: Call, x: Value, scales: Value, zeros: Value, axis: int, whole: _Whole) -> Value:
    """The same with a scale and a zero point for each place of an axis."""
    x = _wide(call, x)
    scaled = elementwise.round_(_times(call, x, _inverse(call, _along(call, scales, x, axis))))
    return whole.clamped(call, _plus(call, scaled, _along(call, zeros, x, axis)))


@operators.op(
    f"dequantize_per_channel(Tensor input, Tensor scales, Tensor? zero_points, int axis, {_BOUNDS}, *,"
    " ScalarType? out_dtype=None) -> Tensor",
    unused=_FORMER,
)
def dequantize_channel(
    call: Call, x: Value, scales: Value, zeros: Value | None, axis: int, dtype: DType, made: DType | None
) -> Value:
    """The same back."""
    _check_type(call, x, dtype)
    moved = x if zeros is None else _minus(call, x, _along(call, zeros, x, axis))
    return call.cast(_times(call, moved, _along(call, scales, x, axis)), made or DType.FLOAT32)


@operators.op(
    f"quantize_per_token(Tensor input, Tensor scales, Tensor zero_points, {_BOUNDS}) -> Tensor", records=(_Whole,)
)
def quantize_token(call: Call, x: Value, scales: Value, zeros: Value, whole: _Whole) -> Value:
    """`round(x / scale + zero)`: a scale and a zero point for each line of the last axis."""
    return whole.clamped(call, elementwise.round_(_plus(call, _times(call, x, _inverse(call, scales)), zeros)))


@operators.op(
    f"dequantize_per_token(Tensor input, Tensor scales, Tensor zero_points, {_BOUNDS}, ScalarType output_dtype)"
    " -> Tensor",
    unused=(*_FORMER, "dtype"),
)
def dequantize_token(call: Call, x: Value, scales: Value, zeros: Value, made: DType) -> Value:
    """The same back, of elements of any type."""
    return call.cast(_times(call, _minus(call, x, zeros), scales), made)


def _grouped(call: Call, x: Value, size: int) -> Value:
    """[rows, columns] as [groups, size]."""
    if x.rank != 2 or size < 1:
        call.invalid(f"groups of {size} of {x.type!r}")
    return reshape(x, shape=(floor_divide(x.tensor.elements, size), size))


def _column(numbers: Value) -> Value:
    return reshape(numbers, shape=(numbers.tensor.elements, 1))


@operators.op(
    f"quantize_per_channel_group(Tensor input, Tensor scales, Tensor zero_points, {_BOUNDS}, int group_size) -> Tensor",
    records=(_Whole,),
)
def quantize_group(call: Call, x: Value, scales: Value, zeros: Value, whole: _Whole, size: int) -> Value:
    """As for tokens, with a scale and a zero point for each group of neighbours in a row."""
    made = quantize_token(call, _grouped(call, x, size), _column(scales), _column(zeros), whole)
    return reshape(made, shape=x.shape)


@operators.op(
    f"dequantize_per_channel_group(Tensor input, Tensor scales, Tensor? zero_points, {_BOUNDS}, int group_size,"
    " ScalarType output_dtype) -> Tensor",
    unused=(*_FORMER, "dtype"),
)
def dequantize_group(call: Call, x: Value, scales: Value, zeros: Value | None, size: int, made: DType) -> Value:
    """The same back, of elements of any type."""
    if scales.shape[-1] == 1:
        size = min(size, call.known_integer(x.shape[-1], "the length of a row"))
    given = _grouped(call, x, size)
    moved = given if zeros is None else _minus(call, given, _column(zeros))
    return call.cast(reshape(_times(call, moved, _column(scales)), shape=x.shape), made)


def _range(call: Call, x: Value) -> tuple[Value, Value]:
    """The least and the largest element, and 0."""
    axes = tuple(range(x.rank))
    zero = call.filled(0, x.dtype, ())
    low, high = (reduce(x, axes=axes, keep_dims=False) for reduce in (reduce_min, reduce_max))
    return elementwise.minimum(low, zero), elementwise.maximum(high, zero)


def _as_parameters(call: Call, scale: Value, zero: Value) -> tuple[Value, Value]:
    """A scale f64[1] and a zero point i64[1]."""
    return (
        reshape(call.cast(scale, DType.FLOAT64), shape=(1,)),
        reshape(call.cast(zero, DType.INT64), shape=(1,)),
    )


@operators.op(
    "choose_qparams.tensor(Tensor input, int quant_min, int quant_max, float eps, ScalarType dtype)"
    " -> (Tensor, Tensor)",
    records=(_Whole,),
)
def choose(call: Call, x: Value, whole: _Whole, least: float) -> tuple[Value, Value]:
    """The scale and zero point that take the range of a tensor to that of integers (`determine_qparams`)."""
    low, high = whole.ends(call)
    first, last = _range(call, x)
    span = elementwise.div(elementwise.sub(last, first), call.filled(high - low, x.dtype, ()))
    scale = elementwise.maximum(*call.promoted(span, call.filled(least, DType.FLOAT32, ())))
    zero = elementwise.round_(elementwise.div(*call.promoted(first, scale)))
    moved = elementwise.sub(call.filled(low, zero.dtype, ()), zero)
    return _as_parameters(call, scale, replace(whole, dtype=DType.INT64).clamped(call, moved))


@operators.op(
    "choose_qparams_symmetric.tensor(Tensor input, int quant_min, int quant_max, float eps, ScalarType dtype)"
    " -> (Tensor, Tensor)",
    records=(_Whole,),
)
def choose_symmetric(call: Call, x: Value, whole: _Whole, least: float) -> tuple[Value, Value]:
    """The scale of a range around 0; its zero point is 0, of u8 128."""
    low, high = whole.ends(call)
    first, last = _range(call, x)
    most = elementwise.maximum(elementwise.neg(first), last)
    span = elementwise.div(most, call.filled((high - low) / 2, x.dtype, ()))
    scale = elementwise.maximum(*call.promoted(span, call.filled(least, DType.FLOAT32, ())))
    return _as_parameters(call, scale, call.scalar(128 if whole.dtype is DType.UINT8 else 0, DType.INT64))


@operators.op("choose_qparams_per_token(Tensor input, ScalarType dtype) -> (Tensor, Tensor)")
def choose_token(call: Call, x: Value, dtype: DType) -> tuple[Value, Value]:
    """The scale of each line around 0 in 127 steps, at least 1e-5 / 127; zero points of 0."""
    if dtype is not DType.INT8:
        call.invalid(f"lines are quantised to i8, got {dtype}")
    most = reduce_max(elementwise.abs_(x), axes=(x.rank - 1,), keep_dims=True)
    most = call.cast(most, DType.FLOAT32) if x.dtype is DType.FLOAT16 else most
    most = elementwise.maximum(most, call.filled(1e-5, most.dtype, most.shape))
    scale = elementwise.div(most, call.filled(127, most.dtype, most.shape))
    return scale, call.filled(0, scale.dtype, scale.shape)


@operators.op(
    "choose_qparams_per_token_asymmetric(Tensor input, ScalarType dtype) -> (Tensor, Tensor)",
    "_choose_qparams_per_token_asymmetric_impl(Tensor input, ScalarType dtype) -> (Tensor, Tensor)",
    unused=("dtype",),
)
def choose_token_asymmetric(call: Call, x: Value) -> tuple[Value, Value]:
    """The scale and zero point of each line, from the end of the range at which the error is smaller.

    They are those of i8, whatever type the call names.
    """
    axes, low, high = (x.rank - 1,), -128, 127
    shape = (*x.shape[:-1], 1)
    none = call.filled(0, x.dtype, shape)
    first = elementwise.minimum(reduce_min(x, axes=axes, keep_dims=True), none)
    last = elementwise.maximum(reduce_max(x, axes=axes, keep_dims=True), none)
    span = elementwise.div(elementwise.sub(last, first), call.filled(high - low, x.dtype, shape))
    scale = elementwise.maximum(span, call.filled(_LEAST_SCALE, x.dtype, shape))
    bottom, top = elementwise.div(first, scale), elementwise.div(last, scale)
    lowest, highest = call.filled(low, x.dtype, shape), call.filled(high, x.dtype, shape)
    error = elementwise.add(elementwise.add(lowest, bottom), elementwise.add(highest, top))
    zero = elementwise.select(
        compare.greater(error, none), elementwise.sub(lowest, bottom), elementwise.sub(highest, top)
    )
    kept = elementwise.round_(elementwise.minimum(elementwise.maximum(zero, lowest), highest))
    return call.cast(scale, DType.FLOAT64), call.cast(kept, DType.INT64)


@operators.op("convert_element_type.no_fuse(Tensor input, ScalarType dtype) -> Tensor")
def convert(call: Call, x: Value, dtype: DType) -> Value:
    """The elements in another type."""
    return call.cast(x, dtype)
