"""Literals and the identity."""

from __future__ import annotations

from xir.ir.constant import Array, Constant
from xir.ir.node import Node, Value
from xir.ir.types import TensorType, Type
from xir.ops._define import op


@op
def constant(*, value: Constant) -> TensorType:
    """A literal tensor with the type of `value`. (ONNX Constant)"""
    return value.type


@constant.reference
def _constant_reference(*, value: Constant) -> Array:
    return value.array()


@constant.gradient
def _constant_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    return ()


constant.host("a literal is a buffer that the planner places; nothing is computed")


@op
def identity(x: Value) -> Type:
    """`x` itself. x: any tensor, sequence, optional or map. (ONNX Identity, Caffe Split)"""
    return x.type


@identity.reference
def _identity_reference(x: Array) -> Array:
    return x


@identity.gradient
def _identity_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    return (dy,)


@identity.decompose
def _identity_decompose(x: Value) -> Value:
    return x
