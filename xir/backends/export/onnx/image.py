"""ONNX form of packed pictures."""

from __future__ import annotations

from xir.backends.export.onnx._form import Forms
from xir.ops.image import image_decoder

forms = Forms()
forms.same(image_decoder, "ImageDecoder", pixel_format="pixel_format")
