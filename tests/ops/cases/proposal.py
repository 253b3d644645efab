"""Examples of region proposals."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ops.proposal import proposal

COMMON: dict[str, object] = {
    "feature_stride": 16,
    "base_size": 16,
    "ratios": (0.5, 1.0, 2.0),
    "scales": (1.0, 2.0, 4.0),
    "nms_threshold": 0.5,
    "min_size": 10.0,
}


def cases() -> Iterator[Case]:
    scores = np.random.default_rng(0).random((1, 18, 6, 7)).astype(np.float32)
    deltas, info = normal(1, 36, 6, 7) * np.float32(0.3), np.array([[96, 112, 1.5]], np.float32)
    for before, after in ((None, None), (40, 10), (5, None), (1000, 3)):
        limits = {"pre_nms_top_n": before, "post_nms_top_n": after}
        yield case(proposal, scores, deltas, info, **COMMON, **limits).noted(f"{before} before, {after} after")
    nothing = COMMON | {"min_size": 1000.0, "pre_nms_top_n": 20, "post_nms_top_n": 5}
    yield case(proposal, scores, deltas, info, **nothing).noted("none is large enough")
    halves = [array.astype(np.float16) for array in (scores, deltas, info)]
    yield case(proposal, *halves, **COMMON, pre_nms_top_n=20, post_nms_top_n=5)
