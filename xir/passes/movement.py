"""Transposes that meet around element-wise operators, and padding that a convolution can do itself; all bit-exact.

An element-wise operator computes each element alone, so it gives the same before and after elements are moved.
Every law here takes a transpose (or a padding) away; none only shifts one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from xir.ir.builder import apply
from xir.ir.node import Node, Value
from xir.ops import activation, arithmetic, compare, elementwise, trigonometry
from xir.ops.constant import identity
from xir.ops.conv import conv
from xir.ops.shape import pad, transpose
from xir.passes._pattern import NOT_NEAR, Match, either, rule

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


RULES = (transposes_meet, transposes_join, padding_into_conv)
