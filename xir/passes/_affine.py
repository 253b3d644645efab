"""Maps of channels beside a layer: what rules that take them into weights share.

Such a map is y = a * x + b with one a and one b a channel: a batch norm in testing, a product with or a sum of one
constant number a channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xir.ir.node import Value
from xir.ops.conv import conv, conv_transpose
from xir.ops.elementwise import add, mul
from xir.ops.matmul import gemm
from xir.ops.norm import batch_norm
from xir.ops.shape import broadcast
from xir.passes._pattern import NOT_NEAR, Match, either
from xir.passes._weights import Wide, per_channel, wide

LAYERS = (conv, conv_transpose, gemm)
"""Layers that are sums of products with weights, and may have a bias for each output channel."""


@dataclass(frozen=True, slots=True)
class Affine:
    """One multiplication and one addition a channel: y = scale * x + shift, both [C] in float64."""

    scale: Wide
    shift: Wide


def layer(x: Value, w: Value, b: Value) -> Value:
    """The pattern of a layer, with a bias or without."""
    return either(*(made for each in LAYERS for made in (each.pattern(x, w), each.pattern(x, w, b))))


def times_channel(x: Value, c: Value) -> Value:
    """The pattern of a product with `c`."""
    return mul(x, either(broadcast.pattern(c), c))


def plus_channel(x: Value, c: Value) -> Value:
    """The pattern of a sum with `c`."""
    return add(x, either(broadcast.pattern(c), c))


def of_statistics(match: Match) -> Affine | str:
    """The map of the first batch norm of the match, or why there is none."""
    node = next(node for node in match.nodes if node.op is batch_norm)
    arrays = [match.rewriter.constant_of(value) for value in node.inputs[1:] if value is not None]
    known = [wide(held.array()) for held in arrays if held is not None]
    epsilon = node.attributes["epsilon"]
    if len(known) != 4 or not isinstance(epsilon, float):
        return "its statistics are not constant"
    scale, shift, mean, variance = known
    with np.errstate(all="ignore"):  # what is no number then is refused by its range
        factor = scale / np.sqrt(variance + epsilon)
    return Affine(factor, shift - mean * factor)


def of_factor(match: Match) -> Affine | str:
    """The map of the matched product with `c`, or why there is none."""
    factor = _channel(match)
    return factor if isinstance(factor, str) else Affine(factor, np.zeros_like(factor))


def of_addend(match: Match) -> Affine | str:
    """The map of the matched sum with `c`, or why there is none."""
    addend = _channel(match)
    return addend if isinstance(addend, str) else Affine(np.ones_like(addend), addend)


def _channel(match: Match) -> Wide | str:
    numbers = per_channel(match.constant("c"), match.nodes[1].outputs[0])
    if numbers is not None:
        return numbers
    repeated = any(node.op is broadcast for node in match.nodes)
    return "the other operand is not one constant number a channel" if repeated else NOT_NEAR
