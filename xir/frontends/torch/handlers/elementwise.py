"""Arithmetic element by element."""

from __future__ import annotations

from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import activation, compare, elementwise

operators = Operators("aten")


@operators.op(
    "add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
    "add.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor",
)
def add(call: Call, x: Value, other: Value | Number, alpha: Number) -> Value:
    """`x + alpha * other`."""
    left, right = call.promoted(x, other)
    if left.dtype is DType.BOOL:
        return compare.logical_or(left, right)
    if alpha != 1:
        right = elementwise.mul(right, call.repeated(call.scalar(alpha, right.dtype), right.shape))
    return elementwise.add(left, right)


@operators.op("mul.Tensor(Tensor self, Tensor other) -> Tensor", "mul.Scalar(Tensor self, Scalar other) -> Tensor")
def mul(call: Call, x: Value, other: Value | Number) -> Value:
    """`x * other`."""
    left, right = call.promoted(x, other)
    return compare.logical_and(left, right) if left.dtype is DType.BOOL else elementwise.mul(left, right)


@operators.op("relu(Tensor self) -> Tensor")
def relu(call: Call, x: Value) -> Value:
    """`max(x, 0)`; integers stay integers."""
    return activation.relu(x) if x.dtype.is_floating else elementwise.maximum(x, *call.aligned(call.scalar(0, x.dtype)))
