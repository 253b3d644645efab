"""Normalizations with learned statistics, scales and shifts become part of the weights before them.

In testing, batch norm is y = a * x + b with one a and one b a channel, and so are Caffe's Scale and Bias. Such a map
commutes with the sums of a convolution, so a goes into the weights and b into the bias. The new weights are computed
in float64 and rounded once: each is off by at most half a unit in the last place of w * a, and the result by the
rounding of one multiplication a term less than before. Exact over the reals, not bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from xir.ir.builder import apply
from xir.ir.constant import Array, constant_of
from xir.ir.node import Node, Value
from xir.ops.conv import conv, conv_transpose
from xir.ops.elementwise import add, mul
from xir.ops.norm import batch_norm
from xir.ops.shape import broadcast
from xir.passes._pattern import NOT_NEAR, Match, Rule, either, rule_with

Wide = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Affine:
    """One multiplication and one addition a channel: y = scale * x + shift, both [C] in float64."""

    scale: Wide
    shift: Wide


def _wide(array: Array) -> Wide:
    return array.astype(np.float64)


def _channel(match: Match, name: str, y: Value) -> Wide | None:
    """A constant that is broadcast to the type of `y`, as one number a channel (axis 1), or None when it is not."""
    held = match.constant(name)
    if held is None or y.rank < 2 or not isinstance(y.shape[1], int):
        return None
    aligned = (1,) * (y.rank - len(held.shape)) + held.shape
    if len(aligned) != y.rank or any(size != 1 for axis, size in enumerate(aligned) if axis != 1):
        return None
    return np.broadcast_to(_wide(held.array()).reshape(-1), (y.shape[1],))


def _batch_norm_affine(node: Node, match: Match) -> Affine | None:
    arrays = [match.rewriter.constant_of(value) for value in node.inputs[1:] if value is not None]
    known = [_wide(held.array()) for held in arrays if held is not None]
    epsilon = node.attributes["epsilon"]
    if len(known) != 4 or not isinstance(epsilon, float):
        return None
    scale, shift, mean, variance = known
    factor = scale / np.sqrt(variance + epsilon)
    return Affine(factor, shift - mean * factor)


def _weighted(node: Node, match: Match, affine: Affine) -> tuple[Value, ...]:
    """The layer `node` (conv or conv_transpose) with `affine` in its weights and bias."""
    w, bias = node.inputs[1], node.inputs[2]
    held = None if w is None else match.rewriter.constant_of(w)
    if w is None or held is None:
        raise TypeError("a rule matched a layer without known weights")
    weights = _wide(held.array())
    if node.op.name == "conv_transpose":
        groups = node.attributes["groups"]
        count = groups if isinstance(groups, int) else 1
        grouped = weights.reshape((count, weights.shape[0] // count, *weights.shape[1:]))
        factor = affine.scale.reshape((count, 1, -1, *((1,) * (weights.ndim - 2))))
        scaled = (grouped * factor).reshape(weights.shape)
    else:
        scaled = weights * affine.scale.reshape((-1, *((1,) * (weights.ndim - 1))))
    held_bias = None if bias is None else match.rewriter.constant_of(bias)
    before = np.zeros_like(affine.shift) if held_bias is None else _wide(held_bias.array())
    after = before * affine.scale + affine.shift
    dtype = w.dtype.dtype
    name = match.rewriter.name_of(w) or f"{node.op.name}.weight"
    bias_name = (match.rewriter.name_of(bias) if bias is not None else None) or _bias_name(name)
    new_w = match.rewriter.parameter(constant_of(scaled.astype(dtype)), name)
    new_bias = match.rewriter.parameter(constant_of(after.astype(dtype)), bias_name)
    return apply(node.op, (node.inputs[0], new_w, new_bias), node.attributes).outputs


def _bias_name(weight: str) -> str:
    return weight.removesuffix(".weight") + ".bias"


def _known_weights(match: Match) -> str | None:
    node = match.nodes[1]
    for value in node.inputs[1:]:
        if value is not None and match.rewriter.constant_of(value) is None:
            return f"the weights of {node.op.name} are not constant"
    return None


def _known_layer(match: Match) -> str | None:
    """Why the weights of the matched layer, the second node, cannot be changed, or None."""
    node = match.nodes[1]
    for value in node.inputs[1:]:
        if value is not None and match.rewriter.constant_of(value) is None:
            return f"the weights of {node.op.name} are not constant"
    return None


def _layer(x: Value, w: Value, b: Value) -> Value:
    return either(
        conv.pattern(x, w), conv.pattern(x, w, b), conv_transpose.pattern(x, w), conv_transpose.pattern(x, w, b)
    )


def _of_statistics(match: Match) -> Affine | str:
    return _batch_norm_affine(match.nodes[0], match) or "its statistics are not constant"


def _of_factor(match: Match) -> Affine | str:
    factor = _channel(match, "c", match.nodes[1].outputs[0])
    return NOT_NEAR if factor is None else Affine(factor, np.zeros_like(factor))


def _of_addend(match: Match) -> Affine | str:
    addend = _channel(match, "c", match.nodes[1].outputs[0])
    return NOT_NEAR if addend is None else Affine(np.ones_like(addend), addend)


def _into_layer(rule: Rule, affine_of: Callable[[Match], Affine | str]) -> Rule:
    """Gives a rule whose second node is a layer its condition and its result."""

    @rule.condition
    def _(match: Match) -> str | None:
        affine = affine_of(match)
        return affine if isinstance(affine, str) else _known_layer(match)

    @rule.build
    def _(match: Match, **_variables: object) -> Sequence[Value]:
        return _weighted(match.nodes[1], match, _required(affine_of(match)))

    return rule


def _into_batch_norm(rule: Rule, affine_of: Callable[[Match], Affine | str]) -> Rule:
    """Gives a rule whose second node is a batch norm its condition and its result."""

    @rule.condition
    def _(match: Match) -> str | None:
        affine = affine_of(match)
        if isinstance(affine, str):
            return affine
        known = all(match.constant(name) is not None for name in ("s", "t"))
        return None if known else "scale and shift of batch_norm are not constant"

    @rule.build
    def _(match: Match, **_variables: object) -> Sequence[Value]:
        return _rescaled(match.nodes[1], match, _required(affine_of(match)))

    return rule


def _required(affine: Affine | str) -> Affine:
    if isinstance(affine, str):
        raise TypeError(f"the condition lets nothing pass that is refused: {affine}")
    return affine


def _rescaled(node: Node, match: Match, affine: Affine) -> tuple[Value, ...]:
    """The batch norm `node` followed by `affine`, as one batch norm."""
    x, scale, shift, *rest = node.inputs
    made: list[Value] = []
    for value, array in ((scale, affine.scale), (shift, affine.scale)):
        held = None if value is None else match.rewriter.constant_of(value)
        if value is None or held is None:
            raise TypeError("a rule matched a batch norm without known scale and shift")
        result = _wide(held.array()) * array + (affine.shift if value is shift else 0.0)
        layer = node.source[0].layer if node.source else node.op.name
        name = match.rewriter.name_of(value) or f"{layer}.{'shift' if value is shift else 'scale'}"
        made.append(match.rewriter.parameter(constant_of(result.astype(value.dtype.dtype)), name))
    return apply(node.op, (x, *made, *rest), node.attributes).outputs


@rule_with(exact=False)
def batch_norm_into_layer(x: Value, w: Value, b: Value, s: Value, t: Value, m: Value, v: Value) -> Value:
    """batch_norm(conv(x, w, b), s, t, m, v) == conv(x, w * a, (b - m) * a + t) with a = s / sqrt(v + eps)"""
    return batch_norm.pattern(_layer(x, w, b), s, t, m, v)


@rule_with(exact=False)
def factor_into_layer(x: Value, w: Value, b: Value, c: Value) -> Value:
    """conv(x, w, b) * c == conv(x, w * c, b * c) with one c a channel"""
    return mul(_layer(x, w, b), broadcast.pattern(c))


@rule_with(exact=False)
def addend_into_layer(x: Value, w: Value, b: Value, c: Value) -> Value:
    """conv(x, w, b) + c == conv(x, w, b + c) with one c a channel"""
    return add(_layer(x, w, b), broadcast.pattern(c))


@rule_with(exact=False)
def factor_into_batch_norm(x: Value, s: Value, t: Value, m: Value, v: Value, c: Value) -> Value:
    """batch_norm(x, s, t, m, v) * c == batch_norm(x, s * c, t * c, m, v) with one c a channel"""
    return mul(batch_norm.pattern(x, s, t, m, v), broadcast.pattern(c))


@rule_with(exact=False)
def addend_into_batch_norm(x: Value, s: Value, t: Value, m: Value, v: Value, c: Value) -> Value:
    """batch_norm(x, s, t, m, v) + c == batch_norm(x, s, t + c, m, v) with one c a channel"""
    return add(batch_norm.pattern(x, s, t, m, v), broadcast.pattern(c))


RULES: tuple[Rule, ...] = (
    _into_layer(batch_norm_into_layer, _of_statistics),
    _into_layer(factor_into_layer, _of_factor),
    _into_layer(addend_into_layer, _of_addend),
    _into_batch_norm(factor_into_batch_norm, _of_factor),
    _into_batch_norm(addend_into_batch_norm, _of_addend),
)
