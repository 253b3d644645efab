"""Activations; each decomposes into arithmetic."""

from __future__ import annotations

import math
from typing import Literal, cast

import numpy as np

from xir.ir.constant import Array
from xir.ir.node import Node, Value
from xir.ir.types import TensorType
from xir.kernel import build
from xir.kernel.grammar import Kernel, Scalar
from xir.ops._build import scalar_like
from xir.ops._checks import require_floating, require_same_type
from xir.ops._define import op
from xir.ops._numeric import Numbers, erf_of, require_number
from xir.ops._windows import narrowed, widened
from xir.ops.compare import greater
from xir.ops.elementwise import (
    abs_,
    add,
    clip,
    div,
    erf,
    exp,
    log,
    maximum,
    minimum,
    mul,
    neg,
    operands,
    reciprocal,
    select,
    sub,
)


@op
def relu(x: Value) -> TensorType:
    """max(x, 0) (ONNX Relu, Caffe ReLU).

    x: numbers; result: the same type.
    """
    require_number(x)
    return x.tensor


@relu.reference
def _relu_reference(x: Numbers) -> Array:
    data = widened(x)
    return narrowed(np.maximum(data, 0), x)


@relu.gradient
def _relu_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    """Nothing flows back at 0 (relu_layer.cpp)."""
    y, zero = node.outputs[0], scalar_like(dy, 0.0)
    return (select(greater(y, zero), dy, zero),)


@relu.decompose
def _relu_decompose(x: Value) -> Value:
    return maximum(x, scalar_like(x, 0.0))


@op
def leaky_relu(x: Value, *, alpha: float) -> TensorType:
    """The leaky ReLU: x where x >= 0, alpha * x elsewhere (ONNX LeakyRelu; Maas et al. 2013).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@leaky_relu.reference
def _leaky_relu_reference(x: Numbers, *, alpha: float) -> Array:
    data = widened(x)
    return narrowed(np.where(data >= 0, data, data * data.dtype.type(alpha)), x)


@leaky_relu.decompose
def _leaky_relu_decompose(x: Value, *, alpha: float) -> Value:
    return select(greater(x, scalar_like(x, 0.0)), x, mul(x, scalar_like(x, alpha)))


@leaky_relu.lower
def _leaky_relu_lower(node: Node) -> Kernel:
    alpha = cast("float", node.attributes["alpha"])

    def value(x: Scalar) -> Scalar:
        wide = build.cast(x, build.sum_type(x.dtype))
        below = build.apply("mul", wide, build.number(alpha, wide.dtype))
        positive = build.apply("ge", wide, build.number(0, wide.dtype))
        return build.cast(build.select(positive, wide, below), x.dtype)

    return build.pointwise(node, value)


@op
def prelu(x: Value, slope: Value) -> TensorType:
    """The parametric ReLU: x where x >= 0, slope * x elsewhere (ONNX PRelu; He et al. 2015).

    x: floating-point numbers; slope: the type of x; result: the same type.
    """
    require_floating(x)
    return require_same_type(x, slope)


@prelu.reference
def _prelu_reference(x: Numbers, slope: Numbers) -> Array:
    data = widened(x)
    return narrowed(np.where(data >= 0, data, data * widened(slope)), x)


@prelu.decompose
def _prelu_decompose(x: Value, slope: Value) -> Value:
    return select(greater(x, scalar_like(x, 0.0)), x, mul(x, slope))


@op
def elu(x: Value, *, alpha: float) -> TensorType:
    """The exponential unit: x where x > 0, alpha * (exp(x) - 1) elsewhere (ONNX Elu; Clevert et al. 2015).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@elu.reference
def _elu_reference(x: Numbers, *, alpha: float) -> Array:
    data = widened(x)
    return narrowed(np.where(data > 0, data, alpha * np.expm1(np.minimum(data, 0))), x)


@elu.decompose
def _elu_decompose(x: Value, *, alpha: float) -> Value:
    below = sub(exp(minimum(x, scalar_like(x, 0.0))), scalar_like(x, 1.0))
    return select(greater(x, scalar_like(x, 0.0)), x, mul(below, scalar_like(x, alpha)))


