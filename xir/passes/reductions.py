"""Sums of squares, magnitudes and powers become one reduction, and numbers that follow one another become one.

Each law holds over the reals. A sum of n terms that are rounded once more or less is off by at most (n + 2) u times
the sum of the magnitudes (u half a unit in the last place); two numbers that become one are rounded once, not twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from xir.ir.constant import constant_of
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter
from xir.ir.types import DType
from xir.ops.constant import constant
from xir.ops.elementwise import abs_, add, exp, log, mul, sqrt
from xir.ops.reduce import reduce_l1, reduce_l2, reduce_log_sum_exp, reduce_sum, reduce_sum_square
from xir.ops.shape import broadcast
from xir.passes._chains import with_number
from xir.passes._pattern import NOT_NEAR, Match, Rule, node_rule, rule_with
from xir.passes._weights import normal_range

Axes = tuple[int, ...]


def _in_f32(match: Match) -> str | None:
    """Runtimes have these reductions in f32; of other types they have the sum alone (onnxruntime, reduction_ops.cc)."""
    return None if match.values["x"].dtype is DType.FLOAT32 and match.attributes["axes"] else NOT_NEAR


@rule_with(exact=False)
def sum_of_squares(x: Value, axes: Axes, keep: bool) -> Value:
    """reduce_sum(x * x) == reduce_sum_square(x)"""
    return reduce_sum(mul(x, x), axes=axes, keep_dims=keep)


@sum_of_squares.build
def _(x: Value, axes: Axes, keep: bool) -> Value:
    return reduce_sum_square(x, axes=axes, keep_dims=keep)


@rule_with(exact=False)
def root_of_squares(x: Value, axes: Axes, keep: bool) -> Value:
    """sqrt(reduce_sum_square(x)) == reduce_l2(x)"""
    return sqrt(reduce_sum_square(x, axes=axes, keep_dims=keep))


@root_of_squares.build
def _(x: Value, axes: Axes, keep: bool) -> Value:
    return reduce_l2(x, axes=axes, keep_dims=keep)


@rule_with(exact=False)
def sum_of_magnitudes(x: Value, axes: Axes, keep: bool) -> Value:
    """reduce_sum(abs(x)) == reduce_l1(x)"""
    return reduce_sum(abs_(x), axes=axes, keep_dims=keep)


@sum_of_magnitudes.build
def _(x: Value, axes: Axes, keep: bool) -> Value:
    return reduce_l1(x, axes=axes, keep_dims=keep)


@rule_with(exact=False)
def log_of_powers(x: Value, axes: Axes, keep: bool) -> Value:
    """log(reduce_sum(exp(x))) == reduce_log_sum_exp(x), which does not overflow"""
    return log(reduce_sum(exp(x), axes=axes, keep_dims=keep))


@log_of_powers.build
def _(x: Value, axes: Axes, keep: bool) -> Value:
    return reduce_log_sum_exp(x, axes=axes, keep_dims=keep)


for _rule in (sum_of_squares, root_of_squares, sum_of_magnitudes, log_of_powers):
    _rule.condition(_in_f32)


def _two(node: Node, rewriter: Rewriter) -> tuple[Node, Value, float] | None:
    """The inner node, what it reads, and the one number, where two of one kind follow one another."""
    kind = node.op.name
    outer = with_number(node.outputs[0], kind, rewriter)
    inner = None if outer is None else with_number(outer[1], kind, rewriter)
    if outer is None or inner is None:
        return None
    number = outer[2] * inner[2] if kind == "mul" else outer[2] + inner[2]
    return inner[0], inner[1], number


@node_rule("mul", "add", exact=False)
def numbers_meet(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """X * a * b == x * (a * b), and x + a + b == x + (a + b)"""
    found = _two(node, rewriter) if node.outputs[0].dtype.is_floating else None
    if found is None:
        return None
    readers = rewriter.uses(found[0].outputs[0])
    if readers > 1:
        return f"the result of {node.op.name} has {readers} readers"
    least, most = normal_range(node.outputs[0].dtype)
    return (node, found[0]) if least <= abs(found[2]) <= most else "the one number would leave the range of the type"


@numbers_meet.build
def _(match: Match) -> Value:
    node = match.nodes[0]
    _, x, number = cast("tuple[Node, Value, float]", _two(node, match.rewriter))
    held = broadcast(constant(value=constant_of(_one(number), x.dtype)), shape=node.outputs[0].shape)
    wide = x if x.shape == held.shape else broadcast(x, shape=held.shape)
    return mul(wide, held) if node.op is mul else add(wide, held)


def _one(number: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(number, np.float64)


RULES: tuple[Rule, ...] = (sum_of_squares, root_of_squares, sum_of_magnitudes, log_of_powers, numbers_meet)
