"""Comparisons, logic, bits, choices and bounds, casts."""

from __future__ import annotations

import numpy as np

from tests.frontends.torch.handlers.call import array, call, fixed, real, truth, whole
from xir.ir.types import DType

X, Y = whole(2, 3).astype(np.float32), whole(2, 3, seed=1).astype(np.float32)
N, J = whole(2, 3), whole(2, 3, seed=1)
B, C = truth(2, 3), truth(2, 3, seed=1)
EDGES = array([0.0, np.inf, -np.inf, np.nan, 1.0])
ORDER = ("eq", "ne", "lt", "le", "gt", "ge", "not_equal", "less", "less_equal", "greater", "greater_equal")

CALLS = (
    *(call(f"{name}.Tensor", X, Y) for name in ORDER),
    *(call(f"{name}.Tensor", B, C) for name in ORDER),
    *(call(f"{name}.Scalar", N, 0.5) for name in ORDER),
    *(call(f"{name}.Scalar", B, 1) for name in ORDER),
    call("eq.Tensor", EDGES, EDGES),
    call("lt.Tensor", real(0, 3), real(3)),
    *(call(f"logical_{name}", X, C) for name in ("and", "or", "xor")),
    call("logical_not", array([0.0, np.nan, 2.0])),
    *(call(f"bitwise_{name}.Tensor", N, J) for name in ("and", "or", "xor")),
    *(call(f"bitwise_{name}.Tensor", B, C) for name in ("and", "or", "xor")),
    *(call(f"bitwise_{name}.Scalar", N, 3) for name in ("and", "or", "xor")),
    call("bitwise_and.Scalar_Tensor", 6, whole(3, dtype=np.uint8, low=0)),
    call("__or__.Tensor", B, C),
    call("bitwise_not", N),
    call("bitwise_not", B),
    call("bitwise_left_shift.Tensor", N, whole(2, 3, low=0, high=3)),
    call("bitwise_right_shift.Tensor_Scalar", N, 1),
    call("__lshift__.Scalar", N, 2),
    *(call(f"{name}", EDGES) for name in ("isnan", "isinf", "isfinite", "isposinf", "isneginf")),
    *(call(f"{name}", N) for name in ("isnan", "isinf", "isfinite", "isposinf", "isneginf")),
    call("isclose", array([1.0, np.inf, np.nan, 1.0]), array([1.00001, np.inf, np.nan, 2.0])),
    call("isclose", array([1.0, np.nan]), array([1.1, np.nan]), rtol=0.2, equal_nan=True),
    call("where.self", B, X, real(3)),
    call("where.self", truth(3), N, X),
    call("where.ScalarOther", B, X, 2),
    call("where.ScalarSelf", B, 1.5, N),
    call("where.Scalar", B, 1, 0.5),
    call("where.self", whole(2, 3, dtype=np.uint8, low=0, high=2), X, Y),
    *(call(f"{name}", EDGES, array([1.0, np.nan, 2.0, 3.0, -1.0])) for name in ("maximum", "minimum", "fmax", "fmin")),
    *(call(f"{name}", N, real()) for name in ("maximum", "minimum")),
    *(call(f"{name}", B, C) for name in ("maximum", "minimum")),
    call("max.other", X, Y),
    call("clamp", X, -1, 1.5),
    call("clamp", N, min=0.5),
    call("clamp", N, max=2),
    call("clamp", EDGES, -1, 1),
    call("clamp.Tensor", X, real(3), real(2, 1, seed=5)),
    call("clamp.Tensor", N, None, whole(3, seed=5)),
    call("clamp_min", whole(3, dtype=np.uint8, low=0), 3),
    call("clamp_min.Tensor", X, real()),
    call("clamp_max", X, 0.5),
    call("clip", X, 2, 1),
    call("masked_fill.Scalar", X, truth(3), -np.inf),
    call("masked_fill.Tensor", N, B, array(7.0)),
    call("masked_fill.Scalar", real(3), B, 1),
    call("copy", X, whole(3)),
    call("copy_", N, X),
    call("fill.Scalar", N, 2.7),
    call("fill_.Scalar", X, 2),
    call("fill.Tensor", X, array(3, np.int64)),
    call("zero_", X),
    call("to.dtype", EDGES[:1], DType.INT32),
    call("to.dtype", X, DType.BFLOAT16),
    call("to.other", X, N),
    call("type_as", B, X),
    call("_to_copy", X, dtype=DType.FLOAT64),
    call("clone", X),
    call("contiguous", X),
    call("detach", X),
    call("alias", X),
    call("view.dtype", X, DType.INT32),
    call("equal", X, X),
    fixed("item", array([2.5])),
)
