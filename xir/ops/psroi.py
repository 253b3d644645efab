"""Position-sensitive pooling over regions of interest (R-FCN)."""

from __future__ import annotations

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.ops._boxes import round_half_away
from xir.ops._checks import require_floating, require_rank, require_same_dtype, require_size
from xir.ops._define import op
from xir.ops._windows import Numbers, narrowed, widened


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
            for column in range(group_size):
                top, bottom = int(tops[region, row]), int(bottoms[region, row])
                left, right = int(lefts[region, column]), int(rights[region, column])
                if top < bottom and left < right:
                    cell = split[image, :, row, column, top:bottom, left:right]
                    result[region, :, row, column] = cell.mean(axis=(1, 2), dtype=np.float64)
    return narrowed(result, x)
