"""Examples of YOLO's operators."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.types import DType
from xir.ops.yolo import reorg, yolo_boxes, yolo_detection_output


def cases() -> Iterator[Case]:
    for reverse in (False, True):
        yield case(reorg, normal(2, 8, 4, 6), stride=2, reverse=reverse)
    anchors = ((1.0, 2.0), (2.0, 1.0), (3.0, 3.0))
    for activation in ("softmax", "sigmoid"):
        yield case(
            yolo_boxes, normal(2, 24, 4, 5), classes=3, anchors=anchors, anchor_scale=1.0, class_activation=activation
        )
    half = normal(1, 24, 2, 2, dtype=DType.FLOAT16)
    yield case(yolo_boxes, half, classes=3, anchors=anchors, anchor_scale=8.0, class_activation="sigmoid")
    boxes = np.random.default_rng(0).random((2, 30, 4)).astype(np.float32)
    scores = np.round(np.random.default_rng(1).random((2, 30, 3)), 2).astype(np.float32)
    for inclusive, threshold in ((True, 0.5), (False, 0.5), (True, 2.0)):
        attributes = {"confidence_threshold": threshold, "inclusive": inclusive, "nms_threshold": 0.45}
        yield case(yolo_detection_output, boxes, scores, **attributes).noted(f"{threshold}, inclusive {inclusive}")
    yield case(
        yolo_detection_output,
        boxes.astype(np.float16),
        scores.astype(np.float16),
        confidence_threshold=0.5,
        inclusive=False,
        nms_threshold=0.45,
    )
