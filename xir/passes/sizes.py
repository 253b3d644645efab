"""Sizes that were to come at run time and are known after all: they become attributes, and their operands go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from xir.ir.builder import apply
from xir.ir.constant import Constant
from xir.ir.dims import Dim, Shape
from xir.ir.node import Attribute, Node, Value
from xir.ir.rewrite import Rewriter
from xir.passes._pattern import Match, node_rule

COMPUTED = "the sizes are computed from what the model reads"
"""Why a size stays an operand."""

_ATTRIBUTES: Mapping[str, str] = {
    "reshape": "shape",
    "broadcast": "shape",
    "tile": "repeats",
    "pad": "padding",
    "top_k": "k",
    "split": "sizes",
    "one_hot": "depth",
}
"""Operators with one operand that gives sizes at run time, and the attribute that holds them."""


@node_rule(*_ATTRIBUTES)
def known_sizes(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """op(x, sizes) == op(x) {sizes} when the operand `sizes` is a constant"""
    operand = node.inputs[1]
    if operand is None or (node.op.name == "pad" and node.inputs[3] is not None):
        return None
    held = rewriter.constant_of(operand)
    if held is None:
        return COMPUTED
    numbers = _integers(held)
    return (node,) if _attribute(node, numbers) is not None else "the sizes do not fit what is known of the operand"


@known_sizes.build
def _(match: Match) -> tuple[Value, ...]:
    (node,) = match.nodes
    held = match.rewriter.constant_of(_required(node.inputs[1]))
    numbers = [] if held is None else _integers(held)
    attributes = {**node.attributes, _ATTRIBUTES[node.op.name]: _attribute(node, numbers)}
    return apply(node.op, (node.inputs[0], None, *node.inputs[2:]), attributes).outputs


@node_rule("slice")
def known_bounds(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """slice(x, start, stop) == slice(x) {starts, stops} when the operands `start` and `stop` are constants"""
    given = [value for value in node.inputs[1:] if value is not None]
    if not given:
        return None
    if any(rewriter.constant_of(value) is None for value in given):
        return COMPUTED
    return (node,) if _bounds(node, rewriter) is not None else "the sliced axes have no known sizes"


@known_bounds.build
def _(match: Match) -> tuple[Value, ...]:
    (node,) = match.nodes
    bounds = _bounds(node, match.rewriter) or ()
    attributes = {
        **node.attributes,
        "starts": tuple(start for start, _ in bounds),
        "stops": tuple(stop for _, stop in bounds),
    }
    return apply(node.op, (node.inputs[0], None, None), attributes).outputs


def _bounds(node: Node, rewriter: Rewriter) -> list[tuple[int, int]] | None:
    """(start, stop) of each sliced axis, negative ones counted from the end and all clamped (ONNX Slice)."""
    x = _required(node.inputs[0])
    sides: list[Shape] = []
    for value, name in zip(node.inputs[1:], ("starts", "stops"), strict=True):
        held = None if value is None else rewriter.constant_of(value)
        sides.append(cast("Shape", node.attributes[name]) if held is None else tuple(_integers(held)))
    made: list[tuple[int, int]] = []
    for axis, first, last in zip(cast("tuple[int, ...]", node.attributes["axes"]), sides[0], sides[1], strict=True):
        size = x.shape[axis]
        if not isinstance(size, int) or not isinstance(first, int) or not isinstance(last, int):
            return None
        start, stop, _ = slice(first, last).indices(size)
        made.append((start, max(start, stop)))
    return made


def _integers(held: Constant) -> list[int]:
    return [int(number) for number in held.array().reshape(-1).tolist()]


def _required(value: Value | None) -> Value:
    if value is None:
        raise TypeError("a rule matched a node without its operand")
    return value


def _attribute(node: Node, numbers: Sequence[int]) -> Attribute:
    """The attribute that says the same as `numbers`, or None where it cannot be told."""
    x = _required(node.inputs[0])
    match node.op.name:
        case "reshape":
            return _reshaped(x, numbers)
        case "broadcast":
            return _broadcast(x, numbers)
        case "pad":
            rank = len(numbers) // 2
            return tuple(zip(numbers[:rank], numbers[rank:], strict=True))
        case "top_k" | "one_hot":
            return numbers[0] if len(numbers) == 1 else None
        case _:
            return tuple(numbers)


def _reshaped(x: Value, numbers: Sequence[int]) -> Shape | None:
    """The shape in which -1 is what is left, where that can be told."""
    if -1 not in numbers:
        return tuple(numbers)
    known = 1
    for number in numbers:
        known *= number if number != -1 else 1
    elements = x.tensor.elements
    if numbers.count(-1) > 1 or known < 1 or (isinstance(elements, int) and elements % known):
        return None
    return tuple(elements // known if number == -1 else number for number in numbers)


def _broadcast(x: Value, numbers: Sequence[int]) -> Shape | None:
    """The shape in which a 1 keeps the size of `x`, as ONNX Expand says."""
    own: tuple[Dim, ...] = (*(1 for _ in range(len(numbers) - x.rank)), *x.shape)
    fits = all(have == 1 or want in (1, have) for have, want in zip(own, numbers, strict=True))
    return tuple(have if want == 1 else want for have, want in zip(own, numbers, strict=True)) if fits else None


RULES = (known_sizes, known_bounds)
