"""Examples of rounding, casts and clipping."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from tests.ops.cases.arithmetic import FLOATS, INTEGERS, SPECIAL
from xir.ir.types import DType
from xir.ops.elementwise import cast, ceil, clip, floor, is_inf, is_nan, round_

HALVES = np.array([-2.5, -1.5, -0.5, -0.0, 0.5, 1.5, 2.5, 2.4999, np.inf, np.nan])


def cases() -> Iterator[Case]:
    for operator in (floor, ceil, round_):
        yield from (case(operator, HALVES.astype(dtype.dtype)) for dtype in FLOATS)
    for dtype in FLOATS:
        yield case(is_nan, SPECIAL.astype(dtype.dtype))
        yield from (
            case(is_inf, SPECIAL.astype(dtype.dtype), negative=negative, positive=positive)
            for negative in (False, True)
            for positive in (False, True)
        )
        yield case(clip, normal(3, 4, dtype=dtype), minimum=-0.5, maximum=0.75)
        yield case(clip, normal(3, 4, dtype=dtype), minimum=None, maximum=0.75)
        yield case(clip, normal(3, 4, dtype=dtype), minimum=-0.5, maximum=None)
        yield case(clip, normal(3, 4, dtype=dtype), minimum=None, maximum=None)
    yield case(clip, SPECIAL, minimum=0.0, maximum=6.0).differenced().noted("special numbers")
    yield case(clip, normal(3), minimum=2.0, maximum=1.0).noted("bounds crossed")
    for dtype in INTEGERS:
        yield case(clip, np.array([0, 5, 100]).astype(dtype.dtype), minimum=-1e30, maximum=7.0)
    yield from _casts()


def _casts() -> Iterator[Case]:
    x = np.array([[-1.75, -0.5, 0.0], [0.5, 1.75, 100.0]])
    for source in (*FLOATS, DType.INT8, DType.INT64, DType.BOOL):
        for dtype in (*FLOATS, DType.INT8, DType.INT64, DType.BOOL, DType.FLOAT8E4M3FN):
            yield case(cast, x.astype(source.dtype), dtype=dtype).differenced()
    yield case(cast, normal(2, 3, dtype=DType.FLOAT64), dtype=DType.FLOAT64)
    yield case(cast, np.array([1 + 2j, 3j], np.complex64), dtype=DType.FLOAT32).differenced()
