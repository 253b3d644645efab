"""The best boxes of many classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare
from xir.ops._build import scalar_like
from xir.ops.constant import constant
from xir.ops.detection import non_max_suppression
from xir.ops.elementwise import clip, div, mod, select
from xir.ops.index import gather_nd
from xir.ops.places import scatter_nd
from xir.ops.reduce import reduce_sum, top_k
from xir.ops.shape import broadcast, concat, iota, pad, reshape, transpose

handlers: Handlers[Handler] = Handlers("tensorflow")


def _kept(site: Site, boxes: Value, scores: Value, most: int, overlap: Value, least: Value) -> Value:
    """Scores [images, C * N], -1 below the threshold's where a better box of the class overlaps or nothing counts.

    boxes: [images, N, Q, 4], Q one for all classes or one of each; scores: [images, N, C].
    """
    images, count, kinds, _ = boxes.shape
    classes = scores.shape[2]
    by_class = transpose(scores, perm=(0, 2, 1))
    corners = reshape(transpose(boxes, perm=(0, 2, 1, 3)), shape=(images * kinds, count, 4))
    grouped = reshape(by_class, shape=(images * kinds, _shared(site, classes, kinds), count))
    floor = site.scalar(least, "a threshold")
    found = non_max_suppression(
        corners,
        grouped,
        max_per_class=most,
        iou_threshold=site.scalar(overlap, "a threshold"),
        score_threshold=floor,
        center=False,
    )
    none = broadcast(_number(floor - 1.0), shape=grouped.shape)
    held = scatter_nd(none, found, gather_nd(grouped, found), reduction="none")
    return reshape(held, shape=(images, classes * count))


def _shared(site: Site, classes: object, kinds: object) -> int:
    """How many classes share boxes: all, or one."""
    if not isinstance(classes, int) or not isinstance(kinds, int) or kinds not in (1, classes):
        site.invalid(f"boxes of {kinds} kinds for {classes} classes")
    return classes // kinds


def _number(value: float) -> Value:
    """A number of f32."""
    return constant(value=constant_of(np.asarray(value, np.float32)))


@handlers.layer("CombinedNonMaxSuppression")
def combined(
    site: Site, boxes: Value, scores: Value, per_class: Value, total: Value, overlap: Value, least: Value
) -> Sequence[Value]:
    """The best boxes of all classes of each image, their scores and classes, and how many there are; 0 behind them.

    (non_max_suppression_op.cc, BatchedNonMaxSuppressionOp)
    """
    count, kinds = boxes.shape[1:3]
    classes = scores.shape[2]
    if not isinstance(count, int) or not isinstance(classes, int):
        site.refuse("boxes or classes whose number only the run tells", "type the inputs: --input")
    most, size = (site.numbers(each, "a number of boxes")[0] for each in (per_class, total))
    size = min(size, most * classes) if site.flag("pad_per_class") else size
    held = _kept(site, boxes, scores, most, overlap, least)
    taken = min(size, classes * count)
    best, place = top_k(held, k=taken, axis=1)
    is_there = compare.greater(best, broadcast(_number(site.scalar(least, "a threshold")), shape=best.shape))
    kind = div(place, scalar_like(place, count))
    box = mod(place, scalar_like(place, count), floored=True)
    image = iota(shape=place.shape, axis=0, dtype=DType.INT64)
    group = kind if kinds == classes else scalar_like(kind, 0)
    columns = [reshape(each, shape=(*each.shape, 1)) for each in (image, box, group)]
    found = gather_nd(boxes, concat(*columns, axis=2))
    if site.flag("clip_boxes"):
        found = clip(found, minimum=0.0, maximum=1.0)
    everywhere = broadcast(reshape(is_there, shape=(*is_there.shape, 1)), shape=found.shape)
    valid = reduce_sum(site.cast(is_there, DType.INT32), axes=(1,), keep_dims=False)
    numbers = site.cast(kind, DType.FLOAT32)
    made = (select(where, each, scalar_like(each, 0))
            for where, each in ((everywhere, found), (is_there, best), (is_there, numbers)))  # fmt: skip
    return *(_filled(each, size - taken) for each in made), valid


def _filled(x: Value, missing: int) -> Value:
    """Zeros behind the second axis."""
    return pad(x, padding=((0, 0), (0, missing), *((0, 0),) * (x.rank - 2))) if missing else x
