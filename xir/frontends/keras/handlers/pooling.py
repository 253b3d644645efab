"""Pooling of images and sequences."""

from __future__ import annotations

from collections.abc import Callable

from xir.frontends._handlers import Handlers
from xir.frontends._images import Padding
from xir.frontends.keras.handlers._images import on_channels_second, padding_of
from xir.frontends.keras.site import Handler, Site
from xir.ir.node import Value
from xir.ops import elementwise, pool
from xir.ops.reduce import reduce_max, reduce_mean, reduce_sum
from xir.ops.shape import broadcast, concat, reshape, slice_

handlers: Handlers[Handler] = Handlers("keras")


def _window(site: Site, image: Value) -> tuple[tuple[int, ...], tuple[int, ...], Padding]:
    """Window, strides and padding; the strides are the window where the layer does not say them."""
    axes = image.rank - 2
    window = site.config.positive("pool_size", axes, 2)
    strides = window if site.config.raw("strides") is None else site.config.positive("strides", axes)
    return window, strides, padding_of(site, image, window, strides, (1,) * axes)


@handlers.layer("MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "MaxPool1D", "MaxPool2D", "MaxPool3D")
def largest(site: Site, x: Value) -> Value:
    """MaxPooling1D and its kin."""

    def compute(image: Value) -> Value:
        window, strides, padding = _window(site, image)
        return pool.max_pool(image, window=window, strides=strides, padding=padding, dilation=(1,) * len(window))

    return on_channels_second(site, x, compute)


@handlers.layer("AveragePooling1D", "AveragePooling2D", "AveragePooling3D", "AvgPool1D", "AvgPool2D", "AvgPool3D")
def average(site: Site, x: Value) -> Value:
    """AveragePooling1D and its kin; padding does not count."""

    def compute(image: Value) -> Value:
        window, strides, padding = _window(site, image)
        return pool.average_pool(
            image,
            window=window,
            strides=strides,
            padding=padding,
            counted_padding=((0, 0),) * len(window),
            dilation=(1,) * len(window),
        )

    return on_channels_second(site, x, compute)


def _reduced(site: Site, x: Value, reduce: Callable[..., Value]) -> Value:
    first = 2 if site.channels_first else 1
    axes = tuple(range(first, first + x.rank - 2))
    return reduce(x, axes=axes, keep_dims=site.config.flag("keepdims"))


@handlers.layer(
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPool3D",
)
def global_largest(site: Site, x: Value) -> Value:
    """GlobalMaxPooling1D and its kin."""
    return _reduced(site, x, reduce_max)


@handlers.layer(
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalAvgPool3D",
)
def global_average(site: Site, x: Value) -> Value:
    """GlobalAveragePooling1D and its kin; of a masked sequence the steps that count."""
    if site.mask is None or x.rank != 3:
        return _reduced(site, x, reduce_mean)
    axis = 2 if site.channels_first else 1
    counted = elementwise.cast(site.mask, dtype=x.dtype)
    shape = (x.shape[0], 1, x.shape[2]) if axis == 2 else (x.shape[0], x.shape[1], 1)
    weights = broadcast(reshape(counted, shape=shape), shape=x.shape)
    keep = site.config.flag("keepdims")
    total = reduce_sum(elementwise.mul(x, weights), axes=(axis,), keep_dims=keep)
    return elementwise.div(total, reduce_sum(weights, axes=(axis,), keep_dims=keep))


@handlers.layer(*(f"Adaptive{how}Pooling{axes}D" for how in ("Average", "Max") for axes in (1, 2, 3)))
def adaptive(site: Site, x: Value) -> Value:
    """AdaptiveAveragePooling1D and its kin: window i of n begins at i * size // n and ends before (i + 1) * size / n.

    Windows of several axes are boxes, so that one axis after another gives the same.
    """
    function = reduce_mean if "Average" in site.layer.kind else reduce_max
    counts = site.config.positive("output_size", x.rank - 2)
    first = 2 if site.channels_first else 1
    for axis, count in enumerate(counts, first):
        size = x.shape[axis]
        if not isinstance(size, int):
            site.refuse("adaptive pooling of a size that is not known before the run", "type the input with its size")
        places = [(place * size // count, -(-(place + 1) * size // count)) for place in range(count)]
        windows = [slice_(x, axes=(axis,), starts=(start,), stops=(stop,), steps=(1,)) for start, stop in places]
        x = concat(*(function(window, axes=(axis,), keep_dims=True) for window in windows), axis=axis)
    return x
