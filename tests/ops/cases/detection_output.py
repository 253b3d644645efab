"""Examples of SSD's detection output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from tests.thinning import pairwise
from xir.ir.constant import Array
from xir.ops.detection_output import detection_output

PRIORS, CLASSES = 40, 4


def priors(seed: int = 0) -> Array:
    """Boxes and variances for 40 priors, [1, 2, 160]."""
    generator = np.random.default_rng(seed)
    near, size = generator.random((PRIORS, 2)) * 0.7, generator.random((PRIORS, 2)) * 0.3 + 0.05
    variances = np.broadcast_to([0.1, 0.1, 0.2, 0.2], (PRIORS, 4))
    boxes = np.concatenate([near, near + size], axis=1)
    return np.stack([boxes.reshape(-1), variances.reshape(-1)])[None].astype(np.float32)


def predictions(images: int, shared: bool, seed: int = 0) -> tuple[Array, Array]:
    """Locations and confidences; scores have two digits, so that many are equal."""
    count = PRIORS * 4 * (1 if shared else CLASSES)
    scores = np.random.default_rng(seed).random((images, PRIORS * CLASSES))
    return normal(images, count, seed=seed), np.round(scores, 2).astype(np.float32)


COMMON: dict[str, object] = {
    "classes": CLASSES,
    "share_location": True,
    "background": 0,
    "code": "center_size",
    "variance_in_target": False,
    "confidence_threshold": 0.3,
    "nms_threshold": 0.45,
    "eta": 1.0,
    "top_k": None,
    "keep_top_k": None,
}


def cases(rows: Callable[..., Iterable[tuple[object, ...]]] = pairwise) -> Iterator[Case]:
    """Examples; `rows` says which combinations of attributes there are."""
    for shared, background, code, encoded in rows(
        (True, False), (None, 0, 2, 3), ("corner", "center_size", "corner_size"), (False, True)
    ):
        attributes = COMMON | {
            "share_location": shared,
            "background": background,
            "code": code,
            "variance_in_target": encoded,
        }
        note = f"{'shared' if shared else 'own'} boxes, background {background}, {code}, encoded {encoded}"
        location, confidence = predictions(2, shared)
        yield case(detection_output, location, confidence, priors(), **attributes).noted(note)
    for shared, threshold, top_k, keep_top_k in rows((True, False), (0.3, None), (None, 0, 5, 50), (None, 0, 6)):
        attributes = COMMON | {
            "share_location": shared,
            "confidence_threshold": threshold,
            "top_k": top_k,
            "keep_top_k": keep_top_k,
        }
        note = f"{'shared' if shared else 'own'} boxes, above {threshold}, top {top_k}, keep {keep_top_k}"
        location, confidence = predictions(3, shared, seed=1)
        yield case(detection_output, location, confidence, priors(), **attributes).noted(note)
    location, confidence = predictions(2, True)
    yield case(detection_output, location, confidence, priors(), **COMMON | {"confidence_threshold": 2.0}).noted("none")
    yield case(detection_output, location, confidence, priors(), **COMMON | {"clip": True}).noted("clipped")
    yield case(detection_output, location, confidence, priors(), **COMMON | {"eta": 0.5}).noted("eta without effect")
    only_boxes = priors()[:, :1]
    yield case(detection_output, location, confidence, only_boxes, **COMMON | {"variance_in_target": True}).noted(
        "no variances"
    )
    halves = [array.astype(np.float16) for array in (location, confidence, priors())]
    yield case(detection_output, *halves, **COMMON)
