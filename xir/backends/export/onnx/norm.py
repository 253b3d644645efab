"""ONNX forms of normalisations."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from xir.backends.export.onnx._form import (
    Answer,
    Call,
    Forms,
    OnnxAttribute,
    Refusal,
    again,
    ints,
    operand,
    real,
    whole,
)
from xir.ir.constant import Constant, constant_of
from xir.ir.dims import product
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops import norm
from xir.ops._build import channelwise, scalar_like
from xir.ops.constant import constant
from xir.ops.elementwise import add, div, mul, sqrt, sub
from xir.ops.norm import (
    group_norm,
    instance_norm,
    layer_norm,
    log_softmax,
    lrn,
    mean_variance_normalize,
    softmax,
)
from xir.ops.norm_length import lp_normalize, rms_norm
from xir.ops.norm_statistics import batch_norm_train, layer_norm_with_statistics
from xir.ops.reduce import reduce_mean
from xir.ops.shape import broadcast, reshape, transpose

forms = Forms()


def _spelled(node: Node) -> tuple[Value, ...] | None:
    """The node with its repeated literals (a scale of ones) as literals of their whole size, or None without any.

    ONNX's normalizations repeat nothing themselves: such a literal would need an Expand of its own.
    """
    inputs = tuple(_whole_literal(value) for value in node.inputs)
    same = all(new is old for new, old in zip(inputs, node.inputs, strict=True))
    return None if same else again(node, inputs)


def _whole_literal(value: Value | None) -> Value | None:
    maker = None if value is None else value.node
    if value is None or maker is None or maker.op.name != "broadcast" or maker.inputs[0] is None:
        return value
    literal, shape = maker.inputs[0].node, value.tensor.static_shape
    held = None if literal is None else literal.attributes.get("value")
    if shape is None or not isinstance(held, Constant) or math.prod(shape) > _MOST_SPELLED:
        return value
    return constant(value=constant_of(np.ascontiguousarray(np.broadcast_to(held.array(), shape))))


_MOST_SPELLED = 1 << 16
"""Elements of a literal that stands in the file as often as it is repeated; scales have some thousands."""


@forms.of(norm.batch_norm)
def _batch_norm(node: Node, opset: int) -> Answer:
    """BatchNormalization."""
    return _spelled(node) or Call("BatchNormalization", node.inputs, {"epsilon": real(node, "epsilon")})


@forms.of(norm.instance_norm)
def _instance_norm(node: Node, opset: int) -> Answer:
    """InstanceNormalization."""
    return _spelled(node) or Call("InstanceNormalization", node.inputs, {"epsilon": real(node, "epsilon")})


@forms.of(lrn)
def _lrn(node: Node, opset: int) -> Answer:
    """LRN, which divides alpha by the size as Caffe does; onnxruntime's takes [N, C, H, W] alone."""
    x = operand(node)
    if x.rank != 4:
        return Refusal("LRN of other than four axes")
    attributes: dict[str, OnnxAttribute] = {
        "size": whole(node, "size"),
        "alpha": real(node, "alpha"),
        "beta": real(node, "beta"),
        "bias": real(node, "bias"),
    }
    return Call("LRN", (x,), attributes)


_MVN_EPSILON = 1e-9
"""What MeanVarianceNormalization adds to the standard deviation (function body in onnx.defs, opset 9 and 13)."""


def _standardized(x: Value, axes: tuple[int, ...], epsilon: float) -> Value:
    """(x - mean) / sqrt(variance + epsilon) over the axes."""
    centred = sub(x, broadcast(reduce_mean(x, axes=axes, keep_dims=True), shape=x.shape))
    variance = reduce_mean(mul(centred, centred), axes=axes, keep_dims=True)
    root = sqrt(add(variance, scalar_like(variance, epsilon)))
    return div(centred, broadcast(root, shape=x.shape))


@forms.of(mean_variance_normalize)
def _mean_variance_normalize(node: Node, opset: int) -> Answer:
    """MeanVarianceNormalization where epsilon is its own, else arithmetic: by a quotient, one operator less."""
    scaled, outside = bool(whole(node, "normalize_variance")), bool(whole(node, "outside"))
    if scaled and not outside and operand(node).dtype.bits >= 32:
        return _standardized(operand(node), ints(node, "axes"), real(node, "epsilon"))
    if not (scaled and outside) or real(node, "epsilon") != _MVN_EPSILON:
        return Refusal("MeanVarianceNormalization has an epsilon of its own")
    return Call(
        "MeanVarianceNormalization", (operand(node),), {"axes": ints(node, "axes")}, precision=operand(node).dtype
    )


