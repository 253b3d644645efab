"""Functions of one number, and of two that are no arithmetic."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np

from tests.frontends.torch.handlers.call import array, call, real, truth, whole

X = real(2, 3)
UNIT = real(2, 3, scale=0.95)
ABOVE = abs(X) + array(1)
EDGES = array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e-7, -1e-7, 0.5, -2.5, 1.5])
HALVES = array([0.5, 1.5, 2.5, -0.5, -1.5, -0.2, 7.7, np.nan, -np.inf])
ANYWHERE = ("atan", "arctan", "cos", "cosh", "sin", "sinh", "tan", "tanh", "asinh", "arcsinh", "exp", "exp2",
            "special_exp2", "expm1", "special_expm1", "erf", "special_erf", "erfc", "sigmoid", "special_expit", "sinc",
            "special_sinc", "deg2rad", "rad2deg", "neg", "negative", "positive", "square", "sign", "sgn", "abs",
            "absolute", "reciprocal", "ceil", "floor", "round", "trunc", "fix", "frac", "signbit")  # fmt: skip
ON_INTEGERS = ("sin", "exp", "sigmoid", "sqrt", "log", "rsqrt", "reciprocal", "ceil", "floor", "round", "trunc", "abs",
               "neg", "sign", "square", "erf", "expm1", "log1p")  # fmt: skip
Y_OF_POINTS = array([0.0, -0.0, 0.0, -0.0, 1.0, -1.0, 1.0, np.inf, np.inf, -np.inf, 2.0, np.nan])
X_OF_POINTS = array([1.0, 1.0, -1.0, -1.0, 0.0, 0.0, -2.0, np.inf, -np.inf, 1.0, np.inf, 1.0])

CALLS = (
    *(call(f"{name}", X) for name in ANYWHERE),
    *(call(f"{name}", UNIT) for name in ("acos", "arccos", "asin", "arcsin", "atanh", "arctanh")),
    *(call(f"{name}", ABOVE) for name in ("acosh", "arccosh", "log", "log2", "log10", "sqrt", "rsqrt")),
    *(call(f"{name}", EDGES) for name in ("expm1", "log1p", "sign", "exp", "log", "sqrt", "rsqrt", "sinc", "round")),
    *(call(f"{name}", HALVES) for name in ("ceil", "floor", "round", "trunc", "frac")),
    *(call(f"{name}", whole(2, 3, low=1)) for name in ON_INTEGERS),
    *(call(f"{name}", truth(2, 3)) for name in ("sin", "sqrt", "sign", "signbit", "exp")),
    *(call(f"{name}", real(2, 3, dtype=ml_dtypes.bfloat16)) for name in ("exp", "expm1", "sin", "erfc", "sign")),
    *(call(f"{name}", real(0, 3)) for name in ("exp", "sign", "trunc")),
    call("expm1", real(4, dtype=np.float64, scale=1e-5)),
    call("special_log1p", EDGES),
    call("log1p", real(4, dtype=np.float64, scale=1e-5)),
    call("abs", whole(4, dtype=np.uint8, low=0)),
    call("round.decimals", real(5, scale=300.0), decimals=2),
    call("round.decimals", real(5, scale=300.0), decimals=-1),
    call("atan2", Y_OF_POINTS, X_OF_POINTS),
    call("atan2", whole(2, 3), whole(3, seed=1)),
    call("atan2", real(4, dtype=np.float64), real(4, dtype=np.float64, seed=2)),
    call("hypot", real(2, 3, scale=1e30), real(3, scale=1e30)),
    call("hypot", array([0.0, np.inf, 3.0]), array([0.0, 1.0, 4.0])),
    call("copysign.Tensor", X, array([-0.0, 0.0, -1.0])),
    call("copysign.Scalar", whole(3), -2),
    call("heaviside", array([-1.0, 0.0, 2.0, np.nan]), array([5.0, 6.0, 7.0, 8.0])),
    call("xlogy.Tensor", array([0.0, 0.0, 2.0, 1.0]), array([0.0, np.nan, 3.0, -1.0])),
    call("xlogy.Scalar_Self", 0, array([0.0, 2.0])),
    call("xlogy.Scalar_Other", whole(3), 2),
    call("special_xlog1py", array([0.0, 2.0]), array([-1.0, 1e-7])),
    call("special_entr", array([0.0, 0.5, 2.0, -1.0, np.nan])),
    call("logaddexp", array([1.0, 80.0, -np.inf, np.inf]), array([2.0, -80.0, -np.inf, np.inf])),
    call("logaddexp2", array([1.0, 80.0, -np.inf]), array([2.0, -80.0, -np.inf])),
    call("logit", array([0.2, 0.5, 0.0, 1.0])),
    call("logit", array([0.2, 0.5, 0.0, 1.0]), eps=0.1),
    call("nan_to_num", array([np.nan, np.inf, -np.inf, 1.0])),
    call("nan_to_num", array([np.nan, np.inf, -np.inf, 1.0]), nan=2.0, posinf=3.0, neginf=-4.0),
    call("nan_to_num", whole(3)),
    call("relu", X),
    call("relu", whole(2, 3)),
    call("sqrt", array(math.pi)),
    call("threshold", EDGES, 0.4, 7),
    call("angle", EDGES),
    call("real", X),
)
