"""Formulas that are an activation become it: gelu, swish, mish, softplus, hard sigmoid, hard swish.

Each law holds over the reals. The formula rounds after every operation and its constants are rounded numbers (within
`CLOSE_UNITS` units in the last place of those that they stand for), so the results differ by a few units in the last
place of the largest intermediate: at most 32 u times max(|x|, |y|), u half a unit in the last place.

An activation that a target does not have comes apart into the same operators, never into more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter
from xir.ops.activation import gelu, hard_sigmoid, hard_swish, mish, softplus, swish
from xir.passes._chains import Product, close, made_by, private, product_of, same_values, scalar, with_number
from xir.passes._pattern import Match, NodeRule, node_rule

Made = tuple[list[Node], Callable[[], Value]]
"""The matched nodes, the root first, and what builds the result."""

READ = "other operators read a part of the formula"
"""Why a formula is kept."""

_CUBE = 0.044715
"""The factor of the cube in the gelu by tanh (Hendrycks and Gimpel 2016, section 2)."""


def _formula(find: Callable[[Node, Rewriter], Made | None], *roots: str) -> NodeRule:
    """A rule whose pattern and result are told by one function, whose docstring is the law."""

    def found(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
        made = find(node, rewriter) if node.outputs[0].dtype.is_floating else None
        if made is None:
            return None
        return made[0] if private(made[0], rewriter) else READ

    found.__name__, found.__doc__ = find.__name__, find.__doc__
    law = node_rule(*roots, exact=False)(found)

    @law.build
    def _(match: Match) -> Value:
        made = find(match.nodes[0], match.rewriter)
        if made is None:
            raise TypeError(f"{find.__name__} matched and does not any more")
        return made[1]()

    return law


def _whole(node: Node, rewriter: Rewriter) -> Product:
    return product_of(node.outputs[0], rewriter, root=True)


def _gated(node: Node, rewriter: Rewriter, *kinds: str) -> tuple[Product, Value, Node] | None:
    """`node` as a product of some x, of a result of an operator of `kinds`, and of a number."""
    product = _whole(node, rewriter)
    if len(product.values) != 2:
        return None
    for x, gate in (product.values, product.values[::-1]):
        made = made_by(gate, *kinds)
        if made is not None:
            return product, x, made
    return None


def _half_gated(node: Node, kind: str, rewriter: Rewriter) -> tuple[Value, list[Node], Product] | None:
    """Some x, the nodes, and u, where `node` is x / 2 * (1 + kind(u)); kind(-u) is -kind(u)."""
    held = _gated(node, rewriter, "add", "sub")
    if held is None or not close(held[0].factor, 0.5, held[1].dtype):
        return None
    product, x, gate = held
    if gate.op.name == "add":
        one = with_number(gate.outputs[0], "add", rewriter)
        number, other = (None, None) if one is None else (one[2], one[1])
    else:
        number, other = scalar(gate.inputs[0], rewriter), gate.inputs[1]
    inner = made_by(other, kind)
    if inner is None or number != 1:
        return None
    argument = product_of(cast("Value", inner.inputs[0]), rewriter)
    if gate.op.name == "sub":
        argument.factor = -argument.factor
    return x, [*product.nodes, gate, inner, *argument.nodes], argument


def gelu_by_erf(node: Node, rewriter: Rewriter) -> Made | None:
    """X / 2 * (1 + erf(x / sqrt(2))) == gelu(x), and so with 1 - erf(-x / sqrt(2)), TensorFlow's erfc (nn_ops.py)"""
    held = _half_gated(node, "erf", rewriter)
    if held is None:
        return None
    x, nodes, argument = held
    if not same_values(argument.values, [x]) or not close(argument.factor, math.sqrt(0.5), x.dtype):
        return None
    return nodes, lambda: gelu(x, approximation="none")


def gelu_by_tanh(node: Node, rewriter: Rewriter) -> Made | None:
    """X / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) == gelu(x) {approximation=tanh}"""
    held = _half_gated(node, "tanh", rewriter)
    if held is None:
        return None
    x, nodes, argument = held
    cubic = _cubic(argument.values, x, rewriter)
    if cubic is None or not close(argument.factor, math.sqrt(2 / math.pi), x.dtype):
        return None
    return [*nodes, *cubic], lambda: gelu(x, approximation="tanh")


def _cubic(values: Sequence[Value], x: Value, rewriter: Rewriter) -> list[Node] | None:
    """The nodes of x + 0.044715 * x^3, or of x * (1 + 0.044715 * x^2)."""
    if len(values) == 1:
        total = made_by(values[0], "add")
        for place in (0, 1):
            if total is not None and total.inputs[place] is x:
                nodes = _power(cast("Value", total.inputs[1 - place]), x, 3, rewriter)
                return None if nodes is None else [total, *nodes]
    if len(values) == 2:
        for first, second in (values, values[::-1]):
            held = with_number(second, "add", rewriter)
            if first is x and held is not None and held[2] == 1:
                nodes = _power(held[1], x, 2, rewriter)
                return None if nodes is None else [held[0], *nodes]
    return None


def _power(value: Value, x: Value, exponent: int, rewriter: Rewriter) -> list[Node] | None:
    """The nodes of 0.044715 * x^exponent."""
    product = product_of(value, rewriter)
    if not close(product.factor, _CUBE, x.dtype):
        return None
    count, nodes = 0, list(product.nodes)
    for each in product.values:
        held = with_number(each, "pow", rewriter) if each is not x else None
        if each is x:
            count += 1
        elif held is not None and held[1] is x and held[0].inputs[0] is x and held[2].is_integer():
            count += int(held[2])
            nodes.append(held[0])
        else:
            return None
    return nodes if count == exponent else None


