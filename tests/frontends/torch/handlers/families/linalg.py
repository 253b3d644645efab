"""Factors of matrices, what they solve, products and norms of vectors and matrices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.frontends.torch.handlers.call import Array, Draws, Example, call, fixed
from xir.ir.types import DType


def _positive(x: Array) -> Array:
    return (x @ np.swapaxes(x, -1, -2) + np.eye(x.shape[-1])).astype(x.dtype)


def _calls() -> Iterator[Example]:
    """Small matrices, whose steps are written down, and one that takes a loop."""
    r = Draws(31)
    small, wide, many = r(2, 3, 3), r(10, 10, dtype=np.float64), r(3, 2, 4, 4)
    for name in ("inverse", "linalg_inv_ex", "det", "_linalg_det", "slogdet", "_linalg_slogdet", "linalg_lu_factor"):
        yield fixed(name, small)
        yield fixed(name, wide)
    yield fixed("linalg_inv", many)
    yield fixed("linalg_lu_factor_ex", small)
    yield fixed("logdet", _positive(small))
    yield fixed("logdet", np.diag(np.asarray([1, -2, 3], np.float32)))
    for a, b in ((small, r(2, 3, 2)), (small, r(3, 1)), (wide, r(10, dtype=np.float64)), (many, r(2, 4, 3))):
        yield fixed("linalg_solve", a, b)
    yield fixed("linalg_solve", small, r(2, 4, 3), left=False)
    yield fixed("linalg_solve_ex", small, r(2, 3, 1))
    yield fixed("_linalg_solve_ex", small, r(2, 3, 1))
    for upper in (False, True):
        yield fixed("linalg_solve_triangular", small, r(2, 3, 2), upper=upper)
        yield fixed(
            "linalg_solve_triangular", wide + 3 * np.eye(10), r(4, 10, dtype=np.float64), upper=upper, left=False
        )
        yield fixed("linalg_solve_triangular", small, r(2, 3, 2), upper=upper, unitriangular=True)
        yield fixed("triangular_solve", r(2, 3, 2), small, upper, upper, False)
        yield fixed("linalg_cholesky", _positive(small), upper=upper)
        yield fixed("cholesky", _positive(wide), upper)
        yield fixed("cholesky_solve", r(3, 2), np.linalg.cholesky(_positive(small[0])), upper)
        yield fixed("cholesky_inverse", np.linalg.cholesky(_positive(small[0])), upper)
    yield fixed("linalg_cholesky_ex", _positive(small))
    for mode in ("reduced", "complete", "r"):
        yield fixed("linalg_qr", r(4, 3), mode)
        yield fixed("linalg_qr", r(3, 5), mode)
    yield fixed("linalg_qr", wide)
    yield fixed("qr", r(4, 3), False)
    for power in (0, 1, 5, -2):
        yield fixed("linalg_matrix_power", small, power)
    yield fixed("matrix_power", wide, 3)
    yield fixed("matrix_exp", small)
    yield fixed("linalg_matrix_exp", wide)
    yield fixed("matrix_exp", 0 * small)
    yield from _vectors(r)


def _vectors(r: Draws) -> Iterator[Example]:
    """Products and norms."""
    x, y = r(2, 3, 4), r(2, 3, 4)
    yield fixed("linalg_cross", x, y, dim=1)
    yield fixed("linalg_cross", r(4, 3), r(1, 3))
    yield fixed("cross", x, y)
    yield fixed("cross", r(3, 3), r(3, 3), 1)
    yield call("linalg_vecdot", x, y)
    yield call("linalg_vecdot", x, y[:1], dim=0)
    yield fixed("linalg_vander", r(2, 3))
    yield call("linalg_vander", r(3), N=5)
    for order in (1, -1, float("inf"), -float("inf")):
        yield call("linalg_matrix_norm", x, order)
        yield call("linalg_matrix_norm", x, order, [0, 2], True)
    yield call("linalg_matrix_norm.str_ord", x, "fro", dtype=DType.FLOAT64)
    yield call("linalg_norm", x)
    yield call("linalg_norm", x, 3, [1])
    yield call("linalg_norm", x[0], 1)
    yield call("linalg_norm", x, 1, [0, 1], True)
    yield call("linalg_norm.ord_str", x[0], "fro")
    yield fixed("cov", r(3, 6))
    yield fixed("cov", r(6), correction=0)
    yield fixed("cov", r.whole(0, 9, 2, 5))
    yield fixed("corrcoef", r(3, 6))
    yield fixed("corrcoef", r(6))


CALLS = tuple(_calls())
