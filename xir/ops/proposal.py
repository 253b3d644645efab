"""Region proposals: the boxes that a region proposal network suggests."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Dim, Symbol
from xir.ir.dims import minimum as least_of
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._boxes import best_first, suppress
from xir.ops._build import scalar_like
from xir.ops._checks import require_floating, require_rank, require_same_dtype, require_size
from xir.ops._define import op
from xir.ops._rows import column, narrowed_value, part, picked, scaled, shifted, widened_value
from xir.ops._windows import Numbers, narrowed, widened
from xir.ops.compare import greater_equal, logical_and
from xir.ops.constant import constant
from xir.ops.detection import non_max_suppression
from xir.ops.elementwise import add, cast, exp, maximum, minimum, mul, select, sub
from xir.ops.reduce import top_k
from xir.ops.shape import broadcast, concat, iota, reshape, transpose


def anchors(base_size: int, ratios: Sequence[float], scales: Sequence[float]) -> Numbers:
    """The anchor boxes of one cell, f64[ratios * scales, 4], (x1, y1, x2, y2) in pixels, corners included.

    A square of `base_size` pixels at the origin, reshaped to each height / width ratio with sides rounded (halves to
    even), each then scaled about the centre. (generate_anchors.py of py-faster-rcnn)
    """
    center = (base_size - 1) / 2
    boxes: list[list[float]] = []
    for ratio in ratios:
        width = round(math.sqrt(base_size * base_size / ratio))
        height = round(width * ratio)
        for scale in scales:
            half = ((width * scale - 1) / 2, (height * scale - 1) / 2)
            boxes.append([center - half[0], center - half[1], center + half[0], center + half[1]])
    return np.array(boxes, np.float64).reshape(-1, 4)


def shifted_anchors(cell: Numbers, height: int, width: int, stride: int) -> Numbers:
    """The anchors `cell: [A, 4]` at each cell of a map, [height * width * A, 4], the anchor fastest."""
    rows, columns = np.meshgrid(np.arange(height) * stride, np.arange(width) * stride, indexing="ij")
    shifts = np.stack([columns, rows, columns, rows], axis=-1).reshape(-1, 1, 4)
    return (cell[None] + shifts).reshape(-1, 4)


@op
def proposal(
    scores: Value,
    deltas: Value,
    image_info: Value,
    *,
    feature_stride: int,
    base_size: int,
    ratios: tuple[float, ...],
    scales: tuple[float, ...],
    pre_nms_top_n: int | None,
    post_nms_top_n: int | None,
    nms_threshold: float,
    min_size: float,
) -> tuple[TensorType, TensorType]:
    """The best boxes that a region proposal network suggests. (Faster R-CNN, Ren et al. 2015; proposal_layer.py)

    scores: [1, 2 * A, H, W], floating, A = ratios * scales: A background probabilities, then A of objects; deltas:
    [1, 4 * A, H, W]; image_info: [1, 3] or more columns: height, width and scale of the image. Results: regions [R, 5],
    rows (0, x1, y1, x2, y2) in pixels, and their scores [R, 1]; R known at run time only.

    Anchors (`anchors`) stand every `feature_stride` pixels; deltas move them (centre by fractions of the size, size by
    exponentials), boxes are clipped to the image, those with a side under `min_size` times the image's scale go, the
    `pre_nms_top_n` best stay (None: all), then suppression at `nms_threshold` with sides x2 - x1 + 1, then the first
    `post_nms_top_n` (None: all). From high to low score; equal scores by row, column, anchor (the original sorts
    unstably). A box that overlaps by exactly the threshold stays, as in the original's Python and CUDA versions.
    """
    require_floating(scores, deltas, image_info)
    require_same_dtype(scores, deltas, image_info)
    require_rank(scores, 4)
    require_rank(deltas, 4)
    require_rank(image_info, 2)
    count = len(ratios) * len(scales)
    if not count or any(value <= 0 for value in (*ratios, *scales)):
        raise InvalidModelError(f"positive ratios and scales are needed, got {list(ratios)} and {list(scales)}")
    if feature_stride < 1 or base_size < 1:
        raise InvalidModelError(f"feature_stride {feature_stride} and base_size {base_size} must be positive")
    if not 0 <= nms_threshold <= 1:
        raise InvalidModelError(f"nms_threshold must lie in [0, 1], got {nms_threshold}")
    if any(limit is not None and limit < 1 for limit in (pre_nms_top_n, post_nms_top_n)):
        raise InvalidModelError(f"pre_nms_top_n {pre_nms_top_n} and post_nms_top_n {post_nms_top_n} must be positive")
    require_size(scores.shape[0], 1, "the number of images (the layer takes one)")
    require_size(deltas.shape[0], 1, "the number of images of the deltas")
    require_size(scores.shape[1], 2 * count, "the number of score channels")
    require_size(deltas.shape[1], 4 * count, "the number of delta channels")
    require_size(deltas.shape[2], scores.shape[2], "the height of the deltas")
    require_size(deltas.shape[3], scores.shape[3], "the width of the deltas")
    if isinstance(image_info.shape[1], int) and image_info.shape[1] < 3:
        raise InvalidModelError(f"image_info needs height, width and scale, got {image_info.type!r}")
    regions = Symbol()
    return scores.tensor.with_shape((regions, 5)), scores.tensor.with_shape((regions, 1))


def _moved(boxes: Numbers, deltas: Numbers) -> Numbers:
    """Boxes [K, 4] moved and scaled by `deltas: [K, 4]` (bbox_transform.py, bbox_transform_inv)."""
    kind = deltas.dtype.type
    half = kind(0.5)
    size = boxes[:, 2:] - boxes[:, :2] + kind(1)
    center = deltas[:, :2] * size + (boxes[:, :2] + half * size)
    reach = half * (np.exp(deltas[:, 2:]) * size)
    return np.concatenate([center - reach, center + reach], axis=1)


@proposal.reference
def _proposal_reference(
    scores: Array,
    deltas: Array,
    image_info: Array,
    *,
    feature_stride: int,
    base_size: int,
    ratios: tuple[float, ...],
    scales: tuple[float, ...],
    pre_nms_top_n: int | None,
    post_nms_top_n: int | None,
    nms_threshold: float,
    min_size: float,
) -> tuple[Array, Array]:
    cell = anchors(base_size, ratios, scales)
    height, width = scores.shape[2:]
    moves = widened(deltas).transpose(0, 2, 3, 1).reshape(-1, 4)
    line = widened(scores)[:, len(cell) :].transpose(0, 2, 3, 1).reshape(-1)
    kind = moves.dtype.type
    boxes = _moved(shifted_anchors(cell, height, width, feature_stride).astype(moves.dtype), moves)
    tall, wide, scale = widened(image_info)[0, :3]
    most = np.stack([wide, tall, wide, tall]) - kind(1)
    boxes = np.maximum(np.minimum(boxes, most), kind(0))
    large = (boxes[:, 2:] - boxes[:, :2] + kind(1) >= kind(min_size) * scale).all(axis=1)
    order = best_first(line)
    order = order[large[order]][:pre_nms_top_n]
    kept = order[suppress(boxes[order], nms_threshold, limit=post_nms_top_n, extra=1.0)]
    rows = np.concatenate([np.zeros((len(kept), 1), boxes.dtype), boxes[kept]], axis=1)
    return narrowed(rows, scores), narrowed(line[kept, None], scores)


def _built_anchors(cell: Numbers, height: Dim, width: Dim, stride: int, dtype: DType) -> Value:
    """The anchors of every cell, [height * width * A, 4]; the map's size may be known at run time only."""
    across, down = (scaled(iota(shape=(height, width, 1, 1), axis=axis, dtype=dtype), stride) for axis in (1, 0))
    shape = (height, width, len(cell), 4)
    shifts = broadcast(concat(across, down, across, down, axis=3), shape=shape)
    every = add(broadcast(constant(value=constant_of(cell, dtype)), shape=shape), shifts)
    return reshape(every, shape=(height * width * len(cell), 4))


