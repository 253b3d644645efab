"""Axes that were to come at run time and are known after all: the operators that know their axes take the place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from xir.ir.builder import apply
from xir.ir.dims import Dim
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter
from xir.ops.late import REDUCTIONS, ReduceKind
from xir.ops.padding import placed
from xir.ops.shape import broadcast, pad, reshape, slice_
from xir.passes._pattern import Match, node_rule

COMPUTED = "the axes are computed from what the model reads"
"""Why axes stay an operand."""

UNFIT = "the axes do not fit what is known of the operand"
"""Why axes that are known stay an operand all the same."""

Made = Value | None


def _x(node: Node) -> Value:
    return cast("Value", node.inputs[0])


def _axes(numbers: Sequence[int], rank: int) -> tuple[int, ...] | None:
    """Axes counted from the front, or None where one does not exist or stands twice."""
    counted = tuple(axis % rank for axis in numbers) if rank else ()
    right = all(-rank <= axis < rank for axis in numbers) and len(set(counted)) == len(numbers)
    return counted if right else None


def _reduced(node: Node, numbers: Sequence[int]) -> Made:
    axes = _axes(numbers, _x(node).rank)
    if axes is None:
        return None
    if not axes and node.attributes["all_if_empty"]:
        axes = tuple(range(_x(node).rank))
    operator = REDUCTIONS[cast("ReduceKind", node.attributes["kind"])]
    return operator(_x(node), axes=axes, keep_dims=cast("bool", node.attributes["keep_dims"]))


def _squeezed(node: Node, numbers: Sequence[int]) -> Made:
    x = _x(node)
    axes = _axes(numbers, x.rank)
    if axes is None or any(x.shape[axis] != 1 for axis in axes):
        return None
    return reshape(x, shape=tuple(size for axis, size in enumerate(x.shape) if axis not in axes))


def _unsqueezed(node: Node, numbers: Sequence[int]) -> Made:
    x = _x(node)
    rank = x.rank + len(numbers)
    axes = _axes(numbers, rank)
    sizes = iter(x.shape)
    return None if axes is None else reshape(x, shape=tuple(1 if a in axes else next(sizes) for a in range(rank)))


def _running(node: Node, numbers: Sequence[int]) -> Made:
    axes = _axes(numbers, _x(node).rank)
    if axes is None or len(axes) != 1:
        return None
    return apply(node.op, (_x(node), None), {**node.attributes, "axis": axes[0]}).outputs[0]


def _triangle(node: Node, numbers: Sequence[int]) -> Made:
    attributes = {**node.attributes, "diagonal": numbers[0]}
    return apply(node.op, (_x(node), None), attributes).outputs[0] if len(numbers) == 1 else None


def _reshaped(node: Node, numbers: Sequence[int]) -> Made:
    x = _x(node)
    sizes: list[Dim] = list(numbers)
    if node.attributes["copies_zero"]:
        if any(size == 0 and axis >= x.rank for axis, size in enumerate(numbers)):
            return None
        sizes = [x.shape[axis] if size == 0 else size for axis, size in enumerate(numbers)]
    known = [size for size in sizes if size != -1]
    if len(known) == len(sizes):
        return reshape(x, shape=tuple(sizes))
    rest: Dim = x.tensor.elements
    if len(known) != len(sizes) - 1 or not isinstance(rest, int) or not all(isinstance(size, int) for size in known):
        return None
    whole = 1
    for size in known:
        whole *= cast("int", size)
    if whole < 1 or rest % whole:
        return None
    return reshape(x, shape=tuple(rest // whole if size == -1 else size for size in sizes))


def _repeated(node: Node, numbers: Sequence[int]) -> Made:
    x = _x(node)
    rank = max(x.rank, len(numbers))
    own, wanted = ((1,) * (rank - len(sizes)) + tuple(sizes) for sizes in (x.shape, numbers))
    if not all(have == 1 or want in (1, have) for have, want in zip(own, wanted, strict=True)):
        return None
    return broadcast(x, shape=tuple(have if want == 1 else want for have, want in zip(own, wanted, strict=True)))


_BUILD: Mapping[str, Callable[[Node, Sequence[int]], Made]] = {
    "reduce_late": _reduced,
    "squeeze_late": _squeezed,
    "unsqueeze_late": _unsqueezed,
    "reshape_late": _reshaped,
    "broadcast_late": _repeated,
    "cumsum": _running,
    "cumprod": _running,
    "trilu": _triangle,
}


def _numbers(value: Value | None, rewriter: Rewriter) -> list[int] | None:
    held = None if value is None else rewriter.constant_of(value)
    return None if held is None else [int(number) for number in held.array().reshape(-1).tolist()]


@node_rule(*_BUILD)
def known_axes(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """op(x, axes) == the operator that knows its axes, when the operand `axes` is a constant"""
    if node.inputs[1] is None:
        return None
    numbers = _numbers(node.inputs[1], rewriter)
    if numbers is None:
        return COMPUTED
    return UNFIT if _BUILD[node.op.name](node, numbers) is None else (node,)


@known_axes.build
def _(match: Match) -> Value:
    (node,) = match.nodes
    return cast("Value", _BUILD[node.op.name](node, _numbers(node.inputs[1], match.rewriter) or []))


@node_rule("slice_late")
def known_slice_axes(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """slice_late(x, start, stop, axes, steps) == slice(x, start, stop) {axes, steps} forward on known axes"""
    found = [_numbers(value, rewriter) for value in node.inputs[3:]]
    if any(value is not None and held is None for value, held in zip(node.inputs[3:], found, strict=True)):
        return COMPUTED
    axes = node.attributes["axes"] if found[0] is None else _axes(found[0], _x(node).rank)
    if axes is None:
        return UNFIT
    return "a step goes backward" if any(step < 1 for step in found[1] or ()) else (node,)


@known_slice_axes.build
def _(match: Match) -> Value:
    """What the bounds are is told by the operands; what is known of them is what the result's sizes say."""
    (node,) = match.nodes
    start, stop = node.inputs[1:3]
    places, steps = (_numbers(value, match.rewriter) for value in node.inputs[3:])
    chosen = cast("tuple[int, ...]", node.attributes["axes"]) if places is None else _axes(places, _x(node).rank) or ()
    by = (1,) * len(chosen) if steps is None else tuple(steps)
    spans = [node.outputs[0].shape[axis] * step for axis, step in zip(chosen, by, strict=True)]
    return slice_(_x(node), start, stop, axes=chosen, starts=(0,) * len(chosen), stops=tuple(spans), steps=by)


@node_rule("pad")
def known_pad_axes(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """pad(x, amounts, axes) == pad(x) {padding} when the operands `amounts` and `axes` are constants"""
    if node.inputs[3] is None:
        return None
    amounts, axes = (_numbers(node.inputs[place], rewriter) for place in (1, 3))
    if amounts is None or axes is None:
        return COMPUTED
    return UNFIT if _axes(axes, _x(node).rank) is None else (node,)


@known_pad_axes.build
def _(match: Match) -> Value:
    (node,) = match.nodes
    amounts, axes = (_numbers(node.inputs[place], match.rewriter) or [] for place in (1, 3))
    pairs = list(zip(amounts[: len(axes)], amounts[len(axes) :], strict=True))
    attributes = {**node.attributes, "padding": placed(pairs, axes, _x(node).rank)}
    return apply(pad, (_x(node), None, node.inputs[2], None), attributes).outputs[0]


RULES = (known_axes, known_slice_axes, known_pad_axes)
