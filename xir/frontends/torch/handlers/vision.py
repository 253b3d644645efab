"""torchvision's own operators (torchvision/csrc/ops)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import roi
from xir.ops._rows import column, rounded_half_away, scaled
from xir.ops.deform import deform_conv
from xir.ops.detection import non_max_suppression
from xir.ops.elementwise import add, cast, ceil, div, floor, maximum, minimum, mul, sub
from xir.ops.index import gather
from xir.ops.psroi import cell_averages
from xir.ops.shape import reshape, slice_

operators = Operators("torchvision")


@operators.op("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
def suppression(call: Call, boxes: Value, scores: Value, threshold: float) -> Value:
    """The boxes that no better one overlaps by more than the threshold, from high to low score (nms_kernel.cpp)."""
    kept = non_max_suppression(
        reshape(boxes, shape=(1, *boxes.shape)),
        reshape(scores, shape=(1, 1, *scores.shape)),
        max_per_class=boxes.shape[0],
        iou_threshold=threshold,
        score_threshold=None,
        center=False,
    )
    column = slice_(kept, axes=(1,), starts=(2,), stops=(3,), steps=(1,))
    return reshape(column, shape=kept.shape[:1])


def _cells(call: Call, height: Dim, width: Dim) -> tuple[int, int]:
    return call.known_integer(height, "the height of the cells"), call.known_integer(width, "the width of the cells")


def _images(rois: Value) -> Value:
    """The number of the image of each region."""
    return cast(column(rois, 0), dtype=DType.INT64)


@operators.op(
    "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width,"
    " int sampling_ratio, bool aligned) -> Tensor"
)
def aligned(
    call: Call, x: Value, rois: Value, scale: float, height: Dim, width: Dim, ratio: int, half_pixel: bool
) -> Value:
    """The average of bilinear samples in each cell; a ratio of 0 or less takes as many as elements (roi_align)."""
    return roi.roi_align(
        x,
        slice_(rois, axes=(1,), starts=(1,), stops=(5,), steps=(1,)),
        _images(rois),
        pooled=_cells(call, height, width),
        spatial_scale=scale,
        sampling_ratio=max(ratio, 0),
        mode="avg",
        half_pixel=half_pixel,
    )


@operators.op(
    "roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width)"
    " -> (Tensor, Tensor)"
)
def pooled(call: Call, x: Value, rois: Value, scale: float, height: Dim, width: Dim) -> tuple[Value, None]:
    """The maximum of each cell; where it stands, which gradients need, is not made (roi_pool_kernel.cpp)."""
    return roi.roi_pool(x, rois, pooled=_cells(call, height, width), spatial_scale=scale), None


def _channels(call: Call, x: Value, cells: tuple[int, int]) -> int:
    """How many channels a result has whose cells have channels of their own."""
    count = call.known_integer(x.shape[1], "the number of channels")
    if count % (cells[0] * cells[1]):
        call.invalid(f"{count} channels do not go to {cells[0]} times {cells[1]} cells each")
    return count // (cells[0] * cells[1])


def _mapping(call: Call, result: Value) -> Value:
    """The channel that each element of a result was taken from, i32."""
    shape = tuple(size for size in result.shape[1:] if isinstance(size, int))
    return call.repeated(call.literal(np.arange(np.prod(shape)).reshape(shape), DType.INT32), result.shape)


@operators.op(
    "ps_roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width,"
    " int sampling_ratio) -> (Tensor, Tensor)"
)
def aligned_by_position(
    call: Call, x: Value, rois: Value, scale: float, height: Dim, width: Dim, ratio: int
) -> tuple[Value, Value]:
    """`roi_align` of all channels, of which each cell takes its own (ps_roi_align_kernel.cpp)."""
    cells = _cells(call, height, width)
    channels, count = _channels(call, x, cells), cells[0] * cells[1]
    corners = slice_(rois, axes=(1,), starts=(1,), stops=(5,), steps=(1,))
    every = roi.roi_align(
        x,
        corners,
        _images(rois),
        pooled=cells,
        spatial_scale=scale,
        sampling_ratio=max(ratio, 0),
        mode="avg",
        half_pixel=True,
    )
    lines = reshape(every, shape=(rois.shape[0], channels, count * count))
    own = gather(lines, call.literal(np.arange(count) * (count + 1), DType.INT64), axis=2)
    result = reshape(own, shape=(rois.shape[0], channels, *cells))
    return result, _mapping(call, result)


@operators.op(
    "ps_roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width)"
    " -> (Tensor, Tensor)"
)
def pooled_by_position(call: Call, x: Value, rois: Value, scale: float, height: Dim, width: Dim) -> tuple[Value, Value]:
    """The average of each cell in channels of its own; the last row and column count to none (ps_roi_pool_kernel.cpp).

    Corners are rounded, halves away from zero; a region is at least 1 wide and high.
    """
    cells = _cells(call, height, width)
    first, last = ([_rounded(rois, place, scale) for place in places] for places in ((2, 1), (4, 3)))
    sides = [_bounds(call, *each) for each in zip(first, last, cells, x.shape[2:], strict=True)]
    result = cell_averages(x, _images(rois), *sides, output_channels=_channels(call, x, cells), cells=cells)
    return result, _mapping(call, result)


def _rounded(rois: Value, place: int, scale: float) -> Value:
    return rounded_half_away(scaled(column(rois, place), scale))


def _bounds(call: Call, first: Value, last: Value, cells: int, size: Dim) -> tuple[Value, Value]:
    """The start and the end of each cell along an axis, i64[R, cells]."""
    shape = (*first.shape, cells)
    extent = maximum(sub(last, first), call.filled(1, first.dtype, first.shape))
    step = div(extent, call.filled(cells, first.dtype, first.shape))
    start, width = (call.repeated(reshape(each, shape=(*first.shape, 1)), shape) for each in (first, step))
    most = call.filled(size - 1, first.dtype, shape)

    def within(index: Value, rounding: Callable[[Value], Value]) -> Value:
        place = add(rounding(mul(call.repeated(index, shape), width)), start)
        return cast(minimum(maximum(place, call.filled(0, first.dtype, shape)), most), dtype=DType.INT64)

    index = np.arange(cells)
    return within(call.literal(index, first.dtype), floor), within(call.literal(index + 1, first.dtype), ceil)


@operators.op(
    "deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h,"
    " SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups,"
    " SymInt offset_groups, bool use_mask) -> Tensor"
)
def deformed(
    call: Call,
    x: Value,
    w: Value,
    offset: Value,
    mask: Value,
    bias: Value,
    stride_h: Dim,
    stride_w: Dim,
    pad_h: Dim,
    pad_w: Dim,
    dilation_h: Dim,
    dilation_w: Dim,
    groups: Dim,
    offset_groups: Dim,
    use_mask: bool,
) -> Value:
    """A convolution that reads each cell of its window at an offset (deform_conv2d_kernel.cpp)."""
    steps, pads, gaps = (
        (call.known_integer(h, what), call.known_integer(w_, what))
        for h, w_, what in (
            (stride_h, stride_w, "stride"),
            (pad_h, pad_w, "padding"),
            (dilation_h, dilation_w, "dilation"),
        )
    )
    return deform_conv(
        x,
        w,
        offset,
        bias,
        mask if use_mask else None,
        strides=steps,
        padding=tuple((pad, pad) for pad in pads),
        dilation=gaps,
        groups=call.known_integer(groups, "groups"),
        offset_groups=call.known_integer(offset_groups, "offset_groups"),
    )
