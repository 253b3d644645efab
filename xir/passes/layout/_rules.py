"""In which other layouts an operator can work: one rule an operator, in one table.

A rule is asked: what if operand `place` (or the result, `RESULT`) were stored as transpose(it, perm)? It answers how
all operands and results are stored then, with which attributes the operator computes the same, or None where it
cannot. Operators without a rule work in one layout alone: convolutions, pools, batch norms want channels second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from xir.ir.dims import Shape, product
from xir.ir.node import Attribute, Node, Value
from xir.ops import bitwise, gating
from xir.ops.arithmetic import select
from xir.passes._elementwise import BINARY, UNARY
from xir.passes.layout._perms import Perm, identity, only

_MORE = (
    select, gating.shrink, bitwise.bitwise_and, bitwise.bitwise_or, bitwise.bitwise_xor, bitwise.bitwise_not,
    bitwise.shift_left, bitwise.shift_right,
)  # fmt: skip
"""Operators that compute each element alone, besides those of `xir.passes._elementwise`."""

RESULT = -1
"""The place of the results."""

MAX_RESHAPED = 8
"""Axes of a reshape that are matched: how many products of sizes are compared grows with their square."""


@dataclass(frozen=True, slots=True)
class Laid:
    """How a node computes what it does in another layout.

    Attributes:
        operands: how each operand is stored; None for one that is absent, and for one that stays as it is.
        results: how each result is stored.
        changed: attributes that are others then.
        shapes: {operand: shape that it gets by a reshape after all that}.
        more: how many operators more than in its best layout it takes that go over all elements.
    """

    operands: tuple[Perm | None, ...]
    results: tuple[Perm, ...]
    changed: Mapping[str, Attribute] = field(default_factory=dict[str, Attribute], compare=False)
    shapes: Mapping[int, Shape] = field(default_factory=dict[int, Shape], compare=False)
    more: int = field(default=0, compare=False)


Ask = Callable[[Node, int, Perm], "Laid | None"]


def _operand(node: Node, place: int = 0) -> Value:
    return cast("Value", node.inputs[place])


def _axes(node: Node, name: str = "axes") -> Perm:
    return cast("Perm", node.attributes[name])


def _axis(node: Node) -> int:
    return cast("int", node.attributes["axis"])


def _each(node: Node, place: int, perm: Perm) -> Laid:
    """Every operand and result has the same axes."""
    operands = tuple(None if value is None else perm for value in node.inputs)
    return Laid(operands, (perm,) * len(node.outputs))


def _first(node: Node, perm: Perm, **changed: Attribute) -> Laid:
    """The first operand and all results have the same axes; other operands have none, or stay."""
    return Laid((perm, *(None,) * (len(node.inputs) - 1)), (perm,) * len(node.outputs), changed)


def _no_more(node: Node) -> bool:
    """Whether nothing but the first operand is there: others tell of axes at run time."""
    return all(value is None for value in node.inputs[1:])


def _along_axis(node: Node, place: int, perm: Perm) -> Laid | None:
    """split, top_k, softmax, cumsum: one operand, one axis that they work along."""
    return _first(node, perm, axis=perm.index(_axis(node))) if place < 1 else None


def _along_known_axis(node: Node, place: int, perm: Perm) -> Laid | None:
    return _along_axis(node, place, perm) if _no_more(node) else None


def _concat(node: Node, place: int, perm: Perm) -> Laid:
    """Operands one after another along another axis."""
    return Laid((perm,) * len(node.inputs), (perm,), {"axis": perm.index(_axis(node))})


def _slice(node: Node, place: int, perm: Perm) -> Laid | None:
    """Bounds stay with their axes, whatever order those have; so do bounds that come at run time."""
    return _first(node, perm, axes=tuple(perm.index(axis) for axis in _axes(node))) if place < 1 else None


def _reverse(node: Node, place: int, perm: Perm) -> Laid:
    return _first(node, perm, axes=tuple(sorted(perm.index(axis) for axis in _axes(node))))


def _per_axis(attribute: str) -> Ask:
    """One attribute says something of each axis, if nothing does at run time."""

    def ask(node: Node, place: int, perm: Perm) -> Laid | None:
        held = cast("tuple[Attribute, ...]", node.attributes[attribute])
        return _first(node, perm, **{attribute: tuple(held[axis] for axis in perm)}) if _no_more(node) else None

    return ask


def _pad(node: Node, place: int, perm: Perm) -> Laid | None:
    """As `_per_axis`; what the padding holds may come at run time."""
    held = cast("tuple[Attribute, ...]", node.attributes["padding"])
    told = node.inputs[1] is not None or node.inputs[3] is not None
    return None if told or place > 0 else _first(node, perm, padding=tuple(held[axis] for axis in perm))


def _iota(node: Node, place: int, perm: Perm) -> Laid:
    shape = cast("Shape", node.attributes["shape"])
    return Laid((), (perm,), {"shape": tuple(shape[axis] for axis in perm), "axis": perm.index(_axis(node))})


def _reduced(node: Node, place: int, perm: Perm, axes: Perm) -> tuple[Perm, Perm] | None:
    """The permutations of operand and result, and None where that of the operand is not told by that of the result."""
    if place >= 0 or node.attributes["keep_dims"]:
        kept = (axis for axis in range(len(perm)) if axis not in axes)
        return perm, perm if node.attributes["keep_dims"] else only(perm, kept)
    return None


def _reduce(node: Node, place: int, perm: Perm) -> Laid | None:
    """Over the same axes, wherever they are."""
    found = _reduced(node, place, perm, _axes(node))
    if found is None:
        return None
    stored, result = found
    return Laid((stored,), (result,), {"axes": tuple(sorted(stored.index(axis) for axis in _axes(node)))})


def _reduce_one(node: Node, place: int, perm: Perm) -> Laid | None:
    found = _reduced(node, place, perm, (_axis(node),))
    return None if found is None else Laid(found[:1], found[1:], {"axis": found[0].index(_axis(node))})


def _normalized(node: Node, place: int, perm: Perm) -> Laid:
    return _first(node, perm, axes=tuple(sorted(perm.index(axis) for axis in _axes(node))))


def _standardized(node: Node, place: int, perm: Perm) -> Laid:
    """Over the last axes it is a layer norm, one operator; elsewhere two means, a difference and a square more."""
    laid = _normalized(node, place, perm)
    axes = cast("Perm", laid.changed["axes"])
    return laid if axes == tuple(range(len(perm) - len(axes), len(perm))) else replace(laid, more=4)


def _quantized(node: Node, place: int, perm: Perm) -> Laid | None:
    """Scale and zero point are one number, one a place of the axis, or blocks of the operand's own axes."""
    if place > 0:
        return None
    blocks = perm if node.attributes["block"] else None
    others = (None if value is None else blocks for value in node.inputs[1:])
    axis = _axis(node)
    axis = perm.index(axis) if axis < len(perm) else axis
    return Laid((perm, *others), (perm,), {"axis": axis})


