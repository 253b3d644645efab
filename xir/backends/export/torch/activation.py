"""Forms of activations: functions of `torch.nn.functional`; what has none there comes apart."""

from __future__ import annotations

from xir.backends.export.torch._form import Answer, Forms, Layer, Say, operand, real
from xir.backends.export.torch.matmul import options
from xir.ir.node import Node
from xir.ops import activation as ops

forms = Forms()

for _operator, _template in (
    (ops.sigmoid, "torch.sigmoid({})"),
    (ops.tanh, "torch.tanh({})"),
    (ops.hard_swish, "F.hardswish({})"),
    (ops.softsign, "F.softsign({})"),
    (ops.mish, "F.mish({})"),
):
    forms.says(_operator, _template)


@forms.of(ops.relu)
def _relu(node: Node) -> Answer:
    """What has no sign stays as it is."""
    x = operand(node)
    return Say("F.relu({})", x) if x.dtype.is_signed else Say("{}", x)


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
    """nn.PReLU with a slope for each channel; others are said by torch.where."""
    x, slope = operand(node), operand(node, 1)
    inner = slope.node
    if inner is not None and inner.op.name == "broadcast" and inner.inputs[1] is None:
        slope = operand(inner)
    said = Say("torch.where({0} >= 0, {0}, {0} * {1})", x, slope)
    channels = x.shape[1] if x.rank > 1 else 0
    lined_up = slope.rank in (x.rank, x.rank - 1) and slope.shape[slope.rank - x.rank + 1 :] == (
        channels,
        *(1,) * (x.rank - 2),
    )
    if not lined_up or not isinstance(channels, int) or slope.tensor.elements != channels:
        return said
    return Layer("PReLU", (channels,), options(slope), {"weight": (slope, ())}, (x,), said)
