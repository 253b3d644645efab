"""What the operators on quantised numbers share: how far a scale reaches, and rounding to narrow integers."""

from __future__ import annotations

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import ceil_divide
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise
from xir.ops._checks import require_axis, require_rank, require_same_shape, require_size
from xir.ops._windows import Numbers, integer_limits
from xir.ops.cast import LARGEST, saturating_cast
from xir.ops.shape import broadcast, reshape, slice_

SCALES = (DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16)
"""The element types of scales and of numbers that are not quantised."""


def is_single(parameter: Value) -> bool:
    """Whether a scale or zero point has one element for the whole tensor."""
    return parameter.rank == 0 or parameter.shape == (1,)


def require_granularity(x: Value, scale: Value, zero_point: Value | None, axis: int, block: int) -> None:
    """Checks that a scale fits the tensor: one number, one for each place of an axis, or one a block along it.

    With `block`, the scale has the shape of x but for ceil(size / block) along the axis (ONNX QuantizeLinear-21).
    """
    if zero_point is not None and not (is_single(scale) and is_single(zero_point)):
        require_same_shape(zero_point.shape, scale.shape)
    if block < 0:
        raise InvalidModelError(f"a block of {block} elements")
    if is_single(scale) and not block:
        return
    require_axis(x, axis)
    if not block:
        require_rank(scale, 1)
        require_size(scale.shape[0], x.shape[axis], "the number of scales")
        return
    require_rank(scale, x.rank)
    for place, (size, have) in enumerate(zip(x.shape, scale.shape, strict=True)):
        wanted = ceil_divide(size, block) if place == axis else size
        require_size(have, wanted, f"the scales along axis {place}")


def spread(parameter: Value, x: Value, axis: int, block: int) -> Value:
    """A scale or zero point repeated to the shape of `x`."""
    if block:
        return _blocks(parameter, x, axis, block)
    if is_single(parameter):
        flat = reshape(parameter, shape=()) if parameter.rank else parameter
    else:
        flat = reshape(parameter, shape=(*parameter.shape, *(1,) * (x.rank - axis - 1)))
    return flat if flat.shape == x.shape else broadcast(flat, shape=x.shape)


def _blocks(parameter: Value, x: Value, axis: int, block: int) -> Value:
    sizes = parameter.shape
    columns = reshape(parameter, shape=(*sizes[: axis + 1], 1, *sizes[axis + 1 :]))
    repeated = broadcast(columns, shape=(*sizes[: axis + 1], block, *sizes[axis + 1 :]))
    whole = reshape(repeated, shape=(*sizes[:axis], sizes[axis] * block, *sizes[axis + 1 :]))
    if whole.shape == x.shape:
        return whole
    return slice_(whole, axes=(axis,), starts=(0,), stops=(x.shape[axis],), steps=(1,))


def spread_array(parameter: Numbers, shape: tuple[int, ...], axis: int, block: int) -> Numbers:
    """The same of arrays; what broadcasts by itself is left to do so."""
    if block:
        repeated = np.repeat(parameter, block, axis=axis)
        return np.take(repeated, np.arange(shape[axis]), axis=axis)
    if parameter.ndim == 0 or parameter.shape == (1,):
        return parameter.reshape(())
    return parameter.reshape(*parameter.shape, *(1,) * (len(shape) - axis - 1))


def require_quantized(dtype: DType) -> None:
    """Checks that numbers can be quantised to `dtype`: integers up to 16 bits, floats up to 8 but f8e8m0."""
    narrow = (dtype.is_integer and dtype.bits <= 16) or (dtype.is_floating and dtype.bits <= 8)
    if not narrow or dtype is DType.FLOAT8E8M0:
        raise InvalidModelError(f"integers up to 16 bits or floats up to 8 are quantised to, got {dtype}")


def rounded(quotient: Value, zero_point: Value | None, dtype: DType, saturate: bool) -> Value:
    """A quotient by the scale as `dtype`: rounded (halves to even), moved by the zero point, kept in the range."""
    if dtype.is_floating:
        moved = quotient
        if zero_point is not None:
            moved = elementwise.add(quotient, elementwise.cast(zero_point, dtype=quotient.dtype))
        return _narrowed(moved, dtype, saturate)
    if quotient.dtype not in (DType.FLOAT32, DType.FLOAT64):
        quotient = elementwise.cast(quotient, dtype=DType.FLOAT32)
    whole = elementwise.round_(quotient)
    if zero_point is not None:
        whole = elementwise.add(whole, elementwise.cast(zero_point, dtype=whole.dtype))
    low, high = integer_limits(dtype)
    return elementwise.cast(elementwise.clip(whole, minimum=float(low), maximum=float(high)), dtype=dtype)


def _narrowed(x: Value, dtype: DType, saturate: bool) -> Value:
    if dtype in LARGEST and saturate:
        return saturating_cast(x, dtype=dtype)
    return elementwise.cast(x, dtype=dtype)


def rounded_array(quotient: Numbers, zero_point: Numbers | None, dtype: DType, saturate: bool) -> Array:
    """The same of arrays; integers are rounded and moved in f64, where every step is exact."""
    with np.errstate(all="ignore"):
        if dtype.is_floating:
            moved = quotient if zero_point is None else quotient + zero_point.astype(quotient.dtype)
            wide = moved.astype(np.float64 if moved.dtype == np.float64 else np.float32)
            if dtype in LARGEST and saturate:
                wide = np.clip(wide, -LARGEST[dtype], LARGEST[dtype])
            return np.asarray(wide.astype(dtype.dtype))
        whole = np.rint(quotient.astype(np.float64))
        if zero_point is not None:
            whole = whole + zero_point.astype(np.float64)
        return np.asarray(np.clip(whole, *integer_limits(dtype)).astype(dtype.dtype))


def shifted(x: Value, zero_point: Value | None, dtype: DType) -> Value:
    """`x` minus its zero point, which has its shape, as `dtype`; the difference of integers is taken in i32."""
    if zero_point is None:
        return elementwise.cast(x, dtype=dtype)
    kept = DType.INT32 if x.dtype.is_integer else dtype
    difference = elementwise.sub(elementwise.cast(x, dtype=kept), elementwise.cast(zero_point, dtype=kept))
    return difference if kept is dtype else elementwise.cast(difference, dtype=dtype)
