"""Examples of placing by coordinates and of turning sequences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from tests.ops.cases.arithmetic import FLOATS
from xir.ops.places import reverse_sequence, scatter_nd

ROWS = np.array([[2], [0], [-1]])
ELEMENTS = np.array([[[0, 1]], [[2, -1]]])
TWICE = np.array([[1], [1], [0]])


def cases() -> Iterator[Case]:
    yield case(scatter_nd, normal(4, 3), ROWS, normal(3, 3, seed=1), reduction="none").noted("rows")
    yield case(scatter_nd, normal(3, 2), ELEMENTS, normal(2, 1, seed=1), reduction="none").noted("elements")
    yield case(scatter_nd, normal(3, 2), ELEMENTS.astype(np.int32), normal(2, 1, seed=1), reduction="none")
    for reduction in ("add", "mul", "max", "min"):
        yield case(scatter_nd, normal(4, 3), TWICE, normal(3, 3, seed=1), reduction=reduction)
        whole = np.arange(9, dtype=np.int32).reshape(3, 3)
        yield case(scatter_nd, np.ones((4, 3), np.int32), TWICE, whole, reduction=reduction)
        everywhere = np.zeros((2, 0), np.int64)
        x, updates = normal(3), normal(2, 3, seed=1)
        yield case(scatter_nd, x, everywhere, updates, reduction=reduction).noted("no coordinates")
        for dtype in FLOATS:
            x, updates = normal(3, dtype=dtype), normal(3, seed=1, dtype=dtype)
            yield case(scatter_nd, x, TWICE, updates, reduction=reduction)
    everywhere = np.zeros((1, 0), np.int64)
    yield case(scatter_nd, normal(3), everywhere, normal(1, 3, seed=1), reduction="none").noted("no coordinates")
    words = np.array(["a", "b", "c"], object)
    yield case(scatter_nd, words, np.array([[1]]), np.array(["x"], object), reduction="none")
    for batch in (0, 1):
        lengths = np.array([3, 1, 0]) if batch == 0 else np.array([2, 3, 0, 1])
        yield case(reverse_sequence, normal(3, 4), lengths, batch_axis=batch, time_axis=1 - batch)
        x = normal(3, 4, 2)
        yield case(reverse_sequence, x, lengths.astype(np.int32), batch_axis=batch, time_axis=1 - batch)
