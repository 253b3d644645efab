"""Examples of matrix products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.types import DType
from xir.ops.matmul import gemm, matmul


def cases() -> Iterator[Case]:
    yield case(matmul, normal(2, 3), normal(3, 4))
    yield case(matmul, normal(2, 2, 2, 3), normal(2, 2, 3, 4)).noted("batch")
    yield case(matmul, normal(2, 3, dtype=DType.FLOAT64), normal(3, 4, dtype=DType.FLOAT64))
    yield case(matmul, normal(2, 3, dtype=DType.BFLOAT16), normal(3, 4, dtype=DType.BFLOAT16))
    yield case(matmul, np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2))
    plain = {"alpha": 1.0, "beta": 1.0, "transpose_a": False, "transpose_b": False}
    yield case(gemm, normal(2, 3), normal(3, 4), None, **plain)
    yield case(gemm, normal(2, 3), normal(4, 3), normal(2, 4), **(plain | {"transpose_b": True, "beta": 0.5}))
    yield case(gemm, normal(3, 2), normal(3, 4), normal(2, 4), **(plain | {"transpose_a": True, "alpha": -2.0}))
    yield case(gemm, normal(3, 2), normal(4, 3), None, **(plain | {"transpose_a": True, "transpose_b": True}))
    yield case(gemm, np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2), np.ones((2, 2), np.int64), **plain)
