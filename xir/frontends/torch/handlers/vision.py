"""torchvision's own operators (torchvision/csrc/ops)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.ir.dims import Dim, equal
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import roi
from xir.ops._rows import column, rounded_half_away, scaled
from xir.ops.deform import deform_conv
from xir.ops.detection import non_max_suppression
from xir.ops.elementwise import add, cast, ceil, clip, div, floor, maximum, minimum, mul, round_, sub
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


@operators.op("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
def suppression_in_steps(call: Call, boxes: Value, scores: Value, threshold: float) -> Value:
    """The same of quantised boxes, by their whole numbers: scales cancel out (quantized/cpu/qnms_kernel.cpp)."""
    return suppression(call, call.cast(boxes, DType.FLOAT32), call.cast(scores, DType.FLOAT32), threshold)


def _images(rois: Value) -> Value:
    """The number of the image of each region."""
    return cast(column(rois, 0), dtype=DType.INT64)


@dataclass(frozen=True, slots=True)
class _Cells:
    """The cells that each region is cut into, in torchvision's words.

    Attributes:
        spatial_scale: what coordinates of regions are multiplied with.
        pooled_height: how many rows of cells there are.
        pooled_width: how many columns.
        sampling_ratio: how many samples an axis of a cell has; 0 or less: as many as elements.
        aligned: whether the centres of elements lie half way between whole numbers.
    """

    spatial_scale: float
    pooled_height: Dim
    pooled_width: Dim
    sampling_ratio: int = 0
    aligned: bool = True

    def counts(self, call: Call) -> tuple[int, int]:
        """How many rows and columns there are.

        Raises:
            UnsupportedError: only the run knows it.
        """
        height = call.known_integer(self.pooled_height, "the height of the cells")
        return height, call.known_integer(self.pooled_width, "the width of the cells")

    def averages(self, call: Call, x: Value, rois: Value, images: Value) -> Value:
        """The average of bilinear samples in each cell of all channels: [R, C, height, width]."""
        return roi.roi_align(
            x,
            slice_(rois, axes=(1,), starts=(1,), stops=(5,), steps=(1,)),
            images,
            pooled=self.counts(call),
            spatial_scale=self.spatial_scale,
            sampling_ratio=max(self.sampling_ratio, 0),
            mode="avg",
            half_pixel=self.aligned,
        )


@operators.op(
    "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width,"
    " int sampling_ratio, bool aligned) -> Tensor",
    records=(_Cells,),
)
def aligned(call: Call, x: Value, rois: Value, cells: _Cells) -> Value:
    """The average of bilinear samples in each cell; a ratio of 0 or less takes as many as elements (roi_align)."""
    return cells.averages(call, x, rois, _images(rois))


@dataclass(frozen=True, slots=True)
class _Steps:
    """What the whole numbers of an image and of its regions mean, in torchvision's words."""

    input_scale: float
    input_zero_point: int
    rois_scale: float
    rois_zero_point: int


@operators.op(
    "qroi_align(Tensor input, Tensor rois, float input_scale, int input_zero_point, float rois_scale,"
    " int rois_zero_point, float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio,"
    " bool aligned) -> Tensor",
    records=(_Steps, _Cells),
)
def aligned_in_steps(call: Call, x: Value, rois: Value, steps: _Steps, cells: _Cells) -> Value:
    """`roi_align` of one quantised image, quantised as it is; regions name no image (qroi_align_kernel.cpp)."""
    if equal(x.shape[0], 1) is False:
        call.invalid(f"regions of one image are taken, got {x.type!r}")
    numbers, corners = (
        sub(wide, call.filled(zero, DType.FLOAT32, wide.shape))
        for wide, zero in (
            (call.cast(x, DType.FLOAT32), steps.input_zero_point),
            (call.cast(rois, DType.FLOAT32), steps.rois_zero_point),
        )
    )
    images = call.filled(0, DType.INT64, rois.shape[:1])
    made = cells.averages(call, numbers, scaled(corners, steps.rois_scale), images)
    zero = call.filled(steps.input_zero_point, DType.FLOAT32, made.shape)
    low, high = (-128, 127) if x.dtype is DType.INT8 else (0, 255)
    return call.cast(clip(add(round_(made), zero), minimum=low, maximum=high), x.dtype)


