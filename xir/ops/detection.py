"""Non-maximum suppression."""

from __future__ import annotations

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._boxes import best_first, corners_of_centers, ordered_corners, suppress
from xir.ops._checks import (
    only_element,
    require_floating,
    require_rank,
    require_same_dtype,
    require_scalar,
    require_size,
)
from xir.ops._define import op
from xir.ops._windows import widened


@op
def non_max_suppression(
    boxes: Value,
    scores: Value,
    most: Value | None = None,
    overlap: Value | None = None,
    score: Value | None = None,
    *,
    max_per_class: Dim,
    iou_threshold: float,
    score_threshold: float | None,
    center: bool,
) -> TensorType:
    """The boxes of each image and class that no better one of the same class overlaps. (ONNX NonMaxSuppression)

    boxes: [N, B, 4], floating, any two opposite corners, or with `center` (x center, y center, width, height); scores:
    [N, C, B]; result: i64[K, 3], rows (image, class, box), K known at run time only: by image, then class, then from
    high to low score, equal scores in the order of their boxes. A box goes when its intersection over union with a
    better one is above `iou_threshold`; scores not above `score_threshold` do not count; at most `max_per_class` boxes
    an image and class. `most`: i64, `overlap` and `score`: f32, one element each, give these three at run time.
    """
    require_floating(boxes, scores)
    require_same_dtype(boxes, scores)
    require_rank(boxes, 3)
    require_rank(scores, 3)
    require_size(boxes.shape[2], 4, "the last size of the boxes")
    require_size(scores.shape[0], boxes.shape[0], "the number of images of the scores")
    require_size(scores.shape[2], boxes.shape[1], "the number of boxes of the scores")
    require_scalar(most, DType.INT64)
    require_scalar(overlap, DType.FLOAT32)
    require_scalar(score, DType.FLOAT32)
    if not 0 <= iou_threshold <= 1:
        raise InvalidModelError(f"iou_threshold must lie in [0, 1], got {iou_threshold}")
    if isinstance(max_per_class, int) and max_per_class < 0:
        raise InvalidModelError(f"max_per_class must be >= 0, got {max_per_class}")
    return TensorType(DType.INT64, (Symbol(), 3))


@non_max_suppression.reference
def _non_max_suppression_reference(
    boxes: Array,
    scores: Array,
    most: Array | None,
    overlap: Array | None,
    score: Array | None,
    *,
    max_per_class: int,
    iou_threshold: float,
    score_threshold: float | None,
    center: bool,
) -> Array:
    limit = max_per_class if most is None else max(int(only_element(most)), 0)
    share = iou_threshold if overlap is None else float(widened(only_element(overlap)))
    least = score_threshold if score is None else float(widened(only_element(score)))
    if not 0 <= share <= 1:
        raise InvalidModelError(f"iou_threshold must lie in [0, 1], got {share}")
    if boxes.shape[0] != scores.shape[0] or boxes.shape[1] != scores.shape[2]:
        raise InvalidModelError(f"boxes {list(boxes.shape)} and scores {list(scores.shape)}: other images or boxes")
    given, ranks = widened(boxes), widened(scores)
    corners = corners_of_centers(given) if center else ordered_corners(given)
    rows: list[tuple[int, int, int]] = []
    for image, kind in np.ndindex(scores.shape[0], scores.shape[1]):
        line = ranks[image, kind]
        order = best_first(line)
        if least is not None:
            order = order[line[order] > line.dtype.type(least)]
        kept = suppress(corners[image, order], share, limit=limit)
        rows += [(image, kind, int(order[index])) for index in kept]
    return np.array(rows, np.int64).reshape(-1, 3)


non_max_suppression.host("how many boxes stay is data")
non_max_suppression.no_gradient("the results are indices")
