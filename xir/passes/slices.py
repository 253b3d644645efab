"""Slices that cut fewer axes, join with their neighbours, or cut before elements are repeated; all bit-exact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from xir.ir.dims import Dim, Extremum, Shape, equal
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter
from xir.ops.shape import broadcast, reshape, slice_
from xir.passes._pattern import NOT_NEAR, Match, node_rule, rule, rule_with
from xir.passes.folding import MAX_ADDRESSABLE_BYTES

Axes = tuple[int, ...]


@node_rule("slice")
def slice_of_whole_axes(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """slice(x, axes) == slice(x, the axes of which it leaves something out)"""
    axes, kept = cast("Axes", node.attributes["axes"]), _cut_places(node)
    if kept is None or len(kept) == len(axes):
        return None
    return (node,)


@slice_of_whole_axes.build
def _(match: Match) -> Value:
    (node,) = match.nodes
    x, places = cast("Value", node.inputs[0]), _cut_places(node)
    if not places:
        return x
    axes, starts, stops, steps = (
        tuple(held[place] for place in places)
        for held in (cast("Shape", node.attributes[name]) for name in ("axes", "starts", "stops", "steps"))
    )
    return slice_(x, axes=cast("Axes", axes), starts=starts, stops=stops, steps=cast("Axes", steps))


def _cut_places(node: Node) -> list[int] | None:
    """Where in its tuples a slice names an axis of which it may leave something out; None where the run tells."""
    x = node.inputs[0]
    if x is None or any(value is not None for value in node.inputs[1:]):
        return None
    held = (cast("Shape", node.attributes[name]) for name in ("axes", "starts", "stops", "steps"))
    return [
        place
        for place, (axis, start, stop, step) in enumerate(zip(*held, strict=True))
        if not (start == 0 and step == 1 and _reaches_end(x, cast("int", axis), stop))
    ]


def _reaches_end(x: Value, axis: int, stop: Dim) -> bool:
    """Whether `stop` is the size of the axis: TensorFlow says 'to the end' as the smaller of it and 2^31 - 1.

    A tensor with so many elements along an axis that no machine can address them is none.
    """
    size = x.shape[axis]
    if equal(stop, size) is True:
        return True
    if not isinstance(stop, Extremum) or stop.kind != "min" or size not in stop.operands:
        return False
    row = max(1, x.dtype.bits // 8)
    for place, other in enumerate(x.shape):
        row *= other if place != axis and isinstance(other, int) else 1
    return all(
        other == size or (isinstance(other, int) and row * other > MAX_ADDRESSABLE_BYTES) for other in stop.operands
    )


@rule_with(single_use=False)
def slice_of_other_slice(x: Value, k: Axes, a: Shape, b: Shape, s: Axes, m: Axes, c: Shape, d: Shape, t: Axes) -> Value:
    """slice(slice(x, k, a, b, s), m, c, d, t) == slice(x, k + m, a + c, b + d, s + t) when k and m share no axis"""
    return slice_(slice_(x, axes=k, starts=a, stops=b, steps=s), axes=m, starts=c, stops=d, steps=t)


@slice_of_other_slice.condition
def _(match: Match) -> str | None:
    shared = set(cast("Axes", match.attributes["k"])) & set(cast("Axes", match.attributes["m"]))
    return NOT_NEAR if shared else None


@slice_of_other_slice.build
def _(x: Value, k: Axes, a: Shape, b: Shape, s: Axes, m: Axes, c: Shape, d: Shape, t: Axes) -> Value:
    order = sorted(zip((*k, *m), (*a, *c), (*b, *d), (*s, *t), strict=True), key=lambda each: each[0])
    axes, starts, stops, steps = zip(*order, strict=True)
    return slice_(x, axes=axes, starts=starts, stops=stops, steps=steps)


@rule_with(single_use=False)
def slice_of_repeated(x: Value, s: Shape, axes: Axes, a: Shape, b: Shape, t: Axes) -> Value:
    """slice(broadcast(x, s), axes) == broadcast(x, s with those axes cut) where x has one element along them"""
    return slice_(broadcast(x, shape=s), axes=axes, starts=a, stops=b, steps=t)


@slice_of_repeated.condition
def _(match: Match) -> str | None:
    x, shape = match.values["x"], cast("Shape", match.attributes["s"])
    own = (*(1 for _ in range(len(shape) - x.rank)), *x.shape)
    repeated = all(own[axis] == 1 for axis in cast("Axes", match.attributes["axes"]))
    return None if repeated else "it cuts along an axis that is not repeated"


@slice_of_repeated.build
def _(x: Value, match: Match, **_cut: object) -> Value:
    return broadcast(x, shape=match.nodes[0].outputs[0].shape)


@rule
def ones_before_repeat(x: Value, s: Shape, t: Shape) -> Value:
    """reshape(broadcast(reshape(x), s), t) == broadcast(reshape(x), t) where t is s with further axes of 1"""
    return reshape(broadcast(reshape.pattern(x), shape=s), shape=t)


@ones_before_repeat.condition
def _(match: Match) -> str | None:
    inner = match.nodes[2]
    if inner.inputs[1] is not None:
        return NOT_NEAR
    source = inner.outputs[0].shape
    held = _placed(source, cast("Shape", match.attributes["s"]), cast("Shape", match.attributes["t"]))
    return None if held is not None and _tells(match.values["x"], held) else NOT_NEAR


def _placed(source: Shape, repeated: Shape, wanted: Shape) -> Shape | None:
    """`source`, which is repeated to `repeated`, with the further axes of 1 that `wanted` has; None where others are.

    An axis of 1 is matched with one that is there already, as long as there are any.
    """
    own = (*(1 for _ in range(len(repeated) - len(source))), *source)
    made: list[Dim] = []
    place = 0
    for size in wanted:
        if place < len(repeated) and equal(repeated[place], size) is True:
            made.append(own[place])
            place += 1
        elif size == 1:
            made.append(1)
        else:
            return None
    return tuple(made) if place == len(repeated) and len(wanted) > len(repeated) else None


def _tells(x: Value, shape: Shape) -> bool:
    """Whether at most one size is not known, so that every format can say the reshape."""
    return sum(not isinstance(size, int) for size in shape) <= 1


@ones_before_repeat.build
def _(x: Value, s: Shape, t: Shape, match: Match) -> Value:
    held = _placed(match.nodes[2].outputs[0].shape, s, t)
    return broadcast(reshape(x, shape=cast("Shape", held)), shape=t)


RULES = (slice_of_whole_axes, slice_of_other_slice, slice_of_repeated, ones_before_repeat)
