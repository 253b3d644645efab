"""Layers between dequantised operands, as sums of products of the integers themselves.

    conv(dequantize(x), dequantize(w), dequantize(b))  ==  (conv_integer(x, w) + b) * (scale of x * scale of w)

The left side rounds each product and each sum, the right side the result alone: they differ by what the left side
loses. So where nothing may differ, layers stay as they are. A layer that is quantised again is scaled once, by what a
step of its sum is in steps of the result, as libraries of such layers do (fbgemm, include/fbgemm/QuantUtilsAvx2.h,
requantizeOutputProcessingAvx2; onnxruntime, core/mlas/lib/quantize.cpp, MlasRequantizeOutput):

    quantize(relu(conv(...)), s)  ==  round(relu((conv_integer(x, w) + b) * (scale of x * scale of w / s)))

Else what follows (sums of branches, averages, quantize) stays what it is; fusion computes it where the sum is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import cast

import numpy as np
from numpy.typing import NDArray

from xir.backends.codegen.lowering.precision.narrow import packed
from xir.ir.constant import constant_of
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, rewrite
from xir.ir.types import DType
from xir.ops import elementwise
from xir.ops._quantized import is_single, rounded, spread
from xir.ops._windows import window_attributes
from xir.ops.activation import relu
from xir.ops.quantize_product import conv_integer, matmul_integer
from xir.ops.shape import broadcast, reshape, transpose

LARGEST_SUM = (1 << 31) - 1
"""What a sum in i32 holds."""

BYTES = (DType.INT8, DType.UINT8)
LAYERS = frozenset({"conv", "matmul", "gemm"})


def in_integers(graph: Graph) -> Graph:
    """The graph with layers between dequantised operands computed in integers."""
    return _Recognizer().run(graph)


@dataclass(frozen=True, slots=True)
class _Bytes:
    """Quantised numbers: the integers, and what they mean.

    Attributes:
        value: the integers.
        scale: one number, or one for each place of `axis`.
        zero_point: the same of zero points, or None.
        axis: the axis of the scales.
    """

    value: Value
    scale: Value
    zero_point: Value | None
    axis: int


@dataclass(frozen=True, slots=True)
class _Scaled:
    """What a layer makes: (total + bias) * factor, activated or not.

    Attributes:
        total: the sum of products, a bias in steps of it added, in i32.
        axis: the axis of the result that the factor and the bias lie along.
        factor: what one step of the sum means, one number or one for each place.
        bias: what is added besides, in steps of the sum.
        activated: whether a relu follows.
    """

    total: Value
    axis: int
    factor: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    activated: bool = False


class _Recognizer:
    """One pass over a graph; it knows what the layers that it changed make."""

    def __init__(self) -> None:
        """Starts with none."""
        self.scaled: dict[Value, _Scaled] = {}

    def run(self, graph: Graph) -> Graph:
        """The graph after the pass."""
        return rewrite(graph, self.replace)

    def replace(self, node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        made: Value | None = None
        if node.op.name in LAYERS:
            made = self._layer(node, rewriter)
            if made is None and node.op.name == "matmul":
                made = packed(node, rewriter)
        elif node.inputs and node.inputs[0] in self.scaled:
            before = self.scaled[node.inputs[0]]
            if node.op.name == "relu":
                self.scaled[node.outputs[0]] = replace(before, activated=True)
            elif node.op.name == "quantize":
                made = _quantized(node, before, rewriter)
        return None if made is None else (made,)

    def _layer(self, node: Node, rewriter: Rewriter) -> Value | None:
        x, w = (None if value is None else _dequantized(value, rewriter) for value in node.inputs[:2])
        held = None if w is None else rewriter.constant_of(w.value)
        if x is None or w is None or held is None or not is_single(x.scale):
            return None
        if node.op.name == "conv":
            total = _convolution(node, x, w)
            columns, axis, length = 0, 1, prod(held.shape[1:])
        else:
            turned = node.op.name == "gemm" and bool(node.attributes["transpose_b"])
            columns, axis = (w.value.rank - 2 if turned else w.value.rank - 1), node.outputs[0].rank - 1
            length = held.shape[w.value.rank - 1 if turned else w.value.rank - 2]
            total = _product(node, x, w, rewriter)
        single = is_single(w.scale) or w.axis == columns
        if total is None or not single or 2 * length * 255 * 255 > LARGEST_SUM:
            return None
        made, scaled = _biased(node, total, _factor(x, w, total, axis, rewriter), axis, rewriter)
        if scaled is not None:
            self.scaled[made] = scaled
        return made


def _dequantized(value: Value, rewriter: Rewriter) -> _Bytes | None:
    """The integers behind a value, if it is some that were dequantised; through views with more axes before."""
    node = value.node
    if node is not None and node.op.name in ("broadcast", "reshape") and len([v for v in node.inputs if v]) == 1:
        inner = None if node.inputs[0] is None else _dequantized(node.inputs[0], rewriter)
        before = 0 if inner is None else value.rank - inner.value.rank
        same = inner is not None and value.shape == (*(1,) * before, *inner.value.shape)
        if inner is None or not same or rewriter.constant_of(inner.value) is None:
            return None
        return replace(inner, value=_viewed(inner.value, value, rewriter), axis=inner.axis + before)
    if node is None or node.op.name != "dequantize" or value.dtype is not DType.FLOAT32:
        return None
    x, scale, zero_point = node.inputs
    if x is None or scale is None or x.dtype not in BYTES or node.attributes["block"]:
        return None
    if scale.dtype is not DType.FLOAT32:
        return None
    return _Bytes(x, scale, zero_point, cast("int", node.attributes["axis"]))


def _viewed(held: Value, like: Value, rewriter: Rewriter) -> Value:
    known, shape = rewriter.constant_of(held), like.tensor.static_shape
    if known is None or shape is None:
        return reshape(held, shape=like.shape)
    return rewriter.parameter(known.reshaped(shape), "bytes", trainable=False)


def _convolution(node: Node, x: _Bytes, w: _Bytes) -> Value | None:
    given = window_attributes(node)
    if any(step != 1 for step in given.input_dilation):
        return None
    if x.zero_point is not None and not is_single(x.zero_point):
        return None
    return conv_integer(
        x.value,
        w.value,
        x.zero_point,
        w.zero_point,
        strides=given.strides,
        padding=given.padding,
        dilation=given.dilation,
        groups=given.groups,
    )


def _product(node: Node, x: _Bytes, w: _Bytes, rewriter: Rewriter) -> Value | None:
    given = node.attributes
    if node.op.name == "gemm" and (given["alpha"] != 1 or given["beta"] != 1):
        return None
    left, right, held = x.value, w.value, rewriter.constant_of(w.value)
    if node.op.name == "gemm" and given["transpose_a"]:
        left = transpose(left, perm=(1, 0))
    if node.op.name == "gemm" and given["transpose_b"] and held is not None:
        right = rewriter.parameter(constant_of(np.ascontiguousarray(held.array().T)), "bytes", trainable=False)
    return matmul_integer(left, right, x.zero_point, w.zero_point)


def _factor(x: _Bytes, w: _Bytes, total: Value, axis: int, rewriter: Rewriter) -> Value:
    """What one step of the sum means, for each result."""
    left, right = rewriter.constant_of(x.scale), rewriter.constant_of(w.scale)
    if left is None or right is None:
        scale = elementwise.mul(broadcast(reshape(x.scale, shape=()), shape=w.scale.shape), w.scale)
    else:
        product = left.array().reshape(()).astype(np.float32) * right.array().astype(np.float32)
        scale = rewriter.parameter(constant_of(np.asarray(product, np.float32)), "scale", trainable=False)
    return spread(scale, total, axis, 0)


def _biased(node: Node, total: Value, factor: Value, axis: int, rewriter: Rewriter) -> tuple[Value, _Scaled | None]:
    """The sum and the bias, times the scale: a bias in steps of the scale is added to the sum.

    Returns:
        The result, and what it is made of where that is known.
    """
    bias, known = node.inputs[2] if len(node.inputs) > 2 else None, _known_factor(factor, rewriter)
    steps = None if bias is None else _steps(bias, factor, rewriter)
    if steps is not None:
        total = elementwise.add(total, broadcast(_along(steps, total, axis), shape=total.shape))
    made = elementwise.mul(elementwise.cast(total, dtype=DType.FLOAT32), factor)
    if bias is None or steps is not None:
        return made, None if known is None else _Scaled(total, axis, known, None)
    made = elementwise.add(made, broadcast(_along(bias, total, axis), shape=total.shape))
    held = rewriter.constant_of(bias)
    if known is None or held is None or bias.rank != 1 or bias.dtype is not DType.FLOAT32:
        return made, None
    with np.errstate(all="ignore"):
        moved = cast("NDArray[np.float32]", held.array()) / known
    return made, _Scaled(total, axis, known, moved)


def _along(value: Value, total: Value, axis: int) -> Value:
    """A vector laid along an axis; a tensor of the result's rank as it is."""
    if value.rank != 1:
        return value
    return reshape(value, shape=(*value.shape, *(1,) * (total.rank - axis - 1)))


