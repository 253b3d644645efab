"""Examples of resizing whose sizes, scales or region are data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.dims import Symbol
from xir.ops.resample import resample
from xir.ops.resize import resize


def cases() -> Iterator[Case]:
    x = normal(1, 2, 4, 5)
    shape = (1, 2, Symbol("h"), Symbol("w"))
    scales, sizes = np.array([1.6, 0.7], np.float32), np.array([7, 3], np.int64)
    for mode in ("nearest", "linear", "cubic"):
        words = {"axes": (2, 3), "shape": shape, "mode": mode, "coordinates": "half_pixel"}
        yield case(resample, x, None, scales, **words).noted("scales at run time")
        yield case(resample, x, None, None, sizes, **words).noted("sizes at run time")
    words = {"axes": (2, 3), "shape": shape, "mode": "linear"}
    for policy in ("not_larger", "not_smaller"):
        yield case(resample, x, None, None, sizes, **words, coordinates="half_pixel", policy=policy).noted(
            f"{policy}, sizes at run time"
        )
    region = np.array([-0.2, 0.1, 0.8, 0.6], np.float32)
    crop = {"coordinates": "tf_crop_and_resize", "extrapolation": 5.0}
    yield case(resample, x, region, None, sizes, **words, **crop).noted("region at run time")
    yield case(resample, x, region, None, np.array([1, 3], np.int64), **words, **crop).noted("a middle at run time")
    yield case(resample, x, region, scales, **words, **crop).noted("region and scales at run time")
    whole = np.arange(20, dtype=np.uint8).reshape(1, 1, 4, 5)
    yield case(
        resample,
        whole,
        None,
        None,
        sizes,
        axes=(3, 2),
        shape=(1, 1, *shape[2:]),
        mode="linear",
        coordinates="asymmetric",
        antialias=True,
    ).noted("integers, sizes at run time")
    yield case(resize, x, sizes=(7, 3), mode="nearest", coordinates="tf_half_pixel_for_nn", rounding="floor").noted(
        "as TensorFlow once did"
    )
    yield case(resize, x, sizes=(6, 3), mode="linear", coordinates="align_corners", scales=(1.6, 0.7)).noted("cut off")
    yield case(resize, x.astype(np.bool_), sizes=(7, 3), mode="nearest", coordinates="asymmetric")
