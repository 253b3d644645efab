"""Examples of non-maximum suppression."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.dims import Symbol
from xir.ir.types import DType
from xir.ops.detection import non_max_suppression


def cases() -> Iterator[Case]:
    corners = np.concatenate([normal(2, 9, 2), normal(2, 9, 2, seed=1)], axis=2)
    scores = np.round(np.abs(normal(2, 3, 9)), 1)
    yield case(
        non_max_suppression,
        corners,
        scores,
        max_per_class=4,
        iou_threshold=0.3,
        score_threshold=0.2,
        center=False,
    )
    sides = np.concatenate([normal(1, 9, 2), np.abs(normal(1, 9, 2, seed=2))], axis=2)
    half = scores[:1].astype(DType.FLOAT16.dtype)
    yield case(
        non_max_suppression,
        sides.astype(np.float16),
        half,
        max_per_class=9,
        iou_threshold=0.0,
        score_threshold=None,
        center=True,
    )
    limits = (np.array([3], np.int64), np.array(0.4, np.float32), np.array([0.1], np.float32))
    yield case(
        non_max_suppression,
        corners,
        scores,
        *limits,
        max_per_class=Symbol("k"),
        iou_threshold=0.0,
        score_threshold=None,
        center=False,
    ).noted("limits at run time")
