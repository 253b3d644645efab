"""Pooling of images."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends._images import Padding, channels_last, channels_second, padding_for
from xir.frontends.tflite.site import Handler, Site, activated, as_dtype
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise, pool

handlers: Handlers[Handler] = Handlers("tflite")
moving: Handlers[Handler] = Handlers("tflite")


def _window(site: Site, x: Value) -> tuple[tuple[int, ...], tuple[int, ...], Padding]:
    """Window, strides and padding."""
    if x.rank != 4:
        site.invalid(f"[N, h, w, C] is needed, got {x.type!r}")
    window = (site.integer("filter_height"), site.integer("filter_width"))
    strides = (site.integer("stride_h"), site.integer("stride_w"))
    if min(*window, *strides) < 1:
        site.invalid(f"window {window} and strides {strides} must be positive")
    return window, strides, padding_for(site.word("padding", "SAME"), x.shape[1:3], window, strides, (1, 1))


@moving.layer("MAX_POOL_2D")
def largest(site: Site, x: Value) -> Value:
    """MAX_POOL_2D."""
    window, strides, padding = _window(site, x)
    name = site.word("fused_activation_function", "NONE")
    if name != "NONE" and not x.dtype.is_floating:
        site.refuse(f"the fused activation {name} of a maximum of integers")
    image = as_dtype(x, DType.FLOAT32) if x.dtype is DType.INT16 else x  # which formats do not pool, and f32 holds
    result = pool.max_pool(channels_second(image), window=window, strides=strides, padding=padding, dilation=(1, 1))
    return as_dtype(activated(site, channels_last(result), name), x.dtype)


@handlers.layer("AVERAGE_POOL_2D")
def average(site: Site, x: Value) -> Value:
    """AVERAGE_POOL_2D; padding does not count (average_pool, filter_count)."""
    window, strides, padding = _window(site, x)
    result = pool.average_pool(
        channels_second(x),
        window=window,
        strides=strides,
        padding=padding,
        counted_padding=((0, 0), (0, 0)),
        dilation=(1, 1),
    )
    return site.activated(channels_last(result))


@handlers.layer("L2_POOL_2D")
def root_mean_square(site: Site, x: Value) -> Value:
    """L2_POOL_2D: the root of the mean of the squares."""
    window, strides, padding = _window(site, x)
    mean = pool.average_pool(
        channels_second(elementwise.mul(x, x)),
        window=window,
        strides=strides,
        padding=padding,
        counted_padding=((0, 0), (0, 0)),
        dilation=(1, 1),
    )
    return site.activated(channels_last(elementwise.sqrt(mean)))
