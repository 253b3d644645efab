"""Factors of matrices, what they solve, products and norms of vectors and matrices."""

from __future__ import annotations

import numpy as np

from tests.frontends.torch.aten.call import Array, Draws, Example
from xir.ir.types import DType


def _positive(x: Array) -> Array:
    return (x @ np.swapaxes(x, -1, -2) + np.eye(x.shape[-1])).astype(x.dtype)


def examples() -> list[Example]:
    """Small matrices, whose steps are written down, and one that takes a loop."""
    r = Draws(31)
    small, wide, many = r(2, 3, 3), r(10, 10, dtype=np.float64), r(3, 2, 4, 4)
    found: list[Example] = []

    def add(name: str, *items: object, **named: object) -> None:
        found.append(Example(f"aten.{name}" + ("" if "." in name else ".default"), list(items), named))

    for name in ("inverse", "linalg_inv_ex", "det", "_linalg_det", "slogdet", "_linalg_slogdet", "linalg_lu_factor"):
        add(name, small)
        add(name, wide)
    add("linalg_inv", many)
    add("linalg_lu_factor_ex", small)
    add("logdet", _positive(small))
    add("logdet", np.diag(np.asarray([1, -2, 3], np.float32)))
    for a, b in ((small, r(2, 3, 2)), (small, r(3, 1)), (wide, r(10, dtype=np.float64)), (many, r(2, 4, 3))):
        add("linalg_solve", a, b)
    add("linalg_solve", small, r(2, 4, 3), left=False)
    add("linalg_solve_ex", small, r(2, 3, 1))
    add("_linalg_solve_ex", small, r(2, 3, 1))
    for upper in (False, True):
        add("linalg_solve_triangular", small, r(2, 3, 2), upper=upper)
        add("linalg_solve_triangular", wide + 3 * np.eye(10), r(4, 10, dtype=np.float64), upper=upper, left=False)
        add("linalg_solve_triangular", small, r(2, 3, 2), upper=upper, unitriangular=True)
        add("triangular_solve", r(2, 3, 2), small, upper, upper, False)
        add("linalg_cholesky", _positive(small), upper=upper)
        add("cholesky", _positive(wide), upper)
        add("cholesky_solve", r(3, 2), np.linalg.cholesky(_positive(small[0])), upper)
        add("cholesky_inverse", np.linalg.cholesky(_positive(small[0])), upper)
    add("linalg_cholesky_ex", _positive(small))
    for mode in ("reduced", "complete", "r"):
        add("linalg_qr", r(4, 3), mode)
        add("linalg_qr", r(3, 5), mode)
    add("linalg_qr", wide)
    add("qr", r(4, 3), False)
    for power in (0, 1, 5, -2):
        add("linalg_matrix_power", small, power)
    add("matrix_power", wide, 3)
    add("matrix_exp", small)
    add("linalg_matrix_exp", wide)
    add("matrix_exp", 0 * small)
    return [*found, *_vectors(r)]


def _vectors(r: Draws) -> list[Example]:
    """Products and norms."""
    x, y = r(2, 3, 4), r(2, 3, 4)
    found: list[Example] = []

    def add(name: str, *items: object, **named: object) -> None:
        found.append(Example(f"aten.{name}" + ("" if "." in name else ".default"), list(items), named))

    add("linalg_cross", x, y, dim=1)
    add("linalg_cross", r(4, 3), r(1, 3))
    add("cross", x, y)
    add("cross", r(3, 3), r(3, 3), 1)
    add("linalg_vecdot", x, y)
    add("linalg_vecdot", x, y[:1], dim=0)
    add("linalg_vander", r(2, 3))
    add("linalg_vander", r(3), N=5)
    for order in (1, -1, float("inf"), -float("inf")):
        add("linalg_matrix_norm", x, order)
        add("linalg_matrix_norm", x, order, [0, 2], True)
    add("linalg_matrix_norm.str_ord", x, "fro", dtype=DType.FLOAT64)
    add("linalg_norm", x)
    add("linalg_norm", x, 3, [1])
    add("linalg_norm", x[0], 1)
    add("linalg_norm", x, 1, [0, 1], True)
    add("linalg_norm.ord_str", x[0], "fro")
    add("cov", r(3, 6))
    add("cov", r(6), correction=0)
    add("cov", r.whole(0, 9, 2, 5))
    add("corrcoef", r(3, 6))
    add("corrcoef", r(6))
    return found
