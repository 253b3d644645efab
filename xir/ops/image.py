"""Packed pictures as tensors, by pillow."""

from __future__ import annotations

import io
import warnings
from typing import Literal

import numpy as np

from xir.errors import MissingExtraError, UnsafeError
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._checks import require_dtype, require_rank
from xir.ops._define import op

PixelFormat = Literal["RGB", "BGR", "Grayscale"]

FORMATS = ("BMP", "JPEG", "JPEG2000", "TIFF", "PNG", "WEBP", "PPM")
"""What ONNX ImageDecoder names, by pillow's names; other decoders of pillow are never tried."""

MAX_PIXELS = 100_000_000
"""Pixels of a picture; pillow's own limit (Image.MAX_IMAGE_PIXELS) is of this size and only warns."""

IMAGE_EXTRA = "pip install pillow"


@op
def image_decoder(encoded: Value, *, pixel_format: PixelFormat) -> TensorType:
    """The picture that the bytes of a file hold (ONNX ImageDecoder).

    encoded: u8[bytes], a file of one of FORMATS; result: u8[height, width, channels], three channels, red or blue
    first, or one. Bytes that hold no picture give one of height and width 0.
    """
    require_dtype(encoded, DType.UINT8)
    require_rank(encoded, 1)
    return TensorType(DType.UINT8, (Symbol(), Symbol(), 1 if pixel_format == "Grayscale" else 3))


@image_decoder.reference
def _image_decoder_reference(encoded: Array, *, pixel_format: PixelFormat) -> Array:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("pillow, which decodes pictures, is not installed", hint=IMAGE_EXTRA) from error
    mode, channels = ("L", 1) if pixel_format == "Grayscale" else ("RGB", 3)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(encoded.tobytes()), formats=FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise UnsafeError(f"a picture of {picture.width} x {picture.height} pixels", number=806)
                pixels = np.asarray(picture.convert(mode), np.uint8)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UnsafeError(str(error), number=806) from error
    except (OSError, ValueError, SyntaxError):
        return np.zeros((0, 0, channels), np.uint8)
    pixels = pixels.reshape(*pixels.shape[:2], channels)
    return pixels[..., ::-1] if pixel_format == "BGR" else pixels


image_decoder.host("decoders of pictures are libraries")
image_decoder.no_gradient("bytes have no slope")
