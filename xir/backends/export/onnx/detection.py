"""ONNX forms of what detectors need: regions and the suppression of boxes."""

from __future__ import annotations

import numpy as np

from xir.backends.export.onnx._form import (
    Answer,
    Call,
    Fixed,
    Forms,
    OnnxAttribute,
    Operand,
    Refusal,
    Sizes,
    ints,
    operand,
    real,
    whole,
)
from xir.ir.dims import as_dim
from xir.ir.node import Node
from xir.ops.detection import non_max_suppression
from xir.ops.roi import roi_align, roi_pool

forms = Forms()
forms.same(roi_pool, "MaxRoiPool", pooled_shape="pooled", spatial_scale="spatial_scale")


@forms.of(roi_align)
def _roi_align(node: Node, opset: int) -> Answer:
    """RoiAlign, whose half-pixel coordinates came with opset 16."""
    half_pixel = bool(whole(node, "half_pixel"))
    if half_pixel and opset < 16:
        return Refusal("RoiAlign with half-pixel coordinates", 16)
    height, width = ints(node, "pooled")
    attributes: dict[str, OnnxAttribute] = {
        "output_height": height,
        "output_width": width,
        "spatial_scale": real(node, "spatial_scale"),
        "sampling_ratio": whole(node, "sampling_ratio"),
        "mode": str(node.attributes["mode"]),
    }
    if opset >= 16:
        attributes["coordinate_transformation_mode"] = "half_pixel" if half_pixel else "output_half_pixel"
    return Call("RoiAlign", node.inputs, attributes)


@forms.of(non_max_suppression)
def _non_max_suppression(node: Node, opset: int) -> Answer:
    """NonMaxSuppression, its thresholds scalar operands."""
    score = node.attributes["score_threshold"]
    most, overlap, least = node.inputs[2:]
    inputs: list[Operand] = [
        operand(node),
        operand(node, 1),
        Sizes((as_dim(node.attributes["max_per_class"]),), scalar=True) if most is None else most,
        Fixed(np.asarray(real(node, "iou_threshold"), np.float32)) if overlap is None else overlap,
    ]
    if least is not None:
        inputs.append(least)
    elif isinstance(score, float):
        inputs.append(Fixed(np.asarray(score, np.float32)))
    return Call("NonMaxSuppression", tuple(inputs), {"center_point_box": whole(node, "center")})
