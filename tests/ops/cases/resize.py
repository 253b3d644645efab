"""Examples of resizing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ops.resize import resize


def cases() -> Iterator[Case]:
    x = normal(1, 2, 4, 5)
    for mode in ("nearest", "linear", "cubic"):
        yield case(resize, x, sizes=(7, 3), mode=mode, coordinates="half_pixel")
        yield case(resize, x, sizes=(3, 9), mode=mode, coordinates="align_corners").noted("corners")
    yield case(resize, x, sizes=(6, 7), mode="linear", coordinates="half_pixel_symmetric", scales=(1.6, 1.5))
    yield case(resize, x, sizes=(2, 2), mode="linear", coordinates="half_pixel", antialias=True).noted("antialias")
    yield case(resize, x, sizes=(6, 6), mode="cubic", coordinates="half_pixel", exclude_outside=True).noted("excluding")
    yield case(
        resize, np.arange(8, dtype=np.uint8).reshape(1, 1, 8), sizes=(5,), mode="linear", coordinates="half_pixel"
    )
    yield case(
        resize,
        normal(1, 1, 4).astype(np.float16),
        sizes=(9,),
        mode="nearest",
        coordinates="asymmetric",
        rounding="floor",
    )
