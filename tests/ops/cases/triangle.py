"""Examples of triangles and diagonals."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from tests.ops.cases.arithmetic import FLOATS
from xir.ir.types import DType
from xir.ops.triangle import eye_like, trilu


def cases() -> Iterator[Case]:
    for upper in (False, True):
        for diagonal in (-9, -1, 0, 2, 9):
            yield case(trilu, normal(3, 4), diagonal=diagonal, upper=upper)
        yield case(trilu, normal(2, 4, 3), np.array(-1), diagonal=0, upper=upper).noted("a diagonal at run time")
        yield case(trilu, normal(4, 3), np.array([1], np.int32), diagonal=0, upper=upper).noted("at run time, i32")
    yield from (case(trilu, normal(3, 3, dtype=dtype), diagonal=0, upper=True) for dtype in FLOATS)
    yield case(trilu, np.ones((2, 2), bool), diagonal=1, upper=True)
    yield case(trilu, normal(0, 3), diagonal=0, upper=False).noted("nothing")
    for diagonal in (-9, -1, 0, 2, 9):
        yield case(eye_like, np.zeros((3, 4), np.int32), diagonal=diagonal, dtype=DType.FLOAT32)
    for dtype in (DType.BOOL, DType.BFLOAT16, DType.UINT8, DType.FLOAT64):
        yield case(eye_like, np.zeros((2, 3), np.int32), diagonal=0, dtype=dtype)
