"""Neighbours that become one operator, and work that is done on fewer elements; every law is bit-exact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from xir.ir.builder import apply
from xir.ir.dims import Dim, Shape
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter
from xir.ir.types import DType
from xir.ops.activation import relu
from xir.ops.elementwise import cast as cast_op
from xir.ops.elementwise import clip, select
from xir.ops.reduce import reduce_max, reduce_min
from xir.ops.shape import broadcast, concat, pad, slice_
from xir.passes._elementwise import BINARY, UNARY
from xir.passes._pattern import NOT_NEAR, Match, either, node_rule, rule, rule_with

Axes = tuple[int, ...]
Bounds = tuple[float, float]
Padding = tuple[tuple[int, int], ...]

EXACT_BITS = {DType.FLOAT16: 11, DType.BFLOAT16: 8, DType.FLOAT32: 24, DType.FLOAT64: 53}
"""Significant bits of floats (IEEE 754-2008, table 3.5; bfloat16): whole numbers of so many bits are exact."""

_WIDER = {
    DType.FLOAT16: (DType.FLOAT32, DType.FLOAT64),
    DType.BFLOAT16: (DType.FLOAT32, DType.FLOAT64),
    DType.FLOAT32: (DType.FLOAT64,),
}
"""Floats that hold every number of another."""


@node_rule("concat")
def concat_of_concats(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """concat(x, concat(y, z)) == concat(x, y, z) along one axis"""
    if _read_by_concat(rewriter, node):
        return None
    inner = _inner(node, rewriter)
    if inner:
        return (node, *inner)
    shared = [each for each in _makers(node) if each.op is concat and each.attributes == node.attributes]
    return f"the result of concat has {rewriter.uses(shared[0].outputs[0])} readers" if shared else None


def _read_by_concat(rewriter: Rewriter, node: Node) -> bool:
    """Whether the only reader joins all this with more: then that does it, and a chain is taken apart once."""
    made = node.outputs[0] if rewriter.current is None else rewriter.current.outputs[0]
    readers = rewriter.graph.users.get(made, ())
    return len(readers) == 1 and _alike(readers[0][0], node) and made not in rewriter.graph.outputs


def _alike(one: Node, other: Node) -> bool:
    return one.op is concat and other.op is concat and one.attributes == other.attributes


def _inner(node: Node, rewriter: Rewriter) -> list[Node]:
    """The nodes along the same axis that nothing but `node`, or another of them, reads."""
    found: list[Node] = []
    waiting = [node]
    while waiting:
        for each in _makers(waiting.pop()):
            if _alike(each, node) and rewriter.uses(each.outputs[0]) == 1:
                found.append(each)
                waiting.append(each)
    return found


@concat_of_concats.build
def _(match: Match) -> Value:
    node, *inner = match.nodes
    joined = dict.fromkeys(inner)
    operands: list[Value | None] = []
    waiting: list[Value | None] = list(reversed(node.inputs))
    while waiting:
        value = waiting.pop()
        if value is not None and value.node is not None and value.node in joined:
            waiting += reversed(value.node.inputs)
        else:
            operands.append(value)
    return apply(node.op, tuple(operands), node.attributes).outputs[0]


def _makers(node: Node) -> list[Node]:
    """The nodes that make a node's operands."""
    return [value.node for value in node.inputs if value is not None and value.node is not None]


