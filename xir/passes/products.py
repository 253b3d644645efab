"""Matrix products with what is added to them, and recurrent layers without what they have anyway.

A matrix product and the addition behind it round twice, gemm once more or less: exact over the reals, and off by at
most one unit in the last place of the sum of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from xir.ir.builder import apply
from xir.ir.constant import Constant, constant_of
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter
from xir.ops.elementwise import add
from xir.ops.matmul import gemm, matmul
from xir.ops.shape import reshape
from xir.passes._chains import SMALL_BYTES, made_by, scalar
from xir.passes._elementwise import UNARY
from xir.passes._pattern import NOT_NEAR, Match, node_rule, rule_with

Axes = tuple[int, ...]


@rule_with(exact=False)
def addend_into_matmul(a: Value, b: Value, c: Value) -> Value:
    """matmul(a, b) + c == gemm(a, b, c) for matrices"""
    return add(matmul(a, b), c)


@addend_into_matmul.condition
def _(match: Match) -> str | None:
    matrices = all(match.values[name].rank == 2 for name in "abc")
    return None if matrices and match.values["a"].dtype.is_floating else NOT_NEAR


@addend_into_matmul.build
def _(a: Value, b: Value, c: Value) -> Value:
    return gemm(a, b, c, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=False)


@node_rule("gemm")
def transpose_into_gemm(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """gemm(transpose(a), b, c) == gemm(a, b, c) {transpose_a}, and so for b"""
    made = _transposed(node)
    if not made:
        return None
    if all(rewriter.uses(each.outputs[0]) > 1 for each in made):
        return "every transpose has several readers"
    return (node, *dict.fromkeys(made))


def _transposed(node: Node) -> list[Node]:
    found = (made_by(value, "transpose") for value in node.inputs[:2])
    return [each for each in found if each is not None and each.attributes["perm"] == (1, 0)]


@transpose_into_gemm.build
def _(match: Match) -> Value:
    node, *made = match.nodes
    inputs, attributes = list(node.inputs), dict(node.attributes)
    for place, name in enumerate(("transpose_a", "transpose_b")):
        value = inputs[place]
        if value is not None and value.node in made:
            inputs[place] = value.node.inputs[0]
            attributes[name] = not attributes[name]
    return apply(node.op, tuple(inputs), attributes).outputs[0]


MAX_STEPS = 16
"""How many element-wise operators may stand between a layer and the flattening before it."""

_ALONE = frozenset(each.name for each in UNARY)


@node_rule("gemm", "matmul", exact=False)
def transpose_into_rows(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """matmul(flatten(transpose(x, p)), w) == matmul(flatten(x), w with its rows reordered), and so for gemm

    Element-wise operators may stand between the flattening and the product. It adds in another order: off by rounding.
    """
    chain = [node]
    while chain[-1] is node or (chain[-1].op.name in _ALONE and len(chain) <= MAX_STEPS):
        before = made_by(chain[-1].inputs[0], "reshape", *_ALONE)
        if before is None:
            return None
        chain.append(before)
    flat = chain[-1]
    turned = made_by(flat.inputs[0], "transpose")
    if turned is None or flat.op.name != "reshape" or not _flattens(flat) or cast("Axes", turned.attributes["perm"])[0]:
        return None
    chain.append(turned)
    if any(rewriter.uses(each.outputs[0]) > 1 for each in chain[1:-1]):
        return "what is flattened has several readers"
    w = cast("Value", node.inputs[1])
    held = rewriter.constant_of(w)
    if held is None or node.attributes.get("transpose_a"):
        return "the weights are not constant, or their partner is transposed too"
    if held.nbytes > SMALL_BYTES and rewriter.uses(w) > 1:
        return "the weights have several readers"
    return chain


def _flattens(node: Node) -> bool:
    """Whether a reshape puts all axes but the first together, and knows their sizes."""
    before, after = cast("Value", node.inputs[0]).shape, node.outputs[0].shape
    known = all(isinstance(size, int) for size in before[1:])
    return node.inputs[1] is None and len(after) == 2 and known and before[0] == after[0]


@transpose_into_rows.build
def _(match: Match) -> Value:
    node, *between, flat, turned = match.nodes
    perm = cast("Axes", turned.attributes["perm"])
    value = reshape(cast("Value", turned.inputs[0]), shape=flat.outputs[0].shape)
    for each in reversed(between):
        (value,) = apply(each.op, (value,), each.attributes).outputs
    w = cast("Value", node.inputs[1])
    rows = 1 if node.attributes.get("transpose_b") else 0
    sizes = cast("Axes", turned.outputs[0].shape[1:])
    array = np.moveaxis(cast("Constant", match.rewriter.constant_of(w)).array(), rows, 0)
    order = tuple(perm.index(axis) - 1 for axis in range(1, len(perm)))
    moved = array.reshape(*sizes, -1).transpose(*order, len(sizes)).reshape(array.shape)
    made = match.rewriter.parameter(
        constant_of(np.ascontiguousarray(np.moveaxis(moved, 0, rows))),
        match.rewriter.name_of(w) or f"{node.op.name}.weight",
        trainable=match.rewriter.is_trainable(w),
    )
    return apply(node.op, (value, made, *node.inputs[2:]), node.attributes).outputs[0]


_STATES = {"lstm": (5, 6), "gru": (5,), "rnn": (5,)}
"""Which operands of recurrent layers are states before the first step, 0 where they are absent."""


def _left_out(node: Node, rewriter: Rewriter) -> list[int]:
    """Places of operands that say what holds without them."""
    zeros = [
        place
        for place in _STATES[node.op.name]
        if (number := scalar(node.inputs[place], rewriter)) == 0 and not np.signbit(number)
    ]
    held = None if node.inputs[4] is None else rewriter.constant_of(node.inputs[4])
    steps = cast("Value", node.inputs[0]).shape[0]
    whole = held is not None and isinstance(steps, int) and bool((held.array() == steps).all())
    return [*zeros, *([4] if whole else [])]


@node_rule(*_STATES)
def plain_recurrence(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """lstm(x, lengths, h, c) == lstm(x) when all sequences have all steps and the states begin as 0; so gru and rnn"""
    return (node,) if _left_out(node, rewriter) else None


@plain_recurrence.build
def _(match: Match) -> Sequence[Value]:
    (node,) = match.nodes
    dropped = _left_out(node, match.rewriter)
    inputs = tuple(None if place in dropped else value for place, value in enumerate(node.inputs))
    return apply(node.op, inputs, node.attributes).outputs


RULES = (addend_into_matmul, transpose_into_gemm, transpose_into_rows, plain_recurrence)
