"""Transposes that meet around element-wise operators, and padding that a convolution can do itself; all bit-exact.

An element-wise operator computes each element alone, so it gives the same before and after elements are moved.
Every law here takes a transpose (or a padding) away, or moves one towards the results without adding any: there those
of all branches meet, and the laws of `xir.passes.algebra` join them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from xir.ir.builder import apply
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter
from xir.limits import MAX_FOLDED_BYTES
from xir.ops import activation, arithmetic, compare, elementwise, trigonometry
from xir.ops.constant import identity
from xir.ops.conv import conv
from xir.ops.shape import broadcast, pad, reshape, transpose
from xir.passes._pattern import NOT_NEAR, Match, either, node_rule, rule
from xir.passes.folding import SMALL_BYTES

Perm = tuple[int, ...]
Padding = tuple[tuple[int, int], ...]

MAX_STEPS = 16
"""How many element-wise operators may stand between two transposes that shall meet."""

UNARY = (
    activation.relu, activation.leaky_relu, activation.elu, activation.celu, activation.selu, activation.sigmoid,
    activation.tanh, activation.hard_sigmoid, activation.hard_swish, activation.softplus, activation.softsign,
    activation.swish, activation.mish, activation.gelu, activation.thresholded_relu,
    arithmetic.neg, arithmetic.abs_, arithmetic.sign, arithmetic.exp, arithmetic.log, arithmetic.sqrt,
    arithmetic.reciprocal, compare.logical_not,
    elementwise.floor, elementwise.ceil, elementwise.round_, elementwise.cast, elementwise.clip, elementwise.is_nan,
    elementwise.is_inf, trigonometry.erf, trigonometry.sin, trigonometry.cos, trigonometry.tan, trigonometry.asin,
    trigonometry.acos, trigonometry.atan, trigonometry.sinh, trigonometry.cosh, trigonometry.asinh, trigonometry.acosh,
    trigonometry.atanh, identity,
)  # fmt: skip
"""Operators of one operand that compute each element alone."""

BINARY = (
    arithmetic.add, arithmetic.sub, arithmetic.mul, arithmetic.div, arithmetic.pow_, arithmetic.minimum,
    arithmetic.maximum, arithmetic.mod, activation.prelu,
    compare.equal, compare.not_equal, compare.less, compare.less_equal, compare.greater, compare.greater_equal,
    compare.logical_and, compare.logical_or, compare.logical_xor,
)  # fmt: skip
"""Operators of two operands of one shape that compute each element alone."""

_UNARY_NAMES = frozenset(each.name for each in UNARY)


@rule
def transposes_meet(x: Value, q: Perm) -> Value:
    """transpose(f(transpose(x, p)), q) == f(transpose(x, p[q])) for a chain f of element-wise operators"""
    return transpose(either(*(each.pattern(x) for each in UNARY)), perm=q)


@transposes_meet.condition
def _(match: Match) -> str | None:
    *between, first = _chain(match.nodes[1])
    if first.op.name != "transpose":
        return NOT_NEAR
    for node in (*between, first):
        readers = match.rewriter.uses(node.outputs[0])
        if readers > 1:
            return f"the result of {node.op.name} has {readers} readers"
    match.nodes += [*between[1:], first]
    return None


@transposes_meet.build
def _(x: Value, q: Perm, match: Match) -> Value:
    *between, first = match.nodes[1:]
    (inner,) = first.inputs
    p = first.attributes["perm"]
    if inner is None or not isinstance(p, tuple):
        raise TypeError("the condition lets nothing pass but a chain that begins with a transpose")
    both = tuple(p[axis] for axis in q)
    value = inner if both == tuple(range(len(both))) else apply(first.op, (inner,), {"perm": both}).outputs[0]
    for node in reversed(between):
        (value,) = apply(node.op, (value,), node.attributes).outputs
    return value


def _chain(node: Node) -> Iterator[Node]:
    """`node` and what it reads, as far as that is element-wise, and the node where it ends."""
    for _ in range(MAX_STEPS):
        yield node
        before = node.inputs[0]
        if node.op.name not in _UNARY_NAMES or before is None or before.node is None:
            return
        node = before.node
    yield node


@rule
def transposes_join(x: Value, y: Value, p: Perm) -> Value:
    """f(transpose(x, p), transpose(y, p)) == transpose(f(x, y), p) for an element-wise operator f"""
    left, right = transpose(x, perm=p), transpose(y, perm=p)
    return either(*(each.pattern(left, right) for each in BINARY))


@transposes_join.condition
def _(match: Match) -> str | None:
    return NOT_NEAR if match.nodes[1] is match.nodes[2] else None


@transposes_join.build
def _(x: Value, y: Value, p: Perm, match: Match) -> Value:
    (made,) = apply(match.nodes[0].op, (x, y), match.nodes[0].attributes).outputs
    return transpose(made, perm=p)


@rule
def transpose_later(x: Value, p: Perm) -> Value:
    """f(transpose(x, p)) == transpose(f(x), p) for an element-wise operator f"""
    return either(*(each.pattern(transpose(x, perm=p)) for each in UNARY))


@transpose_later.build
def _(x: Value, p: Perm, match: Match) -> Value:
    (made,) = apply(match.nodes[0].op, (x,), match.nodes[0].attributes).outputs
    return transpose(made, perm=p)


@node_rule(*(each.name for each in BINARY))
def transpose_both_later(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """f(transpose(x, p), y) == transpose(f(x, y'), p): y' is x' of y = transpose(x', p), or a known y moved back"""
    moved = [_transposed(value) for value in node.inputs]
    perms = [each.attributes["perm"] for each in moved if each is not None]
    if not perms or any(perm != perms[0] for perm in perms):
        return None
    if all(rewriter.uses(each.outputs[0]) > 1 for each in moved if each is not None):
        return "every transpose has several readers"
    for value, each in zip(node.inputs, moved, strict=True):
        if each is None and not _is_known(value, rewriter):
            return "the other operand is neither transposed nor known"
    return (node, *dict.fromkeys(each for each in moved if each is not None))


def _transposed(value: Value | None) -> Node | None:
    made = None if value is None else value.node
    return made if made is not None and made.op is transpose else None


def _is_known(value: Value | None, rewriter: Rewriter) -> bool:
    """Whether the value is a constant, or one repeated, that folding will move: large ones have no other reader."""
    if value is None:
        return False
    if value.node is not None and value.node.op is broadcast and value.node.inputs[1] is None:
        value = cast("Value", value.node.inputs[0])
    held = rewriter.constant_of(value)
    if held is None or held.nbytes > MAX_FOLDED_BYTES:
        return False
    return held.nbytes <= SMALL_BYTES or rewriter.uses(value) == 1


@transpose_both_later.build
def _(match: Match) -> Value:
    node, first, *_ = match.nodes
    perm = cast("Perm", first.attributes["perm"])
    back = tuple(perm.index(axis) for axis in range(len(perm)))
    operands: list[Value | None] = []
    for value in node.inputs:
        moved = _transposed(value)
        operands.append(_moved_back(cast("Value", value), back) if moved is None else moved.inputs[0])
    (made,) = apply(node.op, tuple(operands), node.attributes).outputs
    return transpose(made, perm=perm)


def _moved_back(value: Value, back: Perm) -> Value:
    """A constant transposed; one that is repeated is transposed before it is."""
    if value.node is None or value.node.op is not broadcast:
        return transpose(value, perm=back)
    base = cast("Value", value.node.inputs[0])
    shape = tuple(value.shape[axis] for axis in back)
    if base.rank == 0:
        return broadcast(base, shape=shape)
    aligned = base if base.rank == value.rank else reshape(base, shape=(*(1,) * (value.rank - base.rank), *base.shape))
    return broadcast(transpose(aligned, perm=back), shape=shape)


@node_rule("concat")
def transposes_join_in_concat(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """concat(transpose(x, p), transpose(y, p), axis) == transpose(concat(x, y, p[axis]), p)"""
    moved = [_transposed(value) for value in node.inputs]
    made = [each for each in moved if each is not None]
    if len(made) < len(moved) or any(each.attributes != made[0].attributes for each in made):
        return None
    if all(rewriter.uses(each.outputs[0]) > 1 for each in made):
        return "every transpose has several readers"
    return (node, *dict.fromkeys(made))


@transposes_join_in_concat.build
def _(match: Match) -> Value:
    node, first, *_ = match.nodes
    perm = cast("Perm", first.attributes["perm"])
    operands = (cast("Node", _transposed(value)).inputs[0] for value in node.inputs)
    joined = apply(node.op, tuple(operands), {"axis": perm[cast("int", node.attributes["axis"])]})
    return transpose(joined.outputs[0], perm=perm)


@rule
def padding_into_conv(x: Value, w: Value, b: Value, p: Padding) -> Value:
    """conv(pad(x, p), padding=q) == conv(x, padding=p + q) where p adds zeros to spatial axes"""
    padded = pad(x, padding=p)
    return either(conv.pattern(padded, w), conv.pattern(padded, w, b))


@padding_into_conv.condition
def _(match: Match) -> str | None:
    node, p = match.nodes[0], match.attributes["p"]
    if not isinstance(p, tuple) or p[:2] != ((0, 0), (0, 0)):
        return "channels or pictures are padded too"
    dilation = node.attributes["input_dilation"]
    if not isinstance(dilation, tuple) or any(step != 1 for step in dilation):
        return "conv puts gaps between the padded elements"
    if any(not isinstance(size, int) or size < 0 for pair in (*p, *_own_padding(node)) for size in _sizes(pair)):
        return "the padding cuts off, or is not known"
    return None


def _own_padding(node: Node) -> tuple[object, ...]:
    padding = node.attributes["padding"]
    return padding if isinstance(padding, tuple) else ()


def _sizes(pair: object) -> tuple[object, ...]:
    return cast("tuple[object, ...]", pair) if isinstance(pair, tuple) else (None,)


@padding_into_conv.build
def _(x: Value, p: Padding, match: Match, **_weights: Value) -> Value:
    node = match.nodes[0]
    own = [(first, last) for first, last in map(_sizes, _own_padding(node))]
    joined = tuple(
        (before + first, after + last)
        for (before, after), (first, last) in zip(p[2:], own, strict=True)
        if isinstance(first, int) and isinstance(last, int)
    )
    (made,) = apply(node.op, (x, *node.inputs[1:]), {**node.attributes, "padding": joined}).outputs
    return made


RULES = (
    transposes_meet,
    transposes_join,
    transpose_later,
    transpose_both_later,
    transposes_join_in_concat,
    padding_into_conv,
)
