"""Examples of eigenvalues and singular values."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.types import DType
from xir.ops.spectral import svd, symmetric_eigen


def cases() -> Iterator[Case]:
    for size in (1, 2, 3, 6):
        yield case(symmetric_eigen, normal(2, size, size, dtype=DType.FLOAT64)).noted(f"size {size}")
    yield case(symmetric_eigen, normal(5, 5))
    yield case(symmetric_eigen, normal(2, 3, 3, dtype=DType.BFLOAT16))
    for rows, columns in ((1, 1), (3, 3), (5, 2), (2, 5), (4, 1), (1, 3)):
        for full in (False, True):
            square = rows == columns or not full or abs(rows - columns) == 1
            if square:
                x = normal(2, rows, columns, dtype=DType.FLOAT64)
                yield case(svd, x, full=full).noted(f"{rows} by {columns}")
    yield case(svd, normal(6, 4), full=False)
    yield case(svd, normal(2, 3, dtype=DType.FLOAT16), full=False)
    yield case(svd, np.diag([3.0, 2.0, 0.0]), full=False).noted("of rank 2")
