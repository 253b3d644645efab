"""Sampling on grids and with bent windows."""

from __future__ import annotations

from collections.abc import Mapping

from xir.frontends._handlers import Handlers
from xir.frontends._operands import known
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx._windows import window_of
from xir.ir.dims import Shape, Symbol
from xir.ir.node import Value
from xir.ops import deform, grid

handlers: Handlers[Handler] = Handlers("onnx")


@handlers.layer(*versions("AffineGrid", 20))
def affine_grid(site: Site, theta: Value, size: Value) -> Value:
    """AffineGrid."""
    align = site.flag("align_corners", False)
    sizes = site.sizes(size)
    axes = theta.shape[1] if theta.rank == 3 else None
    if not isinstance(axes, int) or axes not in (2, 3) or (sizes is not None and len(sizes) != axes + 2):
        site.invalid(f"maps [N, 2, 3] or [N, 3, 4] and their size are needed, got {theta.type!r} and {size.type!r}")
    if sizes is not None:
        return grid.affine_grid(theta, spatial=sizes[2:], align_corners=align)
    spatial: Shape = tuple(Symbol() for _ in range(axes))
    return grid.affine_grid(theta, size, spatial=spatial, align_corners=align)


_OLD_MODES: Mapping[str, grid.Interpolation] = {"bilinear": "linear", "nearest": "nearest", "bicubic": "cubic"}
_MODES: Mapping[str, grid.Interpolation] = {"linear": "linear", "nearest": "nearest", "cubic": "cubic"}
_OUTSIDE: Mapping[str, grid.Outside] = {"zeros": "zeros", "border": "border", "reflection": "reflection"}


def _sampled(site: Site, x: Value, points: Value, modes: Mapping[str, grid.Interpolation]) -> Value:
    mode = site.choice("mode", tuple(modes), next(iter(modes)))
    outside = site.choice("padding_mode", tuple(_OUTSIDE), "zeros")
    align = site.flag("align_corners", False)
    return grid.grid_sample(x, points, mode=modes[mode], outside=_OUTSIDE[outside], align_corners=align)


@handlers.layer(*versions("GridSample", 16))
def sampled_in_planes(site: Site, x: Value, points: Value) -> Value:
    """GridSample of images: its modes are bilinear, nearest and bicubic."""
    return _sampled(site, x, points, _OLD_MODES)


@handlers.layer(*versions("GridSample", 20, 22))
def sampled(site: Site, x: Value, points: Value) -> Value:
    """GridSample of any number of axes: its modes are linear, nearest and cubic."""
    return _sampled(site, x, points, _MODES)


@handlers.layer(*versions("DeformConv", 19, 22))
def bent_convolution(
    site: Site, x: Value, w: Value, offset: Value, bias: Value | None = None, mask: Value | None = None
) -> Value:
    """DeformConv."""
    sizes = known(w.shape[2:])
    given = site.integers("kernel_shape") if site.has("kernel_shape") else sizes
    if given is None or sizes is None:
        site.refuse("weights whose window is not known before the run")
    if given != sizes or x.rank != w.rank or x.rank < 3:
        site.invalid(f"kernel_shape {list(given)}, {x.type!r} and weights {w.type!r} do not go together")
    window = window_of(site, x.shape[2:], given)
    return deform.deform_conv(
        x,
        w,
        offset,
        bias,
        mask,
        strides=window.strides,
        padding=window.padding,
        dilation=window.dilation,
        groups=site.integer("group", 1),
        offset_groups=site.integer("offset_group", 1),
    )
