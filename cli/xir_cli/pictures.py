"""Pictures as inputs: decoded by pillow, resized, and laid out as the input wants them."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xir.errors import FormatError, MissingExtraError, UnsafeError, UsageError
from xir.files import read_bytes
from xir.ir.types import TensorType, Type
from xir.limits import MEBI

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUFFIXES = (".png", ".jpg", ".jpeg")

MAX_PICTURE_BYTES = 256 * MEBI
"""Bytes of a packed picture."""

MAX_PIXELS = 100_000_000
"""Pixels of a picture; pillow's own limit (Image.MAX_IMAGE_PIXELS) is of this size and only warns."""


@dataclass(frozen=True, slots=True)
class Look:
    """How pixels become numbers: `(pixel - mean) * scale`, pixels from 0 to 255.

    Attributes:
        bgr: blue first, as OpenCV and so Caffe have it; else red first.
        mean: one number a channel, in that order.
        scale: what the difference is multiplied with.
    """

    bgr: bool
    mean: tuple[float, ...] = ()
    scale: float = 1.0


def read_picture(path: str, type: Type, name: str, look: Look) -> NDArray[np.generic]:
    """A picture as the array that an input takes.

    Args:
        path: a .png or .jpg file.
        type: of the input: [N, C, H, W] or [N, H, W, C] with 1 or 3 channels, known H and W, and N = 1 or unknown.
        name: of the input, for messages.
        look: how pixels become numbers.

    Raises:
        UsageError: the input takes no picture.
        MissingExtraError: pillow is not installed.
        FormatError: the file is no picture.
        UnsafeError: it has too many pixels.
    """
    import numpy as np

    if not isinstance(type, TensorType):
        raise UsageError(f"input {name!r} is {type!r}, which takes no picture")
    channels_first, channels, height, width = _layout(type, name)
    pixels = _decode(path, channels, height, width)
    if look.bgr and channels == 3:
        pixels = pixels[..., ::-1]
    if len(look.mean) not in (0, 1, channels):
        raise UsageError(f"--image-mean has {len(look.mean)} numbers for {channels} channels")
    values = (pixels.astype(np.float64) - np.asarray(look.mean or (0.0,))) * look.scale
    if type.dtype.is_integer and (look.mean or look.scale != 1.0):
        raise UsageError(f"input {name!r} takes whole numbers: --image-mean and --image-scale do not fit it")
    ordered = values.transpose(2, 0, 1) if channels_first else values
    return np.ascontiguousarray(ordered[None]).astype(type.dtype.dtype)


def _layout(type: TensorType, name: str) -> tuple[bool, int, int, int]:
    """Whether channels stand first, how many there are, and the height and width."""
    if type.rank == 4 and not (isinstance(type.shape[0], int) and type.shape[0] != 1):
        for first, order in ((True, (1, 2, 3)), (False, (3, 1, 2))):
            channels, height, width = (type.shape[axis] for axis in order)
            if channels in (1, 3) and isinstance(channels, int) and isinstance(height, int) and isinstance(width, int):
                return first, channels, height, width
    raise UsageError(
        f"input {name!r} is {type!r}; a picture fits [1,C,H,W] or [1,H,W,C] with 1 or 3 channels and known sizes",
        hint=f"tell the sizes, such as --input {name}={_example(type)}, or feed a .npy file",
    )


def _example(type: TensorType) -> str:
    """A type with all sizes known: the channels stay where they are."""
    sizes = [size if isinstance(size, int) else 224 for size in type.shape[1:]] if type.rank == 4 else [3, 224, 224]
    return f"{type.dtype}[1,{','.join(map(str, sizes))}]"


def _decode(path: str, channels: int, height: int, width: int) -> NDArray[np.uint8]:
    """The pixels, [H, W, C], red first."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise MissingExtraError("pillow, which reads pictures, is not installed", hint=IMAGE_EXTRA) from error
    import numpy as np

    packed = read_bytes(path, MAX_PICTURE_BYTES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(packed), formats=("PNG", "JPEG")) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise UnsafeError(f"has {picture.width} x {picture.height} pixels", number=806, file=path)
                plain = picture.convert("RGB" if channels == 3 else "L")
                sized = plain.resize((width, height), Image.Resampling.BILINEAR)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UnsafeError(str(error), number=806, file=path) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise FormatError(f"is no .png or .jpg picture: {error}", file=path) from error
    return np.asarray(sized, dtype=np.uint8).reshape(height, width, channels)


IMAGE_EXTRA = "pip install pillow"
