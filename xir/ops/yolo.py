"""YOLO: the darknet reorganisation of channels, boxes decoded from a feature map, and their detections."""

from __future__ import annotations

from typing import Literal

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._boxes import best_first, corners_of_centers, suppress
from xir.ops._checks import require_floating, require_rank, require_same_dtype, require_same_shape, require_size
from xir.ops._define import op
from xir.ops._rows import (
    column,
    narrowed_value,
    part,
    picked,
    rows_or_none,
    scaled,
    shifted,
    widened_value,
)
from xir.ops._windows import Numbers, narrowed, widened
from xir.ops.activation import sigmoid
from xir.ops.constant import constant
from xir.ops.detection import non_max_suppression
from xir.ops.elementwise import add, cast, div, exp, mul, sub
from xir.ops.norm import softmax
from xir.ops.reduce import arg_max, reduce_max
from xir.ops.shape import broadcast, concat, iota, reshape, shape_of, transpose


@op
def reorg(x: Value, *, stride: int, reverse: bool) -> TensorType:
    """Channels and pixels reorganised as darknet does it. (YOLOv2, Redmon 2016, "passthrough"; reorg_layer.hpp)

    x: [N, C, H, W], any dtype; result: [N, C * s^2, H / s, W / s], or [N, C / s^2, H * s, W * s] with `reverse`. This
    is not space-to-depth: darknet reads the map as if it had s^2 fewer channels and s times the height and width, takes
    that apart, and names the outcome anew. So s^2 must divide C both ways, and s must divide H and W unless `reverse`.
    """
    require_rank(x, 4)
    if stride < 1:
        raise InvalidModelError(f"stride must be positive, got {stride}")
    n, c, h, w = x.shape
    block = stride * stride
    if isinstance(c, int) and c % block:
        raise InvalidModelError(f"the number of channels must be divisible by {block}, got {c}")
    if reverse:
        return x.tensor.with_shape((n, c // block, h * stride, w * stride))
    if any(isinstance(size, int) and size % stride for size in (h, w)):
        raise InvalidModelError(f"height and width must be divisible by {stride}, got {h!r} and {w!r}")
    return x.tensor.with_shape((n, c * block, h // stride, w // stride))


@reorg.reference
def _reorg_reference(x: Array, *, stride: int, reverse: bool) -> Array:
    n, c, h, w = x.shape
    rest = c // (stride * stride)
    if reverse:
        apart = x.reshape(n, stride, stride, rest, h, w).transpose(0, 3, 4, 1, 5, 2)
        return apart.reshape(n, rest, h * stride, w * stride)
    apart = x.reshape(n, rest, h, stride, w, stride).transpose(0, 3, 5, 1, 2, 4)
    return apart.reshape(n, c * stride * stride, h // stride, w // stride)


@reorg.decompose
def _reorg_decompose(x: Value, *, stride: int, reverse: bool) -> Value:
    n, c, h, w = x.shape
    rest = c // (stride * stride)
    if reverse:
        apart = transpose(reshape(x, shape=(n, stride, stride, rest, h, w)), perm=(0, 3, 4, 1, 5, 2))
        return reshape(apart, shape=(n, rest, h * stride, w * stride))
    shape = (n, c * (stride * stride), h // stride, w // stride)
    apart = transpose(reshape(x, shape=(n, rest, h, stride, w, stride)), perm=(0, 3, 5, 1, 2, 4))
    return reshape(apart, shape=shape)


@op
def yolo_boxes(
    x: Value,
    *,
    classes: int,
    anchors: tuple[tuple[float, float], ...],
    anchor_scale: float,
    class_activation: Literal["softmax", "sigmoid"],
) -> tuple[TensorType, TensorType]:
    """Boxes and class scores from a YOLO feature map. (YOLOv2 and v3, Redmon and Farhadi 2016, 2018)

    (yolo_detection_output_layer.cpp and yolov3_detection_output_layer.cpp of eric612/MobileNet-YOLO)

    x: [N, A * (5 + classes), H, W], floating, A = number of `anchors` (width, height); results: boxes
    [N, H * W * A, 4], (x center, y center, width, height) as fractions of the image, and scores
    [N, H * W * A, classes], probability of an object times that of the class; both by row, column, anchor.

    Centres are the sigmoid of the first two channels within their cell; sizes are exponentials of the next two times
    the anchor, over `anchor_scale` times the map's size (1: anchors count cells, as in YOLOv2; the stride: anchors
    count pixels, as in YOLOv3).
    """
    require_floating(x)
    require_rank(x, 4)
    if classes < 1 or not anchors or any(side <= 0 for anchor in anchors for side in anchor) or anchor_scale <= 0:
        raise InvalidModelError(
            f"classes {classes}, anchors {list(anchors)} and anchor_scale {anchor_scale} must be positive"
        )
    n, c, h, w = x.shape
    require_size(c, len(anchors) * (5 + classes), "the number of channels")
    boxes = h * w * len(anchors)
    return x.tensor.with_shape((n, boxes, 4)), x.tensor.with_shape((n, boxes, classes))


def _sigmoid(x: Numbers) -> Numbers:
    one = x.dtype.type(1)
    return one / (one + np.exp(-x))


@yolo_boxes.reference
def _yolo_boxes_reference(
    x: Array,
    *,
    classes: int,
    anchors: tuple[tuple[float, float], ...],
    anchor_scale: float,
    class_activation: Literal["softmax", "sigmoid"],
) -> tuple[Array, Array]:
    n, _, h, w = x.shape
    cells = widened(x).reshape(n, len(anchors), 5 + classes, h, w).transpose(0, 3, 4, 1, 2)
    kind = cells.dtype.type
    size = np.array([w, h], cells.dtype)
    grid = np.stack(np.meshgrid(np.arange(w), np.arange(h)), axis=-1).astype(cells.dtype)[:, :, None]
    center = (_sigmoid(cells[..., :2]) + grid) / size
    shape = np.exp(cells[..., 2:4]) * np.array(anchors, cells.dtype) / (size * kind(anchor_scale))
    if class_activation == "softmax":
        raised = np.exp(cells[..., 5:] - cells[..., 5:].max(axis=-1, keepdims=True))
        chance = raised / raised.sum(axis=-1, keepdims=True)
    else:
        chance = _sigmoid(cells[..., 5:])
    boxes = np.concatenate([center, shape], axis=-1).reshape(n, -1, 4)
    scores = (chance * _sigmoid(cells[..., 4:5])).reshape(n, -1, classes)
    return narrowed(boxes, x), narrowed(scores, x)


@yolo_boxes.decompose
def _yolo_boxes_decompose(
    x: Value,
    *,
    classes: int,
    anchors: tuple[tuple[float, float], ...],
    anchor_scale: float,
    class_activation: Literal["softmax", "sigmoid"],
) -> tuple[Value, Value]:
    n, _, h, w = x.shape
    count = len(anchors)
    wide = widened_value(x)
    cells = transpose(reshape(wide, shape=(n, count, 5 + classes, h, w)), perm=(0, 3, 4, 1, 2))
    shape = (n, h, w, count, 2)
    places = [iota(shape=(h, w, 1, 1), axis=axis, dtype=wide.dtype) for axis in (1, 0)]
    grid = broadcast(concat(*places, axis=3), shape=shape)
    sizes = cast(concat(part(shape_of(x), 0, 3, 4), part(shape_of(x), 0, 2, 3), axis=0), dtype=wide.dtype)
    center = div(add(sigmoid(part(cells, 4, 0, 2)), grid), broadcast(sizes, shape=shape))
    sides = constant(value=constant_of(np.array(anchors), wide.dtype))
    raised = mul(exp(part(cells, 4, 2, 4)), broadcast(sides, shape=shape))
    extent = div(raised, broadcast(scaled(sizes, anchor_scale), shape=shape))
    chance = part(cells, 4, 5, 5 + classes)
    chance = softmax(chance, axis=4) if class_activation == "softmax" else sigmoid(chance)
    scores = mul(chance, broadcast(sigmoid(part(cells, 4, 4, 5)), shape=chance.shape))
    total = h * w * count
    boxes = reshape(concat(center, extent, axis=4), shape=(n, total, 4))
    return narrowed_value(boxes, x), narrowed_value(reshape(scores, shape=(n, total, classes)), x)


@op
def yolo_detection_output(
    boxes: Value, scores: Value, *, confidence_threshold: float, inclusive: bool, nms_threshold: float
) -> TensorType:
    """YOLO's detections: the best class of each box, all boxes suppressed together.

    (yolo_detection_output_layer.cpp and yolov3_detection_output_layer.cpp of eric612/MobileNet-YOLO)

    boxes: [N, B, 4], floating, (x center, y center, width, height); scores: [N, B, C]; result: [1, 1, K, 7], K known at
    run time only, rows (0, label + 1, score, x1, y1, x2, y2) from high to low score, equal scores in the order of their
    boxes (the original's sort leaves that open).

    The first of the highest scores of a box is its class; scores above `confidence_threshold` (`inclusive`: or at it,
    as YOLOv2's layer has it) count; then a box goes when it overlaps a better one, whatever their classes, by
    `nms_threshold` or more. As in the original all images of a batch are one pool and every row says image 0. When
    nothing stays there is one row (image, -1, -1, -1, -1, -1, -1) an image.
    """
    require_floating(boxes, scores)
    require_same_dtype(boxes, scores)
    require_rank(boxes, 3)
    require_rank(scores, 3)
    require_same_shape(boxes.shape[:2], scores.shape[:2])
    require_size(boxes.shape[2], 4, "the last size of the boxes")
    if not 0 < nms_threshold <= 1:
        raise InvalidModelError(f"nms_threshold must lie in (0, 1], got {nms_threshold}")
    return boxes.tensor.with_shape((1, 1, Symbol(), 7))


@yolo_detection_output.reference
def _yolo_detection_output_reference(
    boxes: Array, scores: Array, *, confidence_threshold: float, inclusive: bool, nms_threshold: float
) -> Array:
    pool = corners_of_centers(widened(boxes)).reshape(-1, 4)
    chances = widened(scores).reshape(-1, scores.shape[2])
    labels, line = chances.argmax(axis=1), chances.max(axis=1)
    order = best_first(line)
    bound = line.dtype.type(confidence_threshold)
    order = order[line[order] >= bound if inclusive else line[order] > bound]
    kept = order[suppress(pool[order], nms_threshold, inclusive=True)]
    head = np.stack([np.zeros(len(kept)), labels[kept] + 1, line[kept]], axis=1)
    rows = np.concatenate([head.astype(pool.dtype), pool[kept]], axis=1)
    if not len(rows):
        rows = np.full((boxes.shape[0], 7), -1, pool.dtype)
        rows[:, 0] = np.arange(boxes.shape[0])
    return narrowed(rows.reshape(1, 1, -1, 7), boxes)


def _just_below(number: float, dtype: DType) -> float:
    """The largest number of `dtype` (f32 for narrower ones) under `number`: `> just below` says `>= number`."""
    kind = np.float64 if dtype is DType.FLOAT64 else np.float32
    return float(np.nextafter(kind(number), kind(-np.inf)))


@yolo_detection_output.decompose
def _yolo_detection_output_decompose(
    boxes: Value, scores: Value, *, confidence_threshold: float, inclusive: bool, nms_threshold: float
) -> Value:
    wide = widened_value(boxes)
    n, count = boxes.shape[:2]
    total = n * count
    chances = widened_value(scores)
    best = reshape(reduce_max(chances, axes=(2,), keep_dims=False), shape=(total, 1))
    label = reshape(cast(arg_max(chances, axis=2, keep_dims=False), dtype=wide.dtype), shape=(total, 1))
    bound = _just_below(confidence_threshold, boxes.dtype) if inclusive else confidence_threshold
    kept = non_max_suppression(
        reshape(wide, shape=(1, total, 4)),
        reshape(best, shape=(1, 1, total)),
        max_per_class=total,
        iou_threshold=_just_below(nms_threshold, boxes.dtype),
        score_threshold=bound,
        center=True,
    )
    box = reshape(wide, shape=(total, 4))
    half, center = scaled(part(box, 1, 2, 4), 0.5), part(box, 1, 0, 2)
    every = concat(shifted(label, 1), best, sub(center, half), add(center, half), axis=1)
    image = cast(part(kept, 1, 0, 1), dtype=wide.dtype)
    rows = concat(image, picked(every, column(kept, 2)), axis=1)
    return rows_or_none(narrowed_value(rows, boxes), n)


yolo_detection_output.no_gradient("which boxes stay is a choice; training goes through the loss instead")
