"""Boxes of which the overlapping ones are suppressed."""

from __future__ import annotations

import math

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tflite.flexbuffer import read_map
from xir.frontends.tflite.site import Handler, Site, as_dtype, literal
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise, index
from xir.ops._build import scalar_like
from xir.ops.detection import non_max_suppression
from xir.ops.reduce import arg_max, reduce_max, top_k
from xir.ops.shape import broadcast, concat, reshape, shape_of, slice_, split, transpose

handlers: Handlers[Handler] = Handlers("tflite")


def _below(limit: float) -> float:
    """The number right below: what TFLite suppresses or takes from the limit on, we do above it."""
    return float(np.nextafter(np.float32(limit), np.float32(-np.inf)))


def _number(site: Site, value: Value, what: str) -> float:
    (number,) = site.array(value, what).reshape(-1).astype(np.float64).tolist()
    return float(number)


def _filled(values: Value, count: Dim) -> Value:
    """The first `count` rows, zeros where there are fewer."""
    zeros = broadcast(literal(0, values.dtype), shape=(count, *values.shape[1:]))
    return slice_(concat(values, zeros, axis=0), axes=(0,), starts=(0,), stops=(count,), steps=(1,))


def _kept(boxes: Value, scores: Value, most: Dim, overlap: float, score: float) -> Value:
    """Rows (class, box) of the boxes [B, 4] that stay, of scores [C, B]; i64[K, 2]."""
    rows = non_max_suppression(
        reshape(boxes, shape=(1, *boxes.shape)),
        reshape(scores, shape=(1, *scores.shape)),
        max_per_class=most,
        iou_threshold=min(max(overlap, 0.0), 1.0),
        score_threshold=score,
        center=False,
    )
    return slice_(rows, axes=(1,), starts=(1,), stops=(3,), steps=(1,))


def _count(rows: Value) -> Value:
    """How many rows there are; i64[]."""
    return reshape(slice_(shape_of(rows), axes=(0,), starts=(0,), stops=(1,), steps=(1,)), shape=())


def _suppressed(site: Site, boxes: Value, scores: Value, limits: tuple[Value, Value, Value]) -> tuple[Value, Value]:
    """The places of the boxes that stay, filled with zeros, and how many they are (non_max_suppression.h)."""
    held = site.sizes(limits[0])
    if held is None or len(held) != 1:
        site.refuse("a number of boxes that is computed at run time", "fold it into a constant first")
    (most,) = held
    overlap = _number(site, limits[1], "a limit of the overlap")
    least = _number(site, limits[2], "a limit of the scores")
    one = reshape(scores, shape=(1, *scores.shape))
    rows = _kept(boxes, one, most, _below(overlap), least)
    places = reshape(slice_(rows, axes=(1,), starts=(1,), stops=(2,), steps=(1,)), shape=rows.shape[:1])
    return _filled(places, most), _count(rows)


@handlers.layer("NON_MAX_SUPPRESSION_V4")
def suppressed(site: Site, boxes: Value, scores: Value, most: Value, overlap: Value, least: Value) -> tuple[Value, ...]:
    """NON_MAX_SUPPRESSION_V4."""
    return _suppressed(site, boxes, scores, (most, overlap, least))


@handlers.layer("NON_MAX_SUPPRESSION_V5")
def suppressed_with_scores(
    site: Site, boxes: Value, scores: Value, most: Value, overlap: Value, least: Value, sigma: Value
) -> tuple[Value, ...]:
    """NON_MAX_SUPPRESSION_V5 with a sigma of 0, which lowers no scores."""
    if _number(site, sigma, "a sigma"):
        site.refuse("soft suppression")
    places, count = _suppressed(site, boxes, scores, (most, overlap, least))
    number = places.shape[0]
    from xir.ops.shape import iota

    is_real = compare_less(iota(shape=(number,), axis=0, dtype=DType.INT64), count)
    held = index.gather(scores, places, axis=0)
    return places, elementwise.select(is_real, held, scalar_like(held, 0)), count


def compare_less(values: Value, bound: Value) -> Value:
    """Which values are below one number."""
    from xir.ops.compare import less

    return less(values, broadcast(bound, shape=values.shape))


