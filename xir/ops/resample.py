"""Resizing whose sizes, scales or region are data."""

from __future__ import annotations

from typing import Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from xir.errors import InvalidModelError, UnsafeError
from xir.ir.constant import Array
from xir.ir.dims import Shape
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, dtype_from_numpy
from xir.ops._checks import require_axes, require_dtype, require_floating, require_rank, require_size
from xir.ops._define import op
from xir.ops._windows import Numbers, integer_limits, narrowed, widened
from xir.ops.padding import integers
from xir.ops.resize import Coordinates as PlainCoordinates
from xir.ops.resize import Mode, Rounding, nearest, source_points, weight_matrix

Coordinates = Literal[
    "half_pixel",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "half_pixel_symmetric",
    "tf_half_pixel_for_nn",
    "tf_crop_and_resize",
]
Policy = Literal["stretch", "not_larger", "not_smaller"]
Floats: TypeAlias = NDArray[np.float64]

MAX_GROWTH = 1 << 31
"""Elements that scales computed at run time may make: a limit against sizes that no memory holds."""


@op
def resample(
    x: Value,
    region: Value | None = None,
    scales: Value | None = None,
    sizes: Value | None = None,
    *,
    axes: tuple[int, ...],
    shape: Shape,
    mode: Mode,
    coordinates: Coordinates,
    rounding: Rounding = "round_prefer_floor",
    cubic_coefficient: float = -0.75,
    exclude_outside: bool = False,
    antialias: bool = False,
    extrapolation: float = 0.0,
    policy: Policy = "stretch",
) -> TensorType:
    """`x` sampled along `axes` at points that are known at run time only (ONNX Resize; see `resize`).

    x: numbers (with "nearest" any tensor); scales: f32, a factor > 0 an axis, or sizes: i64, a size an axis, of which
    `policy` makes the largest of one scale that is not_larger, or the smallest that is not_smaller; region: floating,
    all starts and then all ends in units of the axis, for the coordinates tf_crop_and_resize, which take
    `extrapolation` outside `x`; result: `shape`, which says what is known of it.
    """
    require_axes(x, axes)
    if mode != "nearest" and not (x.dtype.is_floating or x.dtype.is_integer):
        raise InvalidModelError(f"a number type is needed, got {x.type!r}")
    if len(shape) != x.rank or (scales is None) == (sizes is None):
        raise InvalidModelError(f"either scales or sizes are needed for {x.type!r}, and a size an axis: {list(shape)}")
    if scales is not None:
        require_dtype(scales, DType.FLOAT32)
    if sizes is not None:
        require_dtype(sizes, DType.INT64)
    if region is not None:
        require_floating(region)
    if coordinates == "tf_crop_and_resize" and region is None:
        raise InvalidModelError("the coordinates tf_crop_and_resize need a region")
    for value, factor in ((scales, 1), (sizes, 1), (region, 2)):
        if value is not None:
            require_rank(value, 1)
            require_size(value.shape[0], factor * len(axes), "the number of scales, sizes, or ends of a region")
    return x.tensor.with_shape(shape)


@resample.reference
def _resample_reference(
    x: Array,
    region: Array | None,
    scales: Array | None,
    sizes: Array | None,
    *,
    axes: tuple[int, ...],
    shape: Shape,
    mode: Mode,
    coordinates: Coordinates,
    rounding: Rounding,
    cubic_coefficient: float,
    exclude_outside: bool,
    antialias: bool,
    extrapolation: float,
    policy: Policy,
) -> Array:
    ends = None
    if region is not None and coordinates == "tf_crop_and_resize":
        ends = cast("Floats", region.astype(np.float64)).reshape(2, -1)
    old = tuple(x.shape[axis] for axis in axes)
    made, factors = _wanted(old, scales, sizes, policy, ends)
    _require_possible(x, axes, made)
    result, outside = x, np.zeros((1,) * x.ndim, np.bool_)
    for index, axis in enumerate(axes):
        points = _points(old[index], made[index], factors[index], coordinates, None if ends is None else ends[:, index])
        beyond = np.asarray((points < 0) | (points > old[index] - 1)) if ends is not None else np.zeros(1, np.bool_)
        outside = outside | beyond.reshape([-1 if each == axis else 1 for each in range(x.ndim)])
        if mode == "nearest":
            result = np.take(result, nearest(points, old[index], rounding), axis=axis)
        elif made[index] != old[index] or not np.array_equal(points, np.arange(made[index])):
            words = (points, old[index], factors[index], mode, cubic_coefficient, exclude_outside, antialias)
            result = _interpolated(result, weight_matrix(*words), axis)
    if bool(outside.any()):
        result = np.where(outside, np.asarray(extrapolation).astype(result.dtype), result)
    return _rounded(result, x)


