"""Forms of activations: functions of `torch.nn.functional`; what has none there comes apart."""

from __future__ import annotations

from xir.backends.export.torch._form import Answer, Forms, Say, operand, real
from xir.ir.node import Node, Value
from xir.ops import activation as ops

forms = Forms()

for _operator, _template in (
    (ops.relu, "F.relu({})"),
    (ops.sigmoid, "torch.sigmoid({})"),
    (ops.tanh, "torch.tanh({})"),
    (ops.hard_swish, "F.hardswish({})"),
    (ops.softsign, "F.softsign({})"),
    (ops.mish, "F.mish({})"),
):
    forms.says(_operator, _template)


@forms.of(ops.leaky_relu)
def _leaky_relu(node: Node) -> Answer:
    return Say("F.leaky_relu({}, {})", operand(node), real(node, "alpha"))


@forms.of(ops.elu)
def _elu(node: Node) -> Answer:
    return Say("F.elu({}, {})", operand(node), real(node, "alpha"))


@forms.of(ops.celu)
def _celu(node: Node) -> Answer:
    return Say("F.celu({}, {})", operand(node), real(node, "alpha"))


@forms.of(ops.softplus)
def _softplus(node: Node) -> Answer:
    """Without the threshold from which PyTorch's own is the identity."""
    return Say("torch.logaddexp({0}, torch.zeros_like({0}))", operand(node))


@forms.of(ops.swish)
def _swish(node: Node) -> Answer:
    beta = real(node, "beta")
    if beta == 1:
        return Say("F.silu({})", operand(node))
    return Say("{0} * torch.sigmoid({0} * {1})", operand(node), beta)


@forms.of(ops.gelu)
def _gelu(node: Node) -> Answer:
    said = str(node.attributes["approximation"])
    return Say("F.gelu({})", operand(node)) if said == "none" else Say('F.gelu({}, approximate="tanh")', operand(node))


@forms.of(ops.prelu)
def _prelu(node: Node) -> Answer:
    """A slope for each channel, as PyTorch has it; others come apart."""
    x, slope = operand(node), operand(node, 1)
    inner = slope.node
    if inner is None or inner.op.name != "broadcast":
        return Say("torch.where({0} >= 0, {0}, {0} * {1})", x, slope)
    return Say("torch.where({0} >= 0, {0}, {0} * {1})", x, _source(inner))


def _source(node: Node) -> Value:
    """What a broadcast repeats, where PyTorch repeats it by itself."""
    return operand(node) if node.inputs[1] is None else node.outputs[0]
