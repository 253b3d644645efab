"""What the forms of every format ask of a node: its attributes by their kinds, its operands, its pieces."""

from __future__ import annotations

from xir.ir.builder import apply
from xir.ir.dims import Dim, Shape, as_dim
from xir.ir.node import Attribute, Node, Value
from xir.ops.padding import pad
from xir.ops.shape import reshape


def ints(node: Node, name: str) -> tuple[int, ...]:
    """The node's attribute `name`, known to be a tuple of integers."""
    value = node.attributes[name]
    if isinstance(value, tuple):
        return tuple(item for item in value if isinstance(item, int))
    raise TypeError(f"{node.op.name}: attribute {name!r} is no tuple")


def whole(node: Node, name: str) -> int:
    """The node's attribute `name`, known to be an integer or a bool."""
    value = node.attributes[name]
    if isinstance(value, int):
        return int(value)
    raise TypeError(f"{node.op.name}: attribute {name!r} is no integer")


def real(node: Node, name: str) -> float:
    """The node's attribute `name`, known to be a float."""
    value = node.attributes[name]
    if isinstance(value, float):
        return value
    raise TypeError(f"{node.op.name}: attribute {name!r} is no float")


def shape_in(node: Node, name: str) -> Shape:
    """The node's attribute `name`, known to be a tuple of sizes."""
    value = node.attributes[name]
    if isinstance(value, tuple):
        return tuple(as_dim(item) for item in value)
    raise TypeError(f"{node.op.name}: attribute {name!r} is no shape")


def operand(node: Node, index: int = 0) -> Value:
    """The operand at `index`, known to be there."""
    value = node.inputs[index]
    if value is None:
        raise TypeError(f"{node.op.name}: operand {index} is absent")
    return value


def again(node: Node, inputs: tuple[Value | None, ...], **changes: Attribute) -> tuple[Value, ...]:
    """The node's operator applied to `inputs`, with `changes` of its attributes."""
    return apply(node.op, inputs, {**node.attributes, **changes}).outputs


def with_gaps(x: Value, gaps: tuple[int, ...]) -> Value:
    """`x: [N, C, spatial...]` with gaps[i] - 1 zeros between neighbours of spatial axis i.

    Every element becomes a row of its own, the zeros are padded behind it, and the last ones are cut off again.
    """
    for axis, gap in enumerate(gaps, start=2):
        if gap == 1 or x.shape[axis] == 0:
            continue
        sizes, rank = x.shape, x.rank
        split: tuple[Dim, ...] = (*sizes[: axis + 1], 1, *sizes[axis + 1 :])
        amounts = [(0, 0)] * (rank + 1)
        amounts[axis + 1] = (0, gap - 1)
        spread = pad(reshape(x, shape=split), padding=tuple(amounts))
        x = reshape(spread, shape=(*sizes[:axis], sizes[axis] * gap, *sizes[axis + 1 :]))
        cut = [(0, 0)] * rank
        cut[axis] = (0, 1 - gap)
        x = pad(x, padding=tuple(cut))
    return x


def pairs(node: Node, name: str = "padding") -> tuple[tuple[Dim, Dim], ...]:
    """The node's attribute `name`, known to be pairs of sizes."""
    value = node.attributes[name]
    if not isinstance(value, tuple):
        raise TypeError(f"{node.op.name}: attribute {name!r} is no tuple")
    return tuple((as_dim(item[0]), as_dim(item[1])) for item in value if isinstance(item, tuple))
