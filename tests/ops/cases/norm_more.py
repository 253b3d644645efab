"""Examples of normalizations with statistics, and of those without a mean."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.types import DType
from xir.ops.norm_length import lp_normalize, rms_norm
from xir.ops.norm_statistics import batch_norm_train, layer_norm_with_statistics


def cases() -> Iterator[Case]:
    x, half = normal(3, 4, 3, 2), normal(3, 4, 3, 2, dtype=DType.FLOAT16)
    given = [normal(4, seed=seed) for seed in range(4)]
    yield case(batch_norm_train, x, *given, epsilon=1e-2, momentum=0.75)
    yield case(batch_norm_train, half, *(a.astype(np.float16) for a in given), epsilon=1e-2, momentum=0.75)
    words = {"axis": 2, "epsilon": 1e-2}
    scale = normal(3, 2)
    yield case(layer_norm_with_statistics, x, scale, normal(3, 2, seed=1), **words)
    yield case(layer_norm_with_statistics, half, scale.astype(np.float16), None, **words)
    yield case(layer_norm_with_statistics, x, **words).noted("no parameters")
    yield case(layer_norm_with_statistics, x.astype(np.float64), scale.astype(np.float64), **words)
    yield case(rms_norm, x, scale, **words)
    yield case(rms_norm, x, **words).noted("no scale")
    yield case(rms_norm, half, scale.astype(np.float16), **words)
    line = normal(3, 4)
    line[1] = 0
    for p in (1, 2):
        yield case(lp_normalize, normal(3, 4, away=0.2), axis=1, p=p)
        yield case(lp_normalize, line, axis=1, p=p).differenced().noted("a line of zeros")
