"""ONNX forms of activations; those that an opset does not have yet come apart into arithmetic."""

from __future__ import annotations

from xir.backends.export.onnx._form import Answer, Call, Forms, OnnxAttribute, operand, real
from xir.ir.node import Node
from xir.ops import activation
from xir.ops.activation import gelu, prelu, swish

forms = Forms()
forms.same(activation.relu, "Relu")
forms.same(activation.leaky_relu, "LeakyRelu", alpha="alpha")
forms.same(activation.elu, "Elu", alpha="alpha")
forms.same(activation.celu, "Celu", alpha="alpha")
forms.same(activation.selu, "Selu", alpha="alpha", gamma="gamma")
forms.same(activation.sigmoid, "Sigmoid")
forms.same(activation.tanh, "Tanh")
forms.same(activation.hard_sigmoid, "HardSigmoid", alpha="alpha", beta="beta")
forms.same(activation.hard_swish, "HardSwish")
forms.same(activation.softplus, "Softplus")
forms.same(activation.softsign, "Softsign")
forms.same(activation.mish, "Mish")
forms.same(activation.thresholded_relu, "ThresholdedRelu", alpha="alpha")
forms.same(gelu, "Gelu", approximate="approximation")
forms.same(prelu, "PRelu", broadcasting="last")


@forms.of(swish)
def _swish(node: Node, opset: int) -> Answer:
    """Swish, whose factor ONNX calls alpha."""
    attributes: dict[str, OnnxAttribute] = {"alpha": real(node, "beta")}
    return Call("Swish", (operand(node),), attributes)
