"""torchvision's own operators (torchvision/csrc/ops)."""

from __future__ import annotations

from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import roi
from xir.ops.deform import deform_conv
from xir.ops.detection import non_max_suppression
from xir.ops.elementwise import cast
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


@operators.op(
    "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width,"
    " int sampling_ratio, bool aligned) -> Tensor"
)
def aligned(
    call: Call, x: Value, rois: Value, scale: float, height: Dim, width: Dim, ratio: int, half_pixel: bool
) -> Value:
    """The average of bilinear samples in each cell; a ratio of 0 or less takes as many as elements (roi_align)."""
    first, corners = (
        slice_(rois, axes=(1,), starts=(start,), stops=(stop,), steps=(1,)) for start, stop in ((0, 1), (1, 5))
    )
    return roi.roi_align(
        x,
        corners,
        cast(reshape(first, shape=rois.shape[:1]), dtype=DType.INT64),
        pooled=_cells(call, height, width),
        spatial_scale=scale,
        sampling_ratio=max(ratio, 0),
        mode="avg",
        half_pixel=half_pixel,
    )


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
