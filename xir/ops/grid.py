"""Sampling on grids: the grid of an affine map, and a tensor at the points of a grid."""

from __future__ import annotations

from typing import cast as cast_type

import numpy as np

from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Shape, product
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._build import scalar_like
from xir.ops._checks import require_floating, require_rank, require_rank_at_least, require_size
from xir.ops._define import op
from xir.ops._rows import part
from xir.ops._sampling import Interpolation as Interpolation
from xir.ops._sampling import Outside as Outside
from xir.ops._sampling import Sampling, sample_arrays, sample_values
from xir.ops._targets import size_value
from xir.ops._wide import narrow, wide
from xir.ops._windows import Numbers, narrowed, widened
from xir.ops.elementwise import add, cast, div, maximum, mul, sub
from xir.ops.matmul import matmul
from xir.ops.padding import integers, require_vector
from xir.ops.shape import broadcast, concat, iota, reshape, transpose


@op
def affine_grid(theta: Value, size: Value | None = None, *, spatial: Shape, align_corners: bool) -> TensorType:
    """Where an affine map sends each point of an image (ONNX AffineGrid; Jaderberg et al. 2015, equation 1).

    theta: [N, r, r + 1], floating, r = 2 or 3; result: [N, spatial..., r], the map of (x, y[, z], 1), each coordinate
    running from -1 to 1, the last axis of the image first: through the centres of the outermost elements with
    `align_corners`, else around them; 0 where they are one. `size`: i64[r + 2], (N, C, spatial...) at run time.
    """
    require_floating(theta)
    require_rank(theta, 3)
    axes = theta.shape[1]
    if axes not in (2, 3) or len(spatial) != axes:
        raise InvalidModelError(f"maps of 2 or 3 axes are needed, got {theta.type!r} for {list(spatial)}")
    require_size(theta.shape[2], len(spatial) + 1, "the number of columns of an affine map")
    require_vector(size, len(spatial) + 2)
    return theta.tensor.with_shape((theta.shape[0], *spatial, len(spatial)))


@affine_grid.reference
def _affine_grid_reference(theta: Array, size: Array | None, *, spatial: tuple[int, ...], align_corners: bool) -> Array:
    sizes = spatial
    if size is not None:
        count, _, *rest = integers(size)
        sizes = tuple(rest)
        if count != len(theta) or any(each < 0 for each in rest):
            raise InvalidModelError(f"{len(theta)} maps do not fit a size of {integers(size)}")
    lines = [_line(each, align_corners) for each in sizes]
    points = [
        np.broadcast_to(line.reshape(-1, *(1,) * (len(sizes) - 1 - axis)), sizes) for axis, line in enumerate(lines)
    ]
    columns = np.stack([*reversed(points), np.ones(sizes)], axis=-1).reshape(-1, len(sizes) + 1)
    made: Numbers = np.matmul(columns, np.swapaxes(theta.astype(np.float64), 1, 2))
    return narrowed(made.reshape(len(theta), *sizes, len(sizes)), theta)


def _line(size: int, align_corners: bool) -> Numbers:
    if align_corners:
        return np.linspace(-1, 1, size) if size > 1 else np.zeros(size)
    return (2 * np.arange(size) + 1) / size - 1


affine_grid.host("a size that comes at run time is data; else it comes apart")


@affine_grid.decompose
def _affine_grid_decompose(theta: Value, size: Value | None = None, *, spatial: Shape, align_corners: bool) -> Value:
    if size is not None:
        raise UnsupportedError(
            "the grid of an affine map whose size is computed at run time does not come apart",
            hint="fold the size into a constant",
        )
    maps = wide(theta)
    rows = [_line_value(spatial, axis, align_corners, maps.dtype) for axis in reversed(range(len(spatial)))]
    count = product(spatial)
    flat = [reshape(row, shape=(count, 1)) for row in rows]
    table = concat(*flat, scalar_like(flat[0], 1.0), axis=1)
    n, axes = theta.shape[0], len(spatial)
    spread = broadcast(reshape(table, shape=(1, count, axes + 1)), shape=(n, count, axes + 1))
    made = matmul(spread, transpose(maps, perm=(0, 2, 1)))
    return narrow(reshape(made, shape=(n, *spatial, axes)), theta.dtype)


