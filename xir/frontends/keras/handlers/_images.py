"""Images of a layer: told by its `data_format`, computed on with channels second."""

from __future__ import annotations

from collections.abc import Callable

from xir.frontends._images import Padding, channels_last, channels_second, padding_for
from xir.frontends.keras.site import Site
from xir.ir.node import Value


def on_channels_second(site: Site, x: Value, compute: Callable[[Value], Value]) -> Value:
    """What `compute` makes of an image [N, C, spatial...], laid out as the layer's images are."""
    if site.channels_first:
        return compute(x)
    return channels_last(compute(channels_second(x)))


def padding_of(
    site: Site, x: Value, window: tuple[int, ...], strides: tuple[int, ...], dilation: tuple[int, ...]
) -> Padding:
    """The padding of a convolution of [N, C, spatial...] by the layer's word: valid, same, causal, or Theano's full."""
    mode = site.config.word("padding", "valid", "valid", "same", "causal", "full")
    spans = tuple((size - 1) * gap for size, gap in zip(window, dilation, strict=True))
    if mode == "causal":
        return tuple((span, 0) for span in spans)
    if mode == "full":
        return tuple((span, span) for span in spans)
    return padding_for(mode.upper(), x.shape[2:], window, strides, dilation)
