"""SSD's detection output: predictions decoded, suppressed and listed."""

from __future__ import annotations

import math

import numpy as np

from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.dims import minimum as smaller
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.ops import elementwise
from xir.ops._boxes import best_first, suppress
from xir.ops._checks import require_floating, require_rank, require_same_dtype, require_size
from xir.ops._define import op
from xir.ops._detections import BoxCode, best_of_image, by_class, corners, detected, only_best, proper, without
from xir.ops._rows import narrowed_value, rows_or_none, widened_value
from xir.ops._windows import Numbers, narrowed, widened
from xir.ops.detection import non_max_suppression
from xir.ops.shape import concat, reshape, transpose


@op
def detection_output(
    location: Value,
    confidence: Value,
    prior: Value,
    *,
    classes: int,
    share_location: bool,
    background: int | None,
    code: BoxCode,
    variance_in_target: bool,
    confidence_threshold: float | None,
    nms_threshold: float,
    eta: float,
    top_k: int | None,
    keep_top_k: int | None,
    clip: bool = False,
) -> TensorType:
    """SSD's detections: boxes decoded from priors, suppressed class by class, the best of each image kept.

    (SSD, Liu et al. 2016; detection_output_layer.cpp and bbox_util.cpp of weiliu89/caffe, branch ssd)

    location: [N, P * L * 4], floating, L = 1 with `share_location`, else `classes`; confidence: [N, P * classes];
    prior: [1, 2, P * 4], boxes and variances as `prior_box` gives them (the variances may be absent with
    `variance_in_target`); result: [1, 1, K, 7], K known at run time only, rows (image, label, score, x1, y1, x2, y2).

    Class by class but for `background`: scores above `confidence_threshold` (None: all), of these the `top_k` highest
    (None: all), then non-maximum suppression at `nms_threshold` with lengths (no +1), the threshold multiplied by
    `eta` after each box that stays while it is above 0.5. When more than `keep_top_k` (None: no limit) stay in an
    image, the highest scores of all its classes do. Rows go by image, then label, then from high to low score; equal
    scores in the order of label and prior (the original's last sort leaves that order open). When nothing stays in
    the whole batch there is one row (image, -1, -1, -1, -1, -1, -1) an image. `clip` cuts decoded boxes to [0, 1]
    before suppression (OpenCV and OpenVINO; the original never does).
    """
    require_floating(location, confidence, prior)
    require_same_dtype(location, confidence, prior)
    require_rank(location, 2)
    require_rank(confidence, 2)
    require_rank(prior, 3)
    _require_attributes(classes, background, nms_threshold, eta, top_k, keep_top_k)
    require_size(confidence.shape[0], location.shape[0], "the number of images of the confidences")
    priors = prior.shape[2] // 4
    require_size(prior.shape[2], priors * 4, "the last size of the priors")
    require_size(location.shape[1], priors * (4 if share_location else 4 * classes), "the number of locations")
    require_size(confidence.shape[1], priors * classes, "the number of confidences")
    if not variance_in_target:
        require_size(prior.shape[1], 2, "the number of rows of the priors (boxes, variances)")
    return location.tensor.with_shape((1, 1, Symbol(), 7))


def _require_attributes(
    classes: int, background: int | None, nms_threshold: float, eta: float, top_k: int | None, keep_top_k: int | None
) -> None:
    if classes < 1 or (background is not None and not 0 <= background < classes):
        raise InvalidModelError(f"background {background} must be one of {classes} classes, or nothing")
    if classes == 1 and background is not None:
        raise InvalidModelError("the only class is the background: there is nothing to detect")
    if nms_threshold < 0:
        raise InvalidModelError(f"nms_threshold must be >= 0, got {nms_threshold}")
    if not 0 < eta <= 1:
        raise InvalidModelError(f"eta must lie in (0, 1], got {eta}")
    if (top_k is not None and top_k < 0) or (keep_top_k is not None and keep_top_k < 0):
        raise InvalidModelError(f"top_k {top_k} and keep_top_k {keep_top_k} must be >= 0, or nothing for no limit")


def foreground(classes: int, background: int | None) -> list[int]:
    """The labels that are detected: all but the background."""
    return [label for label in range(classes) if label != background]


def _decode(offsets: Numbers, boxes: Numbers, variances: Numbers | None, code: BoxCode) -> Numbers:
    """Boxes [..., P, 4] from `offsets: [..., P, 4]`, `boxes: [P, 4]` (bbox_util.cpp, DecodeBBox)."""
    scaled = offsets if variances is None else variances * offsets
    if code == "corner":
        return boxes + scaled
    size = boxes[..., 2:] - boxes[..., :2]
    if code == "corner_size":
        corners: Numbers = boxes + scaled * np.concatenate([size, size], axis=-1)
        return corners
    two = boxes.dtype.type(2)
    center = scaled[..., :2] * size + (boxes[..., :2] + boxes[..., 2:]) / two
    half = np.exp(scaled[..., 2:]) * size / two
    return np.concatenate([center - half, center + half], axis=-1)