@forms.of(layer_norm)
def _layer_norm(node: Node, opset: int) -> Answer:
    """LayerNormalization (opset 17), which wants a scale."""
    x, scale, shift = operand(node), node.inputs[1], node.inputs[2]
    if scale is None:
        return Refusal("LayerNormalization needs a scale")
    inputs = (x, scale) if shift is None else (x, scale, shift)
    return Call("LayerNormalization", inputs, {"axis": whole(node, "axis"), "epsilon": real(node, "epsilon")})


@forms.of(layer_norm_with_statistics)
def _layer_norm_with_statistics(node: Node, opset: int) -> Answer:
    """LayerNormalization, whose statistics are f32."""
    if operand(node).dtype is DType.FLOAT64:
        return Refusal("LayerNormalization has no statistics in f64")
    said = _layer_norm(node, opset)
    return replace(said, optional=1) if isinstance(said, Call) else said


@forms.of(rms_norm)
def _rms_norm(node: Node, opset: int) -> Answer:
    """RMSNormalization (opset 23), which wants a scale."""
    if node.inputs[1] is None:
        return Refusal("RMSNormalization needs a scale")
    return Call("RMSNormalization", node.inputs, {"axis": whole(node, "axis"), "epsilon": real(node, "epsilon")})


@forms.of(batch_norm_train)
def _batch_norm_train(node: Node, opset: int) -> Answer:
    """BatchNormalization; opset 14 made clear what it computes while training, and that it then has three results."""
    if opset < 14:
        return Refusal("BatchNormalization while training", 14)
    attributes: dict[str, OnnxAttribute] = {
        "training_mode": 1,
        "epsilon": real(node, "epsilon"),
        "momentum": real(node, "momentum"),
    }
    return Call("BatchNormalization", node.inputs, attributes)


forms.same(lp_normalize, "LpNormalization", axis="axis", p="p")


@forms.of(group_norm)
def _group_norm(node: Node, opset: int) -> Answer:
    """GroupNormalization with a scale for each channel, which it has from opset 21 on; before that, of planes."""
    if opset < 21:
        single = operand(node).dtype is DType.FLOAT32 and operand(node).rank > 2
        return _of_planes(node) if single else Refusal("GroupNormalization with a scale for each channel", 21)
    return _spelled(node) or Call(
        "GroupNormalization",
        node.inputs,
        {"num_groups": whole(node, "groups"), "epsilon": real(node, "epsilon")},
    )


def _of_planes(node: Node) -> Value:
    """As PyTorch's exporter writes it (torch/onnx/symbolic_opset9.py, group_norm), in single precision.

    Narrow floats would round once more, and of double precision epsilon would lose digits.
    """
    x, scale, shift = (operand(node, place) for place in range(3))
    groups = whole(node, "groups")
    n, channels, *spatial = x.shape
    grouped = reshape(x, shape=(n, groups, channels // groups * product(tuple(spatial))))
    one, zero = (constant(value=constant_of(np.full(groups, number, x.dtype.dtype))) for number in (1, 0))
    y = reshape(instance_norm(grouped, one, zero, epsilon=real(node, "epsilon")), shape=x.shape)
    return add(mul(y, channelwise(scale, y)), channelwise(shift, y))


def _along(node: Node, opset: int, kind: str) -> Answer:
    """Before opset 13 the operator flattens from `axis` on: the same where `axis` is the last one."""
    x, axis = operand(node), whole(node, "axis")
    if opset >= 13 or axis == x.rank - 1:
        return Call(kind, (x,), {"axis": axis})
    swap = list(range(x.rank))
    swap[axis], swap[-1] = swap[-1], swap[axis]
    (moved,) = again(node, (transpose(x, perm=tuple(swap)),), axis=x.rank - 1)
    return transpose(moved, perm=tuple(swap))


@forms.of(softmax)
def _softmax(node: Node, opset: int) -> Answer:
    """Softmax."""
    return _along(node, opset, "Softmax")


@forms.of(log_softmax)
def _log_softmax(node: Node, opset: int) -> Answer:
    """LogSoftmax."""
    return _along(node, opset, "LogSoftmax")
