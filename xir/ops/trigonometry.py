"""Circular and hyperbolic functions, their inverses, and the error function, of each element."""

from __future__ import annotations

import math

import numpy as np

from xir.ir.constant import Array
from xir.ir.node import Node, Value
from xir.ir.types import TensorType
from xir.kernel import build
from xir.ops._build import scalar_like
from xir.ops._checks import require_floating
from xir.ops._define import op
from xir.ops._numeric import Numbers, erf_of, in_float32
from xir.ops.arithmetic import add, exp, mul, neg, operands, reciprocal, sqrt, sub


@op
def erf(x: Value) -> TensorType:
    """The error function 2 / sqrt(pi) * integral of exp(-t^2) from 0 to x (ONNX Erf; math.erf).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@erf.reference
def _erf_reference(x: Numbers) -> Array:
    return in_float32(erf_of, x)


@erf.gradient
def _erf_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    slope = exp(neg(mul(x, x)))
    return (mul(dy, mul(slope, scalar_like(x, 2.0 / math.sqrt(math.pi)))),)


erf.lower(build.each("erf"))


@op
def sin(x: Value) -> TensorType:
    """The sine of x in radians (ONNX Sin).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@sin.reference
def _sin_reference(x: Numbers) -> Array:
    return in_float32(np.sin, x)


@sin.gradient
def _sin_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, cos(x)),)


sin.lower(build.each("sin"))


@op
def cos(x: Value) -> TensorType:
    """The cosine of x in radians (ONNX Cos).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@cos.reference
def _cos_reference(x: Numbers) -> Array:
    return in_float32(np.cos, x)


@cos.gradient
def _cos_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, neg(sin(x))),)


cos.lower(build.each("cos"))


@op
def tan(x: Value) -> TensorType:
    """The tangent of x in radians (ONNX Tan).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@tan.reference
def _tan_reference(x: Numbers) -> Array:
    return in_float32(np.tan, x)


@tan.gradient
def _tan_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, add(scalar_like(x, 1.0), mul(node.outputs[0], node.outputs[0]))),)


tan.lower(build.each("tan"))


@op
def asin(x: Value) -> TensorType:
    """The angle in [-pi/2, pi/2] whose sine is x (ONNX Asin).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@asin.reference
def _asin_reference(x: Numbers) -> Array:
    return in_float32(np.arcsin, x)


@asin.gradient
def _asin_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, reciprocal(sqrt(sub(scalar_like(x, 1.0), mul(x, x))))),)


asin.lower(build.each("asin"))


@op
def acos(x: Value) -> TensorType:
    """The angle in [0, pi] whose cosine is x (ONNX Acos).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@acos.reference
def _acos_reference(x: Numbers) -> Array:
    return in_float32(np.arccos, x)


@acos.gradient
def _acos_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, neg(reciprocal(sqrt(sub(scalar_like(x, 1.0), mul(x, x)))))),)


acos.lower(build.each("acos"))


@op
def atan(x: Value) -> TensorType:
    """The angle in (-pi/2, pi/2) whose tangent is x (ONNX Atan).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@atan.reference
def _atan_reference(x: Numbers) -> Array:
    return in_float32(np.arctan, x)


@atan.gradient
def _atan_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, reciprocal(add(scalar_like(x, 1.0), mul(x, x)))),)


atan.lower(build.each("atan"))


@op
def sinh(x: Value) -> TensorType:
    """The hyperbolic sine (ONNX Sinh).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@sinh.reference
def _sinh_reference(x: Numbers) -> Array:
    return in_float32(np.sinh, x)


@sinh.gradient
def _sinh_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, cosh(x)),)


sinh.lower(build.each("sinh"))


@op
def cosh(x: Value) -> TensorType:
    """The hyperbolic cosine (ONNX Cosh).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@cosh.reference
def _cosh_reference(x: Numbers) -> Array:
    return in_float32(np.cosh, x)


@cosh.gradient
def _cosh_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, sinh(x)),)


cosh.lower(build.each("cosh"))


@op
def asinh(x: Value) -> TensorType:
    """The inverse hyperbolic sine (ONNX Asinh).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@asinh.reference
def _asinh_reference(x: Numbers) -> Array:
    return in_float32(np.arcsinh, x)


@asinh.gradient
def _asinh_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, reciprocal(sqrt(add(mul(x, x), scalar_like(x, 1.0))))),)


asinh.lower(build.each("asinh"))


@op
def acosh(x: Value) -> TensorType:
    """The inverse hyperbolic cosine; NaN below 1 (ONNX Acosh).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@acosh.reference
def _acosh_reference(x: Numbers) -> Array:
    return in_float32(np.arccosh, x)


@acosh.gradient
def _acosh_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, reciprocal(sqrt(sub(mul(x, x), scalar_like(x, 1.0))))),)


acosh.lower(build.each("acosh"))


@op
def atanh(x: Value) -> TensorType:
    """The inverse hyperbolic tangent; infinite at -1 and 1 (ONNX Atanh).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@atanh.reference
def _atanh_reference(x: Numbers) -> Array:
    return in_float32(np.arctanh, x)


@atanh.gradient
def _atanh_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, reciprocal(sub(scalar_like(x, 1.0), mul(x, x)))),)


atanh.lower(build.each("atanh"))