@op
def celu(x: Value, *, alpha: float) -> TensorType:
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1)) (ONNX Celu; Barron 2017).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@celu.reference
def _celu_reference(x: Numbers, *, alpha: float) -> Array:
    data = widened(x)
    return narrowed(np.maximum(data, 0) + np.minimum(0, alpha * np.expm1(np.minimum(data, 0) / alpha)), x)


@celu.decompose
def _celu_decompose(x: Value, *, alpha: float) -> Value:
    below = exp(div(minimum(x, scalar_like(x, 0.0)), scalar_like(x, alpha)))
    scaled = mul(sub(below, scalar_like(x, 1.0)), scalar_like(x, alpha))
    return select(greater(x, scalar_like(x, 0.0)), x, scaled)


@op
def selu(x: Value, *, alpha: float, gamma: float) -> TensorType:
    """The scaled exponential unit: gamma times `elu(x, alpha)` (ONNX Selu; Klambauer et al. 2017).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@selu.reference
def _selu_reference(x: Numbers, *, alpha: float, gamma: float) -> Array:
    data = widened(x)
    return narrowed(gamma * np.where(data > 0, data, alpha * np.expm1(np.minimum(data, 0))), x)


@selu.decompose
def _selu_decompose(x: Value, *, alpha: float, gamma: float) -> Value:
    return mul(elu(x, alpha=alpha), scalar_like(x, gamma))


@op
def sigmoid(x: Value) -> TensorType:
    """1 / (1 + exp(-x)), without overflow (ONNX Sigmoid).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@sigmoid.reference
def _sigmoid_reference(x: Numbers) -> Array:
    data = widened(x)
    return narrowed(_sigmoid(data), x)


@sigmoid.decompose
def _sigmoid_decompose(x: Value) -> Value:
    return reciprocal(add(scalar_like(x, 1.0), exp(neg(x))))


@sigmoid.gradient
def _sigmoid_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    y = node.outputs[0]
    return (mul(dy, mul(y, sub(scalar_like(y, 1.0), y))),)


def _sigmoid(x: Numbers) -> Numbers:
    """1 / (1 + exp(-x)) by the exponential that does not overflow."""
    small: Numbers = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


@op
def tanh(x: Value) -> TensorType:
    """The hyperbolic tangent (ONNX Tanh).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@tanh.reference
def _tanh_reference(x: Numbers) -> Array:
    data = widened(x)
    return narrowed(np.tanh(data), x)


@tanh.gradient
def _tanh_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    y = node.outputs[0]
    return (mul(dy, sub(scalar_like(y, 1.0), mul(y, y))),)


tanh.lower(build.each("tanh"))


@op
def hard_sigmoid(x: Value, *, alpha: float, beta: float) -> TensorType:
    """min(max(alpha * x + beta, 0), 1) (ONNX HardSigmoid).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@hard_sigmoid.reference
def _hard_sigmoid_reference(x: Numbers, *, alpha: float, beta: float) -> Array:
    data = widened(x)
    return narrowed(np.clip(alpha * data + beta, 0, 1), x)


@hard_sigmoid.decompose
def _hard_sigmoid_decompose(x: Value, *, alpha: float, beta: float) -> Value:
    line = add(mul(x, scalar_like(x, alpha)), scalar_like(x, beta))
    return clip(line, minimum=0.0, maximum=1.0)


@op
def hard_swish(x: Value) -> TensorType:
    """The hard swish: x * min(max(x / 6 + 1/2, 0), 1) (ONNX HardSwish; Howard et al. 2019).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@hard_swish.reference
def _hard_swish_reference(x: Numbers) -> Array:
    data = widened(x)
    return narrowed(data * np.clip(data / 6 + 0.5, 0, 1), x)


@hard_swish.decompose
def _hard_swish_decompose(x: Value) -> Value:
    return mul(x, hard_sigmoid(x, alpha=1.0 / 6.0, beta=0.5))


@op
def softplus(x: Value) -> TensorType:
    """log(1 + exp(x)), without overflow (ONNX Softplus, Caffe BNLL).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@softplus.reference
