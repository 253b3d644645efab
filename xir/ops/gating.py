"""Activations that pick, cut or gate: hardmax, shrink, SwiGLU."""

from __future__ import annotations

import numpy as np

from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._build import scalar_like
from xir.ops._checks import require_axis, require_floating, require_same_type
from xir.ops._define import op
from xir.ops._numeric import require_number
from xir.ops._wide import narrow, wide
from xir.ops._windows import Numbers, narrowed, widened
from xir.ops.activation import swish
from xir.ops.compare import greater, less
from xir.ops.elementwise import add, cast, mul, select, sub
from xir.ops.index import one_hot
from xir.ops.reduce import arg_max


@op
def hardmax(x: Value, *, axis: int) -> TensorType:
    """1 at the first largest element along `axis`, 0 elsewhere (ONNX Hardmax from opset 13).

    x: any floating tensor; result: the type of `x`.
    """
    require_floating(x)
    require_axis(x, axis)
    return x.tensor


@hardmax.reference
def _hardmax_reference(x: Array, *, axis: int) -> Array:
    result = np.zeros(x.shape, x.dtype)
    if x.size:
        place = np.argmax(widened(x), axis=axis, keepdims=True)
        np.put_along_axis(result, place, np.ones(place.shape, x.dtype), axis=axis)
    return result


hardmax.no_gradient("it is flat wherever it does not jump")


@hardmax.decompose
def _hardmax_decompose(x: Value, *, axis: int) -> Value:
    place = arg_max(x, axis=axis, keep_dims=False)
    return one_hot(place, depth=x.shape[axis], axis=axis, dtype=x.dtype)


@op
def shrink(x: Value, *, threshold: float, bias: float) -> TensorType:
    """`x + bias` below -threshold, `x - bias` above threshold, 0 between (ONNX Shrink).

    x: numbers; result: the same type. Integers are computed in f64 and cut toward zero.
    """
    require_number(x)
    return x.tensor


@shrink.reference
def _shrink_reference(x: Array, *, threshold: float, bias: float) -> Array:
    data: Numbers = x.astype(np.float64) if x.dtype.kind in "iu" else widened(x)
    number = data.dtype.type
    low, high = number(-threshold), number(threshold)
    moved = np.where(data < low, data + number(bias), np.where(data > high, data - number(bias), 0))
    return narrowed(moved, x)


@shrink.decompose
def _shrink_decompose(x: Value, *, threshold: float, bias: float) -> Value:
    data = cast(x, dtype=DType.FLOAT64) if x.dtype.is_integer else wide(x)
    low, high, step, zero = (scalar_like(data, number) for number in (-threshold, threshold, bias, 0.0))
    above = select(greater(data, high), sub(data, step), zero)
    return narrow(select(less(data, low), add(data, step), above), x.dtype)


@op
def swiglu(gate: Value, x: Value, *, alpha: float) -> TensorType:
    """`x` times the swish of `gate`: gate * sigmoid(alpha * gate) * x (ONNX SwiGLU; Shazeer 2020).

    gate, x: floating-point numbers of one type and shape; result: that type.
    """
    require_floating(gate)
    return require_same_type(gate, x)


@swiglu.reference
def _swiglu_reference(gate: Array, x: Array, *, alpha: float) -> Array:
    data = widened(gate)
    with np.errstate(over="ignore"):
        sigmoid = 1 / (1 + np.exp(-data.dtype.type(alpha) * data))
    return narrowed(data * sigmoid * widened(x), x)


@swiglu.decompose
def _swiglu_decompose(gate: Value, x: Value, *, alpha: float) -> Value:
    return narrow(mul(swish(wide(gate), beta=alpha), wide(x)), x.dtype)
