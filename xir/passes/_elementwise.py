"""Operators that compute each element alone: they give the same before and after elements are moved."""

from __future__ import annotations

from xir.ops import activation, arithmetic, compare, elementwise, trigonometry
from xir.ops.constant import identity

UNARY = (
    activation.relu, activation.leaky_relu, activation.elu, activation.celu, activation.selu, activation.sigmoid,
    activation.tanh, activation.hard_sigmoid, activation.hard_swish, activation.softplus, activation.softsign,
    activation.swish, activation.mish, activation.gelu, activation.thresholded_relu,
    arithmetic.neg, arithmetic.abs_, arithmetic.sign, arithmetic.exp, arithmetic.log, arithmetic.sqrt,
    arithmetic.reciprocal, compare.logical_not,
    elementwise.floor, elementwise.ceil, elementwise.round_, elementwise.cast, elementwise.clip, elementwise.is_nan,
    elementwise.is_inf, trigonometry.erf, trigonometry.sin, trigonometry.cos, trigonometry.tan, trigonometry.asin,
    trigonometry.acos, trigonometry.atan, trigonometry.sinh, trigonometry.cosh, trigonometry.asinh, trigonometry.acosh,
    trigonometry.atanh, identity,
)  # fmt: skip
"""Operators of one operand that compute each element alone."""

BINARY = (
    arithmetic.add, arithmetic.sub, arithmetic.mul, arithmetic.div, arithmetic.pow_, arithmetic.minimum,
    arithmetic.maximum, arithmetic.mod, activation.prelu,
    compare.equal, compare.not_equal, compare.less, compare.less_equal, compare.greater, compare.greater_equal,
    compare.logical_and, compare.logical_or, compare.logical_xor,
)  # fmt: skip
"""Operators of two operands of one shape that compute each element alone."""
