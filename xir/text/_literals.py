"""The elements of constants as text, exactly: decimals where they read back to the same bits, else the bits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias, cast

import numpy as np

from xir.errors import FormatError, InvalidModelError
from xir.ir.constant import Array, Constant
from xir.ir.types import DType, TensorType

Word: TypeAlias = str | bytes
_INTEGER = re.compile(r"-?[0-9]{1,40}")
_BITS = re.compile(r"0x[0-9a-f]{1,16}")
_FLOAT = re.compile(r"-?(?:inf|[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)|nan")
_TRUTHS = {"true": True, "false": False}
_COMPONENT = {DType.COMPLEX64: DType.FLOAT32, DType.COMPLEX128: DType.FLOAT64}


def strings_of(constant: Constant) -> list[Word]:
    """The elements of a constant of strings: text, or bytes where the model holds bytes.

    Raises:
        InvalidModelError: an element is neither.
    """
    result: list[Word] = []
    for item in cast("list[object]", constant.array().reshape(-1).tolist()):
        if not isinstance(item, str | bytes):
            raise InvalidModelError(f"an element of a tensor of strings is {item!r}; expected text or bytes")
        result.append(item)
    return result


def component(dtype: DType) -> DType:
    """The type of the numbers that an element consists of: of c64, f32; of most types, the type itself."""
    return _COMPONENT.get(dtype, dtype)


def little_endian(array: Array) -> Array:
    """The elements in one row, in the byte order of files."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat if flat.dtype.byteorder in "=|<" else flat.astype(flat.dtype.newbyteorder("<"))


def _patterns(array: Array, width: int) -> list[int]:
    return cast("list[int]", array.view(f"<u{width}").tolist())


def elements_text(constant: Constant) -> list[str]:
    """One text an element component (a complex element has two), in row-major order; not for strings."""
    dtype = component(constant.dtype)
    numbers = little_endian(constant.array()).view(dtype.dtype)
    width = numbers.dtype.itemsize
    if dtype is DType.BOOL:
        texts = ["true" if item else "false" for item in _patterns(numbers, 1)]
    elif dtype.is_integer:
        wide = numbers if dtype.bits >= 8 else numbers.astype(np.int64)
        texts = [str(item) for item in cast("list[int]", wide.tolist())]
    else:
        texts = [str(item) for item in numbers]
        exact = _patterns(_rounded(texts, dtype), width)
        longer = (repr(float(item)) for item in numbers)
        originals = _patterns(numbers, width)
        texts = [
            text if bits == original else long
            for text, long, bits, original in zip(texts, longer, exact, originals, strict=True)
        ]
    read_back = _patterns(_rounded(texts, dtype), width)
    originals = _patterns(numbers, width)
    return [
        text if bits == original else f"0x{original:0{2 * width}x}"
        for text, bits, original in zip(texts, read_back, originals, strict=True)
    ]


def _rounded(texts: Sequence[str], dtype: DType) -> Array:
    """The numbers that plain (not bit-pattern) texts stand for, in the given type."""
    target = dtype.dtype
    if dtype is DType.BOOL:
        return np.array([_TRUTHS[text] for text in texts], dtype=target)
    if dtype.is_integer:
        integers = np.array([int(text) for text in texts], dtype=np.uint64 if dtype is DType.UINT64 else np.int64)
        return integers.astype(target)
    with np.errstate(all="ignore"):
        return np.array([float(text) for text in texts], dtype=np.float64).astype(target)


def parse_elements(texts: Sequence[str], type: TensorType) -> Array:
    """A read-only array of the components that `elements_text` gave.

    Raises:
        FormatError: an element is no literal of its type, or is out of its range.
    """
    dtype = component(type.dtype)
    width = dtype.dtype.itemsize
    plain = [_plain(text, dtype) for text in texts]
    result = _rounded(plain, dtype)
    if not dtype.is_integer and dtype is not DType.BOOL:
        _require_range(texts, plain, result, dtype)
    patterns = result.view(f"<u{width}")
    for index, text in enumerate(texts):
        if text.startswith("0x"):
            bits = int(text, 16)
            if bits >> (8 * width):
                raise FormatError(f"{text} has more than the {8 * width} bits of {dtype}")
            patterns[index] = bits
    shaped = result.view(type.dtype.dtype).reshape(type.static_shape or ())
    shaped.flags.writeable = False
    return shaped


def _plain(text: str, dtype: DType) -> str:
    """`text` if it is a literal of the type, a placeholder for bit patterns."""
    if text.startswith("0x"):
        if _BITS.fullmatch(text) is None:
            raise FormatError(f"{text!r} is no bit pattern", hint="write 0x and up to 16 lower-case digits")
        return "false" if dtype is DType.BOOL else "0"
    if dtype is DType.BOOL:
        good = text in _TRUTHS
    elif dtype.is_integer:
        good = _INTEGER.fullmatch(text) is not None and _fits(int(text), dtype)
    else:
        good = _FLOAT.fullmatch(text) is not None
    if not good:
        raise FormatError(f"{text[:60]!r} is no element of {dtype}")
    return text


def _fits(number: int, dtype: DType) -> bool:
    signed = str(dtype).startswith("i")
    low = -(1 << (dtype.bits - 1)) if signed else 0
    return low <= number < low + (1 << dtype.bits)


def _require_range(texts: Sequence[str], plain: Sequence[str], result: Array, dtype: DType) -> None:
    """Refuses a number that the type can only hold as another class of number: 1e300 in f16, nan in f4e2m1."""
    held = cast("list[float]", result.astype(np.float64).tolist())
    for text, literal, number in zip(texts, plain, held, strict=True):
        wanted = "nan" if literal == "nan" else literal.lstrip("-") if literal.endswith("inf") else "finite"
        got = "nan" if number != number else "inf" if abs(number) == float("inf") else "finite"
        if wanted != got:
            raise FormatError(f"{text[:60]} is outside the range of {dtype}")


def string_array(words: Sequence[Word], type: TensorType) -> Array:
    """A read-only array of strings."""
    array = np.empty(len(words), dtype=object)
    for index, word in enumerate(words):
        array[index] = word
    shaped = array.reshape(type.static_shape or ())
    shaped.flags.writeable = False
    return cast("Array", shaped)
