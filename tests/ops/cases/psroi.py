"""Examples of position-sensitive pooling over regions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from tests.ops.cases.roi import REGIONS
from xir.ir.types import DType
from xir.ops.psroi import psroi_pool


def cases() -> Iterator[Case]:
    yield case(
        psroi_pool, normal(2, 18, 12, 14), REGIONS, spatial_scale=0.25, output_channels=2, group_size=3
    ).differenced(0)
    half = normal(2, 4, 5, 6, dtype=DType.FLOAT16)
    yield case(
        psroi_pool, half, REGIONS.astype(np.float16), spatial_scale=0.125, output_channels=1, group_size=2
    ).differenced(0)