def _line_value(spatial: Shape, axis: int, align_corners: bool, dtype: DType) -> Value:
    """The coordinate along `axis`, of the shape `spatial`."""
    index = iota(shape=spatial, axis=axis, dtype=dtype)
    size = broadcast(size_value(spatial[axis], dtype), shape=spatial)
    one, two = scalar_like(index, 1.0), scalar_like(index, 2.0)
    if not align_corners:
        return sub(div(add(mul(two, index), one), size), one)
    if spatial[axis] == 1:
        return scalar_like(index, 0.0)
    return sub(div(mul(two, index), maximum(sub(size, one), one)), one)


@op
def grid_sample(x: Value, grid: Value, *, mode: Interpolation, outside: Outside, align_corners: bool) -> TensorType:
    """`x` at the points of a grid (ONNX GridSample; PyTorch grid_sample).

    x: [N, C, spatial...], r spatial axes; grid: [N, out..., r], floating, a point for each result, its coordinates from
    the last spatial axis to the first, -1 and 1 at the borders: the centres of the outermost elements with
    `align_corners`, else their outer edges; result: [N, C, out...], x's dtype. Modes: nearest (half to even), linear,
    cubic (a = -0.75); integers are interpolated as floats and cut off. `outside`: zeros, the border's elements, or
    those mirrored at the border.
    """
    require_floating(grid)
    require_rank_at_least(x, 3)
    require_rank(grid, x.rank)
    require_size(grid.shape[0], x.shape[0], "the number of grids")
    require_size(grid.shape[-1], x.rank - 2, "the number of coordinates of a point")
    if mode != "nearest" and not (x.dtype.is_floating or x.dtype.is_integer):
        raise InvalidModelError(f"numbers are needed to interpolate between, got {x.type!r}")
    return x.tensor.with_shape((*x.shape[:2], *grid.shape[1:-1]))


@grid_sample.reference
def _grid_sample_reference(
    x: Array, grid: Array, *, mode: Interpolation, outside: Outside, align_corners: bool
) -> Array:
    if len(grid) != len(x) or grid.shape[-1] != x.ndim - 2:
        raise InvalidModelError(f"a grid of {list(grid.shape)} does not fit {list(x.shape)}")
    out = grid.shape[1:-1]
    data = cast_type("Numbers", x) if mode == "nearest" else widened(x)
    if data.dtype.kind in "iu":
        data = data.astype(np.float64)
    kind = np.float64 if np.float64 in (data.dtype, grid.dtype) else np.float32
    points: Numbers = cast_type("Numbers", grid.astype(kind)).reshape(len(x), -1, x.ndim - 2)
    positions = [_element(points[..., x.ndim - 3 - axis], size, align_corners) for axis, size in enumerate(x.shape[2:])]
    made = sample_arrays(data, positions, Sampling(mode, outside, align_corners))
    return made.astype(x.dtype, copy=False).reshape(*x.shape[:2], *out)


def _element(point: Numbers, size: int, align_corners: bool) -> Numbers:
    """Where in elements a coordinate lies."""
    if align_corners:
        return (point + 1) / 2 * (size - 1)
    return ((point + 1) * size - 1) / 2


@grid_sample.decompose
def _grid_sample_decompose(
    x: Value, grid: Value, *, mode: Interpolation, outside: Outside, align_corners: bool
) -> Value:
    n, axes = x.shape[0], x.rank - 2
    kind = DType.FLOAT32
    if DType.FLOAT64 in (x.dtype, grid.dtype) or (x.dtype.is_integer and mode != "nearest"):
        kind = DType.FLOAT64
    points = product(grid.shape[1:-1])
    flat = reshape(narrow(grid, kind), shape=(n, points, axes))
    positions: list[Value] = []
    for axis, size in enumerate(x.shape[2:]):
        place = axes - 1 - axis
        column = reshape(part(flat, 2, place, place + 1), shape=(n, points))
        positions.append(_element_value(column, size, align_corners))
    data = x if mode == "nearest" else narrow(x, kind)
    made = sample_values(data, positions, Sampling(mode, outside, align_corners))
    result = reshape(made, shape=(*x.shape[:2], *grid.shape[1:-1]))
    return result if result.dtype is x.dtype else cast(result, dtype=x.dtype)


def _element_value(point: Value, size: Dim, align_corners: bool) -> Value:
    count = broadcast(size_value(size, point.dtype), shape=point.shape)
    one, half = scalar_like(point, 1.0), scalar_like(point, 0.5)
    if align_corners:
        return mul(mul(add(point, one), half), sub(count, one))
    return mul(sub(mul(add(point, one), count), one), half)
