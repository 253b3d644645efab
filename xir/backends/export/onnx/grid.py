"""ONNX forms of sampling on grids, with bent windows, and of patches."""

from __future__ import annotations

from collections.abc import Mapping

from xir.backends.export.onnx._form import (
    Answer,
    Call,
    Forms,
    OnnxAttribute,
    Operand,
    Refusal,
    Sizes,
    again,
    decomposed,
    onnx_value,
    operand,
    shape_in,
    whole,
)
from xir.backends.export.onnx._windows import flat_pads, known_padding, padding_of
from xir.ir.node import Node
from xir.ir.types import DType
from xir.ops.deform import deform_conv
from xir.ops.elementwise import cast
from xir.ops.grid import affine_grid, grid_sample
from xir.ops.patches import center_crop_pad, fold

forms = Forms()

_OLD_MODES: Mapping[str, str] = {"linear": "bilinear", "cubic": "bicubic", "nearest": "nearest"}


@forms.of(affine_grid)
def _affine_grid(node: Node, opset: int) -> Answer:
    """AffineGrid; the number of channels in its size says nothing."""
    theta, size = operand(node), node.inputs[1]
    sizes: Operand = size if size is not None else Sizes((theta.shape[0], 1, *shape_in(node, "spatial")))
    return Call("AffineGrid", (theta, sizes), {"align_corners": whole(node, "align_corners")})


@forms.of(grid_sample)
def _grid_sample(node: Node, opset: int) -> Answer:
    """GridSample, before opset 20 of images alone; runtimes have no kernels of other than images and volumes."""
    if operand(node).rank not in (4, 5):
        return decomposed(node)
    if opset < 20 and operand(node).rank != 4:
        return Refusal("GridSample of other than two spatial axes", 20)
    mode = str(node.attributes["mode"])
    attributes: dict[str, OnnxAttribute] = {
        "mode": mode if opset >= 20 else _OLD_MODES[mode],
        "padding_mode": str(node.attributes["outside"]),
        "align_corners": whole(node, "align_corners"),
    }
    return Call("GridSample", node.inputs, attributes)


@forms.of(deform_conv)
def _deform_conv(node: Node, opset: int) -> Answer:
    """DeformConv; runtimes have kernels of images alone."""
    if operand(node).rank != 4:
        return decomposed(node)
    padding = known_padding(padding_of(node))
    if padding is None:
        return Refusal("DeformConv takes known padding >= 0")
    attributes: dict[str, OnnxAttribute] = {
        "strides": onnx_value(node, "strides"),
        "dilations": onnx_value(node, "dilation"),
        "pads": flat_pads(padding),
        "group": whole(node, "groups"),
        "offset_group": whole(node, "offset_groups"),
    }
    return Call("DeformConv", node.inputs, attributes)


def _sizes(node: Node, index: int, name: str) -> Operand:
    held = node.inputs[index]
    return held if held is not None else Sizes(shape_in(node, name))


@forms.of(fold)
def _fold(node: Node, opset: int) -> Answer:
    """Col2Im."""
    padding = known_padding(padding_of(node))
    if padding is None:
        return Refusal("Col2Im takes known padding >= 0")
    attributes: dict[str, OnnxAttribute] = {
        "strides": onnx_value(node, "strides"),
        "dilations": onnx_value(node, "dilation"),
        "pads": flat_pads(padding),
    }
    return Call("Col2Im", (operand(node), _sizes(node, 1, "spatial"), _sizes(node, 2, "window")), attributes)


@forms.of(center_crop_pad)
def _center_crop_pad(node: Node, opset: int) -> Answer:
    """CenterCropPad; onnxruntime (1.31) inlines ONNX's function body, which does not hold with i32."""
    sizes = node.inputs[1]
    if sizes is not None and sizes.dtype is DType.INT32:
        return again(node, (operand(node), cast(sizes, dtype=DType.INT64)))
    return Call("CenterCropPad", (operand(node), _sizes(node, 1, "shape")), {"axes": onnx_value(node, "axes")})
