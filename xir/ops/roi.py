"""Pooling over regions of interest: by maximum, by bilinear samples, and position-sensitive."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._boxes import Indices, round_half_away
from xir.ops._checks import require_dtype, require_floating, require_rank, require_same_dtype, require_size
from xir.ops._define import op
from xir.ops._windows import Numbers, narrowed, widened

Side: TypeAlias = tuple[Indices, Indices, Numbers, Numbers]


def _require_map_and_rois(x: Value, rois: Value, columns: int) -> None:
    require_floating(x, rois)
    require_same_dtype(x, rois)
    require_rank(x, 4)
    require_rank(rois, 2)
    require_size(rois.shape[1], columns, "the number of columns of the regions")


def _require_positive(sizes: tuple[int, ...], what: str) -> None:
    if any(size < 1 for size in sizes):
        raise InvalidModelError(f"{what} must be positive, got {list(sizes)}")


def _image_indices(column: Array, images: int) -> list[int]:
    """The images that regions lie in (fractions are cut off, as a C cast does), checked."""
    indices = [int(value) for value in column.astype(np.float64).tolist()]
    for index in indices:
        if not 0 <= index < images:
            raise InvalidModelError(f"a region names image {index}, the batch has {images}")
    return indices


@op
def roi_pool(x: Value, rois: Value, *, pooled: tuple[int, int], spatial_scale: float) -> TensorType:
    """The maximum over each cell of a grid laid over each region. (ONNX MaxRoiPool; Fast R-CNN, roi_pooling_layer.cpp)

    x: [N, C, H, W], floating; rois: [R, 5], rows (image, x1, y1, x2, y2), corners included; result:
    [R, C, pooled height, pooled width]. Corners are multiplied by `spatial_scale` and rounded, halves away from zero;
    a cell reaches from floor to ceil of its bounds, so cells may share rows; an empty cell gives 0.
    """
    _require_map_and_rois(x, rois, 5)
    _require_positive(pooled, "pooled sizes")
    return x.tensor.with_shape((rois.shape[0], x.shape[1], *pooled))


def _cells(first: Numbers, last: Numbers, cells: int, size: int) -> list[list[tuple[int, int]]]:
    """For each region the (start, stop) of each of `cells` cells along one axis of `size` pixels."""
    extent = np.maximum(last - first + 1, 1).astype(first.dtype)
    step = extent / first.dtype.type(cells)
    index = np.arange(cells + 1).astype(first.dtype)
    starts = np.floor(index[:-1] * step[:, None]) + first[:, None]
    stops = np.ceil(index[1:] * step[:, None]) + first[:, None]
    bounds = np.stack([np.clip(starts, 0, size), np.clip(stops, 0, size)], axis=-1).astype(np.int64)
    return [[(int(start), int(stop)) for start, stop in row] for row in bounds.tolist()]


@roi_pool.reference
def _roi_pool_reference(x: Array, rois: Array, *, pooled: tuple[int, int], spatial_scale: float) -> Array:
    images = _image_indices(rois[:, 0], x.shape[0])
    regions = widened(rois)
    corners = round_half_away(regions[:, 1:] * regions.dtype.type(spatial_scale))
    rows = _cells(corners[:, 1], corners[:, 3], pooled[0], x.shape[2])
    columns = _cells(corners[:, 0], corners[:, 2], pooled[1], x.shape[3])
    result = np.zeros((len(images), x.shape[1], *pooled), x.dtype)
    for region, image in enumerate(images):
        for row, (top, bottom) in enumerate(rows[region]):
            for column, (left, right) in enumerate(columns[region]):
                if top < bottom and left < right:
                    result[region, :, row, column] = x[image, :, top:bottom, left:right].max(axis=(1, 2))
    return result


roi_pool.host("the bounds of each window are data; a kernel with such bounds comes with the compilers")


@op
def roi_align(
    x: Value,
    rois: Value,
    batch_indices: Value,
    *,
    pooled: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    mode: Literal["avg", "max"],
    half_pixel: bool,
) -> TensorType:
    """The average or maximum of bilinear samples in each cell of a grid. (ONNX RoiAlign; He et al. 2017, Mask R-CNN)

    x: [N, C, H, W], floating; rois: [R, 4], rows (x1, y1, x2, y2); batch_indices: i64[R]; result:
    [R, C, pooled height, pooled width]. Corners are multiplied by `spatial_scale`; `half_pixel` subtracts 0.5 from
    them, and without it a region is at least 1 wide and high. `sampling_ratio` squared samples a cell; 0 takes
    ceil(region size / pooled size) of them. Samples more than 1 outside the map count as 0. In mode max the maximum is
    taken over the four weighted corners of every sample, not over the samples: so says onnxruntime, and ONNX's text
    is silent.
    """
    _require_map_and_rois(x, rois, 4)
    require_dtype(batch_indices, DType.INT64)
    require_rank(batch_indices, 1)
    require_size(batch_indices.shape[0], rois.shape[0], "the number of image indices")
    _require_positive(pooled, "pooled sizes")
    if sampling_ratio < 0:
        raise InvalidModelError(f"sampling_ratio must be >= 0 (0: as many as fit), got {sampling_ratio}")
    return x.tensor.with_shape((rois.shape[0], x.shape[1], *pooled))


def _samples(start: Numbers, extent: Numbers, cells: int, ratio: int, size: int) -> Side:
    """Along one axis of a region: low and high neighbours and their weights, each [cells, samples]."""
    kind = start.dtype.type
    count = ratio or max(int(np.ceil(extent / kind(cells))), 0)
    step = extent / kind(cells)
    place = (np.arange(count).astype(start.dtype) + kind(0.5)) * step / kind(max(count, 1))
    at = start + np.arange(cells).astype(start.dtype)[:, None] * step + place[None, :]
    inside = (at >= -1) & (at <= size)
    at = np.maximum(at, 0)
    low = np.minimum(at.astype(np.int64), size - 1)
    high = np.minimum(low + 1, size - 1)
    weight = np.where(low >= size - 1, kind(0), at - low.astype(start.dtype))
    zero = kind(0)
    return low, high, np.where(inside, kind(1) - weight, zero), np.where(inside, weight, zero)


@roi_align.reference
def _roi_align_reference(
    x: Array,
    rois: Array,
    batch_indices: Array,
    *,
    pooled: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    mode: Literal["avg", "max"],
    half_pixel: bool,
) -> Array:
    images = _image_indices(batch_indices, x.shape[0])
    planes, regions = widened(x), widened(rois)
    kind = regions.dtype.type
    corners = regions * kind(spatial_scale) - kind(0.5 if half_pixel else 0.0)
    result = np.zeros((len(images), x.shape[1], *pooled), planes.dtype)
    if not x.shape[2] or not x.shape[3]:
        return narrowed(result, x)
    for region, image in enumerate(images):
        left, top, right, bottom = corners[region]
        width, height = right - left, bottom - top
        if not half_pixel:
            width, height = np.maximum(width, kind(1)), np.maximum(height, kind(1))
        rows = _samples(top, height, pooled[0], sampling_ratio, x.shape[2])
        columns = _samples(left, width, pooled[1], sampling_ratio, x.shape[3])
        if rows[0].size and columns[0].size:
            result[region] = _combine(planes[image], rows, columns, mode)
    return narrowed(result, x)


def _combine(plane: Numbers, rows: Side, columns: Side, mode: Literal["avg", "max"]) -> Numbers:
    """The samples of one region, [C, pooled height, pooled width], from `plane: [C, H, W]`."""
    parts: list[Numbers] = []
    for row, row_weight in ((rows[0], rows[2]), (rows[1], rows[3])):
        for column, column_weight in ((columns[0], columns[2]), (columns[1], columns[3])):
            taken = plane[:, row[:, :, None, None], column[None, None, :, :]]
            weight = row_weight[:, :, None, None] * column_weight[None, None, :, :]
            parts.append(taken * weight)
    if mode == "max":
        largest: Numbers = np.maximum.reduce(parts).max(axis=(2, 4))
        return largest
    mean: Numbers = (parts[0] + parts[1] + parts[2] + parts[3]).mean(axis=(2, 4), dtype=plane.dtype)
    return mean


roi_align.host("where samples fall, and with sampling_ratio 0 their number, is data; kernels come with the compilers")
