"""Examples of optimizer steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ops.optimizer import adagrad_step, adam_step, momentum_step


def cases() -> Iterator[Case]:
    x, g, v, h = normal(2, 3), normal(2, 3, seed=1), normal(2, 3, seed=2), np.abs(normal(2, 3, seed=3, away=0.1))
    rate = np.asarray(0.1, np.float32)
    for times in (0, 3):
        count = np.asarray(times, np.int64)
        words = {"epsilon": 1e-3, "regularization": 0.01}
        yield case(adagrad_step, rate, count, x, g, h, decay=0.1, **words).noted(f"update {times}")
        yield case(adam_step, rate, count, x, g, v, h, alpha=0.9, beta=0.99, decay=0.1, **words).noted(
            f"update {times}"
        )
        for mode in ("standard", "nesterov"):
            yield case(momentum_step, rate, count, x, g, v, alpha=0.9, beta=0.5, regularization=0.01, mode=mode).noted(
                f"{mode}, update {times}"
            )
    half = [array.astype(np.float16) for array in (x, g, h)]
    yield case(
        adagrad_step, rate.reshape(1), np.asarray([1], np.int64), *half, decay=0.0, epsilon=1e-2, regularization=0.0
    )
