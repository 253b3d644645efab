"""The angles of points, from operators that every target has."""

from __future__ import annotations

import math

from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare
from xir.ops._build import scalar_like
from xir.ops.elementwise import abs_, cast, div, maximum, minimum, neg, reciprocal, select, sub
from xir.ops.trigonometry import atan


def has_minus(x: Value) -> Value:
    """Whether the sign of each real number is minus, that of -0 too, whose reciprocal is below 0; not that of NaN."""
    zero = scalar_like(x, 0)
    return compare.less(select(compare.equal(x, zero), reciprocal(x), x), zero)


def atan2(y: Value, x: Value) -> Value:
    """The angle of the point (x, y), from -pi to pi, with the zeros and infinities of C's atan2 (C17, F.10.1.4).

    x, y: reals of one shape and type; result: the same. Those of 16 bits are computed in f32.
    """
    if y.dtype.bits < DType.FLOAT32.bits:
        return cast(atan2(cast(y, dtype=DType.FLOAT32), cast(x, dtype=DType.FLOAT32)), dtype=y.dtype)
    high, wide = abs_(y), abs_(x)
    larger, smaller = maximum(high, wide), minimum(high, wide)
    one, zero = scalar_like(x, 1), scalar_like(x, 0)
    even = compare.logical_and(compare.equal(larger, smaller), compare.greater(larger, zero))
    ratio = div(smaller, select(compare.equal(larger, zero), one, larger))
    angle = atan(select(even, one, ratio))
    angle = select(compare.greater(high, wide), sub(scalar_like(x, math.pi / 2), angle), angle)
    angle = select(has_minus(x), sub(scalar_like(x, math.pi), angle), angle)
    return select(has_minus(y), neg(angle), angle)