def _gather(node: Node, place: int, perm: Perm) -> Laid | None:
    """The axes of the indices stand where the axis is."""
    axis, count = _axis(node), _operand(node, 1).rank
    if place > 0 or (place == RESULT and count != 1):
        return None
    result: list[int] = []
    for each in perm:
        result += range(axis, axis + count) if each == axis else [each if each < axis else each + count - 1]
    return Laid((perm, None), (tuple(result),), {"axis": perm.index(axis)})


def _broadcast(node: Node, place: int, perm: Perm) -> Laid | None:
    """Axes that the operand lacks become axes of size 1 where others stand before them then."""
    x, shape = _operand(node), cast("Shape", node.attributes["shape"])
    new = len(shape) - x.rank
    if node.inputs[1] is not None or (place >= 0 and new):
        return None
    changed: dict[str, Attribute] = {"shape": tuple(shape[axis] for axis in perm)}
    spread = tuple(1 if axis < new else x.shape[axis - new] for axis in perm)
    trailing = x.rank == 0 or all(axis >= new for axis in perm[new:])
    if not trailing and sum(not isinstance(size, int) for size in x.shape) > 1:
        return None  # formats tell at most one size of a reshape
    stored = only(perm, range(new, len(shape)))
    return Laid((stored, None), (perm,), changed, {} if trailing else {0: spread})


