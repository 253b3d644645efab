"""Layer normalisation of 16 bits in integers, exactly as TFLite's kernels compute it.

Facts: `PortableApplyLayerNorm` (kernels/internal/reference/portable_tensor_utils.cc), gemmlowp's fixedpoint.h, and
`GetInvSqrtQuantizedMultiplierExp` (kernels/internal/common.h).
"""

from __future__ import annotations

import numpy as np

from xir.frontends.tflite._fixed_point import rescaled, saturated
from xir.frontends.tflite.site import as_dtype, literal
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise
from xir.ops.bitwise import shift_left, shift_right
from xir.ops.compare import less
from xir.ops.reduce import reduce_sum
from xir.ops.shape import broadcast

_ONE = 1 << 28
"""One with three bits before the point, of 31."""
_HALF_ROOT = 1518500250
"""The square root of 1/2, of 31 bits."""
_RANGE = 27
"""Newton's method begins with a number from 2 ** 27 up to, not with, 2 ** 29."""


def _like(x: Value, number: int) -> Value:
    return broadcast(literal(number, x.dtype), shape=x.shape)


def _plus(x: Value, number: int) -> Value:
    return elementwise.add(x, _like(x, number))


def _shifted(x: Value, places: int) -> Value:
    """Numbers times 2 ** places, within 32 bits (SaturatingRoundingMultiplyByPOT)."""
    raised = elementwise.mul(x, _like(x, 1 << places))
    return elementwise.clip(raised, minimum=-(1 << 31), maximum=(1 << 31) - 1)


def _times(x: Value, y: Value) -> Value:
    """The upper half of a doubled product of 32 bits, halves up (SaturatingRoundingDoublingHighMul)."""
    product = _plus(elementwise.mul(x, y), 1 << 30)
    return shift_right(product, _like(product, 31))


def _rounded_down(x: Value, places: Value) -> Value:
    """Numbers / 2 ** places, halves away from 0 (RoundingDivideByPOT); `places` in the shape of `x`."""
    one = _like(places, 1)
    half = shift_right(shift_left(one, places), one)
    below = elementwise.mul(shift_right(x, _like(x, 63)), elementwise.minimum(places, one))
    return shift_right(elementwise.add(elementwise.add(x, half), below), places)


def inverse_root(x: Value) -> tuple[Value, Value]:
    """1 / sqrt(x) as (multiplier of 31 bits, places to shift down behind it), for 1 <= x <= 2 ** 30 in i64."""
    is_wide = less(_like(x, (1 << (_RANGE + 2)) - 1), x)
    small = elementwise.select(is_wide, shift_right(x, _like(x, 2)), x)
    pairs = _like(x, 0)
    for count in range(1, 14):
        is_less = less(small, _like(small, 1 << (_RANGE + 2 - 2 * count)))
        pairs = elementwise.add(pairs, as_dtype(is_less, DType.INT64))
    shift = elementwise.sub(_plus(as_dtype(is_wide, DType.INT64), 11), pairs)
    ranged = shift_left(small, elementwise.add(pairs, pairs))
    half = shift_right(_plus(shift_right(ranged, _like(x, 1)), 1), _like(x, 1))
    root = _like(x, _ONE)
    for _ in range(5):
        cube = _shifted(_times(_times(root, root), root), 6)
        step = elementwise.sub(_times(_like(root, _ONE + _ONE // 2), root), _times(half, cube))
        root = _shifted(step, 3)
    root = _times(root, _like(root, _HALF_ROOT))
    none = _like(shift, 0)
    root = shift_left(root, elementwise.maximum(elementwise.neg(shift), none))
    is_one = less(x, _like(x, 2))
    highest = _like(x, (1 << 31) - 1)
    places = elementwise.maximum(shift, none)
    return elementwise.select(is_one, highest, root), elementwise.select(is_one, none, places)


def normalized(x: Value, coefficients: Value, bias: Value, scale: float) -> Value:
    """Rows [N, H] of i16 with mean 0 and variance 1, times coefficients [H] of a scale, plus a bias: i16, 3 bits whole.

    The bias counts in steps of scale / 1024.
    """
    count = x.shape[1]
    if not isinstance(count, int):
        raise TypeError("the cells of a layer are as many as its weights have rows")
    wide = as_dtype(x, DType.INT64)
    total, squares = (reduce_sum(each, axes=(1,), keep_dims=True) for each in (wide, elementwise.mul(wide, wide)))
    mean = elementwise.div(elementwise.mul(total, _like(total, 1024)), _like(total, count))
    scaled = elementwise.mul(squares, _like(squares, (1 << 20) // count))
    variance = elementwise.sub(scaled, elementwise.mul(mean, mean))
    variance = elementwise.div(variance, _like(variance, 1 << 20))
    guard = max(1, int(np.float32(10000) * np.float32(scale)))
    variance = elementwise.select(less(variance, _like(variance, 1)), _like(variance, guard), variance)
    multiplier, places = (broadcast(each, shape=x.shape) for each in inverse_root(variance))
    centred = elementwise.sub(elementwise.mul(wide, _like(wide, 1024)), broadcast(mean, shape=x.shape))
    made = _rounded_down(_times(centred, multiplier), places)
    weight, added = (broadcast(as_dtype(each, DType.INT64), shape=x.shape) for each in (coefficients, bias))
    made = elementwise.add(elementwise.mul(made, weight), added)
    away = elementwise.select(less(_like(made, 0), made), _like(made, 512), _like(made, -512))
    made = elementwise.div(elementwise.add(made, away), _like(made, 1024))
    return saturated(rescaled(made, scale * 4096), DType.INT16)
