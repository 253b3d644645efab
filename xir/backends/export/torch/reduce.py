"""Forms of reductions, running sums and what sorts."""

from __future__ import annotations

from xir.backends.export.torch._form import Answer, Argument, Forms, Refusal, Say, helped, ints, operand, size_of, whole
from xir.backends.export.torch.elementwise import NARROW, integer_limits
from xir.ir.node import Node
from xir.ir.types import DType
from xir.ops import reduce as ops
from xir.ops.running import cumprod, cumsum

forms = Forms()


def _source(node: Node) -> Argument:
    x = operand(node)
    return Say("{}.to({})", x, NARROW[x.dtype]) if x.dtype in NARROW else x


def _simple(function: str, node: Node) -> Answer:
    """One of PyTorch's that takes several axes; none are all in PyTorch, and nothing here."""
    x, axes, keep = operand(node), ints(node, "axes"), bool(node.attributes["keep_dims"])
    if not axes:
        return Say("{}", x)
    if x.rank == 0:
        return Refusal("an axis of a scalar")
    options = ", keepdim=True" if keep else ""
    said = Say(f"torch.{function}({{}}, {{}}{options})", _source(node), axes)
    same = x.dtype.is_floating or (function in ("amax", "amin") and x.dtype not in NARROW)
    return said if same else Say("{}.to({})", said, x.dtype)


@forms.of(ops.reduce_sum)
def _reduce_sum(node: Node) -> Answer:
    return _simple("sum", node)


@forms.of(ops.reduce_mean)
def _reduce_mean(node: Node) -> Answer:
    """Integers round toward zero."""
    x, axes = operand(node), ints(node, "axes")
    if x.dtype.is_floating or not axes:
        return _simple("mean", node)
    options = ", keepdim=True" if node.attributes["keep_dims"] else ""
    said = Say(f"torch.mean({{}}.to(torch.float64), {{}}{options})", x, axes)
    return Say("torch.trunc({}).to({})", said, x.dtype)


def _extreme(node: Node, function: str) -> Answer:
    """torch.amax and amin refuse to look at nothing; then the result is the neutral element."""
    x, axes = operand(node), ints(node, "axes")
    if any(x.shape[axis] == 0 for axis in axes):
        fill: Argument = _limit(x.dtype, function)
        return Say("torch.full({}, {}, dtype={}, device={device})", node.outputs[0].shape, fill, x.dtype)
    return _simple(function, node)


def _limit(dtype: DType, function: str) -> Argument:
    low = function == "amax"
    if dtype.is_floating:
        return float("-inf" if low else "inf")
    if dtype is DType.BOOL:
        return not low
    least, most = integer_limits(dtype)
    return least if low else most


@forms.of(ops.reduce_max)
def _reduce_max(node: Node) -> Answer:
    return _extreme(node, "amax")


@forms.of(ops.reduce_min)
def _reduce_min(node: Node) -> Answer:
    return _extreme(node, "amin")


@forms.of(ops.reduce_prod)
def _reduce_prod(node: Node) -> Answer:
    """torch.prod takes one axis a time."""
    axes, keep = sorted(ints(node, "axes"), reverse=True), bool(node.attributes["keep_dims"])
    said = _source(node)
    for axis in axes:
        said = Say(f"torch.prod({{}}, {{}}{', keepdim=True' if keep else ''})", said, axis)
    return Say("{}.to({})", said, operand(node).dtype) if not operand(node).dtype.is_floating else Say("{}", said)


@forms.of(ops.reduce_log_sum_exp)
def _reduce_log_sum_exp(node: Node) -> Answer:
    if not ints(node, "axes") or operand(node).rank == 0:
        return Refusal("no axes")
    return _simple("logsumexp", node)


def _place(node: Node, function: str) -> Answer:
    """The first of equal ones; the last is the first of the turned tensor."""
    x, axis, keep = operand(node), whole(node, "axis"), bool(node.attributes["keep_dims"])
    option = ", keepdim=True" if keep else ""
    if not node.attributes["last"]:
        return Say(f"torch.{function}({{}}, {{}}{option})", _source(node), axis)
    turned = Say("torch.flip({}, ({},))", _source(node), axis)
    return Say(f"{{}} - 1 - torch.{function}({{}}, {{}}{option})", x.shape[axis], turned, axis)


@forms.of(ops.arg_max)
def _arg_max(node: Node) -> Answer:
    return _place(node, "argmax")


@forms.of(ops.arg_min)
def _arg_min(node: Node) -> Answer:
    return _place(node, "argmin")


@forms.of(ops.top_k)
def _top_k(node: Node) -> Answer:
    """A stable sort, cut off: torch.topk does not say which of equal ones it takes."""
    x, axis, count = operand(node), whole(node, "axis"), node.inputs[1]
    k: Argument = Say("int({})", count) if count is not None else size_of(node.attributes["k"])
    said = helped("top_k", _source(node), k, axis, bool(node.attributes["largest"]))
    if x.dtype not in NARROW:
        return said
    return Say("[(values.to({1}), places) for values, places in [{0}]][0]", said, x.dtype)


@forms.of(cumsum)
def _cumsum(node: Node) -> Answer:
    """torch.cumsum, turned around where it runs backward, less the element itself where that does not count."""
    return _running(node, "cumsum")


@forms.of(cumprod)
def _cumprod(node: Node) -> Answer:
    if node.attributes["exclusive"]:
        return Refusal("products without the element itself")
    return _running(node, "cumprod")


def _running(node: Node, function: str) -> Answer:
    x, at = operand(node), node.inputs[1]
    axis: Argument = whole(node, "axis") if at is None else Say("int({})", at)
    said: Say = Say(f"torch.{function}({{}}, {{}})", _source(node), axis)
    if node.attributes["reverse"]:
        turned = Say("torch.flip({}, ({},))", _source(node), axis)
        said = Say(f"torch.flip(torch.{function}({{}}, {{}}), ({{}},))", turned, axis, axis)
    if node.attributes["exclusive"]:
        said = Say("{} - {}", said, x)
    return said if x.dtype.is_floating else Say("({}).to({})", said, x.dtype)
