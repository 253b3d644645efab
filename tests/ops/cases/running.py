"""Examples of running sums and products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from tests.ops.cases.arithmetic import FLOATS
from xir.ops.running import cumprod, cumsum


def cases() -> Iterator[Case]:
    for operator in (cumsum, cumprod):
        for exclusive in (False, True):
            for reverse in (False, True):
                yield case(operator, normal(2, 3, 4), None, axis=1, exclusive=exclusive, reverse=reverse)
        yield from (case(operator, normal(5, dtype=dtype), axis=0) for dtype in FLOATS)
        yield case(operator, np.array([1, 2, 3], np.int32), axis=0)
        yield case(operator, normal(2, 3, 4), np.array(-1), axis=0, reverse=True).noted("axis at run time")
        yield case(operator, normal(2, 3), np.array([1], np.int32), axis=0, exclusive=True).noted("axis at run time")
    yield case(cumprod, normal(2, 1), axis=1).noted("of one")
    yield case(cumprod, normal(2, 0), axis=1, exclusive=True).noted("of none")
