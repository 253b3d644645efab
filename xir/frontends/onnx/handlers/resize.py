"""Interpolation of the spatial axes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.dims import Dim, Shape, equal, floor_divide
from xir.ir.node import Value
from xir.ops import resize as ops
from xir.ops.constant import identity

handlers: Handlers[Handler] = Handlers("onnx")


@handlers.layer(*versions("Upsample", 7))
def upsampled_by_attributes(site: Site, x: Value) -> Value:
    """Upsample with scales as an attribute."""
    return _by_scales(site, x, site.reals("scales") or (), _plain(site))


@handlers.layer(*versions("Upsample", 9))
def upsampled(site: Site, x: Value, scales: Value) -> Value:
    """Upsample with scales as an operand."""
    return _by_scales(site, x, _reals(site, scales), _plain(site))


def _reals(site: Site, scales: Value) -> tuple[float, ...]:
    return tuple(float(item) for item in site.array(scales, "scales").reshape(-1).astype(np.float64).tolist())


class Way:
    """How to interpolate: the attributes of Resize in our words."""

    def __init__(self, mode: ops.Mode, coordinates: ops.Coordinates, rounding: ops.Rounding) -> None:
        """Takes what every way has."""
        self.mode: ops.Mode = mode
        self.coordinates: ops.Coordinates = coordinates
        self.rounding: ops.Rounding = rounding
        self.cubic = -0.75
        self.exclude_outside = False
        self.antialias = False

    def apply(self, x: Value, sizes: Shape, scales: tuple[float, ...] | None) -> Value:
        """The resized `x: [N, C, spatial...]`."""
        return ops.resize(
            x,
            sizes=sizes,
            mode=self.mode,
            coordinates=self.coordinates,
            rounding=self.rounding,
            scales=scales,
            cubic_coefficient=self.cubic,
            exclude_outside=self.exclude_outside,
            antialias=self.antialias,
        )


_MODES: dict[str, ops.Mode] = {"nearest": "nearest", "linear": "linear", "bilinear": "linear", "cubic": "cubic"}
_COORDINATES: dict[str, ops.Coordinates] = {
    "half_pixel": "half_pixel",
    "pytorch_half_pixel": "pytorch_half_pixel",
    "align_corners": "align_corners",
    "asymmetric": "asymmetric",
    "half_pixel_symmetric": "half_pixel_symmetric",
}
_ROUNDINGS: dict[str, ops.Rounding] = {
    "round_prefer_floor": "round_prefer_floor",
    "round_prefer_ceil": "round_prefer_ceil",
    "floor": "floor",
    "ceil": "ceil",
}


def _plain(site: Site) -> Way:
    """Upsample: neighbours by floor, asymmetric coordinates (the text of Upsample-9; Resize-10 as well)."""
    mode = site.choice("mode", ("nearest", "linear", "bilinear"), "nearest")
    return Way(_MODES[mode], "asymmetric", "floor")


@handlers.layer(*versions("Resize", 10))
def resized_by_scales(site: Site, x: Value, scales: Value) -> Value:
    """Resize of opset 10, which is Upsample."""
    return _by_scales(site, x, _reals(site, scales), _plain(site))


@handlers.layer(*versions("Resize", 11, 13, 18, 19))
def resized(
    site: Site, x: Value, roi: Value | None = None, scales: Value | None = None, sizes: Value | None = None
) -> Value:
    """Resize, by scales or by sizes."""
    way = _way(site)
    if scales is not None and scales.shape == (0,):
        scales = None
    axes = site.axes(site.integers("axes", tuple(range(x.rank))), x.rank)
    if site.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        site.refuse("sizes that keep the aspect ratio")
    if (scales is None) == (sizes is None):
        site.invalid("either scales or sizes must be given")
    if scales is not None:
        factors = dict(zip(axes, _reals(site, scales), strict=False))
        return _by_scales(site, x, tuple(factors.get(axis, 1.0) for axis in range(x.rank)), way)
    wanted = None if sizes is None else site.sizes(sizes)
    if wanted is None or len(wanted) != len(axes):
        site.refuse("sizes that are computed at run time")
    whole: list[Dim] = list(x.shape)
    for axis, size in zip(axes, wanted, strict=True):
        whole[axis] = size
    for axis in (0, 1):
        if equal(whole[axis], x.shape[axis]) is not True:
            site.refuse(f"resizing axis {axis}", "move the channels to axis 1 first")
    return way.apply(x, tuple(whole[2:]), None)


def _way(site: Site) -> Way:
    mode = _MODES[site.choice("mode", ("nearest", "linear", "cubic"), "nearest")]
    coordinates = site.text("coordinate_transformation_mode", "half_pixel")
    if coordinates not in _COORDINATES:
        site.refuse(f"the coordinates {coordinates!r}")
    rounding = site.choice("nearest_mode", tuple(_ROUNDINGS), "round_prefer_floor")
    way = Way(mode, _COORDINATES[coordinates], _ROUNDINGS[rounding])
    way.cubic = site.real("cubic_coeff_a", -0.75)
    way.exclude_outside = site.flag("exclude_outside", False)
    way.antialias = site.flag("antialias", False)
    site.ignore("extrapolation_value")
    return way


def _by_scales(site: Site, x: Value, scales: tuple[float, ...], way: Way) -> Value:
    if len(scales) != x.rank or any(not scale > 0 or not np.isfinite(scale) for scale in scales):
        site.invalid(f"the scales {list(scales)} do not fit {x.type!r}")
    if all(scale == 1 for scale in scales):
        return identity(x)
    if x.rank < 3 or any(scale != 1 for scale in scales[:2]):
        site.refuse("resizing the first two axes", "move the channels to axis 1 first")
    sizes = tuple(_scaled(size, scale) for size, scale in zip(x.shape[2:], scales[2:], strict=True))
    return way.apply(x, sizes, scales[2:])


def _scaled(size: Dim, scale: float) -> Dim:
    """`floor(size * scale)` (ONNX Resize); in f32, as runtimes multiply, where the size is known."""
    if isinstance(size, int):
        return int(np.floor(np.float32(size) * np.float32(scale)))
    ratio = Fraction(scale)
    return floor_divide(size * ratio.numerator, ratio.denominator)
