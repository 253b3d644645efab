"""Normalizations with learned statistics, scales and shifts become part of the weights before them.

In testing, batch norm is y = a * x + b with one a and one b a channel, and so are Caffe's Scale and Bias. Such a map
commutes with the sums of a convolution or a matrix product, so a goes into the weights and b into the bias. The new
weights are computed in float64 and rounded once: each is off by at most half a unit in the last place of w * a, and
the result by the rounding of one multiplication a term less than before. Exact over the reals, not bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from xir.ir.builder import apply
from xir.ir.constant import Constant, constant_of
from xir.ir.node import Node, Value
from xir.ops.activation import hard_sigmoid
from xir.ops.elementwise import clip, neg
from xir.ops.norm import batch_norm
from xir.passes._affine import Affine, layer, of_addend, of_factor, of_statistics, plus_channel, times_channel
from xir.passes._pattern import Match, Rule, rule_with
from xir.passes._weights import (
    Wide,
    fixed_weights,
    held_bias,
    out_of_range,
    unfit,
    wide,
    with_weights,
)


def _weighted(node: Node, match: Match, affine: Affine) -> tuple[Value, ...]:
    """The layer `node` (conv, conv_transpose or gemm) with `affine` in its weights and bias."""
    held = fixed_weights(node, match)
    if isinstance(held, str):
        raise TypeError(f"the condition lets nothing pass that is refused: {held}")
    return with_weights(node, match, node.inputs[0], _scaled(node, held, affine.scale), _new_bias(node, match, affine))


def _channels_apart(node: Node, shape: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """A shape for the layer's weights in which the output channels are axes of their own, and where these begin.

    conv: [O, I, window...] as it is; conv_transpose: [I, O / groups, window...] as [groups, I / groups, O / groups,
    window...], of which axes 0 and 2 are the output channels; gemm: [K, N], or [N, K] with `transpose_b`.
    """
    if node.op.name == "conv_transpose":
        groups = node.attributes["groups"]
        count = groups if isinstance(groups, int) else 1
        return (count, shape[0] // count, *shape[1:]), 2
    if node.op.name == "gemm" and not node.attributes["transpose_b"]:
        return shape, 1
    return shape, 0


def _as_factor(node: Node, shape: tuple[int, ...], scale: Wide) -> Wide:
    """One number an output channel in a shape that multiplies the layer's weights."""
    apart, axis = _channels_apart(node, shape)
    groups = apart[0] if axis == 2 else 1
    leading = (groups, 1) if axis == 2 else (1,) * axis
    return scale.reshape((*leading, -1, *(1,) * (len(apart) - axis - 1)))


def _scaled(node: Node, held: Constant, scale: Wide) -> Constant:
    """The weights times one number an output channel, multiplied in float64 and rounded once, in small pieces."""
    apart, _ = _channels_apart(node, held.shape)
    result = np.empty(apart, held.dtype.dtype)
    factor = _as_factor(node, held.shape, scale)
    np.multiply(held.array().reshape(apart), factor, out=result, dtype=np.float64, casting="unsafe")
    return constant_of(result.reshape(held.shape))


def _peaks(node: Node, held: Constant) -> Wide:
    """The largest magnitude among the weights of each output channel."""
    apart, axis = _channels_apart(node, held.shape)
    array = held.array().reshape(apart)
    others = tuple(index for index in range(len(apart)) if index != axis and not (axis == 2 and index == 0))
    low, high = array.min(axis=others, initial=0), array.max(axis=others, initial=0)
    return np.maximum(np.abs(wide(low)), np.abs(wide(high))).reshape(-1)


def _new_bias(node: Node, match: Match, affine: Affine) -> Wide:
    known = held_bias(node, match)
    return affine.shift if known is None else known * affine.scale + affine.shift


def _fixed_layer(match: Match, affine: Affine) -> str | None:
    """Why the weights of the matched layer, the second node, cannot take the map, or None."""
    node = match.nodes[1]
    held = fixed_weights(node, match)
    if isinstance(held, str):
        return held
    return unfit(_peaks(node, held) * np.abs(affine.scale), _new_bias(node, match, affine), held.dtype)


def _into_layer(
    rule: Rule, affine_of: Callable[[Match], Affine | str], then: Callable[[Value], Value] | None = None
) -> Rule:
    """Gives a rule whose second node is a layer its condition and its result, and `then` behind that."""

    @rule.condition
    def _(match: Match) -> str | None:
        affine = affine_of(match)
        return affine if isinstance(affine, str) else _fixed_layer(match, affine)

    @rule.build
    def _(match: Match, **_variables: object) -> Sequence[Value]:
        made = _weighted(match.nodes[1], match, _required(affine_of(match)))
        return made if then is None else tuple(map(then, made))

    return rule