def _wanted(
    old: tuple[int, ...], scales: Array | None, sizes: Array | None, policy: Policy, ends: Floats | None
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The sizes and the scales that run-time operands say, an item an axis."""
    if scales is not None:
        factors = tuple(float(factor) for factor in cast("Floats", scales.astype(np.float64)))
        if any(not factor > 0 or not np.isfinite(factor) for factor in factors):
            raise InvalidModelError(f"scales must be positive, got {list(factors)}")
        shares = (1.0,) * len(old) if ends is None else tuple(float(share) for share in ends[1] - ends[0])
        return tuple(map(scaled_size, old, factors, shares)), factors
    return sizes_by_policy(old, tuple(integers(cast("Array", sizes))), policy)


def scaled_size(old: int, scale: float, share: float = 1.0) -> int:
    """`floor(size * (end - start) * scale)` (ONNX Resize); in f32, as runtimes multiply."""
    return max(int(np.floor(np.float32(old) * np.float32(share) * np.float32(scale))), 0)


def sizes_by_policy(
    old: tuple[int, ...], wanted: tuple[int, ...], policy: Policy
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The sizes that `policy` makes of `wanted`, and their scales (ONNX Resize, keep_aspect_ratio_policy).

    Raises:
        InvalidModelError: if a size is negative, or an axis is empty.
    """
    if any(size < 0 for size in wanted) or 0 in old:
        raise InvalidModelError(f"axes of {list(old)} cannot be resized to {list(wanted)}")
    ratios = tuple(size / have for size, have in zip(wanted, old, strict=True))
    if policy == "stretch" or not ratios:
        return wanted, ratios
    scale = min(ratios) if policy == "not_larger" else max(ratios)
    return tuple(int(np.floor(scale * have + 0.5)) for have in old), (scale,) * len(old)


def _require_possible(x: Array, axes: tuple[int, ...], made: tuple[int, ...]) -> None:
    count = 1
    for axis, size in enumerate(x.shape):
        count *= made[axes.index(axis)] if axis in axes else size
    if count > MAX_GROWTH:
        raise UnsafeError(f"resizing {list(x.shape)} to {list(made)} makes more than {MAX_GROWTH} elements")


def _points(old: int, new: int, scale: float, coordinates: Coordinates, ends: Floats | None) -> Floats:
    """Where each result lies; those of a region run from its start to its end, or lie in its middle."""
    if coordinates != "tf_crop_and_resize" or ends is None:
        return source_points(old, new, scale, cast("PlainCoordinates", coordinates))
    start, end = float(ends[0]), float(ends[1])
    if new <= 1:
        return np.full(new, 0.5 * (start + end) * (old - 1))
    return start * (old - 1) + np.arange(new, dtype=np.float64) * ((end - start) * (old - 1) / (new - 1))


def _interpolated(x: Array, weights: Floats, axis: int) -> Array:
    data = widened(x)
    if data.dtype.kind in "iu":
        data = data.astype(np.float64)
    moved = np.matmul(np.moveaxis(data, axis, -1), weights.T.astype(data.dtype))
    return np.ascontiguousarray(np.moveaxis(moved, -1, axis))


def _rounded(result: Array, x: Array) -> Array:
    """The result in the element type of `x`, integers half to even."""
    if result.dtype == x.dtype:
        return result
    if x.dtype.kind in "iu":
        low, high = integer_limits(dtype_from_numpy(x.dtype))
        result = np.clip(np.rint(cast("Floats", result)), low, high)
    return narrowed(cast("Numbers", result), x)


resample.host("the number of its results is data")
resample.no_gradient("the number of its results is data: give the sizes before the run, and it is a resize")