def _steps(bias: Value, factor: Value, rewriter: Rewriter) -> Value | None:
    """A bias of i32 whose scale is that of the sum, or None."""
    node, views = bias.node, 0
    while node is not None and node.op.name == "broadcast" and node.inputs[0] is not None and views < 4:
        node, views = node.inputs[0].node, views + 1
    if node is None or node.op.name != "dequantize":
        return None
    x, scale, zero_point = node.inputs
    if x is None or scale is None or x.dtype is not DType.INT32:
        return None
    own, points = rewriter.constant_of(scale), None if zero_point is None else rewriter.constant_of(zero_point)
    wanted = _known_factor(factor, rewriter)
    if own is None or wanted is None or (zero_point is not None and (points is None or points.array().any())):
        return None
    if own.array().size not in (1, wanted.size) or not np.array_equal(
        np.broadcast_to(own.array().reshape(-1), wanted.shape), wanted
    ):
        return None
    return x


def _known_factor(factor: Value, rewriter: Rewriter) -> NDArray[np.float32] | None:
    """The elements that a scale has before it is spread."""
    value: Value | None = factor
    while value is not None and value.node is not None and value.node.op.name in ("broadcast", "reshape"):
        value = value.node.inputs[0]
    held = None if value is None else rewriter.constant_of(value)
    return None if held is None else cast("NDArray[np.float32]", held.array()).reshape(-1)


