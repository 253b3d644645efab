"""Examples of packed pictures: a portable graymap and a portable pixmap, which are bytes behind a line of text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case
from xir.ops.image import image_decoder


def cases() -> Iterator[Case]:
    colored = np.frombuffer(b"P6 2 1 255\n" + bytes([1, 2, 3, 4, 5, 6]), np.uint8)
    for pixel_format in ("RGB", "BGR", "Grayscale"):
        yield case(image_decoder, colored, pixel_format=pixel_format).noted(pixel_format)
    yield case(image_decoder, np.zeros(4, np.uint8), pixel_format="RGB").noted("no picture")
