"""Position-sensitive pooling over regions of interest (R-FCN)."""

from __future__ import annotations

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array, constant_of
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._boxes import round_half_away
from xir.ops._build import scalar_like
from xir.ops._checks import require_floating, require_rank, require_same_dtype, require_size
from xir.ops._define import op
from xir.ops._rows import column, number_vector, part, rounded_half_away, scaled, shifted, widened_value
from xir.ops._windows import Numbers, narrowed, widened
from xir.ops.compare import greater
from xir.ops.constant import constant
from xir.ops.elementwise import add, cast, ceil, clip, div, floor, maximum, minimum, mul, select, sub
from xir.ops.index import gather_nd
from xir.ops.padding import pad
from xir.ops.reduce import cumsum
from xir.ops.shape import broadcast, concat, reshape, shape_of


@op
def psroi_pool(x: Value, rois: Value, *, spatial_scale: float, output_channels: int, group_size: int) -> TensorType:
    """The average over each cell of a grid laid over each region, every cell from channels of its own.

    (R-FCN, Dai et al. 2016; psroi_pooling_layer.cpp of intel/caffe)

    x: [N, output_channels * group_size^2, H, W], floating; rois: [R, 5], rows (image, x1, y1, x2, y2); result:
    [R, output_channels, group_size, group_size]. Cell (i, j) of output channel o averages input channel
    (o * group_size + i) * group_size + j. Corners are rounded first (halves away from zero), then multiplied by
    `spatial_scale`, the far ones after adding 1; a region is at least 0.1 wide and high; a cell reaches from floor to
    ceil of its bounds; an empty cell gives 0.
    """
    require_floating(x, rois)
    require_same_dtype(x, rois)
    require_rank(x, 4)
    require_rank(rois, 2)
    require_size(rois.shape[1], 5, "the number of columns of the regions")
    if output_channels < 1 or group_size < 1:
        raise InvalidModelError(f"output_channels {output_channels} and group_size {group_size} must be positive")
    require_size(x.shape[1], output_channels * group_size * group_size, "the number of input channels")
    return x.tensor.with_shape((rois.shape[0], output_channels, group_size, group_size))


def _bounds(near: Numbers, far: Numbers, scale: float, cells: int, size: int) -> tuple[Array, Array]:
    """(start, stop) of each cell along one axis, each i64[R, cells]."""
    kind = near.dtype.type
    first = round_half_away(near) * kind(scale)
    last = (round_half_away(far) + kind(1)) * kind(scale)
    step = np.maximum(last - first, kind(0.1)) / kind(cells)
    index = np.arange(cells + 1).astype(near.dtype)
    starts = np.floor(index[:-1] * step[:, None] + first[:, None])
    stops = np.ceil(index[1:] * step[:, None] + first[:, None])
    return np.clip(starts, 0, size).astype(np.int64), np.clip(stops, 0, size).astype(np.int64)


@psroi_pool.reference
def _psroi_pool_reference(
    x: Array, rois: Array, *, spatial_scale: float, output_channels: int, group_size: int
) -> Array:
    planes, regions = widened(x), widened(rois)
    tops, bottoms = _bounds(regions[:, 2], regions[:, 4], spatial_scale, group_size, x.shape[2])
    lefts, rights = _bounds(regions[:, 1], regions[:, 3], spatial_scale, group_size, x.shape[3])
    result = np.zeros((len(rois), output_channels, group_size, group_size), planes.dtype)
    split = planes.reshape(x.shape[0], output_channels, group_size, group_size, *x.shape[2:])
    for region, image in enumerate(int(value) for value in regions[:, 0].tolist()):
        if not 0 <= image < x.shape[0]:
            raise InvalidModelError(f"a region names image {image}, the batch has {x.shape[0]}")
        for row in range(group_size):
            for place in range(group_size):
                top, bottom = int(tops[region, row]), int(bottoms[region, row])
                left, right = int(lefts[region, place]), int(rights[region, place])
                if top < bottom and left < right:
                    cell = split[image, :, row, place, top:bottom, left:right]
                    result[region, :, row, place] = cell.mean(axis=(1, 2), dtype=np.float64)
    return narrowed(result, x)