def _quantized(node: Node, made: _Scaled, rewriter: Rewriter) -> Value | None:
    """What a layer makes, quantised by one known scale: its sum times what a step of it is in steps of the result."""
    x, scale, zero_point = node.inputs
    held = None if scale is None else rewriter.constant_of(scale)
    dtype = cast("DType", node.attributes["dtype"])
    if x is None or scale is None or held is None or not is_single(scale) or node.attributes["precision"] is not None:
        return None
    if scale.dtype is not DType.FLOAT32 or dtype.is_floating:
        return None
    with np.errstate(all="ignore"):
        step = cast("NDArray[np.float32]", held.array().reshape(()).astype(np.float32))
        factor = np.asarray(made.factor / step, np.float32)
    known = factor if made.bias is None else np.stack(np.broadcast_arrays(factor, made.bias))
    if not np.isfinite(known).all() or (factor <= 0).any():
        return None
    total = elementwise.cast(made.total, dtype=DType.FLOAT32)
    if made.bias is not None:
        total = elementwise.add(total, _laid(made.bias, total, made.axis, "bias", rewriter))
    if made.activated:
        total = relu(total)
    quotient = elementwise.mul(total, _laid(factor, total, made.axis, "scale", rewriter))
    return rounded(quotient, None if zero_point is None else spread(zero_point, x, 0, 0), dtype, True)


def _laid(numbers: NDArray[np.float32], total: Value, axis: int, name: str, rewriter: Rewriter) -> Value:
    return spread(rewriter.parameter(constant_of(numbers), name, trainable=False), total, axis, 0)
