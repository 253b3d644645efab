"""Crops of pictures that are drawn at random: tensorflow/core/kernels/image/sample_distorted_bounding_box_op.cc."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers.random import seed_of
from xir.frontends.tensorflow.handlers.sparse import column
from xir.ir.constant import constant_of
from xir.ir.dims import Shape, product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, random
from xir.ops._build import scalar_like
from xir.ops._targets import size_value
from xir.ops.constant import constant
from xir.ops.elementwise import add, cast, div, floor, maximum, minimum, mul, round_, select, sqrt, sub
from xir.ops.index import gather
from xir.ops.reduce import arg_max, reduce_max
from xir.ops.shape import broadcast, concat, reshape

handlers: Handlers[Handler] = Handlers("tensorflow")

MAX_ATTEMPTS = 1_000
"""Crops that are drawn so that one of them fits."""

_EPSILON = 1e-7
"""How far below half a pixel a width is still rounded down."""


@dataclass(frozen=True, slots=True)
class _Box:
    """Rectangles: their edges in pixels, f32 of one shape."""

    top: Value
    left: Value
    bottom: Value
    right: Value

    def area(self) -> Value:
        """How many pixels are in them; none where an edge is beyond the other one."""
        sides = sub(self.bottom, self.top), sub(self.right, self.left)
        return mul(*(maximum(side, scalar_like(side, 0)) for side in sides))


@dataclass(frozen=True, slots=True)
class _Limits:
    """What a crop must fulfil: the picture's sides and the least and greatest area, f32 of one shape."""

    height: Value
    width: Value
    least: Value
    greatest: Value

    def holds(self, height: Value, width: Value) -> Value:
        """Whether crops of these sides are in the picture, and neither too small nor too large."""
        area, zero = mul(width, height), scalar_like(height, 0)
        fits = compare.logical_and(compare.less_equal(height, self.height), compare.less_equal(width, self.width))
        some = compare.logical_and(compare.greater(height, zero), compare.greater(width, zero))
        sized = compare.logical_and(compare.greater_equal(area, self.least), compare.less_equal(area, self.greatest))
        return compare.logical_and(compare.logical_and(fits, some), sized)


@handlers.layer("SampleDistortedBoundingBox", "SampleDistortedBoundingBoxV2")
def cropped(site: Site, size: Value, boxes: Value, covered: Value | None = None) -> Sequence[Value]:
    """Where a crop begins, how large it is and its edges as parts of the picture; the picture where none fits.

    All attempts are drawn together, and the first that fits is taken. Without boxes, and where the picture does not
    stand for them, no crop fits (TensorFlow stops then, where only the run tells).
    """
    count = site.integer("max_attempts")
    if not 1 <= count <= MAX_ATTEMPTS:
        site.refuse(f"{count} attempts of a random crop: 1 to {MAX_ATTEMPTS} are drawn")
    if boxes.rank != 3 or boxes.shape[2] != 4:
        site.invalid(f"boxes are {boxes.type!r}, expected f32[N,M,4]")
    least = site.real("min_object_covered") if covered is None else 0.0
    share = _number(least) if covered is None else reshape(covered, shape=())
    height, width = (cast(_at(size, place), dtype=DType.FLOAT32) for place in range(2))
    crops, fits = _drawn(site, count, height, width)
    fits = compare.logical_and(fits, _covers(crops, _objects(site, boxes, height, width), share))
    found = arg_max(cast(fits, dtype=DType.INT32), axis=0, keep_dims=False)
    is_found = gather(fits, found, axis=0)
    zero = _number(0.0)
    edges = (
        select(is_found, gather(edge, found, axis=0), otherwise)
        for edge, otherwise in zip(
            (crops.top, crops.left, crops.bottom, crops.right), (zero, zero, height, width), strict=True
        )
    )
    top, left, bottom, right = edges
    begin = _joined(top, left, zero)
    sides = _joined(sub(bottom, top), sub(right, left), _number(-1.0))
    parts = _joined(div(top, height), div(left, width), div(bottom, height), div(right, width))
    return site.cast(begin, size.dtype), site.cast(sides, size.dtype), reshape(parts, shape=(1, 1, 4))