def swish_of_sigmoid(node: Node, rewriter: Rewriter) -> Made | None:
    """X * sigmoid(b * x) == swish(x) {beta=b}"""
    held = _gated(node, rewriter, "sigmoid")
    if held is None or held[0].factor != 1:
        return None
    product, x, gate = held
    argument = product_of(cast("Value", gate.inputs[0]), rewriter)
    if gate.inputs[0] is x:
        return [*product.nodes, gate], lambda: swish(x, beta=1.0)
    if not same_values(argument.values, [x]):
        return None
    return [*product.nodes, gate, *argument.nodes], lambda: swish(x, beta=argument.factor)


def softplus_of_exp(node: Node, rewriter: Rewriter) -> Made | None:
    """log(exp(x) + 1) == softplus(x), which does not overflow"""
    held = with_number(node.inputs[0], "add", rewriter)
    inner = None if held is None else made_by(held[1], "exp")
    if held is None or inner is None or held[2] != 1:
        return None
    x = cast("Value", inner.inputs[0])
    return [node, held[0], inner], lambda: softplus(x)


def mish_of_softplus(node: Node, rewriter: Rewriter) -> Made | None:
    """X * tanh(softplus(x)) == mish(x)"""
    held = _gated(node, rewriter, "tanh")
    inner = None if held is None else made_by(held[2].inputs[0], "softplus")
    if held is None or inner is None or inner.inputs[0] is not held[1] or held[0].factor != 1:
        return None
    product, x, gate = held
    return [*product.nodes, gate, inner], lambda: mish(x)


def _line(clip: Node, factor: float, rewriter: Rewriter) -> tuple[Value, float, float, list[Node]] | None:
    """x, a, b and the nodes of a * x + b where factor * clip is that between 0 and 1."""
    low, high = clip.attributes["minimum"], clip.attributes["maximum"]
    if low != 0 or not isinstance(high, float) or not close(high * factor, 1.0, clip.outputs[0].dtype):
        return None
    held = with_number(clip.inputs[0], "add", rewriter)
    if held is None:
        return None
    product = product_of(held[1], rewriter)
    if len(product.values) != 1:
        return None
    return product.values[0], product.factor * factor, held[2] * factor, [clip, held[0], *product.nodes]


def hard_sigmoid_of_clip(node: Node, rewriter: Rewriter) -> Made | None:
    """C * clip(a * x + b, 0, 1 / c) == hard_sigmoid(x) {alpha=c*a, beta=c*b}"""
    product = _whole(node, rewriter)
    clip = made_by(product.values[0], "clip") if len(product.values) == 1 else None
    line = None if clip is None else _line(clip, product.factor, rewriter)
    if line is None:
        return None
    x, alpha, beta, nodes = line
    return [*product.nodes, *nodes], lambda: hard_sigmoid(x, alpha=alpha, beta=beta)


def hard_sigmoid_between_0_and_1(node: Node, rewriter: Rewriter) -> Made | None:
    """clip(a * x + b, 0, 1) == hard_sigmoid(x) {alpha=a, beta=b}"""
    line = _line(node, 1.0, rewriter)
    if line is None or line[1] == 1:
        return None  # without a factor it would be no operator less where a target lacks it
    x, alpha, beta, nodes = line
    return nodes, lambda: hard_sigmoid(x, alpha=alpha, beta=beta)


def _is_hard_swish(alpha: float, beta: float, x: Value) -> bool:
    return close(alpha, 1 / 6, x.dtype) and close(beta, 0.5, x.dtype)


def hard_swish_of_clip(node: Node, rewriter: Rewriter) -> Made | None:
    """X * clip(x + 3, 0, 6) / 6 == hard_swish(x)"""
    held = _gated(node, rewriter, "clip")
    line = None if held is None else _line(held[2], held[0].factor, rewriter)
    if held is None or line is None or line[0] is not held[1] or not _is_hard_swish(line[1], line[2], held[1]):
        return None
    product, x, _ = held
    return [*product.nodes, *line[3]], lambda: hard_swish(x)


def hard_swish_of_hard_sigmoid(node: Node, rewriter: Rewriter) -> Made | None:
    """X * hard_sigmoid(x) {alpha=1/6, beta=1/2} == hard_swish(x)"""
    held = _gated(node, rewriter, "hard_sigmoid")
    if held is None or held[2].inputs[0] is not held[1] or held[0].factor != 1:
        return None
    product, x, gate = held
    alpha, beta = (cast("float", gate.attributes[name]) for name in ("alpha", "beta"))
    return ([*product.nodes, gate], lambda: hard_swish(x)) if _is_hard_swish(alpha, beta, x) else None


RULES = (
    _formula(gelu_by_erf, "mul", "div"),
    _formula(gelu_by_tanh, "mul", "div"),
    _formula(swish_of_sigmoid, "mul"),
    _formula(softplus_of_exp, "log"),
    _formula(mish_of_softplus, "mul"),
    _formula(hard_sigmoid_of_clip, "mul", "div"),
    _formula(hard_sigmoid_between_0_and_1, "clip"),
    _formula(hard_swish_of_clip, "mul", "div"),
    _formula(hard_swish_of_hard_sigmoid, "mul"),
)
