"""`ceil_mode` as padding: ONNX, PyTorch and Caffe round the number of windows up by letting the last one hang over."""

from __future__ import annotations

from xir.ir.dims import Dim, ceil_divide, floor_divide, maximum, minimum


def with_overhang(size: Dim, window: int, stride: int, padding: tuple[Dim, Dim], gap: int) -> tuple[Dim, Dim]:
    """The padding (before, after) of one axis with what the last window needs after the end.

    A last window that would start behind the input and its front padding is dropped (ONNX MaxPool, note on ceil_mode:
    'sliding windows that would start in the right padded region'; aten/src/ATen/native/Pool.h,
    `pooling_output_shape_pad_lr`).

    Args:
        size: of the axis.
        window: cells of the window along it.
        stride: the step from one window to the next.
        padding: (before, after) as it is given.
        gap: the dilation.
    """
    before, after = padding
    span = (window - 1) * gap + 1
    room = size + before + after - span
    steps = ceil_divide(room, stride)
    if isinstance(after, int) and after + stride <= span:  # the last window begins in the input, whatever its size
        return before, after + steps * stride - room
    last = floor_divide(size + before - 1, stride)
    steps = minimum(steps, last)
    return before, after + maximum(steps * stride - room, 0)