@detection_output.reference
def _detection_output_reference(
    location: Array,
    confidence: Array,
    prior: Array,
    *,
    classes: int,
    share_location: bool,
    background: int | None,
    code: BoxCode,
    variance_in_target: bool,
    confidence_threshold: float | None,
    nms_threshold: float,
    eta: float,
    top_k: int | None,
    keep_top_k: int | None,
    clip: bool,
) -> Array:
    images, priors = location.shape[0], prior.shape[2] // 4
    table = widened(prior).reshape(prior.shape[1], priors, 4)
    offsets = widened(location).reshape(images, priors, -1, 4).transpose(0, 2, 1, 3)
    boxes = _decode(offsets, table[0], None if variance_in_target else table[1], code)
    if clip:
        boxes = np.clip(boxes, 0, 1)
    scores = widened(confidence).reshape(images, priors, classes).transpose(0, 2, 1)
    rows: list[Numbers] = []
    for image in range(images):
        found: list[tuple[int, int]] = []
        for label in foreground(classes, background):
            line = scores[image, label]
            order = best_first(line)
            bound = -math.inf if confidence_threshold is None else confidence_threshold
            order = order[line[order] > line.dtype.type(bound)][:top_k]
            kept = suppress(boxes[image, 0 if share_location else label][order], nms_threshold, eta=eta)
            found += [(label, int(order[index])) for index in kept]
        for label, index in _best(found, scores[image], keep_top_k):
            box = boxes[image, 0 if share_location else label, index]
            rows.append(np.concatenate([np.array([image, label, scores[image, label, index]], box.dtype), box]))
    if not rows:
        rows = [np.array([image, -1, -1, -1, -1, -1, -1], boxes.dtype) for image in range(images)]
    return narrowed(np.array(rows, boxes.dtype).reshape(1, 1, -1, 7), location)


def _best(found: list[tuple[int, int]], scores: Numbers, limit: int | None) -> list[tuple[int, int]]:
    """Those of `found` (label, prior) with the `limit` highest scores, in their old order."""
    if limit is None or len(found) <= limit:
        return found
    order = sorted(range(len(found)), key=lambda place: (-float(scores[found[place]]), found[place]))
    return [found[place] for place in sorted(order[:limit])]


@detection_output.decompose
def _detection_output_decompose(
    location: Value,
    confidence: Value,
    prior: Value,
    *,
    classes: int,
    share_location: bool,
    background: int | None,
    code: BoxCode,
    variance_in_target: bool,
    confidence_threshold: float | None,
    nms_threshold: float,
    eta: float,
    top_k: int | None,
    keep_top_k: int | None,
    clip: bool,
) -> Value:
    if eta < 1 and nms_threshold > 0.5:
        raise UnsupportedError(
            f"adaptive suppression (eta {eta}) cannot be decomposed: NonMaxSuppression knows one threshold only",
            hint="set eta to 1 in nms_param if a fixed threshold will do",
        )
    labels = foreground(classes, background)
    n, priors, count = location.shape[0], prior.shape[2] // 4, len(labels)
    table = reshape(widened_value(confidence), shape=(n, priors, classes))
    scores = transpose(without(table, 2, background), perm=(0, 2, 1))
    low, high = corners(
        widened_value(location), widened_value(prior), 1 if share_location else classes, code, variance_in_target
    )
    if clip:
        low, high = (elementwise.clip(corner, minimum=0.0, maximum=1.0) for corner in (low, high))
    solid, boxes = proper(low, high), concat(low, high, axis=3)
    if share_location:
        solid, boxes = (reshape(each, shape=(n, priors, 4)) for each in (solid, boxes))
    else:
        solid, boxes = (by_class(without(each, 2, background)) for each in (solid, boxes))
        scores = reshape(scores, shape=(n * count, 1, priors))
    most = priors if top_k is None else smaller(priors, top_k)
    kept = non_max_suppression(
        solid,
        scores if most in (0, priors) else only_best(scores, most),
        max_per_class=0 if keep_top_k == 0 else most,
        iou_threshold=min(nms_threshold, 1.0),
        score_threshold=-math.inf if confidence_threshold is None else confidence_threshold,
        center=False,
    )
    if keep_top_k and not (isinstance(most, int) and most * count <= keep_top_k):
        kept = best_of_image(kept, scores, n, keep_top_k)
    rows = detected(kept, boxes, scores, n, labels)
    return rows_or_none(narrowed_value(rows, location), n)


detection_output.no_gradient("which boxes stay is a choice; training goes through the loss instead")
