"""Convolutions."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends._operands import known
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx._windows import padding_of, per_axis, window_of
from xir.ir.dims import Dim, floor_divide
from xir.ir.node import Value
from xir.ops import conv

handlers: Handlers[Handler] = Handlers("onnx")


def kernel_sizes(site: Site, x: Value, w: Value) -> tuple[int, ...]:
    """The window's sizes: those of the weights, which `kernel_shape` must repeat."""
    if x.rank < 3 or w.rank != x.rank:
        site.invalid(f"[N, C, spatial...] and weights of as many axes are needed, got {x.type!r} and {w.type!r}")
    sizes = known(w.shape[2:])
    given = site.integers("kernel_shape") if site.has("kernel_shape") else sizes
    if given is None:
        site.refuse("weights whose window is not known before the run")
    if sizes is not None and given != sizes:
        site.invalid(f"kernel_shape is {list(given)}, the weights have {list(sizes)}")
    return given


@handlers.layer(*versions("Conv", 1, 11, 22))
def convolution(site: Site, x: Value, w: Value, bias: Value | None = None) -> Value:
    """Conv."""
    window = window_of(site, x.shape[2:], kernel_sizes(site, x, w))
    return conv.conv(
        x,
        w,
        bias,
        strides=window.strides,
        padding=window.padding,
        dilation=window.dilation,
        input_dilation=(1,) * (x.rank - 2),
        groups=site.integer("group", 1),
    )


@handlers.layer(*versions("ConvTranspose", 1, 11, 22))
def transposed_convolution(site: Site, x: Value, w: Value, bias: Value | None = None) -> Value:
    """ConvTranspose; `output_shape` and `auto_pad` determine the padding (ONNX ConvTranspose, its two formulas)."""
    window, axes = kernel_sizes(site, x, w), x.rank - 2
    strides, dilation = per_axis(site, "strides", axes, 1), per_axis(site, "dilations", axes, 1)
    extra = per_axis(site, "output_padding", axes, 0)
    mode = site.choice("auto_pad", ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"), "NOTSET")
    if site.has("output_shape") or mode.startswith("SAME"):
        wanted = site.integers("output_shape") if site.has("output_shape") else None
        sizes: tuple[Dim, ...] = tuple(size * step for size, step in zip(x.shape[2:], strides, strict=True))
        if wanted is not None:
            if len(wanted) < axes:
                site.invalid(f"attribute 'output_shape' has {len(wanted)} numbers for {axes} spatial axes")
            sizes = wanted[len(wanted) - axes :]
        site.ignore("pads")
        padding = _padding_for(x, sizes, window, strides, dilation, extra, mode)
    else:
        padding = padding_of(site, x.shape[2:], window, strides, dilation)
    return conv.conv_transpose(
        x,
        w,
        bias,
        strides=strides,
        padding=padding,
        dilation=dilation,
        output_padding=extra,
        groups=site.integer("group", 1),
    )


def _padding_for(
    x: Value,
    sizes: tuple[Dim, ...],
    window: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
    extra: tuple[int, ...],
    mode: str,
) -> tuple[tuple[Dim, Dim], ...]:
    found: list[tuple[Dim, Dim]] = []
    for size, result, extent, step, gap, more in zip(x.shape[2:], sizes, window, strides, dilation, extra, strict=True):
        total = step * (size - 1) + more + (extent - 1) * gap + 1 - result
        half = floor_divide(total, 2)
        found.append((half, total - half) if mode == "SAME_UPPER" else (total - half, half))
    return tuple(found)
