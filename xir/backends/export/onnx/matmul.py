"""ONNX forms of the matrix products."""

from __future__ import annotations

from xir.backends.export.onnx._form import Answer, Call, Forms, real, whole
from xir.ir.node import Node
from xir.ops.matmul import gemm, matmul

forms = Forms()
forms.same(matmul, "MatMul", broadcasting="batch")


@forms.of(gemm)
def _gemm(node: Node, opset: int) -> Answer:
    """Gemm; its third operand is optional from opset 11 on."""
    inputs = node.inputs if node.inputs[2] is not None else node.inputs[:2]
    attributes = {
        "alpha": real(node, "alpha"),
        "beta": real(node, "beta"),
        "transA": whole(node, "transpose_a"),
        "transB": whole(node, "transpose_b"),
    }
    return Call("Gemm", inputs, attributes, "last" if len(inputs) == 3 else "none")
