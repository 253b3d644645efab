"""Arithmetic of two or more operands."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from tests.frontends.torch.handlers.call import array, call, fixed, real, truth, whole

X, Y = real(2, 3), real(2, 3, seed=1)
N, J = whole(2, 3), whole(2, 3, seed=1)
NARROW = real(2, 3, dtype=ml_dtypes.bfloat16)
POSITIVE = whole(2, 3, low=1, high=6)
ODD = array([7.0, -7.0, 0.0, -0.5, 6.0, np.inf, 2.5, np.nan])
DIVISOR = array([2.0, 2.0, -3.0, 0.25, -0.0, 2.0, np.inf, 1.0])

CALLS = (
    call("add.Tensor", X, Y, alpha=2),
    call("add.Tensor", X, real(3), alpha=0.5),
    call("add.Tensor", real(2, 1), real(1, 3)),
    call("add.Tensor", real(0, 3), real(1, 3)),
    call("add.Tensor", N, real(dtype=np.float64)),
    call("add.Tensor", real(dtype=np.float64), X),
    call("add.Tensor", truth(2, 3), truth(2, 3, seed=1)),
    call("add.Tensor", whole(2, 3, dtype=np.uint8, low=0), whole(3, dtype=np.int8)),
    call("add.Tensor", NARROW, real(2, 3, dtype=np.float16)),
    call("add.Tensor", X, 1),
    call("add.Scalar", N, 1.5),
    call("sub.Tensor", N, J, alpha=3),
    call("sub.Scalar", X, 2, 3),
    call("rsub.Scalar", N, 10, 2),
    call("rsub.Tensor", X, Y, alpha=2),
    call("mul.Tensor", truth(2, 3), truth(2, 3, seed=1)),
    call("mul.Tensor", NARROW, 0.1),
    call("mul.Scalar", truth(2, 3), 3),
    call("div.Tensor", N, POSITIVE),
    call("div.Tensor", X, Y),
    call("div.Scalar", N, 4),
    call("div.Tensor_mode", ODD, DIVISOR, rounding_mode="floor"),
    call("div.Tensor_mode", ODD, DIVISOR, rounding_mode="trunc"),
    call("div.Tensor_mode", N, POSITIVE, rounding_mode="floor"),
    call("div.Tensor_mode", N, POSITIVE, rounding_mode="trunc"),
    call("div.Tensor_mode", N, POSITIVE, rounding_mode=None),
    call("div.Scalar_mode", whole(5), -2, rounding_mode="floor"),
    call("floor_divide", whole(2, 3, dtype=np.uint8, low=0), 2),
    call("floor_divide", N, -POSITIVE),
    call("remainder.Tensor", ODD, array([2.0, 2.0, -3.0, 0.3, -4.0, 2.0, 2.0, 1.0])),
    call("remainder.Scalar", N, -3),
    call("remainder.Scalar_Tensor", 7, POSITIVE),
    call("fmod.Tensor", ODD, array([2.0, 2.0, -3.0, 0.3, -4.0, 2.0, 2.0, 1.0])),
    call("fmod.Scalar", N, 3),
    call("pow.Tensor_Tensor", abs(X), Y),
    call("pow.Tensor_Tensor", whole(2, 3), whole(2, 3, low=-2, high=4, seed=2)),
    call("pow.Scalar", 2, X),
    call("pow.Scalar", 2.5, N),
    *(call("pow.Tensor_Scalar", abs(X), power) for power in (0.5, -0.5, 2, 3, -1, -2, 0, 1, 2.5)),
    call("pow.Tensor_Scalar", array([-np.inf, np.inf, 0.0, -2.0]), 0.5),
    call("pow.Tensor_Scalar", N, 3),
    call("pow.Tensor_Scalar", N, 2.0),
    call("float_power.Tensor_Scalar", N, 2),
    call("float_power.Tensor_Tensor", abs(X), N),
    call("addcmul", X, Y, real(3), value=0.5),
    call("addcmul", N, J, POSITIVE, value=2),
    call("addcdiv", X, Y, abs(real(2, 3, seed=3)) + 1, value=-2),
    call("addcdiv", NARROW, NARROW, abs(NARROW) + array(1, ml_dtypes.bfloat16)),
    call("lerp.Scalar", X, Y, 0.25),
    call("lerp.Tensor", X, Y, real(2, 3, seed=4)),
    call("ldexp.Tensor", X, N),
    call("_add_relu.Tensor", X, Y, alpha=2),
    call("gcd", whole(4, 5, low=-60, high=60), whole(5, low=-60, high=60, seed=3)),
    call("gcd", whole(2, 3, dtype=np.uint8, low=0, high=99), array([[0], [12]], np.uint8)),
    call("lcm", whole(4, 5, low=-60, high=60), whole(4, 5, low=-60, high=60, seed=3)),
    fixed("add.Tensor", real(), real()),
)
