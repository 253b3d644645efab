"""Matrix products with what is added to them, and recurrent layers without what they have anyway.

A matrix product and the addition behind it round twice, gemm once more or less: exact over the reals, and off by at
most one unit in the last place of the sum of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from xir.ir.builder import apply
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter
from xir.ops.elementwise import add
from xir.ops.matmul import gemm, matmul
from xir.passes._chains import made_by, scalar
from xir.passes._pattern import NOT_NEAR, Match, node_rule, rule_with


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


RULES = (addend_into_matmul, transpose_into_gemm, plain_recurrence)