@handlers.layer("CUSTOM:TFLite_Detection_PostProcess")
def detections(site: Site, codes: Value, scores: Value, anchors: Value) -> tuple[Value, ...]:
    """SSD's last layer (kernels/detection_postprocess.cc): boxes decoded from anchors, suppressed, the best ones kept.

    codes: [1, B, 4] (y, x, h, w); scores: [1, B, classes], with a background class first where there is one more than
    `num_classes`; anchors: [B, 4]. Results: boxes [1, D, 4] (y, x of two corners), classes and scores [1, D], and how
    many there are [1], all f32.
    """
    options = read_map(site.operator.custom)
    most, classes = int(options["max_detections"]), int(options["num_classes"])
    scales = tuple(float(options[name]) for name in ("y_scale", "x_scale", "h_scale", "w_scale"))
    score, overlap = _below(float(options["nms_score_threshold"])), float(options["nms_iou_threshold"])
    if options.get("max_classes_per_detection", 1) != 1 and not options.get("use_regular_nms", 0):
        site.refuse("several classes of one detection")
    if most < 1 or codes.shape[0] != 1 or min(scales) <= 0:
        site.refuse("more than one image" if codes.shape[0] != 1 else f"{most} detections with scales {scales}")
    boxes = _decoded(reshape(codes, shape=codes.shape[1:]), anchors, scales)
    all_scores = reshape(scores, shape=scores.shape[1:])
    width = all_scores.shape[1]
    first = width - classes if isinstance(width, int) else 0
    all_scores = slice_(all_scores, axes=(1,), starts=(first,), stops=(width,), steps=(1,))
    if options.get("use_regular_nms", 0):
        per_class = int(options.get("detections_per_class", 100))
        chosen = _by_class(boxes, all_scores, (most, per_class), overlap, score)
    else:
        chosen = _by_best_class(boxes, all_scores, most, overlap, score)
    kept_boxes, kept_classes, kept_scores, count = chosen
    return (
        reshape(kept_boxes, shape=(1, most, 4)),
        reshape(as_dtype(kept_classes, DType.FLOAT32), shape=(1, most)),
        reshape(kept_scores, shape=(1, most)),
        reshape(as_dtype(count, DType.FLOAT32), shape=(1,)),
    )


def _decoded(codes: Value, anchors: Value, scales: tuple[float, ...]) -> Value:
    """Boxes [B, 4] as corners (y, x, y, x) from their codes around anchors (y, x, h, w)."""
    y, x, h, w = split(codes, axis=1, sizes=(1,) * 4)
    top, left, height, width = split(anchors, axis=1, sizes=(1,) * 4)
    low: list[Value] = []
    high: list[Value] = []
    for code, size, origin, extent, scale, size_scale in (
        (y, h, top, height, scales[0], scales[2]),
        (x, w, left, width, scales[1], scales[3]),
    ):
        middle = elementwise.add(elementwise.mul(elementwise.div(code, scalar_like(code, scale)), extent), origin)
        grown = elementwise.exp(elementwise.div(size, scalar_like(size, size_scale)))
        half = elementwise.mul(scalar_like(size, 0.5), elementwise.mul(grown, extent))
        low.append(elementwise.sub(middle, half))
        high.append(elementwise.add(middle, half))
    return concat(*low, *high, axis=1)


def _by_best_class(boxes: Value, scores: Value, most: int, overlap: float, score: float) -> tuple[Value, ...]:
    """Each box with its best class alone; all boxes suppress each other."""
    best = reduce_max(scores, axes=(1,), keep_dims=False)
    kind = arg_max(scores, axis=1, keep_dims=False)
    rows = _kept(boxes, reshape(best, shape=(1, *best.shape)), most, overlap, score)
    places = reshape(slice_(rows, axes=(1,), starts=(1,), stops=(2,), steps=(1,)), shape=rows.shape[:1])
    parts = (_filled(index.gather(each, places, axis=0), most) for each in (boxes, kind, best))
    return (*parts, _count(rows))


def _by_class(boxes: Value, scores: Value, most: tuple[int, int], overlap: float, score: float) -> tuple[Value, ...]:
    """Boxes suppress each other class by class; the best of all classes are kept, ordered by their scores."""
    total, per_class = most
    by_class = transpose(scores, perm=(1, 0))
    rows = _kept(boxes, by_class, per_class, overlap, score)
    held = index.gather_nd(by_class, rows)
    zeros: tuple[Dim, ...] = (total, 2)
    found = concat(held, broadcast(literal(-math.inf, held.dtype), shape=(total,)), axis=0)
    rows = concat(rows, broadcast(literal(0, DType.INT64), shape=zeros), axis=0)
    kept, places = top_k(found, k=total, axis=0)
    chosen = index.gather(rows, places, axis=0)
    kind, place = (
        reshape(slice_(chosen, axes=(1,), starts=(each,), stops=(each + 1,), steps=(1,)), shape=(total,))
        for each in range(2)
    )
    from xir.ops.compare import less

    is_none = less(kept, scalar_like(kept, -1e38))
    count = elementwise.minimum(_count(held), literal(total, DType.INT64))
    wide = broadcast(reshape(is_none, shape=(total, 1)), shape=(total, 4))
    corners = index.gather(boxes, place, axis=0)
    return (
        elementwise.select(wide, scalar_like(corners, 0), corners),
        kind,
        elementwise.select(is_none, scalar_like(kept, 0), kept),
        count,
    )