@node_rule("concat")
def concat_of_split(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """concat(split(x)) == x when all pieces stand in their order along the same axis"""
    first = node.inputs[0]
    cut = None if first is None else first.node
    if cut is None or cut.op.name != "split" or cut.outputs != node.inputs:
        return None
    return (node, cut) if cut.attributes["axis"] == node.attributes["axis"] else None


@concat_of_split.build
def _(match: Match) -> Value:
    return cast("Value", match.nodes[1].inputs[0])


@rule_with(single_use=False)
def slice_of_slice(x: Value, axes: Axes, a: Shape, b: Shape, s: Axes, c: Shape, d: Shape, t: Axes) -> Value:
    """slice(slice(x, a, b, s), c, d, t) == slice(x, a + c * s, the end of the last element, s * t) on the same axes"""
    inner = slice_(x, axes=axes, starts=a, stops=b, steps=s)
    return slice_(inner, axes=axes, starts=c, stops=d, steps=t)


@slice_of_slice.condition
def _(match: Match) -> str | None:
    steps = (*cast("Axes", match.attributes["s"]), *cast("Axes", match.attributes["t"]))
    held = (size for name in "acd" for size in cast("Shape", match.attributes[name]))
    if any(step != 1 for step in steps) and not all(isinstance(size, int) for size in held):
        return "steps are taken over sizes that are not known"
    return None


@slice_of_slice.build
def _(x: Value, axes: Axes, a: Shape, b: Shape, s: Axes, c: Shape, d: Shape, t: Axes) -> Value:
    starts: list[Dim] = []
    stops: list[Dim] = []
    for first, step, start, stop, stride in zip(a, s, c, d, t, strict=True):
        starts.append(first + start * step)
        last = stop - 1 if stride == 1 else stop - 1 - (stop - 1 - start) % stride
        stops.append(first + last * step + 1 if step != 1 or stride != 1 else first + stop)
    ends = tuple(
        max(m, n) if isinstance(m, int) and isinstance(n, int) else n for m, n in zip(starts, stops, strict=True)
    )
    steps = tuple(m * n for m, n in zip(s, t, strict=True))
    return slice_(x, axes=axes, starts=tuple(starts), stops=ends, steps=steps)


@node_rule("slice")
def slice_of_concat(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """slice(concat(x, y, ...)) == slice of the one operand in which it lies"""
    joined = node.inputs[0]
    made = None if joined is None else joined.node
    if made is None or made.op is not concat or any(value is not None for value in node.inputs[1:]):
        return None
    if made.attributes["axis"] not in cast("Axes", node.attributes["axes"]):
        return None
    return (node, made) if _piece(node, made) is not None else "it reaches over several operands of concat"


def _piece(node: Node, made: Node) -> tuple[Value, int] | None:
    """The operand of the concat `made` in which the slice `node` lies, and where that begins."""
    place = cast("Axes", node.attributes["axes"]).index(cast("int", made.attributes["axis"]))
    first, last = (cast("Shape", node.attributes[name])[place] for name in ("starts", "stops"))
    begin = 0
    for value in made.inputs:
        size = None if value is None else value.shape[cast("int", made.attributes["axis"])]
        if value is None or not isinstance(size, int) or not isinstance(first, int) or not isinstance(last, int):
            return None
        if begin <= first < last <= begin + size:
            return value, begin
        begin += size
    return None


@slice_of_concat.build
def _(match: Match) -> Value:
    node, made = match.nodes
    value, begin = cast("tuple[Value, int]", _piece(node, made))
    place = cast("Axes", node.attributes["axes"]).index(cast("int", made.attributes["axis"]))
    moved = {
        name: tuple(size - begin if index == place else size for index, size in enumerate(sizes))
        for name in ("starts", "stops")
        if (sizes := cast("Shape", node.attributes[name]))
    }
    return apply(node.op, (value, None, None), {**node.attributes, **moved}).outputs[0]


@rule_with(single_use=False)
def double_cast(x: Value, a: DType, b: DType) -> Value:
    """cast(cast(x, a), b) == cast(x, b) when a holds every number of x, and b does not cut floats to whole numbers"""
    return cast_op(cast_op(x, dtype=a), dtype=b)


@double_cast.condition
def _(match: Match) -> str | None:
    x, a, b = match.values["x"].dtype, match.attributes["a"], match.attributes["b"]
    if not isinstance(a, DType) or not isinstance(b, DType) or not _holds(a, x):
        return f"{a} does not hold every {x}"
    if b.is_integer and (a.is_floating or x.is_floating):
        return "floats are cut to whole numbers"
    return None


def _holds(wide: DType, narrow: DType) -> bool:
    """Whether `wide` has every number of `narrow`."""
    if narrow is DType.BOOL:
        return wide.is_integer or wide in EXACT_BITS
    if narrow.is_integer and wide in EXACT_BITS:
        return narrow.bits - narrow.is_signed <= EXACT_BITS[wide]
    if narrow.is_integer and wide.is_integer:
        room = wide.bits - wide.is_signed - (narrow.bits - narrow.is_signed)
        return room >= 0 and (wide.is_signed or not narrow.is_signed)
    return wide is narrow or wide in _WIDER.get(narrow, ())


@double_cast.build
def _(x: Value, a: DType, b: DType) -> Value:
    return cast_op(x, dtype=b)


@rule_with(single_use=False)
def clips_join(x: Value) -> Value:
    """clip(clip(x, a, b), c, d) == clip(x, a clipped to [c, d], b clipped to [c, d]); relu is clip(x, 0, infinity)"""
    return either(clip.pattern(clip.pattern(x)), clip.pattern(relu(x)), relu(clip.pattern(x)))


@clips_join.condition
def _(match: Match) -> str | None:
    for low, high in map(_bounds, match.nodes):
        if not low <= high:
            return "a lower bound is above the upper one"
    return None if match.values["x"].dtype.is_floating else NOT_NEAR


def _bounds(node: Node) -> Bounds:
    """The range that a clip or a relu leaves."""
    if node.op is relu:
        return 0.0, float("inf")
    low, high = (cast("float | None", node.attributes[name]) for name in ("minimum", "maximum"))
    return (-float("inf") if low is None else low), (float("inf") if high is None else high)


@clips_join.build
def _(x: Value, match: Match) -> Value:
    (c, d), (a, b) = map(_bounds, match.nodes)
    low, high = min(max(a, c), d), max(min(b, d), c)
    return clip(x, minimum=None if low == -float("inf") else low, maximum=None if high == float("inf") else high)


@rule
def pad_of_pad(x: Value, p: Padding, q: Padding, value: float) -> Value:
    """pad(pad(x, p), q) == pad(x, p + q) with one value, where neither cuts off"""
    return pad(pad(x, padding=p, value=value), padding=q, value=value)


@pad_of_pad.condition
def _(match: Match) -> str | None:
    amounts = (size for name in "pq" for pair in cast("Padding", match.attributes[name]) for size in pair)
    return "the padding cuts off" if any(size < 0 for size in amounts) else None


@pad_of_pad.build
def _(x: Value, p: Padding, q: Padding, value: float) -> Value:
    padding = tuple((a + c, b + d) for (a, b), (c, d) in zip(p, q, strict=True))
    return pad(x, padding=padding, value=value)


@rule
def repeat_later(x: Value, s: Shape) -> Value:
    """f(broadcast(x, s)) == broadcast(f(x), s) for an element-wise operator f"""
    return either(*(each.pattern(broadcast(x, shape=s)) for each in UNARY))


@repeat_later.build
def _(x: Value, s: Shape, match: Match) -> Value:
    (made,) = apply(match.nodes[0].op, (x,), match.nodes[0].attributes).outputs
    return broadcast(made, shape=s)


@rule
def repeat_both_later(x: Value, y: Value, s: Shape) -> Value:
    """f(broadcast(x, s), broadcast(y, s)) == broadcast(f(x, y), s) when x and y have one shape, or one is a number"""
    return either(*(each.pattern(broadcast(x, shape=s), broadcast(y, shape=s)) for each in BINARY))


@repeat_both_later.condition
def _(match: Match) -> str | None:
    one, other = match.values["x"].shape, match.values["y"].shape
    return None if one == other or () in (one, other) else NOT_NEAR


@repeat_both_later.build
def _(x: Value, y: Value, s: Shape, match: Match) -> Value:
    shape = x.shape or y.shape
    operands = tuple(each if each.shape == shape else broadcast(each, shape=shape) for each in (x, y))
    (made,) = apply(match.nodes[0].op, operands, match.nodes[0].attributes).outputs
    return broadcast(made, shape=s)


@rule_with(single_use=False)
def choose_before_repeating(c: Value, x: Value, y: Value, s: Shape) -> Value:
    """select(broadcast(c, s), broadcast(x, s), broadcast(y, s)) == broadcast(select(c, x, y), s) of numbers x, y"""
    return select(broadcast(c, shape=s), broadcast(x, shape=s), broadcast(y, shape=s))


@choose_before_repeating.condition
def _(match: Match) -> str | None:
    return None if all(match.values[name].shape == () for name in "xy") else NOT_NEAR


@choose_before_repeating.build
def _(c: Value, x: Value, y: Value, s: Shape) -> Value:
    one, other = (broadcast(each, shape=c.shape) for each in (x, y))
    return broadcast(select(c, one, other), shape=s)


@rule_with(single_use=False)
def reduce_before_repeating(x: Value, s: Shape) -> Value:
    """reduce(broadcast(x, s)) == broadcast(reduce(x)) for maximum and minimum over axes that x has in full"""
    return either(*(each.pattern(broadcast(x, shape=s)) for each in (reduce_max, reduce_min)))


@reduce_before_repeating.condition
def _(match: Match) -> str | None:
    held, repeated = match.values["x"].shape, cast("Shape", match.attributes["s"])
    missing = len(repeated) - len(held)
    axes = cast("Axes", match.nodes[0].attributes["axes"])
    whole = all(axis >= missing and held[axis - missing] == repeated[axis] for axis in axes)
    return None if whole else "an axis is repeated before it is reduced"


@reduce_before_repeating.build
def _(x: Value, s: Shape, match: Match) -> Value:
    node, missing = match.nodes[0], len(s) - x.rank
    axes = tuple(axis - missing for axis in cast("Axes", node.attributes["axes"]))
    (made,) = apply(node.op, (x,), {**node.attributes, "axes": axes}).outputs
    return broadcast(made, shape=node.outputs[0].shape)


RULES = (
    concat_of_concats,
    concat_of_split,
    slice_of_slice,
    slice_of_concat,
    double_cast,
    clips_join,
    pad_of_pad,
    repeat_later,
    repeat_both_later,
    choose_before_repeating,
    reduce_before_repeating,
)
