"""Images [N, H, W, C]: resizing, crops and boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers._layout import back, first
from xir.frontends.tensorflow.handlers._sizes import whole
from xir.ir.constant import constant_of
from xir.ir.dims import Shape, Symbol
from xir.ir.node import Value
from xir.ir.types import DType
from xir.limits import check_size
from xir.ops._build import scalar_like
from xir.ops._targets import size_value
from xir.ops.compare import less
from xir.ops.constant import constant
from xir.ops.detection import non_max_suppression
from xir.ops.einsum import einsum
from xir.ops.elementwise import add, maximum, mul, select, sub
from xir.ops.index import gather
from xir.ops.reduce import reduce_mean
from xir.ops.resample import resample
from xir.ops.resize import Coordinates, Rounding, resize
from xir.ops.shape import broadcast, concat, iota, pad, reshape, shape_of, slice_

handlers: Handlers[Handler] = Handlers("tensorflow")

MAX_AREA = 1 << 24
"""Weights along one axis of a resized image: those of 4096 pixels from 4096."""


def _sizes(site: Site, operand: Value) -> Shape:
    known = site.sizes(operand)
    if known is None or len(known) != 2:
        site.refuse("a size that is computed at run time", "type the inputs: --input")
    return known


def _flags(site: Site) -> tuple[bool, bool]:
    corners, centers = site.flag("align_corners"), site.flag("half_pixel_centers")
    if corners and centers:
        site.invalid("align_corners and half_pixel_centers exclude each other")
    return corners, centers


@handlers.layer("ResizeNearestNeighbor")
def nearest(site: Site, x: Value, size: Value) -> Value:
    """The pixel at floor(place * scale), with aligned corners at the rounded one (image_resizer_state.h)."""
    corners, centers = _flags(site)
    coordinates: Coordinates = "align_corners" if corners else "tf_half_pixel_for_nn" if centers else "asymmetric"
    rounding: Rounding = "round_prefer_ceil" if corners else "floor"
    made = resize(first(x, True), sizes=_sizes(site, size), mode="nearest", coordinates=coordinates, rounding=rounding)
    return back(made, True)


@handlers.layer("ResizeBilinear")
def bilinear(site: Site, x: Value, size: Value) -> Value:
    """Between the four pixels around."""
    corners, centers = _flags(site)
    coordinates: Coordinates = "align_corners" if corners else "half_pixel" if centers else "asymmetric"
    data = first(site.cast(x, DType.FLOAT32), True)
    return back(resize(data, sizes=_sizes(site, size), mode="linear", coordinates=coordinates), True)


@handlers.layer("ResizeBicubic")
def bicubic(site: Site, x: Value, size: Value) -> Value:
    """Keys' cubic: a = -0.75; with pixel centres -0.5, and nothing counts outside (resize_bicubic_op.cc)."""
    corners, centers = _flags(site)
    coordinates: Coordinates = "align_corners" if corners else "half_pixel" if centers else "asymmetric"
    made = resize(
        first(site.cast(x, DType.FLOAT32), True),
        sizes=_sizes(site, size),
        mode="cubic",
        coordinates=coordinates,
        cubic_coefficient=-0.5 if centers else -0.75,
        exclude_outside=centers,
    )
    return back(made, True)


@handlers.layer("NonMaxSuppressionV5")
def best_with_scores(
    site: Site, boxes: Value, scores: Value, most: Value, overlap: Value, least: Value, sigma: Value
) -> Sequence[Value]:
    """The boxes that no better one overlaps, their scores, and how many there are."""
    if site.scalar(sigma, "a deviation"):
        site.refuse("scores that overlapping boxes lower (soft_nms_sigma)")
    places, valid = best_boxes(site, boxes, scores, most, overlap, least)
    kept = gather(scores, whole(site, places), axis=0)
    if isinstance(places.shape[0], int):
        line = iota(shape=places.shape, axis=0, dtype=DType.INT32)
        is_there = less(line, broadcast(valid, shape=places.shape))
        kept = select(is_there, kept, scalar_like(kept, 0))
    return places, kept, valid


