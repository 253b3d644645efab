"""Forms of what only the run tells: axes, places and shapes that are operands."""

from __future__ import annotations

from xir.backends.export.torch._form import Answer, Argument, Forms, Refusal, Say, helped, ints, operand
from xir.backends.export.torch.elementwise import NARROW
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops import late
from xir.ops.finding import nonzero, unique
from xir.ops.shape import range_

forms = Forms()


def numbers(value: Value | None) -> Argument:
    """The elements of a vector as a list of Python numbers, or None."""
    return None if value is None else Say("{}.reshape(-1).tolist()", value)


@forms.of(late.reduce_late)
def _reduce_late(node: Node) -> Answer:
    """A reduction of PyTorch over a list of axes."""
    x, kind = operand(node), str(node.attributes["kind"])
    keep, whole = bool(node.attributes["keep_dims"]), bool(node.attributes["all_if_empty"])
    return helped("reduce_late", x, numbers(operand(node, 1)), kind, keep, whole)


@forms.of(late.slice_late)
def _slice_late(node: Node) -> Answer:
    """Steps may be negative, which PyTorch's slices are not: places are picked."""
    x, start, stop, places, step = node.inputs
    axes: Argument = list(ints(node, "axes")) if places is None else numbers(places)
    return helped("slice_late", x, numbers(start), numbers(stop), axes, numbers(step))


@forms.of(late.squeeze_late)
def _squeeze_late(node: Node) -> Answer:
    axes = node.inputs[1]
    return (
        Say("{}.squeeze()", operand(node))
        if axes is None
        else Say("{}.squeeze(tuple({}))", operand(node), numbers(axes))
    )


@forms.of(late.unsqueeze_late)
def _unsqueeze_late(node: Node) -> Answer:
    return helped("unsqueeze_late", operand(node), numbers(operand(node, 1)))


@forms.of(late.reshape_late)
def _reshape_late(node: Node) -> Answer:
    if not node.attributes["copies_zero"]:
        return Say("torch.reshape({}, {})", operand(node), numbers(operand(node, 1)))
    return helped("reshape_late", operand(node), numbers(operand(node, 1)))


@forms.of(late.broadcast_late)
def _broadcast_late(node: Node) -> Answer:
    target = numbers(operand(node, 1))
    return Say("torch.broadcast_to({0}, torch.broadcast_shapes({0}.shape, {1}))", operand(node), target)


@forms.of(range_)
def _range(node: Node) -> Answer:
    """torch.arange of integers; of floats the steps are multiplied, as ours are."""
    start, limit, delta = (operand(node, index) for index in range(3))
    if start.dtype.is_integer:
        ends = [Say("int({})", each) for each in (start, limit, delta)]
        return helped("whole_range", *ends, start.dtype)
    stash = node.attributes["stash"]
    kept = stash if start.dtype.bits < 32 and isinstance(stash, DType) else start.dtype
    return helped("range_of", start, limit, delta, kept)


@forms.of(nonzero)
def _nonzero(node: Node) -> Answer:
    return Say("torch.nonzero({}).T", operand(node))


@forms.of(unique)
def _unique(node: Node) -> Answer:
    """torch.unique, with where each comes first."""
    x, axis = operand(node), node.attributes["axis"]
    if x.dtype.is_floating and x.dtype.bits < 16:
        return Refusal("PyTorch sorts no floats of 8 bits")
    data: Argument = Say("{}.to({})", x, NARROW[x.dtype]) if x.dtype in NARROW else x
    if x.dtype in NARROW:
        return Refusal(f"PyTorch sorts no {x.dtype}")
    return helped("unique", data, axis if isinstance(axis, int) else None, bool(node.attributes["sorted"]))