def _long(shape: Shape) -> list[int]:
    return [axis for axis, size in enumerate(shape) if size != 1]


def _groups(before: Shape, after: Shape) -> list[tuple[list[int], list[int]]] | None:
    """Neighbouring axes of both shapes that have the same elements, or None where nobody can tell; no ones."""
    left, right = _long(before), _long(after)
    if max(len(left), len(right)) > MAX_RESHAPED or 0 in (*before, *after):
        return None
    groups: list[tuple[list[int], list[int]]] = []
    while left and right:
        sizes = {product(tuple(before[axis] for axis in left[: count + 1])): count + 1 for count in range(len(left))}
        for count in range(1, len(right) + 1):
            taken = sizes.get(product(tuple(after[axis] for axis in right[:count])))
            if taken is not None:
                groups.append((left[:taken], right[:count]))
                left, right = left[taken:], right[count:]
                break
        else:
            return None
    return None if left or right else groups


def _with_ones(order: Sequence[int], shape: Shape) -> Perm:
    """All axes, those longer than 1 in this order: as they are where that is it, else ones behind what they follow."""
    if list(order) == sorted(order):
        return identity(len(shape))
    behind: dict[int, list[int]] = {}
    last = -1
    for axis, size in enumerate(shape):
        last = axis if size != 1 else last
        behind.setdefault(last, []).append(axis)
    return (*behind.get(-1, ()), *(axis for each in order for axis in behind[each]))


def _reshape(node: Node, place: int, perm: Perm) -> Laid | None:
    """Axes that are put together, or taken apart, must be neighbours in their order in the other layout too."""
    if node.inputs[1] is not None:
        return None
    before, after = _operand(node).shape, node.outputs[0].shape
    groups = _groups(before, after)
    if groups is None:
        return None
    mine, other = (before, after) if place == 0 else (after, before)
    pairs = groups if place == 0 else [(right, left) for left, right in groups]
    begins = {own[0]: (own, others) for own, others in pairs}
    order = [axis for axis in perm if mine[axis] != 1]
    found: list[int] = []
    while order:
        own, others = begins.get(order[0], ([], []))
        if not own or order[: len(own)] != own:
            return None
        order = order[len(own) :]
        found += others
    answer = _with_ones(found, other)
    operand, result = (perm, answer) if place == 0 else (answer, perm)
    return Laid((operand, None), (result,), {"shape": tuple(after[axis] for axis in result)})


def _named(rule: Ask, *names: str) -> dict[str, Ask]:
    return dict.fromkeys(names, rule)


EXACT: Mapping[str, Ask] = {
    **_named(_each, *(each.name for each in (*UNARY, *BINARY, *_MORE))),
    **_named(_along_axis, "split", "top_k"),
    **_named(_along_known_axis, "cumsum", "cumprod"),
    **_named(_reduce, "reduce_max", "reduce_min"),
    **_named(_reduce_one, "arg_max", "arg_min"),
    **_named(_quantized, "quantize", "dequantize"),
    "concat": _concat,
    "slice": _slice,
    "reverse": _reverse,
    "tile": _per_axis("repeats"),
    "pad": _pad,
    "iota": _iota,
    "gather": _gather,
    "broadcast": _broadcast,
    "reshape": _reshape,
}
"""Operators whose every bit is the same in another layout."""

INEXACT: Mapping[str, Ask] = {
    **_named(_reduce, "reduce_sum", "reduce_mean", "reduce_prod", "reduce_l1", "reduce_l2"),
    **_named(_reduce, "reduce_sum_square", "reduce_log_sum", "reduce_log_sum_exp"),
    **_named(_along_axis, "softmax", "log_softmax"),
    "l2_normalize": _normalized,
    "mean_variance_normalize": _standardized,
}
"""Operators that add or multiply in the order of the layout, and so round otherwise in another."""

RULES: Mapping[str, Ask] = {**EXACT, **INEXACT}
