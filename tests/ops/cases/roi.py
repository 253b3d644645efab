"""Examples of pooling over regions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.types import DType
from xir.ops.roi import roi_align, roi_pool

REGIONS = np.array(
    [[0, 3, 4, 30, 40], [1, -10, 5, 60, 7], [1, 100, 100, 120, 130], [0, 8.5, 7.5, 8.5, 7.5]], np.float32
)


def cases() -> Iterator[Case]:
    x, half = normal(2, 3, 12, 14), normal(2, 3, 12, 14, dtype=DType.FLOAT16)
    yield case(roi_pool, x, REGIONS, pooled=(3, 2), spatial_scale=0.25).differenced()
    yield case(roi_pool, half, REGIONS.astype(np.float16), pooled=(1, 1), spatial_scale=0.25).differenced()
    images = REGIONS[:, 0].astype(np.int64)
    yield case(
        roi_align,
        x,
        REGIONS[:, 1:],
        images,
        pooled=(3, 2),
        spatial_scale=0.25,
        sampling_ratio=2,
        mode="avg",
        half_pixel=True,
    ).differenced()
    yield case(
        roi_align,
        half,
        REGIONS[:, 1:].astype(np.float16),
        images,
        pooled=(2, 2),
        spatial_scale=0.25,
        sampling_ratio=0,
        mode="max",
        half_pixel=False,
    ).differenced()
