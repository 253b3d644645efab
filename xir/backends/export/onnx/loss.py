"""ONNX forms of losses over classes (opset 12)."""

from __future__ import annotations

from xir.backends.export.onnx._form import Answer, Call, Form, Forms, OnnxAttribute
from xir.ir.node import Node
from xir.ops.likelihood import cross_entropy, negative_log_likelihood

forms = Forms()


def _loss(kind: str) -> Form:
    def form(node: Node, opset: int) -> Answer:
        """The loss; a label to ignore only where there is one."""
        attributes: dict[str, OnnxAttribute] = {"reduction": str(node.attributes["reduction"])}
        ignored = node.attributes["ignore_index"]
        if isinstance(ignored, int):
            attributes["ignore_index"] = ignored
        return Call(kind, node.inputs, attributes)

    return form


forms.of(negative_log_likelihood)(_loss("NegativeLogLikelihoodLoss"))
forms.of(cross_entropy)(_loss("SoftmaxCrossEntropyLoss"))
