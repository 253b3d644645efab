"""Colours [..., red green blue]: hue, saturation and value (tensorflow/core/kernels/image/colorspace_op.h)."""

from __future__ import annotations

from collections.abc import Sequence

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.ir.node import Value
from xir.ops import compare
from xir.ops._build import scalar_like
from xir.ops.elementwise import add, clip, div, floor, minimum, mul, select, sub
from xir.ops.reduce import reduce_max, reduce_min
from xir.ops.shape import broadcast, concat, split

handlers: Handlers[Handler] = Handlers("tensorflow")


def _channels(x: Value) -> Sequence[Value]:
    return split(x, axis=x.rank - 1, sizes=(1, 1, 1))


def _ends(x: Value) -> tuple[Value, Value]:
    axis = (x.rank - 1,)
    return reduce_max(x, axes=axis, keep_dims=True), reduce_min(x, axes=axis, keep_dims=True)


def _hue(x: Value, top: Value, spread: Value) -> Value:
    """The hue in [0, 1)."""
    red, green, blue = _channels(x)
    is_grey = compare.equal(spread, scalar_like(spread, 0))
    unit = div(scalar_like(spread, 1 / 6), select(is_grey, scalar_like(spread, 1), spread))
    of_red, of_green, of_blue = sub(green, blue), sub(blue, red), sub(red, green)
    last = add(mul(unit, of_blue), scalar_like(unit, 4 / 6))
    middle = add(mul(unit, of_green), scalar_like(unit, 2 / 6))
    hue = select(compare.equal(red, top), mul(unit, of_red), select(compare.equal(green, top), middle, last))
    hue = select(is_grey, scalar_like(hue, 0), hue)
    return sub(hue, floor(hue))


def _colours(hue: Value, top: Value, spread: Value) -> Value:
    """Red, green and blue: the value less a part of the spread that the hue decides."""
    turn = mul(hue, scalar_like(hue, 6))
    made: list[Value] = []
    for offset in (5, 3, 1):
        place = add(turn, scalar_like(turn, offset))
        place = sub(place, mul(floor(mul(place, scalar_like(place, 1 / 6))), scalar_like(place, 6)))
        share = clip(minimum(place, sub(scalar_like(place, 4), place)), minimum=0.0, maximum=1.0)
        made.append(sub(top, mul(spread, share)))
    return concat(*made, axis=hue.rank - 1)


@handlers.layer("RGBToHSV")
def to_hue(site: Site, x: Value) -> Value:
    """Hue, saturation and value."""
    top, bottom = _ends(x)
    spread = sub(top, bottom)
    is_black = compare.less_equal(top, scalar_like(top, 0))
    saturation = select(is_black, scalar_like(top, 0), div(spread, select(is_black, scalar_like(top, 1), top)))
    return concat(_hue(x, top, spread), saturation, top, axis=x.rank - 1)


@handlers.layer("HSVToRGB")
def from_hue(site: Site, x: Value) -> Value:
    """Red, green and blue."""
    hue, saturation, value = _channels(x)
    return _colours(hue, value, mul(saturation, value))


@handlers.layer("AdjustSaturation")
def saturated(site: Site, x: Value, scale: Value) -> Value:
    """The saturation times a factor, at most 1 (adjust_saturation_op.cc)."""
    top, bottom = _ends(x)
    spread = sub(top, bottom)
    is_black = compare.equal(top, scalar_like(top, 0))
    saturation = div(spread, select(is_black, scalar_like(top, 1), top))
    wanted = clip(mul(saturation, broadcast(site.cast(scale, x.dtype), shape=top.shape)), minimum=0.0, maximum=1.0)
    return _colours(_hue(x, top, spread), top, mul(wanted, top))


@handlers.layer("AdjustHue")
def turned(site: Site, x: Value, delta: Value) -> Value:
    """The hue moved on, a whole turn being 1 (adjust_hue_op.cc)."""
    top, bottom = _ends(x)
    spread = sub(top, bottom)
    hue = add(_hue(x, top, spread), broadcast(site.cast(delta, x.dtype), shape=top.shape))
    return _colours(sub(hue, floor(hue)), top, spread)
