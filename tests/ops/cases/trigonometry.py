"""Examples of circular and hyperbolic functions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case
from tests.ops.cases.arithmetic import FLOATS, SPECIAL
from xir.ops.trigonometry import acos, acosh, asin, asinh, atan, atanh, cos, cosh, erf, sin, sinh, tan

INSIDE = np.array([[-0.9, -0.3, 0.0], [0.01, 0.5, 0.9]])


def cases() -> Iterator[Case]:
    for operator in (erf, sin, cos, tan, asin, acos, atan, sinh, cosh, asinh, atanh):
        yield from (case(operator, INSIDE.astype(dtype.dtype)) for dtype in FLOATS)
        yield case(operator, SPECIAL).differenced().noted("special numbers")
    yield from (case(acosh, (INSIDE + 2.5).astype(dtype.dtype)) for dtype in FLOATS)
