"""ONNX forms of literals and the identity."""

from __future__ import annotations

from xir.backends.export.onnx._form import Answer, Call, Forms, onnx_value
from xir.ir.node import Node
from xir.ops.constant import constant, identity

forms = Forms()
forms.same(identity, "Identity")


@forms.of(constant)
def _constant(node: Node, opset: int) -> Answer:
    """A Constant node for a literal that is itself a result; others become initialisers."""
    return Call("Constant", (), {"value": onnx_value(node, "value")})
