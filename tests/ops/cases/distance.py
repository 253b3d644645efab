"""Examples of losses that compare numbers with numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from tests.ops.cases.arithmetic import FLOATS
from xir.ops.distance import contrastive_loss, euclidean_loss, l1_loss, smooth_l1_loss


def cases() -> Iterator[Case]:
    for operator in (euclidean_loss, l1_loss, smooth_l1_loss):
        for dtype in FLOATS:
            yield case(operator, normal(2, 3, dtype=dtype), normal(2, 3, seed=1, dtype=dtype))
        yield case(operator, normal(2, 3, 1, 2), normal(2, 6, seed=1)).noted("another shape")
    inside, outside = normal(2, 3, seed=2), normal(2, 3, seed=3)
    for weights in ((None, None), (inside, None), (None, outside), (inside, outside)):
        for normalization in ("batch_size", "none"):
            yield case(
                smooth_l1_loss,
                normal(2, 3),
                normal(2, 3, seed=1),
                *weights,
                sigma=1.7,
                normalization=normalization,
            )
    similar = np.array([1, 0, 0, 1])
    for legacy in (False, True):
        for dtype in FLOATS:
            x, y = normal(4, 3, dtype=dtype), normal(4, 3, seed=1, dtype=dtype)
            # Caffe's gradient differs from the true one unless `legacy`; tests/ops/test_distance.py has its formula.
            made = case(contrastive_loss, x, y, similar, margin=4.0, legacy=legacy)
            yield made if legacy else made.differenced()
        y = normal(4, 3, 1, 1, seed=1)
        floats = similar.astype(np.float32).reshape(4, 1, 1, 1)
        yield case(contrastive_loss, normal(4, 3, 1, 1), y, floats, margin=1.0, legacy=legacy).differenced()
