"""Special functions, counts and differences, derivatives."""

from __future__ import annotations

import numpy as np

from tests.frontends.torch.handlers.call import array, call, fixed, real, truth, whole
from xir.ir.types import DType

GAMMA = array([0.1, 0.5, 1.0, 2.0, 3.7, 30.0, -0.5, -3.3, 0.0, -2.0, np.inf, np.nan])
UNIT = array([0.0, 0.3, -0.7, 0.99, -0.9999, 1.0, -1.0, 1.5, np.nan])
WIDE = array([0.0, 1.0, -2.5, 10.0, -19.9, 20.1, 60.0, np.nan], np.float64)
X = real(2, 3, 4)
DY = real(2, 3, 4, seed=9)
DOUBLE = real(2, 3, dtype=np.float64)

CALLS = (
    *(call(f"{name}", GAMMA) for name in ("lgamma", "digamma", "special_gammaln", "special_psi")),
    call("lgamma", whole(4, low=1)),
    call("polygamma", 0, array([0.5, 3.0])),
    call("polygamma", 1, array([0.5, 3.0, -0.3, -2.6])),
    call("mvlgamma", array([3.0, 5.5]), 3),
    call("erfinv", UNIT),
    call("special_ndtr", array([-3.0, 0.0, 1.5])),
    call("special_ndtri", array([0.01, 0.5, 0.9, 0.0])),
    *(call(f"{name}", WIDE) for name in ("i0", "special_i0e", "special_i1", "special_i1e")),
    call("square", truth(3)),
    call("trace", real(3, 4)),
    call("diff", X, 2, 1),
    call("diff", whole(2, 3), 1, -1, whole(2, 1), whole(2, 2)),
    call("diff", truth(5)),
    call("trapezoid.dx", X, dx=0.5, dim=1),
    call("trapezoid.x", real(2, 3), array([0.0, 1.0, 3.0])),
    call("cumulative_trapezoid.dx", X),
    fixed("logcumsumexp", X, 1),
    call("unique_consecutive", array([1, 1, 2, 2, 2, 1, 3], np.int64), True, True),
    call("unique_consecutive", whole(0), True, True),
    call("bincount", array([0, 2, 2, 5], np.int64), None, 4),
    call("bincount", array([0, 2, 2], np.int64), array([0.5, 1.0, 2.0])),
    call("histc", array([-1.0, 0.0, 0.5, 1.0, 2.0]), 4, 0, 1),
    call("isreal", X),
    call("renorm", real(3, 4), 2, 0, 1.5),
    call("_softmax_backward_data", DY, X, 1, DType.FLOAT32),
    call("_log_softmax_backward_data", DY, X, -1, DType.FLOAT32),
    fixed("slice_backward", real(2, 2, 4), [2, 3, 4], 1, 1, 3, 1),
    fixed("slice_backward", real(2, 2, 4), [2, 3, 4], 1, 0, 9223372036854775807, 2),
    fixed("select_backward", real(2, 4), [2, 3, 4], 1, -1),
    fixed("diagonal_backward", real(3), [3, 4], 1, 0, 1),
    fixed("unfold_backward", real(2, 2, 3), [2, 5], 1, 3, 2),
    fixed("value_selecting_reduction_backward", real(2), 1, array([2, 0], np.int64), [2, 3], False),
    fixed("embedding_backward", real(3, 2), array([1, 0, 1], np.int64), 4, -1, False, False),
    call("logit_backward", DOUBLE, abs(DOUBLE) / 4, 0.1),
    call("allclose", X, X),
)