def _cut(x: Value, plane: Value, axis: int) -> Value:
    """`x: [R, cells]` cut to [0, size of that axis of `plane`], as i64."""
    size = plane.shape[axis]
    if isinstance(size, int):
        return cast(clip(x, minimum=0.0, maximum=float(size)), dtype=DType.INT64)
    most = broadcast(cast(part(shape_of(plane), 0, axis, axis + 1), dtype=x.dtype), shape=x.shape)
    return cast(maximum(minimum(x, most), scalar_like(x, 0)), dtype=DType.INT64)


def _built_bounds(near: Value, far: Value, scale: float, cells: int) -> tuple[Value, Value]:
    """(floor of the start, ceil of the stop) of each cell along one axis, each [R, cells], from corners [R]."""
    first = scaled(rounded_half_away(near), scale)
    last = scaled(shifted(rounded_half_away(far), 1), scale)
    extent = sub(last, first)
    step = div(maximum(extent, scalar_like(extent, 0.1)), scalar_like(extent, cells))
    shape = (*near.shape, cells)
    origin, width = (broadcast(reshape(line, shape=(*near.shape, 1)), shape=shape) for line in (first, step))
    starts = broadcast(number_vector([float(cell) for cell in range(cells)], near.dtype), shape=shape)
    stops = broadcast(number_vector([float(cell + 1) for cell in range(cells)], near.dtype), shape=shape)
    return floor(add(mul(starts, width), origin)), ceil(add(mul(stops, width), origin))


def _integral(x: Value) -> Value:
    """Sums over all pixels above and left of each corner of a pixel, in f64: [N, C, H + 1, W + 1]."""
    sums = cumsum(cumsum(cast(x, dtype=DType.FLOAT64), axis=2), axis=3)
    return pad(sums, padding=((0, 0), (0, 0), (1, 0), (1, 0)))


@psroi_pool.decompose
def _psroi_pool_decompose(
    x: Value, rois: Value, *, spatial_scale: float, output_channels: int, group_size: int
) -> Value:
    """Each cell's sum from four corners of the integral image: differences, so in f64 to lose nothing."""
    regions = widened_value(rois)
    left, right = _built_bounds(column(regions, 1), column(regions, 3), spatial_scale, group_size)
    top, bottom = _built_bounds(column(regions, 2), column(regions, 4), spatial_scale, group_size)
    images = cast(column(regions, 0), dtype=DType.INT64)
    bounds = (_cut(top, x, 2), _cut(bottom, x, 2)), (_cut(left, x, 3), _cut(right, x, 3))
    return cell_averages(x, images, *bounds, output_channels=output_channels, cells=(group_size, group_size))


def cell_averages(
    x: Value,
    images: Value,
    rows: tuple[Value, Value],
    columns: tuple[Value, Value],
    *,
    output_channels: int,
    cells: tuple[int, int],
) -> Value:
    """The average over each cell of each region, every cell from channels of its own; 0 where a cell is empty.

    x: [N, output_channels * cells, H, W], floating; images: i64[R]; rows: the first row of each cell and the one after
    its last, i64[R, cells high]; columns: the same, i64[R, cells wide]; result: [R, output_channels, *cells].
    """
    count = images.shape[0]
    shape = (count, output_channels, *cells)
    top, bottom = (broadcast(reshape(side, shape=(count, 1, cells[0], 1)), shape=shape) for side in rows)
    left, right = (broadcast(reshape(side, shape=(count, 1, 1, cells[1])), shape=shape) for side in columns)
    image = broadcast(reshape(images, shape=(count, 1, 1, 1)), shape=shape)
    channel = np.arange(output_channels * cells[0] * cells[1], dtype=np.int64).reshape(output_channels, *cells)
    channels = broadcast(constant(value=constant_of(channel)), shape=shape)
    table = _integral(x)

    def corner(row: Value, place: Value) -> Value:
        parts = [reshape(index, shape=(*shape, 1)) for index in (image, channels, row, place)]
        return gather_nd(table, concat(*parts, axis=4))

    total = add(
        sub(corner(bottom, right), corner(top, right)),
        sub(corner(top, left), corner(bottom, left)),
    )
    area = cast(mul(sub(bottom, top), sub(right, left)), dtype=DType.FLOAT64)
    mean = div(total, maximum(area, scalar_like(area, 1)))
    result = select(greater(area, scalar_like(area, 0)), mean, scalar_like(mean, 0))
    return cast(result, dtype=x.dtype)
