"""Normalizations with learned statistics, scales and shifts become part of the weights before them.

In testing, batch norm is y = a * x + b with one a and one b a channel, and so are Caffe's Scale and Bias. Such a map
commutes with the sums of a convolution or a matrix product, so a goes into the weights and b into the bias. The new
weights are computed in float64 and rounded once: each is off by at most half a unit in the last place of w * a, and
the result by the rounding of one multiplication a term less than before. Exact over the reals, not bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from ml_dtypes import finfo

from xir.ir.builder import apply
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops.conv import conv, conv_transpose
from xir.ops.elementwise import add, mul
from xir.ops.matmul import gemm
from xir.ops.norm import batch_norm
from xir.ops.shape import broadcast
from xir.passes._pattern import NOT_NEAR, Match, Rule, either, rule_with

Wide = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

LAYERS = (conv, conv_transpose, gemm)
"""Layers that are sums of products with weights, and may have a bias for each output channel."""

NEGLIGIBLE = 1e-30
"""Weights below this say nothing in any type; trained nets have many in channels that died."""


@dataclass(frozen=True, slots=True)
class Affine:
    """One multiplication and one addition a channel: y = scale * x + shift, both [C] in float64."""

    scale: Wide
    shift: Wide


def _wide(array: Array) -> Wide:
    return array.astype(np.float64)


def _per_channel(held: Constant | None, y: Value) -> Wide | None:
    """A constant that fits the shape of `y`, as one number a channel (axis 1), or None when it differs elsewhere."""
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
    """The layer `node` (conv, conv_transpose or gemm) with `affine` in its weights and bias."""
    w, y = node.inputs[1], node.outputs[0]
    held = None if w is None else match.rewriter.constant_of(w)
    bias = _bias_of(node)
    if w is None or held is None:
        raise TypeError("a rule matched a layer without known weights")
    after = _new_bias(node, match, affine)
    name = match.rewriter.name_of(w) or f"{node.op.name}.weight"
    bias_name = (match.rewriter.name_of(bias) if bias is not None else None) or _bias_name(name)
    new_w = match.rewriter.parameter(_scaled(node, held, affine.scale), name)
    new_bias = match.rewriter.parameter(constant_of(after.astype(w.dtype.dtype)), bias_name)
    if node.op.name != "gemm":
        return apply(node.op, (node.inputs[0], new_w, new_bias), node.attributes).outputs
    rows = broadcast(new_bias, shape=y.shape)
    return apply(node.op, (node.inputs[0], new_w, rows), {**node.attributes, "beta": 1.0}).outputs


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
    return np.maximum(np.abs(_wide(low)), np.abs(_wide(high))).reshape(-1)


def _bias_name(weight: str) -> str:
    return weight.removesuffix(".weight") + ".bias"


def _beta(node: Node) -> float:
    beta = node.attributes.get("beta")
    return beta if isinstance(beta, float) else 1.0


def _bias_of(node: Node) -> Value | None:
    """The weight that holds the layer's bias; that of a gemm is broadcast to its result."""
    value = node.inputs[2]
    if node.op.name == "gemm" and value is not None and value.node is not None and value.node.op is broadcast:
        return value.node.inputs[0]
    return value


def _per_bias(node: Node, held: Constant | None) -> Wide | None:
    if node.op.name == "gemm":
        return _per_channel(held, node.outputs[0])
    return None if held is None else _wide(held.array())


def _new_bias(node: Node, match: Match, affine: Affine) -> Wide:
    bias = _bias_of(node)
    known = None if bias is None else _per_bias(node, match.rewriter.constant_of(bias))
    return affine.shift if known is None else known * _beta(node) * affine.scale + affine.shift


def _fixed_layer(match: Match, affine: Affine) -> str | None:
    """Why the weights of the matched layer, the second node, cannot take the map, or None."""
    node = match.nodes[1]
    w, bias = node.inputs[1], _bias_of(node)
    held = None if w is None else match.rewriter.constant_of(w)
    known = None if bias is None else match.rewriter.constant_of(bias)
    if held is None or (bias is not None and known is None):
        return f"the weights of {node.op.name} are not constant"
    if not held.dtype.is_floating:
        return f"the weights of {node.op.name} are whole numbers"
    if bias is not None and _per_bias(node, known) is None:
        return f"the bias of {node.op.name} is not one number a channel"
    peaks, (least, _) = _peaks(node, held) * np.abs(affine.scale), _normal_range(held.dtype)
    if ((peaks > NEGLIGIBLE) & (peaks < least)).any():
        return f"the new weights would be too small for {held.dtype}"
    return _out_of_range((peaks, _new_bias(node, match, affine)), held.dtype)


def _normal_range(dtype: DType) -> tuple[float, float]:
    """The smallest and the largest positive number of a floating type that keeps all its digits."""
    limits = cast("Callable[[object], np.finfo[np.float64]]", finfo)(dtype.dtype)  # it has no types of its own
    return float(limits.tiny), float(limits.max)


