"""Boxes in NumPy: overlaps, greedy suppression and rounding, as the detection references share them."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from xir.ir.constant import Array
from xir.ops._windows import Numbers

Indices: TypeAlias = NDArray[np.int64]


def round_half_away(x: Numbers) -> Numbers:
    """The nearest whole number, halves away from zero: C's `round`, which Caffe's ROI layers call."""
    size = np.abs(x)
    whole = np.floor(size)
    result: Numbers = np.copysign(whole + (size - whole >= 0.5).astype(x.dtype), x)
    return result


def _areas(boxes: Numbers, extra: float) -> Numbers:
    """Areas of `boxes: [..., 4]` (x1, y1, x2, y2); 0 where a side is negative (bbox_util.cpp, BBoxSize)."""
    one = boxes.dtype.type(extra)
    width, height = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    area: Numbers = np.where((width < 0) | (height < 0), boxes.dtype.type(0), (width + one) * (height + one))
    return area


def overlaps(box: Numbers, others: Numbers, extra: float = 0.0) -> Numbers:
    """Intersection over union of `box: [4]` with each of `others: [K, 4]`; 0 where they do not meet.

    Boxes are (x1, y1, x2, y2). `extra` is 1 where coordinates name pixels, so that a side is x2 - x1 + 1 (py-faster-
    rcnn's nms), and 0 where they are lengths (bbox_util.cpp, JaccardOverlap).
    """
    one = others.dtype.type(extra)
    width = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0]) + one
    height = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1]) + one
    meet = (width > 0) & (height > 0)
    common = np.where(meet, width * height, others.dtype.type(0))
    union = _areas(box, extra) + _areas(others, extra) - common
    result: Numbers = np.where(meet & (union > 0), common / np.where(union > 0, union, 1), others.dtype.type(0))
    return result


def suppress(
    boxes: Numbers,
    threshold: float,
    *,
    limit: int | None = None,
    eta: float = 1.0,
    extra: float = 0.0,
    inclusive: bool = False,
) -> list[int]:
    """Greedy non-maximum suppression: which of `boxes: [K, 4]`, best first, stay.

    A box goes when its overlap with one that stays is above `threshold` (`inclusive`: reaches it). With `eta` below 1
    the threshold is multiplied by it after each box that stays, as long as it is above 0.5 (bbox_util.cpp,
    ApplyNMSFast). At most `limit` boxes stay.
    """
    bound = boxes.dtype.type(threshold)
    factor = boxes.dtype.type(eta)
    kept: list[int] = []
    for index in range(len(boxes)):
        if limit is not None and len(kept) >= limit:
            break
        found = overlaps(boxes[index], boxes[kept], extra)
        if bool(((found >= bound) if inclusive else (found > bound)).any()):
            continue
        kept.append(index)
        if eta < 1 and bound > 0.5:
            bound = bound * factor
    return kept


def best_first(scores: Array) -> Indices:
    """Indices that sort `scores: [K]` from high to low; equal ones keep their order."""
    return np.argsort(-scores.astype(np.float64), kind="stable")


def corners_of_centers(boxes: Numbers) -> Numbers:
    """(x center, y center, width, height) as (x1, y1, x2, y2); boxes: [..., 4]."""
    half = boxes[..., 2:] / boxes.dtype.type(2)
    return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], axis=-1)


def ordered_corners(boxes: Numbers) -> Numbers:
    """Two opposite corners, whichever they are, as (low, low, high, high); boxes: [..., 4]."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return np.concatenate([np.minimum(low, high), np.maximum(low, high)], axis=-1)
