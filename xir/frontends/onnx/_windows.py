"""Windows as ONNX describes them: strides, pads, dilations, `auto_pad` and `ceil_mode`, as explicit padding."""

from __future__ import annotations

from dataclasses import dataclass

from xir.frontends.onnx._site import Site
from xir.frontends.overhang import with_overhang
from xir.ir.dims import Dim, Shape, ceil_divide, floor_divide, maximum

Padding = tuple[tuple[Dim, Dim], ...]


@dataclass(frozen=True, slots=True)
class Window:
    """A window with everything said.

    Attributes:
        window: its size along each spatial axis.
        strides: steps.
        dilation: gaps.
        padding: (before, after), the overhang of `ceil_mode` included.
        counted: the part of `padding` that the file itself gives.
    """

    window: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: Padding
    counted: Padding


def per_axis(site: Site, name: str, axes: int, default: int) -> tuple[int, ...]:
    """An INTS attribute with one number for each spatial axis."""
    values = site.integers(name, (default,) * axes)
    if len(values) != axes:
        site.invalid(f"attribute {name!r} has {len(values)} numbers for {axes} spatial axes")
    return values


def window_of(site: Site, spatial: Shape, window: tuple[int, ...]) -> Window:
    """The window that the node's attributes describe (ONNX Conv and pooling, `auto_pad`, `ceil_mode`)."""
    axes = len(spatial)
    if len(window) != axes:
        site.invalid(f"the window {list(window)} does not fit {axes} spatial axes")
    strides = per_axis(site, "strides", axes, 1)
    dilation = per_axis(site, "dilations", axes, 1)
    if any(step < 1 for step in (*strides, *dilation, *window)):
        site.invalid(f"window {window}, strides {strides} and dilations {dilation} must be positive")
    padding = padding_of(site, spatial, window, strides, dilation)
    ceil_mode = site.flag("ceil_mode", False)
    grown = padding
    if ceil_mode:
        grown = tuple(
            with_overhang(size, extent, step, pair, gap)
            for size, extent, step, pair, gap in zip(spatial, window, strides, padding, dilation, strict=True)
        )
    return Window(window, strides, dilation, grown, padding)


def padding_of(
    site: Site, spatial: Shape, window: tuple[int, ...], strides: tuple[int, ...], dilation: tuple[int, ...]
) -> Padding:
    """The padding that `pads` or `auto_pad` says: NOTSET and VALID take none, SAME pads to ceil(size / stride)."""
    axes = len(spatial)
    mode = site.choice("auto_pad", ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"), "NOTSET")
    pads = site.integers("pads", (0,) * (2 * axes))
    if len(pads) != 2 * axes:
        site.invalid(f"attribute 'pads' has {len(pads)} numbers for {axes} spatial axes")
    if mode == "NOTSET":
        return tuple(zip(pads[:axes], pads[axes:], strict=True))
    if mode == "VALID":
        return ((0, 0),) * axes
    found: list[tuple[Dim, Dim]] = []
    for size, extent, step, gap in zip(spatial, window, strides, dilation, strict=True):
        span = (extent - 1) * gap + 1
        total = maximum((ceil_divide(size, step) - 1) * step + span - size, 0)
        half = floor_divide(total, 2)
        found.append((half, total - half) if mode == "SAME_UPPER" else (total - half, half))
    return tuple(found)
