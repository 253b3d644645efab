"""The pieces that SSD's detection output decomposes into."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from xir.errors import UnsupportedError
from xir.ir.constant import constant_of
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._build import scalar_like
from xir.ops._rows import column, number_vector, part, picked, picked_nd, scaled
from xir.ops.constant import constant
from xir.ops.elementwise import add, cast, exp, maximum, mul, sub
from xir.ops.index import compress, scatter_elements
from xir.ops.matmul import matmul
from xir.ops.reduce import top_k
from xir.ops.shape import broadcast, concat, iota, reshape, transpose

BoxCode = Literal["corner", "center_size", "corner_size"]


def corners(location: Value, prior: Value, count: int, code: BoxCode, variance_in_target: bool) -> tuple[Value, Value]:
    """The near and far corners of every box, each [N, P, count, 2], `count` boxes a prior (bbox_util.cpp, DecodeBBox).

    location: [N, P * count * 4]; prior: [1, 1 or 2, P * 4].
    """
    shape = (location.shape[0], prior.shape[2] // 4, count, 2)

    def of_prior(row: int, first: int) -> Value:
        table = reshape(part(prior, 1, row, row + 1), shape=(1, shape[1], 1, 4))
        return broadcast(part(table, 3, first, first + 2), shape=shape)

    offsets = reshape(location, shape=(*shape[:3], 4))
    near, far = part(offsets, 3, 0, 2), part(offsets, 3, 2, 4)
    if not variance_in_target:
        near, far = mul(of_prior(1, 0), near), mul(of_prior(1, 2), far)
    low, high = of_prior(0, 0), of_prior(0, 2)
    if code == "corner":
        return add(low, near), add(high, far)
    size = sub(high, low)
    if code == "corner_size":
        return add(low, mul(near, size)), add(high, mul(far, size))
    center = add(mul(near, size), scaled(add(low, high), 0.5))
    half = scaled(mul(exp(far), size), 0.5)
    return sub(center, half), add(center, half)


def without(x: Value, axis: int, index: int | None) -> Value:
    """`x` without the slice `index` of `axis`; whole when that is nothing."""
    if index is None:
        return x
    pieces = [part(x, axis, 0, index), part(x, axis, index + 1, x.shape[axis])]
    present = [piece for piece in pieces if piece.shape[axis] != 0]
    return present[0] if len(present) == 1 else concat(*present, axis=axis)


def by_class(boxes: Value) -> Value:
    """`boxes: [N, P, C, 4]`, every class with boxes of its own, as [N * C, P, 4]."""
    n, p, c, _ = boxes.shape
    return reshape(transpose(boxes, perm=(0, 2, 1, 3)), shape=(n * c, p, 4))


def only_best(scores: Value, count: Dim) -> Value:
    """`scores: [B, C, P]` with all but the `count` highest of each line at minus infinity."""
    values, indices = top_k(scores, k=count, axis=2, largest=True, sorted=True)
    return scatter_elements(scalar_like(scores, -math.inf), indices, values, axis=2, reduction="none")


def proper(low: Value, high: Value) -> Value:
    """Boxes for NonMaxSuppression, corners side by side on the last axis.

    It reads any two corners as a box, while Caffe's overlap of a box that is inside out is 0 (bbox_util.cpp,
    JaccardOverlap): such a box gets no area.
    """
    return concat(low, maximum(low, high), axis=low.rank - 1)


def best_of_image(kept: Value, scores: Value, images: Dim, limit: int) -> Value:
    """Those rows of `kept: i64[K, 3]` with the `limit` highest scores of each image, in their old order.

    scores: [B, C, P], B * C a multiple of `images`. The kept scores are laid out over all places of an image, the
    highest of them found and their places marked; each row then reads its mark.

    Raises:
        UnsupportedError: if the number of places of an image is not known.
    """
    b, c, p = scores.shape
    places = (b * c * p) // images
    if not (isinstance(places, int) and isinstance(c, int) and isinstance(p, int)):
        raise UnsupportedError(
            f"keep_top_k over {p!r} prior boxes cannot be decomposed: their number must be known",
            hint="fix the input's height and width, for example with --input data=f32[1,3,300,300]",
        )
    stride = constant(value=constant_of(np.array([[c * p], [p], [1]], np.int64)))
    place = column(matmul(kept, stride), 0)
    lowest = constant(value=constant_of(np.array(-math.inf).astype(scores.dtype.dtype)))
    spread = broadcast(lowest, shape=(images * places,))
    spread = scatter_elements(spread, place, picked_nd(scores, kept), axis=0, reduction="none")
    line = reshape(spread, shape=(images, places))
    _, best = top_k(line, k=min(limit, places), axis=1, largest=True, sorted=True)
    blank = broadcast(constant(value=constant_of(np.array(0, np.int64))), shape=(images, places))
    marks = scatter_elements(blank, best, scalar_like(best, 1), axis=1, reduction="none")
    mark = picked(reshape(marks, shape=(images * places,)), place)
    return compress(kept, cast(mark, dtype=DType.BOOL), axis=0)


def detected(kept: Value, boxes: Value, scores: Value, images: Dim, labels: list[int]) -> Value:
    """The rows (image, label, score, x1, y1, x2, y2) of `kept: i64[K, 3]`, in the dtype of `boxes: [B, P, 4]`.

    scores: [N, C, P] where classes share boxes, [N * C, 1, P] where they do not; `labels` are the C classes' names.
    """
    names = reshape(number_vector([float(label) for label in labels], boxes.dtype), shape=(len(labels), 1))
    batch = part(kept, 1, 0, 1)
    if boxes.shape[0] == images and scores.shape[1] == len(labels):
        image, label = cast(batch, dtype=boxes.dtype), picked(names, column(kept, 1))
    else:
        shape = (images, len(labels), 1)
        lines = (iota(shape=shape, axis=0, dtype=boxes.dtype), broadcast(names, shape=shape))
        table = (images * len(labels), 1)
        image, label = (picked(reshape(line, shape=table), column(kept, 0)) for line in lines)
    score = picked_nd(reshape(scores, shape=(*scores.shape, 1)), kept)
    box = picked_nd(boxes, concat(batch, part(kept, 1, 2, 3), axis=1))
    return concat(image, label, score, box, axis=1)
