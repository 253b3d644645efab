"""Examples of looking for elements."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from tests.ops.cases.arithmetic import FLOATS
from xir.ops.finding import nonzero, unique

NUMBERS = np.array([[2.0, 1.0, 1.0], [3.0, 4.0, 3.0], [2.0, 1.0, 1.0]])


def cases() -> Iterator[Case]:
    for dtype in FLOATS:
        yield case(nonzero, np.array([[1.0, 0.0, np.nan], [0.0, -0.0, 2.0]]).astype(dtype.dtype))
        yield case(unique, NUMBERS.astype(dtype.dtype), axis=None, sorted=True)
    yield case(nonzero, np.array([True, False]))
    yield case(nonzero, np.array(["a", "", "b"], object))
    yield case(nonzero, np.array(3)).noted("a scalar")
    yield case(nonzero, normal(0, 2)).noted("nothing")
    for ordered in (False, True):
        for axis in (None, 0, 1):
            yield case(unique, NUMBERS.astype(np.int64), axis=axis, sorted=ordered)
            yield case(unique, np.array([["b", "a"], ["b", "a"]], object), axis=axis, sorted=ordered)
        yield case(unique, np.array([np.nan, 1.0, np.nan]), axis=None, sorted=ordered).noted("NaN")
    yield case(unique, normal(0, 2), axis=0, sorted=True).noted("no rows")
    yield case(unique, normal(2, 0), axis=0, sorted=True).noted("rows of nothing")
    yield case(unique, normal(0), axis=None, sorted=False).noted("nothing")
