"""Scales and shifts of channels go into the weights of the layer that reads them.

The twin of `xir.passes.batch_norm`: y = conv(a * x + b, w) is conv(x, w * a) plus, for each output channel, the sum of
w * b over its window. A shift goes in only where every window sees the whole of it: zeros that the layer puts around or
between elements are not shifted. New weights are computed in float64 and rounded once; with K products in the sum of
an element both sides are off by at most (K + 8) u times the sum of the magnitudes, u half a unit in the last place.
Exact over the reals, not bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from xir.ir.constant import Constant, constant_of
from xir.ir.node import Node, Value
from xir.ops.norm import batch_norm
from xir.passes._affine import Affine, layer, of_addend, of_factor, of_statistics, plus_channel, times_channel
from xir.passes._pattern import Match, Rule, rule_with
from xir.passes._weights import (
    Wide,
    fixed_weights,
    held_bias,
    unfit,
    with_weights,
)


def _apart(node: Node, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A shape for the layer's weights in which the input channels are axes of their own, and which these are.

    conv: [O, I / groups, window...] as [groups, O / groups, I / groups, window...]; conv_transpose: [I, ...];
    gemm: [K, N], or [N, K] with `transpose_b`.
    """
    match node.op.name:
        case "conv":
            groups = cast("int", node.attributes["groups"])
            return (groups, shape[0] // groups, *shape[1:]), (0, 2)
        case "gemm" if node.attributes["transpose_b"]:
            return shape, (1,)
        case _:
            return shape, (0,)


def _along(node: Node, shape: tuple[int, ...], numbers: Wide) -> tuple[tuple[int, ...], Wide]:
    """The shape of `_apart`, and one number an input channel in a shape that goes with it."""
    apart, axes = _apart(node, shape)
    return apart, numbers.reshape([size if axis in axes else 1 for axis, size in enumerate(apart)])


def _scaled(node: Node, held: Constant, scale: Wide) -> Constant:
    """The weights times one number an input channel, multiplied in float64 and rounded once, in small pieces."""
    apart, factor = _along(node, held.shape, scale)
    result = np.empty(apart, held.dtype.dtype)
    np.multiply(held.array().reshape(apart), factor, out=result, dtype=np.float64, casting="unsafe")
    return constant_of(result.reshape(held.shape))


def _peaks(node: Node, held: Constant) -> Wide:
    """The largest magnitude among the weights of each input channel."""
    apart, axes = _apart(node, held.shape)
    others = tuple(axis for axis in range(len(apart)) if axis not in axes)
    array = held.array().reshape(apart)
    low, high = array.min(axis=others, initial=0), array.max(axis=others, initial=0)
    peaks: Wide = np.maximum(np.abs(low.astype(np.float64)), np.abs(high.astype(np.float64)))
    return peaks.reshape(-1)


def _added(node: Node, held: Constant, shift: Wide) -> Wide:
    """What a shift of the input channels adds to each output channel, in float64."""
    if node.op.name == "gemm":
        weights = held.array() if node.attributes["transpose_b"] else held.array().T
        return _product(weights[None], shift[None]) * cast("float", node.attributes["alpha"])
    groups = cast("int", node.attributes["groups"])
    apart, _ = _apart(node, held.shape)
    flat = held.array().reshape(*apart[:3], -1).sum(axis=3, dtype=np.float64)
    return _product(flat, shift.reshape(groups, -1))


def _product(weights: np.ndarray[tuple[int, ...], np.dtype[np.generic]], shift: Wide) -> Wide:
    """[G, O, I] times [G, I]: [G * O]."""
    total: Wide = np.einsum("goi,gi->go", weights, shift, dtype=np.float64, casting="unsafe")
    return total.reshape(-1)


def _new_bias(node: Node, match: Match, held: Constant, affine: Affine) -> Wide | None:
    if not affine.shift.any():
        return None
    known, added = held_bias(node, match), _added(node, held, affine.shift)
    return added if known is None else known + added


def _fixed_layer(match: Match, affine: Affine) -> str | None:
    """Why the weights of the matched layer, the first node, cannot take the map, or None."""
    node = match.nodes[0]
    held = fixed_weights(node, match)
    if isinstance(held, str):
        return held
    partial = _sees_part(node) if affine.shift.any() else None
    if partial is not None:
        return partial
    if node.attributes.get("transpose_a"):
        return "gemm transposes what it reads"
    bias = _new_bias(node, match, held, affine)
    peaks = _peaks(node, held) * np.abs(affine.scale)
    return unfit(peaks, np.zeros(1) if bias is None else bias, held.dtype)


def _sees_part(node: Node) -> str | None:
    """Why some sums of the layer see only a part of what a shift adds, or None."""
    if node.op.name == "conv_transpose":
        return "conv_transpose adds fewer products at its borders"
    padding, gaps = node.attributes.get("padding", ()), node.attributes.get("input_dilation", ())
    if any(
        not isinstance(size, int) or size > 0
        for pair in cast("tuple[tuple[object, ...], ...]", padding)
        for size in pair
    ):
        return "conv pads with zeros, which are not shifted"
    if any(step != 1 for step in cast("tuple[int, ...]", gaps)):
        return "conv puts zeros between elements, which are not shifted"
    return None


def _into_reader(rule: Rule, affine_of: Callable[[Match], Affine | str]) -> Rule:
    """Gives a rule whose first node is a layer its condition and its result."""

    @rule.condition
    def _(match: Match) -> str | None:
        affine = affine_of(match)
        return affine if isinstance(affine, str) else _fixed_layer(match, affine)

    @rule.build
    def _(match: Match, x: Value, **_variables: object) -> Sequence[Value]:
        node, affine = match.nodes[0], affine_of(match)
        held = fixed_weights(node, match)
        if isinstance(affine, str) or isinstance(held, str):
            raise TypeError(f"the condition lets nothing pass that is refused: {affine} {held}")
        return with_weights(node, match, x, _scaled(node, held, affine.scale), _new_bias(node, match, held, affine))

    return rule


@rule_with(exact=False)
def batch_norm_before_layer(x: Value, w: Value, b: Value, s: Value, t: Value, m: Value, v: Value) -> Value:
    """conv(batch_norm(x, s, t, m, v), w, b) == conv(x, w * a, b + sum of w * (t - m * a)) with a = s / sqrt(v + eps)"""
    return layer(batch_norm.pattern(x, s, t, m, v), w, b)


@rule_with(exact=False)
def factor_before_layer(x: Value, w: Value, b: Value, c: Value) -> Value:
    """conv(x * c, w, b) == conv(x, w * c, b) with one c a channel"""
    return layer(times_channel(x, c), w, b)


@rule_with(exact=False)
def addend_before_layer(x: Value, w: Value, b: Value, c: Value) -> Value:
    """conv(x + c, w, b) == conv(x, w, b + sum of w * c) with one c a channel, without padding"""
    return layer(plus_channel(x, c), w, b)


RULES: tuple[Rule, ...] = (
    _into_reader(batch_norm_before_layer, of_statistics),
    _into_reader(factor_before_layer, of_factor),
    _into_reader(addend_before_layer, of_addend),
)