def _drawn(site: Site, count: int, height: Value, width: Value) -> tuple[_Box, Value]:
    """Crops [count], and whether they are as large as asked for (GenerateRandomCrop)."""
    flat, tall = _ends(site, "aspect_ratio_range")
    small, large = _ends(site, "area_range")
    drawn = random.random_uniform(None, shape=(count, 4), low=0.0, high=1.0, seed=seed_of(site), dtype=DType.FLOAT32)
    aspect = add(mul(column(drawn, 0), scalar_like(column(drawn, 0), tall - flat)), _wide(_number(flat), count))
    area = mul(width, height)
    limits = _Limits(
        *(_wide(each, count) for each in (height, width, mul(_number(small), area), mul(_number(large), area)))
    )
    lowest, highest = (round_(sqrt(div(each, aspect))) for each in (limits.least, limits.greatest))
    highest = minimum(_narrowed(highest, aspect, limits.width), limits.height)
    lowest = minimum(lowest, highest)
    spread = add(sub(highest, lowest), scalar_like(highest, 1))
    high = add(lowest, floor(mul(column(drawn, 1), spread)))
    high = _stepped(high, compare.less(_pixels(high, aspect), limits.least), 1)
    high = _stepped(high, compare.greater(_pixels(high, aspect), limits.greatest), -1)
    wide = round_(mul(high, aspect))
    top = _start(column(drawn, 2), limits.height, high)
    left = _start(column(drawn, 3), limits.width, wide)
    return _Box(top, left, add(top, high), add(left, wide)), limits.holds(high, wide)


def _ends(site: Site, name: str) -> tuple[float, float]:
    """The least and the greatest of what is drawn, both above 0."""
    found = site.reals(name)
    if len(found) != 2 or not all(0 < each < float("inf") for each in found):
        site.invalid(f"attribute {name!r} is {list(found)[:4]}, expected two numbers above 0")
    return found[0], found[1]


def _narrowed(height: Value, aspect: Value, width: Value) -> Value:
    """The greatest height of which the width still fits."""
    low = floor(div(add(width, scalar_like(width, 0.5 - _EPSILON)), aspect))
    low = select(compare.greater(round_(mul(low, aspect)), width), sub(low, scalar_like(low, 1)), low)
    return select(compare.greater(round_(mul(height, aspect)), width), low, height)


def _pixels(height: Value, aspect: Value) -> Value:
    return mul(round_(mul(height, aspect)), height)


def _stepped(height: Value, condition: Value, by: int) -> Value:
    return select(condition, add(height, scalar_like(height, by)), height)


def _start(drawn: Value, whole: Value, part: Value) -> Value:
    """Where a part begins that is drawn within the whole."""
    return floor(mul(drawn, maximum(sub(whole, part), scalar_like(whole, 0))))


def _objects(site: Site, boxes: Value, height: Value, width: Value) -> _Box:
    """The boxes in whole pixels; the picture where there are none and it stands for them."""
    count = product(boxes.shape[:2])
    flat = reshape(boxes, shape=(count, 4))
    if site.flag("use_image_if_no_bounding_boxes"):
        number = size_value(count, DType.INT64)
        is_none = cast(compare.equal(number, scalar_like(number, 0)), dtype=DType.FLOAT32)
        zero = mul(is_none, _number(0.0))
        row = reshape(_joined(zero, zero, is_none, is_none), shape=(1, 4))
        flat = concat(flat, row, axis=0)
    elif count == 0:
        site.invalid("there are no boxes, and the picture does not stand for them")
    sides = (height, width, height, width)
    columns = [column(flat, place) for place in range(4)]
    edges = (mul(each, broadcast(side, shape=each.shape)) for each, side in zip(columns, sides, strict=True))
    return _Box(*(floor(edge) for edge in edges))


def _covers(crops: _Box, objects: _Box, share: Value) -> Value:
    """Which crops hold enough of one of the boxes; those of less than a pixel do not count."""
    shape = (crops.top.shape[0], objects.top.shape[0])

    def grid(box: _Box, own: Shape) -> _Box:
        edges = (box.top, box.left, box.bottom, box.right)
        return _Box(*(broadcast(reshape(edge, shape=own), shape=shape) for edge in edges))

    a, b = grid(crops, (shape[0], 1)), grid(objects, (1, shape[1]))
    both = _Box(maximum(a.top, b.top), maximum(a.left, b.left), minimum(a.bottom, b.bottom), minimum(a.right, b.right))
    area = b.area()
    one = scalar_like(area, 1)
    part = div(both.area(), maximum(area, one))
    enough = compare.greater_equal(part, broadcast(share, shape=part.shape))
    counted = compare.logical_and(enough, compare.greater_equal(area, one))
    return cast(reduce_max(cast(counted, dtype=DType.INT32), axes=(1,), keep_dims=False), dtype=DType.BOOL)


def _at(x: Value, place: int) -> Value:
    return gather(x, constant(value=constant_of(np.asarray(place, np.int64))), axis=0)


def _number(value: float) -> Value:
    return constant(value=constant_of(np.asarray(value, np.float32)))


def _joined(*numbers: Value) -> Value:
    return concat(*(reshape(each, shape=(1,)) for each in numbers), axis=0)


def _wide(number: Value, count: int) -> Value:
    return broadcast(number, shape=(count,))