def _out_of_range(numbers: Sequence[Wide], dtype: DType) -> str | None:
    """Why `numbers` cannot be written as `dtype`, or None; infinities and numbers that are none do not mix well."""
    _, largest = _normal_range(dtype)
    fits = all(bool((np.abs(each) <= largest).all()) for each in numbers)
    return None if fits else f"the new weights would leave the range of {dtype}"


def _layer(x: Value, w: Value, b: Value) -> Value:
    return either(*(made for each in LAYERS for made in (each.pattern(x, w), each.pattern(x, w, b))))


def _times_channel(x: Value, c: Value) -> Value:
    return mul(x, either(broadcast.pattern(c), c))


def _plus_channel(x: Value, c: Value) -> Value:
    return add(x, either(broadcast.pattern(c), c))


def _of_statistics(match: Match) -> Affine | str:
    return _batch_norm_affine(match.nodes[0], match) or "its statistics are not constant"


def _channel(match: Match) -> Wide | str:
    numbers = _per_channel(match.constant("c"), match.nodes[1].outputs[0])
    if numbers is not None:
        return numbers
    repeated = any(node.op is broadcast for node in match.nodes)
    return "the other operand is not one constant number a channel" if repeated else NOT_NEAR


def _of_factor(match: Match) -> Affine | str:
    factor = _channel(match)
    return factor if isinstance(factor, str) else Affine(factor, np.zeros_like(factor))


def _of_addend(match: Match) -> Affine | str:
    addend = _channel(match)
    return addend if isinstance(addend, str) else Affine(np.ones_like(addend), addend)


def _into_layer(rule: Rule, affine_of: Callable[[Match], Affine | str]) -> Rule:
    """Gives a rule whose second node is a layer its condition and its result."""

    @rule.condition
    def _(match: Match) -> str | None:
        affine = affine_of(match)
        return affine if isinstance(affine, str) else _fixed_layer(match, affine)

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
        if any(match.constant(name) is None for name in ("s", "t")):
            return "scale and shift of batch_norm are not constant"
        return _out_of_range(_rescaled_numbers(match, affine), match.values["s"].dtype)

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
    return _wide(scale.array()) * affine.scale, _wide(shift.array()) * affine.scale + affine.shift


def _rescaled(node: Node, match: Match, affine: Affine) -> tuple[Value, ...]:
    """The batch norm `node` followed by `affine`, as one batch norm."""
    made: list[Value] = []
    layer = node.source[0].layer if node.source else node.op.name
    for key, ending, numbers in zip("st", ("scale", "shift"), _rescaled_numbers(match, affine), strict=True):
        value = match.values[key]
        name = match.rewriter.name_of(value) or f"{layer}.{ending}"
        made.append(match.rewriter.parameter(constant_of(numbers.astype(value.dtype.dtype)), name))
    return apply(node.op, (node.inputs[0], *made, *node.inputs[3:]), node.attributes).outputs


@rule_with(exact=False)
def batch_norm_into_layer(x: Value, w: Value, b: Value, s: Value, t: Value, m: Value, v: Value) -> Value:
    """batch_norm(conv(x, w, b), s, t, m, v) == conv(x, w * a, (b - m) * a + t) with a = s / sqrt(v + eps)"""
    return batch_norm.pattern(_layer(x, w, b), s, t, m, v)


@rule_with(exact=False)
def factor_into_layer(x: Value, w: Value, b: Value, c: Value) -> Value:
    """conv(x, w, b) * c == conv(x, w * c, b * c) with one c a channel"""
    return _times_channel(_layer(x, w, b), c)


@rule_with(exact=False)
def addend_into_layer(x: Value, w: Value, b: Value, c: Value) -> Value:
    """conv(x, w, b) + c == conv(x, w, b + c) with one c a channel"""
    return _plus_channel(_layer(x, w, b), c)


@rule_with(exact=False)
def factor_into_batch_norm(x: Value, s: Value, t: Value, m: Value, v: Value, c: Value) -> Value:
    """batch_norm(x, s, t, m, v) * c == batch_norm(x, s * c, t * c, m, v) with one c a channel"""
    return _times_channel(batch_norm.pattern(x, s, t, m, v), c)


@rule_with(exact=False)
def addend_into_batch_norm(x: Value, s: Value, t: Value, m: Value, v: Value, c: Value) -> Value:
    """batch_norm(x, s, t, m, v) + c == batch_norm(x, s, t + c, m, v) with one c a channel"""
    return _plus_channel(batch_norm.pattern(x, s, t, m, v), c)


RULES: tuple[Rule, ...] = (
    _into_layer(batch_norm_into_layer, _of_statistics),
    _into_layer(factor_into_layer, _of_factor),
    _into_layer(addend_into_layer, _of_addend),
    _into_batch_norm(factor_into_batch_norm, _of_factor),
    _into_batch_norm(addend_into_batch_norm, _of_addend),
)
