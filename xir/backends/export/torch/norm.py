"""Forms of normalizations."""

from __future__ import annotations

from xir.backends.export.torch._form import Answer, Forms, Layer, Refusal, Say, operand, real, whole
from xir.backends.export.torch.matmul import options
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.ops.norm import batch_norm, group_norm, instance_norm, layer_norm, log_softmax, lrn, softmax

forms = Forms()


@forms.of(softmax)
def _softmax(node: Node) -> Answer:
    return Say("torch.softmax({}, {})", operand(node), whole(node, "axis"))


@forms.of(log_softmax)
def _log_softmax(node: Node) -> Answer:
    return Say("torch.log_softmax({}, {})", operand(node), whole(node, "axis"))


@forms.of(batch_norm)
def _batch_norm(node: Node) -> Answer:
    """nn.BatchNorm1d, 2d and 3d, which run with the statistics that they have."""
    x, scale, shift, mean, variance = (operand(node, index) for index in range(5))
    epsilon, channels = real(node, "epsilon"), x.shape[1]
    said = Say("F.batch_norm({}, {}, {}, {}, {}, eps={})", x, mean, variance, scale, shift, epsilon)
    kind = {2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d", 5: "BatchNorm3d"}.get(x.rank)
    if kind is None or not isinstance(channels, int) or scale.dtype is not x.dtype:
        return said
    weights: dict[str, tuple[Value, tuple[int, ...] | None]] = {
        "weight": (scale, None),
        "bias": (shift, None),
        "running_mean": (mean, None),
        "running_var": (variance, None),
    }
    keywords = {**({} if epsilon == 1e-5 else {"eps": epsilon}), **options(x)}
    count = {"num_batches_tracked": TensorType(DType.INT64, ())}
    return Layer(kind, (channels,), keywords, weights, (x,), said, blank=count)


@forms.of(instance_norm)
def _instance_norm(node: Node) -> Answer:
    x, scale, shift = (operand(node, index) for index in range(3))
    return Say("F.instance_norm({}, weight={}, bias={}, eps={})", x, scale, shift, real(node, "epsilon"))


@forms.of(group_norm)
def _group_norm(node: Node) -> Answer:
    """nn.GroupNorm."""
    x, scale, shift = (operand(node, index) for index in range(3))
    groups, epsilon = whole(node, "groups"), real(node, "epsilon")
    said = Say("F.group_norm({}, {}, {}, {}, {})", x, groups, scale, shift, epsilon)
    channels = x.shape[1]
    if not isinstance(channels, int) or scale.shape != (channels,):
        return said if scale.shape == (channels,) else Refusal("scales that are not those of channels")
    weights: dict[str, tuple[Value, tuple[int, ...] | None]] = {"weight": (scale, None), "bias": (shift, None)}
    keywords = {**({} if epsilon == 1e-5 else {"eps": epsilon}), **options(x)}
    return Layer("GroupNorm", (groups, channels), keywords, weights, (x,), said)


@forms.of(layer_norm)
def _layer_norm(node: Node) -> Answer:
    """nn.LayerNorm where the sizes are known."""
    x, scale, shift = operand(node), node.inputs[1], node.inputs[2]
    axis, epsilon = whole(node, "axis"), real(node, "epsilon")
    sizes = x.shape[axis:]
    if any(value is not None and value.shape != sizes for value in (scale, shift)):
        return Refusal("scales of another shape")
    said = Say("F.layer_norm({}, {}, {}, {}, {})", x, sizes, scale, shift, epsilon)
    known = tuple(size for size in sizes if isinstance(size, int))
    if len(known) < len(sizes) or scale is None or shift is None:
        return said
    weights: dict[str, tuple[Value, tuple[int, ...] | None]] = {"weight": (scale, None), "bias": (shift, None)}
    keywords = {**({} if epsilon == 1e-5 else {"eps": epsilon}), **options(x)}
    return Layer("LayerNorm", (known,), keywords, weights, (x,), said)


@forms.of(lrn)
def _lrn(node: Node) -> Answer:
    """F.local_response_norm, whose window begins one earlier where its size is even, as ours does not."""
    size = whole(node, "size")
    if size % 2 == 0 or operand(node).rank < 3:
        return Refusal("an even window")
    rest = (size, real(node, "alpha"), real(node, "beta"), real(node, "bias"))
    return Say("F.local_response_norm({}, {}, alpha={}, beta={}, k={})", operand(node), *rest)