def _into_batch_norm(rule: Rule, affine_of: Callable[[Match], Affine | str]) -> Rule:
    """Gives a rule whose second node is a batch norm its condition and its result."""

    @rule.condition
    def _(match: Match) -> str | None:
        affine = affine_of(match)
        if isinstance(affine, str):
            return affine
        if any(match.constant(name) is None for name in ("s", "t")):
            return "scale and shift of batch_norm are not constant"
        return out_of_range(_rescaled_numbers(match, affine), match.values["s"].dtype)

    @rule.build
    def _(match: Match, **_variables: object) -> Sequence[Value]:
        return _rescaled(match.nodes[1], match, _required(affine_of(match)))

    return rule


def _required(affine: Affine | str) -> Affine:
    if isinstance(affine, str):
        raise TypeError(f"the condition lets nothing pass that is refused: {affine}")
    return affine


def _rescaled_numbers(match: Match, affine: Affine) -> tuple[Wide, Wide]:
    """Scale and shift of the matched batch norm followed by `affine`."""
    scale, shift = match.constant("s"), match.constant("t")
    if scale is None or shift is None:
        raise TypeError("a rule matched a batch norm without known scale and shift")
    return wide(scale.array()) * affine.scale, wide(shift.array()) * affine.scale + affine.shift


def _rescaled(node: Node, match: Match, affine: Affine) -> tuple[Value, ...]:
    """The batch norm `node` followed by `affine`, as one batch norm."""
    made: list[Value] = []
    origin = node.source[0].layer if node.source else node.op.name
    for key, ending, numbers in zip("st", ("scale", "shift"), _rescaled_numbers(match, affine), strict=True):
        value = match.values[key]
        name = match.rewriter.name_of(value) or f"{origin}.{ending}"
        trainable = match.rewriter.is_trainable(value)
        held = constant_of(numbers.astype(value.dtype.dtype))
        made.append(match.rewriter.parameter(held, name, trainable=trainable))
    return apply(node.op, (node.inputs[0], *made, *node.inputs[3:]), node.attributes).outputs


@rule_with(exact=False)
def batch_norm_into_layer(x: Value, w: Value, b: Value, s: Value, t: Value, m: Value, v: Value) -> Value:
    """batch_norm(conv(x, w, b), s, t, m, v) == conv(x, w * a, (b - m) * a + t) with a = s / sqrt(v + eps)"""
    return batch_norm.pattern(layer(x, w, b), s, t, m, v)


@rule_with(exact=False)
def factor_into_layer(x: Value, w: Value, b: Value, c: Value) -> Value:
    """conv(x, w, b) * c == conv(x, w * c, b * c) with one c a channel"""
    return times_channel(layer(x, w, b), c)


@rule_with(exact=False)
def addend_into_layer(x: Value, w: Value, b: Value, c: Value) -> Value:
    """conv(x, w, b) + c == conv(x, w, b + c) with one c a channel"""
    return plus_channel(layer(x, w, b), c)


@rule_with(exact=False)
def factor_into_batch_norm(x: Value, s: Value, t: Value, m: Value, v: Value, c: Value) -> Value:
    """batch_norm(x, s, t, m, v) * c == batch_norm(x, s * c, t * c, m, v) with one c a channel"""
    return times_channel(batch_norm.pattern(x, s, t, m, v), c)


@rule_with(exact=False)
def addend_into_batch_norm(x: Value, s: Value, t: Value, m: Value, v: Value, c: Value) -> Value:
    """batch_norm(x, s, t, m, v) + c == batch_norm(x, s, t + c, m, v) with one c a channel"""
    return plus_channel(batch_norm.pattern(x, s, t, m, v), c)


@rule_with(exact=False)
def neg_into_layer(x: Value, w: Value, b: Value) -> Value:
    """-conv(x, w, b) == conv(x, -w, -b)"""
    return neg(layer(x, w, b))


def _of_sign(match: Match) -> Affine | str:
    return _for_all(match.nodes[1], -1.0, 0.0)


def _for_all(node: Node, scale: float, shift: float) -> Affine | str:
    """One map for all channels of a layer."""
    channels = node.outputs[0].shape[1]
    if not isinstance(channels, int):
        return "the number of channels is not known"
    return Affine(np.full(channels, scale), np.full(channels, shift))


@rule_with(exact=False)
def hard_sigmoid_into_layer(x: Value, w: Value, b: Value, alpha: float, beta: float) -> Value:
    """hard_sigmoid(conv(x, w, b)) {alpha, beta} == clip(conv(x, alpha * w, alpha * b + beta), 0, 1)"""
    return hard_sigmoid(layer(x, w, b), alpha=alpha, beta=beta)


def _of_line(match: Match) -> Affine | str:
    scale, shift = (cast("float", match.nodes[0].attributes[name]) for name in ("alpha", "beta"))
    return _for_all(match.nodes[1], scale, shift)


RULES: tuple[Rule, ...] = (
    _into_layer(hard_sigmoid_into_layer, _of_line, lambda x: clip(x, minimum=0.0, maximum=1.0)),
    _into_layer(neg_into_layer, _of_sign),
    _into_layer(batch_norm_into_layer, of_statistics),
    _into_layer(factor_into_layer, of_factor),
    _into_layer(addend_into_layer, of_addend),
    _into_batch_norm(factor_into_batch_norm, of_factor),
    _into_batch_norm(addend_into_batch_norm, of_addend),
)
