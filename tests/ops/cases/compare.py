"""Examples of comparisons and logic."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case
from tests.ops.cases.arithmetic import FLOATS, INTEGERS, SPECIAL
from xir.ops.compare import (
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    not_equal,
)


def cases() -> Iterator[Case]:
    for operator in (equal, not_equal, less, less_equal, greater, greater_equal):
        for dtype in FLOATS:
            yield case(operator, SPECIAL.astype(dtype.dtype), SPECIAL[::-1].astype(dtype.dtype))
        for dtype in INTEGERS:
            yield case(operator, np.array([1, 2, 3]).astype(dtype.dtype), np.array([3, 2, 1]).astype(dtype.dtype))
    x, y = np.array([[True, True], [False, False]]), np.array([[True, False], [True, False]])
    for operator in (equal, not_equal, logical_and, logical_or, logical_xor):
        yield case(operator, x, y)
    for operator in (equal, not_equal):
        yield case(operator, np.array(["a", "b"], object), np.array(["a", "c"], object))
    yield case(logical_not, x)
