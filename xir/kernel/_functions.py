"""What the scalar functions of the loop IR compute, in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import cast

import numpy as np
from numpy.typing import NDArray

from xir.ir.constant import Array
from xir.ir.types import DType

# NumPy's stubs know no arithmetic on arrays of any element type; this name stands for "some number type".
Numbers = NDArray[np.float64]


def _divide(x: Numbers, y: Numbers) -> Numbers:
    """Division; integers truncate toward zero, and a division by zero answers zero instead of a trap."""
    if x.dtype.kind not in "iu":
        return np.divide(x, y)
    safe = np.where(y == 0, np.ones_like(y), y)
    quotient = x // safe
    inexact = (quotient * safe != x) & ((x < 0) != (safe < 0))
    return cast("Numbers", np.where(y == 0, np.zeros_like(x), quotient + inexact.astype(x.dtype)))


def _shift_left(x: Numbers, y: Numbers) -> Numbers:
    """The bits moved up; zeros come in, and nothing stays where `y` leaves [0, width)."""
    inside, unsigned = _inside(x, y), np.dtype(f"u{x.dtype.itemsize}")
    moved = np.left_shift(x.astype(unsigned), np.where(inside, y, 0).astype(unsigned)).astype(x.dtype)
    return cast("Numbers", np.where(inside, moved, np.zeros((), x.dtype)))


def _shift_right(x: Numbers, y: Numbers) -> Numbers:
    """The bits moved down; copies of the sign come in, and nothing else stays where `y` leaves [0, width)."""
    inside = _inside(x, y)
    moved = np.right_shift(x, np.where(inside, y, 0).astype(x.dtype))
    return cast("Numbers", np.where(inside, moved, np.where(x < 0, -1, 0).astype(x.dtype)))


def _inside(x: Numbers, y: Numbers) -> NDArray[np.bool_]:
    return np.asarray((y >= 0) & (y < x.dtype.itemsize * 8))


def _scale(x: Numbers, power: Numbers) -> Numbers:
    """The first times 2 to the second."""
    unknown = np.isnan(power)
    return cast("Numbers", np.where(unknown, power, np.ldexp(x, np.where(unknown, 0, power).astype(np.int32))))


def _dot4(total: Numbers, left: Numbers, right: Numbers) -> Numbers:
    """The first, plus the products of the second's bytes, unsigned, with the third's, signed."""
    total, left, right = np.broadcast_arrays(total, left, right)
    bytes_ = np.ascontiguousarray(left)[..., None].view(np.uint8), np.ascontiguousarray(right)[..., None].view(np.int8)
    return cast("Numbers", total + (bytes_[0].astype(np.int32) * bytes_[1].astype(np.int32)).sum(-1, dtype=np.int32))


def _fma(a: Numbers, b: Numbers, c: Numbers) -> Numbers:
    """The product plus the third, rounded once.

    In twice the digits the product is exact, and a sum that is rounded to odd rounds once more as if it were the first
    time (S. Boldo, G. Melquiond 2008, "Emulation of a FMA and correctly rounded sums: proved algorithms using rounding
    to odd"). That is f64 for f32; f64 itself goes number by number, in fractions.
    """
    if a.dtype == np.float64:
        exact: Numbers = np.vectorize(_fma_of_fractions, otypes=[np.float64])(a, b, c)
        return exact
    product, other = a.astype(np.float64) * b.astype(np.float64), c.astype(np.float64)
    total = product + other
    behind = total - product
    error = (product - (total - behind)) + (other - behind)  # D. Knuth, The Art of Computer Programming, 4.2.2, B
    inexact = np.isfinite(total) & np.isfinite(error) & (error != 0) & (total.view(np.int64) & 1 == 0)
    toward = np.where((error > 0), np.inf, -np.inf)
    return np.where(inexact, np.nextafter(total, toward), total).astype(a.dtype)


def _fma_of_fractions(a: float, b: float, c: float) -> float:
    if not (math.isfinite(a) and math.isfinite(b) and math.isfinite(c)):
        return float(np.float64(a) * np.float64(b) + np.float64(c))
    total = Fraction(a) * Fraction(b) + Fraction(c)
    if total == 0:  # the sign of zero
        return float(np.float64(a) * np.float64(b) + np.float64(c)) if a == 0 or b == 0 else 0.0
    try:
        return float(total)
    except OverflowError:
        return math.inf if total > 0 else -math.inf


def _erf(x: Numbers) -> Numbers:
    values: Numbers = np.vectorize(math.erf, otypes=[np.float64])(x)
    return values


def _unchanged_or(function: Callable[[Numbers], Numbers]) -> Callable[[Numbers], Numbers]:
    """The function on floats; integers are whole already."""
    return lambda x: x if x.dtype.kind in "iub" else function(x)


_TABLE: Mapping[str, Callable[..., Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": _divide,
    "rem": np.fmod,
    "floor_div": np.floor_divide,
    "mod": np.mod,
    "pow": np.power,
    "min": np.minimum,
    "max": np.maximum,
    "bit_and": np.bitwise_and,
    "bit_or": np.bitwise_or,
    "bit_xor": np.bitwise_xor,
    "bit_not": np.invert,
    "shift_left": _shift_left,
    "shift_right": _shift_right,
    "and": np.logical_and,
    "or": np.logical_or,
    "xor": np.logical_xor,
    "not": np.logical_not,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "is_nan": np.isnan,
    "is_inf": np.isinf,
    "neg": np.negative,
    "abs": np.absolute,
    "sign": np.sign,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "floor": _unchanged_or(np.floor),
    "ceil": _unchanged_or(np.ceil),
    "round": _unchanged_or(np.rint),
    "trunc": _unchanged_or(np.trunc),
    "erf": _erf,
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "dot4": _dot4,
    "scale": _scale,
    "fma": _fma,
}


def compute(function: str, arguments: list[Array], dtype: DType) -> Array:
    """The function of arrays of one type, rounded to `dtype`; floats of 16 bits are computed in f32."""
    wide = [argument.astype(np.float32) if _is_half(argument) else argument for argument in arguments]
    return np.asarray(_TABLE[function](*wide)).astype(dtype.dtype, copy=False)


def _is_half(x: Array) -> bool:
    return x.dtype.itemsize == 2 and x.dtype.kind in "fV"


def convert(x: Array, dtype: DType) -> Array:
    """A cast as the grammar defines it, the same on every machine."""
    if dtype is DType.BOOL:
        return np.asarray(x != 0)
    if dtype.is_integer and x.dtype.kind not in "iub":
        return _whole(cast("Numbers", x), dtype)
    return x.astype(dtype.dtype)


def _whole(x: Numbers, dtype: DType) -> Array:
    """Floats as integers: through i32 or i64, where what does not fit is the lowest number, and from there around."""
    middle = DType.INT32 if dtype.bits < 32 or dtype is DType.INT32 else DType.INT64
    end = 2.0 ** (middle.bits - 1)
    with np.errstate(invalid="ignore"):
        fit = x.size > 0 and float(x.min()) >= -end and float(x.max()) < end  # NaN does not
    if fit:  # NumPy is fast, and right
        return x.astype(middle.dtype).astype(dtype.dtype, copy=False)
    wide = x.astype(np.float64)  # exact for every type of floats
    upper = wide >= end if dtype is DType.UINT64 else np.zeros(wide.shape, np.bool_)
    moved = np.trunc(np.where(upper, wide - end, wide))
    fits = (moved >= -end) & (moved < end)
    lowest = np.asarray(-(1 << middle.bits - 1), middle.dtype)
    whole = np.where(fits, np.where(fits, moved, 0.0).astype(middle.dtype), lowest)
    if upper.any():
        whole = np.where(upper, np.bitwise_xor(whole.astype(np.int64), np.int64(-(1 << 63))), whole)
    return np.asarray(whole.astype(dtype.dtype))


def names() -> tuple[str, ...]:
    """The functions that are known here; the tests compare them with the grammar's."""
    return tuple(_TABLE)