@handlers.layer("NonMaxSuppression", "NonMaxSuppressionV2", "NonMaxSuppressionV3", "NonMaxSuppressionV4")
def best_boxes(
    site: Site, boxes: Value, scores: Value, most: Value, overlap: Value | None = None, least: Value | None = None
) -> Sequence[Value]:
    """The boxes that no better one overlaps; V4 may fill up with 0 and says how many there are.

    Scores must be above the limit, without one above the least number (non_max_suppression_op.cc, lowest).
    """
    limit = site.real("iou_threshold") if overlap is None else site.scalar(overlap, "a threshold")
    score = float(np.finfo(np.float32).min) if least is None else site.scalar(least, "a threshold")
    count = site.sizes(most)
    if count is None:
        site.refuse("a number of boxes that is computed at run time")
    found = non_max_suppression(
        reshape(boxes, shape=(1, *boxes.shape)),
        reshape(scores, shape=(1, 1, *scores.shape)),
        max_per_class=count[0],
        iou_threshold=limit,
        score_threshold=score,
        center=False,
    )
    column = slice_(found, axes=(1,), starts=(2,), stops=(3,), steps=(1,))
    places = site.cast(reshape(column, shape=found.shape[:1]), DType.INT32)
    if site.node.kind not in ("NonMaxSuppressionV4", "NonMaxSuppressionV5"):
        return (places,)
    valid = site.cast(reshape(shape_of(places), shape=()), DType.INT32)
    if site.flag("pad_to_max_output_size"):
        places = _filled_up(places, size_value(count[0], DType.INT64), count)
    return places, valid


def _filled_up(places: Value, most: Value, count: Shape) -> Value:
    """Places with 0 behind them, as many as there may be."""
    missing = maximum(sub(most, reshape(shape_of(places), shape=())), _zero(DType.INT64))
    amounts = concat(constant(value=constant_of(np.zeros(1, np.int64))), reshape(missing, shape=(1,)), axis=0)
    return reshape(pad(places, amounts, padding=((0, Symbol()),)), shape=(count[0],))


def _zero(dtype: DType) -> Value:
    return constant(value=constant_of(np.zeros((), dtype.dtype)))


def _area(size: int, wanted: int, corners: bool) -> Value:
    """How much of each of `size` pixels lies in each of `wanted`: f32 [wanted, size], the rows add up to 1.

    What lies behind the last pixel counts as that one (resize_area_op.cc).
    """
    step = (size - 1) / (wanted - 1) if corners and wanted > 1 else size / wanted
    made = np.zeros((wanted, size), np.float64)
    for place in range(wanted):
        begin, end = place * step, (place + 1) * step
        for pixel in range(int(np.floor(begin)), int(np.ceil(end))):
            made[place, min(pixel, size - 1)] += min(pixel + 1, end) - max(pixel, begin)
    return constant(value=constant_of((made / step).astype(np.float32)))


@handlers.layer("ResizeArea")
def averaged(site: Site, x: Value, size: Value) -> Value:
    """The mean of all pixels that lie in a new one, by how much of them does."""
    corners = site.flag("align_corners")
    old, new = x.shape[1:3], _sizes(site, size)
    sizes = [each for each in (*old, *new) if isinstance(each, int)]
    if len(sizes) < 4 or not all(each > 0 for each in sizes):
        site.refuse("a size that is computed at run time", "type the inputs: --input")
    for before, after in zip(sizes[:2], sizes[2:], strict=True):
        check_size(before * after, MAX_AREA, what="the weights of ResizeArea")
    rows, columns = (_area(*pair, corners) for pair in zip(sizes[:2], sizes[2:], strict=True))
    tall = einsum(rows, site.cast(x, DType.FLOAT32), equation="ah,nhwc->nawc")
    return einsum(columns, tall, equation="bw,nawc->nabc")


@handlers.layer("CropAndResize")
def cropped(site: Site, image: Value, boxes: Value, numbers: Value, size: Value) -> Value:
    """Each box of an image, resized: corners are aligned to the box's (crop_and_resize_op.cc)."""
    method = site.choice("method", "bilinear", "nearest")
    outside = site.real("extrapolation_value")
    height, width = site.numbers(size, "a size")
    count = boxes.shape[0]
    if not isinstance(count, int):
        site.refuse("a number of boxes that only the run tells")
    data = first(site.cast(image, DType.FLOAT32), True)
    pieces: list[Value] = []
    for place in range(count):
        box = reshape(slice_(boxes, axes=(0,), starts=(place,), stops=(place + 1,), steps=(1,)), shape=(4,))
        number = slice_(whole(site, numbers), axes=(0,), starts=(place,), stops=(place + 1,), steps=(1,))
        picture = gather(data, number, axis=0)
        made = resample(
            picture,
            box,
            sizes=constant(value=constant_of(np.array([height, width], np.int64))),
            axes=(2, 3),
            shape=(*picture.shape[:2], height, width),
            mode="linear" if method == "bilinear" else "nearest",
            coordinates="tf_crop_and_resize",
            rounding="round_prefer_ceil",
            extrapolation=outside,
        )
        pieces.append(made)
    return back(concat(*pieces, axis=0) if len(pieces) > 1 else pieces[0], True)


@handlers.layer("AdjustContrastv2")
def contrast(site: Site, x: Value, factor: Value) -> Value:
    """(x - mean) * factor + mean, the mean being that of each image and channel."""
    mean = broadcast(reduce_mean(x, axes=(x.rank - 3, x.rank - 2), keep_dims=True), shape=x.shape)
    return add(mul(sub(x, mean), broadcast(factor, shape=x.shape)), mean)