def _softplus_reference(x: Numbers) -> Array:
    data = widened(x)
    return narrowed(np.logaddexp(data, 0), x)


@softplus.decompose
def _softplus_decompose(x: Value) -> Value:
    bend = log(add(scalar_like(x, 1.0), exp(neg(abs_(x)))))
    return add(maximum(x, scalar_like(x, 0.0)), bend)


@softplus.gradient
def _softplus_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (mul(dy, sigmoid(x)),)


@op
def softsign(x: Value) -> TensorType:
    """The soft sign: x / (1 + |x|) (ONNX Softsign).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@softsign.reference
def _softsign_reference(x: Numbers) -> Array:
    data = widened(x)
    return narrowed(data / (1 + np.abs(data)), x)


@softsign.decompose
def _softsign_decompose(x: Value) -> Value:
    return div(x, add(scalar_like(x, 1.0), abs_(x)))


@op
def swish(x: Value, *, beta: float) -> TensorType:
    """The swish: x * sigmoid(beta * x) (ONNX Swish, Caffe Swish; Ramachandran et al. 2017).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@swish.reference
def _swish_reference(x: Numbers, *, beta: float) -> Array:
    data = widened(x)
    return narrowed(data * _sigmoid(beta * data), x)


@swish.decompose
def _swish_decompose(x: Value, *, beta: float) -> Value:
    return mul(x, sigmoid(x if beta == 1 else mul(x, scalar_like(x, beta))))


@op
def mish(x: Value) -> TensorType:
    """The mish: x * tanh(log(1 + exp(x))) (ONNX Mish; Misra 2019).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@mish.reference
def _mish_reference(x: Numbers) -> Array:
    data = widened(x)
    return narrowed(data * np.tanh(np.logaddexp(data, 0)), x)


@mish.decompose
def _mish_decompose(x: Value) -> Value:
    return mul(x, tanh(softplus(x)))


@op
def gelu(x: Value, *, approximation: Literal["none", "tanh"]) -> TensorType:
    """The Gaussian unit: x * P(X <= x) of a standard normal X, exact or by tanh (ONNX Gelu; Hendrycks and Gimpel 2016).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@gelu.reference
def _gelu_reference(x: Numbers, *, approximation: Literal["none", "tanh"]) -> Array:
    data = widened(x)
    return narrowed(_gelu(data, approximation), x)


@gelu.decompose
def _gelu_decompose(x: Value, *, approximation: Literal["none", "tanh"]) -> Value:
    half = mul(x, scalar_like(x, 0.5))
    one = scalar_like(x, 1.0)
    if approximation == "none":
        return mul(half, add(one, erf(mul(x, scalar_like(x, math.sqrt(0.5))))))
    cube = mul(mul(mul(x, x), x), scalar_like(x, 0.044715))
    return mul(half, add(one, tanh(mul(add(x, cube), scalar_like(x, math.sqrt(2 / math.pi))))))


def _gelu(x: Numbers, approximation: Literal["none", "tanh"]) -> Numbers:
    data = x.astype(np.float64)
    if approximation == "tanh":
        inner: Numbers = np.tanh(math.sqrt(2 / math.pi) * (data + 0.044715 * data**3))
    else:
        inner = erf_of(data * math.sqrt(0.5))
    return 0.5 * data * (1 + inner)


@op
def thresholded_relu(x: Value, *, alpha: float) -> TensorType:
    """The thresholded ReLU: x where x > alpha, 0 elsewhere (ONNX ThresholdedRelu; Konda et al. 2014).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@thresholded_relu.reference
def _thresholded_relu_reference(x: Numbers, *, alpha: float) -> Array:
    data = widened(x)
    return narrowed(np.where(data > alpha, data, 0), x)


@thresholded_relu.decompose
def _thresholded_relu_decompose(x: Value, *, alpha: float) -> Value:
    return select(greater(x, scalar_like(x, alpha)), x, scalar_like(x, 0.0))
