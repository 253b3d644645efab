"""What the passes that change weights share: numbers a channel in float64, biases, the range of element types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
from ml_dtypes import finfo

from xir.ir.builder import apply
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops.shape import broadcast
from xir.passes._pattern import Match

Wide = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

NEGLIGIBLE = 1e-30
"""Weights below this say nothing in any type; trained nets have many in channels that died."""

SHARED_BYTES = 64 * 1024
"""Weights up to this size may be there twice when others read them too."""


def wide(array: Array) -> Wide:
    """The elements in float64."""
    return array.astype(np.float64)


def per_channel(held: Constant | None, y: Value) -> Wide | None:
    """A constant that fits the shape of `y`, as one number a channel (axis 1), or None when it differs elsewhere."""
    if held is None or y.rank < 2 or not isinstance(y.shape[1], int):
        return None
    aligned = (1,) * (y.rank - len(held.shape)) + held.shape
    if len(aligned) != y.rank or any(size != 1 for axis, size in enumerate(aligned) if axis != 1):
        return None
    return np.broadcast_to(wide(held.array()).reshape(-1), (y.shape[1],))


def bias_name(weight: str) -> str:
    """What the bias beside a weight is called."""
    return weight.removesuffix(".weight") + ".bias"


def beta_of(node: Node) -> float:
    """The factor of the bias: that of a gemm, 1 for other layers."""
    beta = node.attributes.get("beta")
    return beta if isinstance(beta, float) else 1.0


def bias_of(node: Node) -> Value | None:
    """The weight that holds the layer's bias; that of a gemm is broadcast to its result."""
    value = node.inputs[2]
    if node.op.name == "gemm" and value is not None and value.node is not None and value.node.op is broadcast:
        return value.node.inputs[0]
    return value


def per_bias(node: Node, held: Constant | None) -> Wide | None:
    """The bias as one number an output channel, or None where it is none."""
    if node.op.name == "gemm":
        return per_channel(held, node.outputs[0])
    return None if held is None else wide(held.array())


def normal_range(dtype: DType) -> tuple[float, float]:
    """The smallest and the largest positive number of a floating type that keeps all its digits."""
    limits = cast("Callable[[object], np.finfo[np.float64]]", finfo)(dtype.dtype)  # it has no types of its own
    return float(limits.tiny), float(limits.max)


def out_of_range(numbers: Sequence[Wide], dtype: DType) -> str | None:
    """Why `numbers` cannot be written as `dtype`, or None; infinities and numbers that are none do not mix well."""
    _, largest = normal_range(dtype)
    fits = all(bool((np.abs(each) <= largest).all()) for each in numbers)
    return None if fits else f"the new weights would leave the range of {dtype}"


def unfit(peaks: Wide, bias: Wide, dtype: DType) -> str | None:
    """Why weights of these largest magnitudes (one a channel) and this bias cannot be written as `dtype`, or None."""
    least, _ = normal_range(dtype)
    if ((peaks > NEGLIGIBLE) & (peaks < least)).any():
        return f"the new weights would be too small for {dtype}"
    return out_of_range((peaks, bias), dtype)


def fixed_weights(node: Node, match: Match) -> Constant | str:
    """The weights of a layer that may be replaced together with its bias, or why not."""
    w, bias = node.inputs[1], bias_of(node)
    held = None if w is None else match.rewriter.constant_of(w)
    known = None if bias is None else match.rewriter.constant_of(bias)
    if w is None or held is None or (bias is not None and known is None):
        return f"the weights of {node.op.name} are not constant"
    if not held.dtype.is_floating:
        return f"the weights of {node.op.name} are whole numbers"
    if bias is not None and per_bias(node, known) is None:
        return f"the bias of {node.op.name} is not one number a channel"
    if held.nbytes > SHARED_BYTES and match.rewriter.uses(w) > 1:
        return f"the weights of {node.op.name} have {match.rewriter.uses(w)} readers"
    return held


def held_bias(node: Node, match: Match) -> Wide | None:
    """What the layer adds to each output channel, or None."""
    bias = bias_of(node)
    known = None if bias is None else per_bias(node, match.rewriter.constant_of(bias))
    return None if known is None else known * beta_of(node)


def with_weights(node: Node, match: Match, x: Value | None, weights: Constant, bias: Wide | None) -> tuple[Value, ...]:
    """The layer `node` on `x` with new weights, and with a new bias unless that is None; both keep their names."""
    w, old_bias = node.inputs[1], bias_of(node)
    if w is None:
        raise TypeError("a rule matched a layer without weights")
    name = match.rewriter.name_of(w) or f"{node.op.name}.weight"
    trainable = match.rewriter.is_trainable(w)
    new_w = match.rewriter.parameter(weights, name, trainable=trainable)
    if bias is None:
        return apply(node.op, (x, new_w, *node.inputs[2:]), node.attributes).outputs
    called = (match.rewriter.name_of(old_bias) if old_bias is not None else None) or bias_name(name)
    new_bias = match.rewriter.parameter(constant_of(bias.astype(w.dtype.dtype)), called, trainable=trainable)
    if node.op.name != "gemm":
        return apply(node.op, (x, new_w, new_bias), node.attributes).outputs
    rows = broadcast(new_bias, shape=node.outputs[0].shape)
    return apply(node.op, (x, new_w, rows), {**node.attributes, "beta": 1.0}).outputs
