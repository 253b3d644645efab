"""Examples of ONNX's losses over classes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ops.likelihood import cross_entropy, negative_log_likelihood


def cases() -> Iterator[Case]:
    x, target = normal(3, 5, 2), np.array([[0, 4], [2, 2], [1, 0]], np.int64)
    weight = np.abs(normal(5, seed=2))
    odd = np.where(target == 2, -7, target)
    for op in (negative_log_likelihood, cross_entropy):
        for reduction in ("none", "sum", "mean"):
            yield case(op, x, target, reduction=reduction, ignore_index=None).noted(reduction)
            yield case(op, x, odd, reduction=reduction, ignore_index=-7).noted(f"{reduction}, ignoring")
            yield case(op, x, target, weight, reduction=reduction, ignore_index=None).noted(f"{reduction}, weights")
            yield case(op, x, odd, weight, reduction=reduction, ignore_index=-7).noted(f"{reduction}, both")
        plain = normal(4, 3), np.array([0, 2, 1, 1], np.int32)
        yield case(op, *plain, reduction="mean", ignore_index=None).noted("no places")
        yield case(op, plain[0].astype(np.float16), plain[1], reduction="sum", ignore_index=1)
        yield case(op, normal(2, 3, 2, 2), np.ones((2, 2, 2), np.int64), reduction="mean", ignore_index=None)
