"""What follows from eigenvalues and singular values; their vectors are compared in `test_vectors.py`."""

from __future__ import annotations

import numpy as np

from tests.frontends.torch.handlers.call import array, fixed, real

WIDE = real(2, 3, 4, dtype=np.float64)
TALL = real(2, 4, 3, dtype=np.float64)
SQUARE = real(2, 3, 3, dtype=np.float64)
EVEN = SQUARE + SQUARE.swapaxes(-1, -2)
LOW = np.outer([1, 2, 3.0], [1, 0, 2.0])
RIGHT = real(2, 4, 2, dtype=np.float64)

CALLS = (
    fixed("linalg_eigvalsh", EVEN),
    fixed("linalg_eigvalsh", SQUARE.astype(np.float32), "U"),
    fixed("_linalg_eigh", SQUARE, "L", False),
    fixed("linalg_svdvals", TALL),
    fixed("linalg_svdvals", WIDE.astype(np.float32)),
    fixed("_linalg_svd", TALL, False, False),
    fixed("svd", TALL, True, False),
    *(fixed("linalg_pinv", x, 1e-6) for x in (TALL, WIDE, SQUARE, LOW)),
    *(fixed("linalg_pinv.atol_rtol_float", x) for x in (TALL, WIDE, SQUARE, LOW)),
    fixed("linalg_pinv.atol_rtol_float", EVEN, hermitian=True),
    fixed("linalg_pinv.rcond_tensor", SQUARE, array(0.5, np.float64)),
    fixed("linalg_pinv.atol_rtol_tensor", SQUARE, atol=array([0.1, 5.0], np.float64)),
    fixed("linalg_pinv.atol_rtol_float", real(0, 3)),
    fixed("pinverse", WIDE),
    fixed("linalg_matrix_rank", LOW, 1e-3),
    fixed("linalg_matrix_rank.tol_tensor", SQUARE, array([1.0, 2.0], np.float64)),
    fixed("linalg_matrix_rank.atol_rtol_float", LOW),
    fixed("linalg_matrix_rank.atol_rtol_float", EVEN, atol=1.5, hermitian=True),
    fixed("linalg_matrix_rank.atol_rtol_tensor", SQUARE, rtol=array(0.4, np.float64)),
    *(fixed("linalg_cond", SQUARE, order) for order in (None, 2, -2, 1, -1, float("inf"))),
    fixed("linalg_cond.p_str", SQUARE, "fro"),
    fixed("linalg_cond.p_str", SQUARE, "nuc"),
    *(fixed("linalg_matrix_norm", TALL, order) for order in (2, -2)),
    fixed("linalg_matrix_norm", TALL, 2, [0, 2], True),
    fixed("linalg_matrix_norm.str_ord", TALL, "nuc"),
    fixed("linalg_norm", TALL[0], 2),
    fixed("nuclear_norm", TALL[0]),
    fixed("nuclear_norm", TALL[0], True),
    fixed("nuclear_norm.dim", TALL, [0, 1], True),
    *(fixed("linalg_lstsq", TALL, RIGHT, driver=driver) for driver in (None, "gels", "gelsd", "gelss")),
    fixed("linalg_lstsq", WIDE, RIGHT[:, :3]),
    fixed("linalg_lstsq", TALL, RIGHT[..., 0].copy()),
)