@operators.op(
    "roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width)"
    " -> (Tensor, Tensor)",
    records=(_Cells,),
)
def pooled(call: Call, x: Value, rois: Value, cells: _Cells) -> tuple[Value, None]:
    """The maximum of each cell; where it stands, which gradients need, is not made (roi_pool_kernel.cpp)."""
    return roi.roi_pool(x, rois, pooled=cells.counts(call), spatial_scale=cells.spatial_scale), None


def _channels(call: Call, x: Value, counts: tuple[int, int]) -> int:
    """How many channels a result has whose cells have channels of their own."""
    count = call.known_integer(x.shape[1], "the number of channels")
    if count % (counts[0] * counts[1]):
        call.invalid(f"{count} channels do not go to {counts[0]} times {counts[1]} cells each")
    return count // (counts[0] * counts[1])


def _mapping(call: Call, result: Value) -> Value:
    """The channel that each element of a result was taken from, i32."""
    shape = tuple(size for size in result.shape[1:] if isinstance(size, int))
    return call.repeated(call.literal(np.arange(np.prod(shape)).reshape(shape), DType.INT32), result.shape)


@operators.op(
    "ps_roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width,"
    " int sampling_ratio) -> (Tensor, Tensor)",
    records=(_Cells,),
)
def aligned_by_position(call: Call, x: Value, rois: Value, cells: _Cells) -> tuple[Value, Value]:
    """`roi_align` of all channels, of which each cell takes its own (ps_roi_align_kernel.cpp)."""
    counts = cells.counts(call)
    channels, count = _channels(call, x, counts), counts[0] * counts[1]
    lines = reshape(cells.averages(call, x, rois, _images(rois)), shape=(rois.shape[0], channels, count * count))
    own = gather(lines, call.literal(np.arange(count) * (count + 1), DType.INT64), axis=2)
    result = reshape(own, shape=(rois.shape[0], channels, *counts))
    return result, _mapping(call, result)


@operators.op(
    "ps_roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width)"
    " -> (Tensor, Tensor)",
    records=(_Cells,),
)
def pooled_by_position(call: Call, x: Value, rois: Value, cells: _Cells) -> tuple[Value, Value]:
    """The average of each cell in channels of its own; the last row and column count to none (ps_roi_pool_kernel.cpp).

    Corners are rounded, halves away from zero; a region is at least 1 wide and high.
    """
    counts = cells.counts(call)
    first, last = ([_rounded(rois, place, cells.spatial_scale) for place in places] for places in ((2, 1), (4, 3)))
    sides = [_bounds(call, *each) for each in zip(first, last, counts, x.shape[2:], strict=True)]
    result = cell_averages(x, _images(rois), *sides, output_channels=_channels(call, x, counts), cells=counts)
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


@dataclass(frozen=True, slots=True)
class _Window:
    """How a window with offsets moves, in torchvision's words.

    Attributes:
        stride_h: its step along the rows.
        stride_w: its step along the columns.
        pad_h: rows of padding at either end.
        pad_w: columns of padding at either end.
        dilation_h: how far its rows stand apart.
        dilation_w: how far its columns stand apart.
        groups: how many groups of channels there are.
        offset_groups: how many groups of channels have offsets of their own.
        use_mask: whether each element is multiplied with one of the mask.
    """

    stride_h: Dim
    stride_w: Dim
    pad_h: Dim
    pad_w: Dim
    dilation_h: Dim
    dilation_w: Dim
    groups: Dim
    offset_groups: Dim
    use_mask: bool


@operators.op(
    "deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h,"
    " SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups,"
    " SymInt offset_groups, bool use_mask) -> Tensor",
    records=(_Window,),
)
def deformed(call: Call, x: Value, w: Value, offset: Value, mask: Value, bias: Value, window: _Window) -> Value:
    """A convolution that reads each cell of its window at an offset (deform_conv2d_kernel.cpp)."""

    def known(rows: Dim, columns: Dim, what: str) -> tuple[int, int]:
        return call.known_integer(rows, what), call.known_integer(columns, what)

    return deform_conv(
        x,
        w,
        offset,
        bias,
        mask if window.use_mask else None,
        strides=known(window.stride_h, window.stride_w, "stride"),
        padding=tuple((pad, pad) for pad in known(window.pad_h, window.pad_w, "padding")),
        dilation=known(window.dilation_h, window.dilation_w, "dilation"),
        groups=call.known_integer(window.groups, "groups"),
        offset_groups=call.known_integer(window.offset_groups, "offset_groups"),
    )