def _built_boxes(base: Value, moves: Value, image_info: Value) -> tuple[Value, Value, Value]:
    """Boxes [M, 4] moved and clipped to the image, and their sides: width and height, [M, 2]."""
    near, far = part(base, 1, 0, 2), part(base, 1, 2, 4)
    size = shifted(sub(far, near), 1)
    center = add(mul(part(moves, 1, 0, 2), size), add(near, scaled(size, 0.5)))
    reach = scaled(mul(exp(part(moves, 1, 2, 4)), size), 0.5)
    info = part(image_info, 0, 0, 1)
    sizes = concat(part(info, 1, 1, 2), part(info, 1, 0, 1), axis=1)
    most = broadcast(shifted(sizes, -1), shape=size.shape)
    low, high = (
        maximum(minimum(corner, most), scalar_like(corner, 0)) for corner in (sub(center, reach), add(center, reach))
    )
    return low, high, shifted(sub(high, low), 1)


@proposal.decompose
def _proposal_decompose(
    scores: Value,
    deltas: Value,
    image_info: Value,
    *,
    feature_stride: int,
    base_size: int,
    ratios: tuple[float, ...],
    scales: tuple[float, ...],
    pre_nms_top_n: int | None,
    post_nms_top_n: int | None,
    nms_threshold: float,
    min_size: float,
) -> tuple[Value, Value]:
    cell = anchors(base_size, ratios, scales)
    count, height, width = len(cell), scores.shape[2], scores.shape[3]
    total = height * width * count
    moves = reshape(transpose(widened_value(deltas), perm=(0, 2, 3, 1)), shape=(total, 4))
    objects = part(widened_value(scores), 1, count, 2 * count)
    line = reshape(transpose(objects, perm=(0, 2, 3, 1)), shape=(total,))
    base = _built_anchors(cell, height, width, feature_stride, moves.dtype)
    info = widened_value(image_info)
    low, high, sides = _built_boxes(base, moves, info)
    least = broadcast(scaled(part(part(info, 0, 0, 1), 1, 2, 3), min_size), shape=(total, 1))
    large = logical_and(*(greater_equal(part(sides, 1, side, side + 1), least) for side in (0, 1)))
    line = select(reshape(large, shape=(total,)), line, scalar_like(line, -math.inf))
    boxes = concat(low, high, axis=1)
    if pre_nms_top_n is not None and not (isinstance(total, int) and total <= pre_nms_top_n):
        total = least_of(total, pre_nms_top_n)
        line, order = top_k(line, k=total, axis=0, largest=True, sorted=True)
        boxes = picked(boxes, order)
    ends = concat(part(boxes, 1, 0, 2), shifted(part(boxes, 1, 2, 4), 1), axis=1)
    kept = non_max_suppression(
        reshape(ends, shape=(1, total, 4)),
        reshape(line, shape=(1, 1, total)),
        max_per_class=total if post_nms_top_n is None else post_nms_top_n,
        iou_threshold=nms_threshold,
        score_threshold=-math.inf,
        center=False,
    )
    index = column(kept, 2)
    image = cast(part(kept, 1, 0, 1), dtype=boxes.dtype)
    rows = concat(image, picked(boxes, index), axis=1)
    best = picked(reshape(line, shape=(total, 1)), index)
    return narrowed_value(rows, scores), narrowed_value(best, scores)


proposal.no_gradient("which boxes stay is a choice; the original propagates no gradient either")
