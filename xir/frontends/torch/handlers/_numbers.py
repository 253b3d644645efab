"""Steps of arithmetic that several families share: rounding, remainders, signs."""

from __future__ import annotations

import math

from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops.cast import bit_cast

_BITS = {16: DType.INT16, 32: DType.INT32, 64: DType.INT64}


def truncated(x: Value) -> Value:
    """The whole number next to each on the side of 0; integers are whole already."""
    if not x.dtype.is_floating:
        return x
    below = compare.less(x, scalar_like(x, 0))
    return elementwise.select(below, elementwise.ceil(x), elementwise.floor(x))


def fmod(x: Value, y: Value) -> Value:
    """C's fmod."""
    return elementwise.mod(x, y, floored=False)


def remainder(x: Value, y: Value) -> Value:
    """What the division rounded down leaves (aten/src/ATen/native/cpu/BinaryOpsKernel.cpp, `remainder_kernel`)."""
    return elementwise.mod(x, y, floored=True)


def quotient(x: Value, y: Value) -> Value:
    """The quotient rounded down (c10/util/generic_math.h, `div_floor_floating`, `div_floor_integer`)."""
    rest = fmod(x, y)
    zero, one = scalar_like(x, 0), scalar_like(x, 1)
    apart = compare.logical_xor(compare.less(y, zero), compare.less(rest, zero))
    lower = compare.logical_and(compare.not_equal(rest, zero), apart)
    if not x.dtype.is_floating:
        exact = elementwise.div(x, y)
        return exact if not x.dtype.is_signed else elementwise.select(lower, elementwise.sub(exact, one), exact)
    exact = elementwise.div(elementwise.sub(x, rest), y)
    exact = elementwise.select(lower, elementwise.sub(exact, one), exact)
    down = elementwise.floor(exact)
    up = compare.greater(elementwise.sub(exact, down), scalar_like(x, 0.5))
    rounded = elementwise.select(up, elementwise.add(down, one), down)
    plain = elementwise.div(x, y)
    return elementwise.select(compare.equal(y, zero), plain, rounded)


def is_negative(x: Value) -> Value:
    """Whether the sign of each number is minus, that of -0 too."""
    if x.dtype.is_floating:
        x = bit_cast(x, dtype=_BITS[x.dtype.bits])
    return compare.less(x, scalar_like(x, 0))


def with_sign(magnitude: Value, sign: Value) -> Value:
    """Real numbers with the signs of others."""
    size = elementwise.abs_(magnitude)
    return elementwise.select(is_negative(sign), elementwise.neg(size), size)


def is_finite(x: Value) -> Value:
    """Whether each real number is neither NaN nor an infinity."""
    return compare.less(elementwise.abs_(x), scalar_like(x, math.inf))


def compared(x: Value) -> Value:
    """`x`, as bytes where it is of bool, which xir does not order."""
    return elementwise.cast(x, dtype=DType.UINT8) if x.dtype is DType.BOOL else x
