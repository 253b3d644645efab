"""Images sampled at other sizes."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends._images import channels_last, channels_second
from xir.frontends.tflite.site import Handler, Site
from xir.ir.dims import Shape
from xir.ir.node import Value
from xir.ops import resize

handlers: Handlers[Handler] = Handlers("tflite")
moving: Handlers[Handler] = Handlers("tflite")


def _sizes(site: Site, sizes: Value) -> Shape:
    known = site.sizes(sizes)
    if known is None or len(known) != 2:
        site.refuse("sizes that are computed at run time")
    return known


@handlers.layer("RESIZE_BILINEAR")
def bilinear(site: Site, x: Value, sizes: Value) -> Value:
    """RESIZE_BILINEAR (reference/resize_bilinear.h, ComputeInterpolationValues)."""
    aligned, centred = site.flag("align_corners"), site.flag("half_pixel_centers")
    coordinates: resize.Coordinates = "align_corners" if aligned else "half_pixel" if centred else "asymmetric"
    result = resize.resize(channels_second(x), sizes=_sizes(site, sizes), mode="linear", coordinates=coordinates)
    return channels_last(result)


@moving.layer("RESIZE_NEAREST_NEIGHBOR")
def nearest(site: Site, x: Value, sizes: Value) -> Value:
    """RESIZE_NEAREST_NEIGHBOR: rounded down, or, with aligned corners, to the nearest, halves up.

    With `half_pixel_centers` it takes floor((i + 0.5) * scale) (reference/resize_nearest_neighbor.h).
    """
    aligned, centred = site.flag("align_corners"), site.flag("half_pixel_centers")
    rounding: resize.Rounding = "round_prefer_ceil" if aligned else "floor"
    coordinates: resize.Coordinates = (
        "align_corners" if aligned else "tf_half_pixel_for_nn" if centred else "asymmetric"
    )
    result = resize.resize(
        channels_second(x), sizes=_sizes(site, sizes), mode="nearest", coordinates=coordinates, rounding=rounding
    )
    return channels_last(result)
