"""Resizing the spatial axes by interpolation, each axis on its own."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Shape, product
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, dtype_from_numpy
from xir.ops._checks import require_rank_at_least
from xir.ops._define import op
from xir.ops._wide import narrow, wide
from xir.ops._windows import Numbers, integer_limits, narrowed, widened
from xir.ops.constant import constant
from xir.ops.elementwise import cast as cast_op
from xir.ops.elementwise import clip, round_
from xir.ops.index import gather
from xir.ops.matmul import matmul
from xir.ops.shape import reshape, transpose

Mode = Literal["nearest", "linear", "cubic"]
Coordinates = Literal[
    "half_pixel",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "half_pixel_symmetric",
    "tf_half_pixel_for_nn",
]
Rounding = Literal["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@op
def resize(
    x: Value,
    *,
    sizes: Shape,
    mode: Mode,
    coordinates: Coordinates,
    rounding: Rounding = "round_prefer_floor",
    scales: tuple[float, ...] | None = None,
    cubic_coefficient: float = -0.75,
    exclude_outside: bool = False,
    antialias: bool = False,
) -> TensorType:
    """`x` sampled at `sizes` points along its spatial axes (ONNX Resize; Caffe forks' Interp, Upsample).

    x: [N, C, spatial...], numbers (with "nearest" any tensor); sizes: one a spatial axis; result: [N, C, sizes...].
    `coordinates` says where a result's index lies in `x`, `rounding` which neighbour `nearest` takes, as the text of
    ONNX Resize does; `scales` (result / operand) is used where sizes were rounded, else their ratio. Linear and cubic
    (Keys 1981, with its coefficient a) sample the edge's elements outside `x`, or with `exclude_outside` spread their
    weight over the rest; `antialias` widens their filter when shrinking. Integers are interpolated in f64 and rounded
    half to even.
    """
    require_rank_at_least(x, 3)
    if mode != "nearest" and not (x.dtype.is_floating or x.dtype.is_integer):
        raise InvalidModelError(f"a number type is needed, got {x.type!r}")
    axes = x.rank - 2
    if len(sizes) != axes or (scales is not None and len(scales) != axes):
        raise InvalidModelError(f"one size (and scale) a spatial axis is needed, got {list(sizes)} and {scales}")
    if scales is not None and not all(scale > 0 and np.isfinite(scale) for scale in scales):
        raise InvalidModelError(f"scales must be positive, got {scales}")
    for size, result in zip(x.shape[2:], sizes, strict=True):
        if size == 0 and result != 0:
            raise InvalidModelError(f"an empty axis of {x.type!r} cannot be resized to {result!r}")
    return x.tensor.with_shape((*x.shape[:2], *sizes))


@resize.reference
def _resize_reference(
    x: Array,
    *,
    sizes: tuple[int, ...],
    mode: Mode,
    coordinates: Coordinates,
    rounding: Rounding,
    scales: tuple[float, ...] | None,
    cubic_coefficient: float,
    exclude_outside: bool,
    antialias: bool,
) -> Array:
    result = x
    for axis, size in enumerate(sizes):
        old = x.shape[axis + 2]
        scale = size / old if scales is None else scales[axis]
        points = source_points(old, size, scale, _effective(coordinates, scales))
        if mode == "nearest":
            result = np.take(result, nearest(points, old, rounding), axis=axis + 2)
        elif size != old or not np.array_equal(points, np.arange(size)):
            weights = weight_matrix(points, old, scale, mode, cubic_coefficient, exclude_outside, antialias)
            result = _interpolated(result, weights, axis + 2)
    if result.dtype == x.dtype:
        return result
    if x.dtype.kind in "iu":
        low, high = integer_limits(dtype_from_numpy(x.dtype))
        result = np.clip(np.rint(cast("Floats", result)), low, high)
    return narrowed(cast("Numbers", result), x)


@resize.decompose
def _resize_decompose(
    x: Value,
    *,
    sizes: Shape,
    mode: Mode,
    coordinates: Coordinates,
    rounding: Rounding,
    scales: tuple[float, ...] | None,
    cubic_coefficient: float,
    exclude_outside: bool,
    antialias: bool,
) -> Value:
    result = wide(x) if x.dtype.is_floating or mode == "nearest" else cast_op(x, dtype=DType.FLOAT64)
    for axis, (old, size) in enumerate(zip(x.shape[2:], sizes, strict=True), 2):
        if not (isinstance(old, int) and isinstance(size, int)):
            raise UnsupportedError(
                f"resize becomes simpler operators only when its sizes are known, got {x.type!r} to {list(sizes)}",
                hint="give the model's input sizes with --input",
            )
        scale = (size / old if old else 1.0) if scales is None else scales[axis - 2]
        points = source_points(old, size, scale, _effective(coordinates, scales))
        if mode == "nearest":
            result = gather(result, _literal(nearest(points, old, rounding), DType.INT64), axis=axis)
        elif size != old or not np.array_equal(points, np.arange(size)):
            weights = weight_matrix(points, old, scale, mode, cubic_coefficient, exclude_outside, antialias)
            result = _multiplied(result, weights, axis)
    if x.dtype.is_integer and result.dtype is not x.dtype:
        low, high = integer_limits(x.dtype)
        result = clip(round_(result), minimum=float(low), maximum=float(high))
    return narrow(result, x.dtype)


def _literal(array: Floats | Integers, dtype: DType) -> Value:
    return constant(value=constant_of(array, dtype))


def _multiplied(x: Value, weights: Floats, axis: int) -> Value:
    """Each line of `x` along `axis` times `weights`: one matrix product over all lines."""
    back = (*range(axis), *range(axis + 1, x.rank))
    last = transpose(x, perm=(*back, axis))
    lines = reshape(last, shape=(product(last.shape[:-1]), last.shape[-1]))
    made = matmul(lines, _literal(weights.T, x.dtype))
    order = (*range(axis), x.rank - 1, *range(axis, x.rank - 1))
    return transpose(reshape(made, shape=(*last.shape[:-1], weights.shape[0])), perm=order)


def _interpolated(x: Array, weights: Floats, axis: int) -> Array:
    data = widened(x)
    if data.dtype.kind in "iu":
        data = data.astype(np.float64)
    moved = np.matmul(np.moveaxis(data, axis, -1), weights.T.astype(data.dtype))
    return np.ascontiguousarray(np.moveaxis(moved, -1, axis))


def _effective(coordinates: Coordinates, scales: tuple[float, ...] | None) -> Coordinates:
    """Without rounded sizes the symmetric system is half_pixel; saying so keeps its shift at exactly zero."""
    return "half_pixel" if coordinates == "half_pixel_symmetric" and scales is None else coordinates


def resized_width(old: int, new: int, scale: float) -> float:
    """The width that a scale gives: a fraction where it was cut off (`output_width` of ONNX Resize), else `new`."""
    width = old * scale
    return new if abs(width - new) < 1e-6 * new else width


def source_points(old: int, new: int, scale: float, coordinates: Coordinates) -> Floats:
    """Where in [0, old) each of the `new` results lies (`coordinate_transformation_mode` of ONNX Resize)."""
    index = np.arange(new, dtype=np.float64)
    match coordinates:
        case "half_pixel":
            return (index + 0.5) / scale - 0.5
        case "pytorch_half_pixel":
            return (index + 0.5) / scale - 0.5 if new > 1 else np.zeros(new)
        case "align_corners":
            width = resized_width(old, new, scale)
            return index * ((old - 1) / (width - 1)) if width != 1 else np.zeros(new)
        case "asymmetric":
            return index / scale
        case "tf_half_pixel_for_nn":
            return (index + 0.5) / scale
        case "half_pixel_symmetric":
            return old / 2 * (1 - new / (scale * old)) + (index + 0.5) / scale - 0.5


def nearest(points: Floats, old: int, rounding: Rounding) -> Integers:
    """The index that each point takes (`nearest_mode` of ONNX Resize), kept within [0, old)."""
    match rounding:
        case "floor":
            index = np.floor(points)
        case "ceil":
            index = np.ceil(points)
        case "round_prefer_floor":
            index = np.ceil(points - 0.5)
        case "round_prefer_ceil":
            index = np.floor(points + 0.5)
    return np.clip(index, 0, old - 1).astype(np.int64)


def weight_matrix(
    points: Floats,
    old: int,
    scale: float,
    mode: Mode,
    coefficient: float,
    exclude_outside: bool,
    antialias: bool,
) -> Floats:
    """[new, old]: with which weight each result takes each element; rows sum to 1."""
    reach = 2 if mode == "cubic" else 1
    stretch = max(1.0, 1 / scale) if antialias else 1.0
    taps = int(np.ceil(reach * stretch)) * 2
    first = np.floor(points).astype(np.int64) - taps // 2 + 1
    index = first[:, None] + np.arange(taps)
    distance = np.abs(points[:, None] - index) / stretch
    weights = _cubic(distance, coefficient) if mode == "cubic" else np.maximum(1 - distance, 0)
    if exclude_outside:
        weights = np.where((index >= 0) & (index < old), weights, 0)
    if exclude_outside or antialias:
        total = weights.sum(axis=1, keepdims=True)
        weights = weights / np.where(total == 0, 1, total)
    matrix = np.zeros((len(points), old))
    np.add.at(matrix, (np.arange(len(points))[:, None], np.clip(index, 0, max(old - 1, 0))), weights)
    return matrix


def _cubic(distance: Floats, a: float) -> Floats:
    """The kernel of Keys 1981, equation (4)."""
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0))
