"""Packed pictures."""

from __future__ import annotations

from collections.abc import Mapping

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.node import Value
from xir.ops import image

handlers: Handlers[Handler] = Handlers("onnx")

_FORMATS: Mapping[str, image.PixelFormat] = {"RGB": "RGB", "BGR": "BGR", "Grayscale": "Grayscale"}


@handlers.layer(*versions("ImageDecoder", 20))
def decoded(site: Site, encoded: Value) -> Value:
    """ImageDecoder."""
    return image.image_decoder(encoded, pixel_format=_FORMATS[site.choice("pixel_format", tuple(_FORMATS), "RGB")])
