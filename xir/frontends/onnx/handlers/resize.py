"""Interpolation: by sizes or scales, of any axes, known before the run (`resize`) or at run time (`resample`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends._operands import known
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.dims import Dim, Shape, Symbol, floor_divide
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import resample as late
from xir.ops import resize as ops
from xir.ops.constant import identity
from xir.ops.elementwise import cast
from xir.ops.shape import reshape

handlers: Handlers[Handler] = Handlers("onnx")


@dataclass(frozen=True, slots=True)
class Way:
    """How to interpolate: the attributes of Resize in our words.

    Attributes:
        axes: the axes that scales, sizes and regions speak of.
        mode: nearest, linear or cubic.
        coordinates: where a result's index lies in the operand.
        rounding: which neighbour "nearest" takes.
        cubic: the coefficient of the cubic kernel.
        exclude_outside: whether what lies outside weighs nothing.
        antialias: whether shrinking widens the kernel.
        extrapolation: what a region takes outside.
        policy: what is made of sizes.
    """

    axes: tuple[int, ...]
    mode: ops.Mode = "nearest"
    coordinates: late.Coordinates = "asymmetric"
    rounding: ops.Rounding = "floor"
    cubic: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False
    extrapolation: float = 0.0
    policy: late.Policy = "stretch"

    def now(self, x: Value, shape: Shape, scales: tuple[float, ...] | None) -> Value:
        """The resized `x`; `scales` where they are not the ratio of the sizes, one an axis of `x`.

        `resize` leaves the first two axes alone, so others are resized behind two axes of size 1.
        """
        coordinates = self.coordinates
        if coordinates == "tf_crop_and_resize":
            raise TypeError("a region is data")
        lead = 2 if x.rank >= 3 and all(axis >= 2 for axis in self.axes) else 0
        data = x if lead else reshape(x, shape=(1, 1, *x.shape))
        made = ops.resize(
            data,
            sizes=shape[lead:],
            mode=self.mode,
            coordinates=coordinates,
            rounding=self.rounding,
            scales=None if scales is None else scales[lead:],
            cubic_coefficient=self.cubic,
            exclude_outside=self.exclude_outside,
            antialias=self.antialias,
        )
        return made if lead else reshape(made, shape=shape)

    def at_run_time(
        self, x: Value, region: Value | None, scales: Value | None, sizes: Value | None, shape: Shape
    ) -> Value:
        """The resized `x`, whose sizes, scales or region only the run tells."""
        return late.resample(
            x,
            region if self.coordinates == "tf_crop_and_resize" else None,
            None if scales is None else narrowed(scales, DType.FLOAT32),
            None if sizes is None else narrowed(sizes, DType.INT64),
            axes=self.axes,
            shape=shape,
            mode=self.mode,
            coordinates=self.coordinates,
            rounding=self.rounding,
            cubic_coefficient=self.cubic,
            exclude_outside=self.exclude_outside,
            antialias=self.antialias,
            extrapolation=self.extrapolation,
            policy=self.policy,
        )

    def fresh(self, shape: Shape) -> Shape:
        """The shape with sizes that only the run tells on the axes."""
        return tuple(Symbol() if axis in self.axes else size for axis, size in enumerate(shape))


def narrowed(value: Value, dtype: DType) -> Value:
    """The operand in the element type that the operator takes."""
    return value if value.dtype is dtype else cast(value, dtype=dtype)


_MODES: Mapping[str, ops.Mode] = {"nearest": "nearest", "linear": "linear", "bilinear": "linear", "cubic": "cubic"}
_COORDINATES: Mapping[str, late.Coordinates] = {
    "half_pixel": "half_pixel",
    "pytorch_half_pixel": "pytorch_half_pixel",
    "align_corners": "align_corners",
    "asymmetric": "asymmetric",
    "tf_crop_and_resize": "tf_crop_and_resize",
}
_NEWEST: Mapping[str, late.Coordinates] = {**_COORDINATES, "half_pixel_symmetric": "half_pixel_symmetric"}
_ROUNDINGS: Mapping[str, ops.Rounding] = {
    "round_prefer_floor": "round_prefer_floor",
    "round_prefer_ceil": "round_prefer_ceil",
    "floor": "floor",
    "ceil": "ceil",
}
_POLICIES: Mapping[str, late.Policy] = {
    "stretch": "stretch",
    "not_larger": "not_larger",
    "not_smaller": "not_smaller",
}


def _plain(site: Site, x: Value) -> Way:
    """Upsample: neighbours by floor, asymmetric coordinates (the text of Upsample-9; Resize-10 as well)."""
    mode = site.choice("mode", ("nearest", "linear", "bilinear"), "nearest")
    return Way(tuple(range(x.rank)), _MODES[mode])


@handlers.layer(*versions("Upsample", 1))
def upsampled_images(site: Site, x: Value) -> Value:
    """Upsample of opset 1: images alone, a scale for the height and one for the width."""
    if x.rank != 4:
        site.invalid(f"[N, C, H, W] is needed, got {x.type!r}")
    scales = (1.0, 1.0, site.real("height_scale"), site.real("width_scale"))
    return _by_known_scales(site, x, scales, _plain(site, x))


@handlers.layer(*versions("Upsample", 7))
def upsampled_by_attributes(site: Site, x: Value) -> Value:
    """Upsample with scales as an attribute."""
    return _by_known_scales(site, x, site.reals("scales") or (), _plain(site, x))


@handlers.layer(*versions("Upsample", 9))
def upsampled(site: Site, x: Value, scales: Value) -> Value:
    """Upsample with scales as an operand."""
    return _by_scales(site, x, scales, _plain(site, x))


@handlers.layer(*versions("Resize", 10))
def resized_by_scales(site: Site, x: Value, scales: Value) -> Value:
    """Resize of opset 10, which is Upsample."""
    return _by_scales(site, x, scales, _plain(site, x))


@handlers.layer(*versions("Resize", 11))
def resized_of_eleven(site: Site, x: Value, region: Value, scales: Value, sizes: Value | None = None) -> Value:
    """Resize of opset 11, which alone has the coordinates tf_half_pixel_for_nn."""
    way = _way(site, x, {**_COORDINATES, "tf_half_pixel_for_nn": "tf_half_pixel_for_nn"})
    return _resized(site, x, region, scales, sizes, way)


@handlers.layer(*versions("Resize", 13))
def resized_of_thirteen(
    site: Site, x: Value, region: Value | None = None, scales: Value | None = None, sizes: Value | None = None
) -> Value:
    """Resize of opset 13."""
    return _resized(site, x, region, scales, sizes, _way(site, x, _COORDINATES))


@handlers.layer(*versions("Resize", 18, 19))
def resized(
    site: Site, x: Value, region: Value | None = None, scales: Value | None = None, sizes: Value | None = None
) -> Value:
    """Resize, of some axes, with antialiasing, and keeping the aspect ratio."""
    way = replace(
        _way(site, x, _NEWEST if site.opset >= 19 else _COORDINATES),
        axes=site.axes(site.integers("axes", tuple(range(x.rank))), x.rank),
        antialias=site.flag("antialias", False),
        policy=_POLICIES[site.choice("keep_aspect_ratio_policy", tuple(_POLICIES), "stretch")],
    )
    return _resized(site, x, region, scales, sizes, way)


def _way(site: Site, x: Value, coordinates: Mapping[str, late.Coordinates]) -> Way:
    return Way(
        axes=tuple(range(x.rank)),
        mode=_MODES[site.choice("mode", ("nearest", "linear", "cubic"), "nearest")],
        coordinates=coordinates[site.choice("coordinate_transformation_mode", tuple(coordinates), "half_pixel")],
        rounding=_ROUNDINGS[site.choice("nearest_mode", tuple(_ROUNDINGS), "round_prefer_floor")],
        cubic=site.real("cubic_coeff_a", -0.75),
        exclude_outside=site.flag("exclude_outside", False),
        extrapolation=site.real("extrapolation_value", 0.0),
    )


def _resized(site: Site, x: Value, region: Value | None, scales: Value | None, sizes: Value | None, way: Way) -> Value:
    scales = None if scales is not None and scales.shape == (0,) else scales
    sizes = None if sizes is not None and sizes.shape == (0,) else sizes
    if scales is not None and sizes is not None:
        site.invalid("either scales or sizes must be given, not both")
    if way.coordinates == "tf_crop_and_resize":
        if region is None or region.shape == (0,):
            site.invalid("the coordinates tf_crop_and_resize need a roi")
        found = None if sizes is None else site.sizes(sizes)
        shape = way.fresh(x.shape)
        if found is not None and way.policy == "stretch":
            shape = _with(site, x.shape, way.axes, found)
        if scales is None and sizes is None:
            site.invalid("either scales or sizes must be given")
        return way.at_run_time(x, region, scales, sizes, shape)
    return _by_sizes(site, x, sizes, way) if sizes is not None else _by_scales(site, x, scales, way)


def _with(site: Site, shape: Shape, axes: tuple[int, ...], sizes: Shape) -> Shape:
    """The shape with other sizes on the axes."""
    if len(sizes) != len(axes):
        site.invalid(f"{len(sizes)} sizes or scales for {len(axes)} axes")
    changed: list[Dim] = list(shape)
    for axis, size in zip(axes, sizes, strict=True):
        changed[axis] = size
    return tuple(changed)


def _by_sizes(site: Site, x: Value, sizes: Value, way: Way) -> Value:
    found = site.sizes(sizes)
    if found is None:
        return way.at_run_time(x, None, None, sizes, way.fresh(x.shape))
    shape = _with(site, x.shape, way.axes, found)
    if way.policy == "stretch":
        return _changing(x, shape, way).now(x, shape, None)
    have, want = known(tuple(x.shape[axis] for axis in way.axes)), known(found)
    if have is None or want is None:
        return way.at_run_time(x, None, None, sizes, way.fresh(x.shape))
    made, factors = late.sizes_by_policy(have, want, way.policy)
    scales = [1.0] * x.rank
    for axis, factor in zip(way.axes, factors, strict=True):
        scales[axis] = factor
    shape = _with(site, x.shape, way.axes, made)
    return _changing(x, shape, way).now(x, shape, tuple(scales))


def _changing(x: Value, shape: Shape, way: Way) -> Way:
    """The way with those axes alone whose size may change."""
    return replace(way, axes=tuple(axis for axis in way.axes if x.shape[axis] != shape[axis]))


def _by_scales(site: Site, x: Value, scales: Value | None, way: Way) -> Value:
    if scales is None:
        site.invalid("either scales or sizes must be given")
    constant = site.scope.constant_of(scales)
    if constant is None:
        return way.at_run_time(x, None, scales, None, way.fresh(x.shape))
    factors = tuple(float(item) for item in constant.array().reshape(-1).astype(np.float64).tolist())
    return _by_known_scales(site, x, factors, way)


def _by_known_scales(site: Site, x: Value, scales: tuple[float, ...], way: Way) -> Value:
    if len(scales) != len(way.axes) or any(not scale > 0 or not np.isfinite(scale) for scale in scales):
        site.invalid(f"the scales {list(scales)} do not fit {x.type!r}")
    if all(scale == 1 for scale in scales):
        return identity(x)
    full = [1.0] * x.rank
    for axis, scale in zip(way.axes, scales, strict=True):
        full[axis] = scale
    shape = tuple(_scaled(size, scale) for size, scale in zip(x.shape, full, strict=True))
    changing = tuple(axis for axis in way.axes if full[axis] != 1)
    return replace(way, axes=changing).now(x, shape, tuple(full))


def _scaled(size: Dim, scale: float) -> Dim:
    """`floor(size * scale)` (ONNX Resize); in f32, as runtimes multiply, where the size is known."""
    if isinstance(size, int):
        return late.scaled_size(size, scale)
    ratio = Fraction(scale)
    return floor_divide(size * ratio.numerator, ratio.denominator)
