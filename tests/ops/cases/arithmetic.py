"""Examples of arithmetic."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.types import DType
from xir.ops.arithmetic import (
    abs_,
    add,
    div,
    exp,
    log,
    maximum,
    minimum,
    mod,
    mul,
    neg,
    pow_,
    reciprocal,
    select,
    sign,
    sqrt,
    sub,
)

FLOATS = (DType.FLOAT64, DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16)
INTEGERS = (DType.INT8, DType.INT16, DType.INT32, DType.INT64, DType.UINT8, DType.UINT16, DType.UINT32, DType.UINT64)
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-3, -700.0, 700.0], np.float32)


def cases() -> Iterator[Case]:
    yield from _binary()
    for operator in (neg, abs_, sign):
        yield from (case(operator, normal(2, 3, dtype=dtype, away=0.1)) for dtype in FLOATS)
        yield from (case(operator, np.array([0, 1, 100]).astype(dtype.dtype)) for dtype in INTEGERS)
        yield case(operator, SPECIAL).differenced().noted("special numbers")
    for operator in (exp, reciprocal):
        yield from (case(operator, normal(2, 3, dtype=dtype, away=0.3)) for dtype in FLOATS)
        yield case(operator, SPECIAL).differenced().noted("special numbers")
    for operator in (log, sqrt):
        yield from (case(operator, np.abs(normal(2, 3, dtype=dtype, away=0.3))) for dtype in FLOATS)
        yield case(operator, SPECIAL).differenced().noted("special numbers")
    condition = np.array([[True, False, True], [False, True, False]])
    yield from (case(select, condition, normal(2, 3, dtype=d), normal(2, 3, seed=1, dtype=d)) for d in FLOATS)
    yield case(select, condition, condition, ~condition)
    yield case(select, np.array(True), np.array("yes", object), np.array("no", object)).noted("strings")


def _binary() -> Iterator[Case]:
    for operator in (add, sub, mul, div, minimum, maximum):
        for dtype in FLOATS:
            yield case(operator, normal(2, 3, dtype=dtype), normal(2, 3, seed=1, dtype=dtype, away=0.5))
        for dtype in INTEGERS:
            yield case(operator, np.array([7, 0, 100]).astype(dtype.dtype), np.array([2, 3, 9]).astype(dtype.dtype))
        yield case(operator, normal(), normal(seed=1, away=0.5)).noted("scalars")
        yield case(operator, normal(0, 3), normal(0, 3)).noted("empty")
        yield case(operator, SPECIAL, SPECIAL[::-1].copy()).differenced().noted("special numbers")
    for dtype in FLOATS:
        yield case(pow_, np.abs(normal(2, 3, dtype=dtype, away=0.2)), normal(2, 3, seed=1, dtype=dtype))
        for floored in (False, True):
            yield case(mod, normal(2, 3, dtype=dtype), normal(2, 3, seed=1, dtype=dtype, away=0.5), floored=floored)
    for dtype in INTEGERS:
        x, y = np.array([7, 2, 0]).astype(dtype.dtype), np.array([2, 3, 4]).astype(dtype.dtype)
        yield case(pow_, x, y)
        yield from (case(mod, x, y, floored=floored) for floored in (False, True))
    zeros = np.array([0.0, 0.0, 2.0, -1.5, 0.0])
    yield case(pow_, zeros, np.array([0.0, 2.0, 0.0, 2.0, 3.0])).differenced(0).noted("zeros")
