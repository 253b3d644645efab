"""ONNX forms of quantisation and of the products of quantised numbers; what an opset cannot say comes apart."""

from __future__ import annotations

import numpy as np

from xir.backends.export.onnx._form import (
    Answer,
    Call,
    Forms,
    OnnxAttribute,
    Operand,
    again,
    decomposed,
    ints,
    onnx_value,
    operand,
    schema,
    whole,
)
from xir.backends.export.onnx._tensor import NUMBERS
from xir.backends.export.onnx._windows import flat_pads, known_padding, padded, padding_of
from xir.ir.constant import constant_of
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops._quantized import is_single
from xir.ops.cast import LARGEST
from xir.ops.constant import constant
from xir.ops.quantize import dequantize, dynamic_quantize, quantize
from xir.ops.quantize_product import conv_integer, matmul_integer, quantized_conv, quantized_matmul

forms = Forms()

_AXIS, _SATURATE, _BLOCK, _OWN_SCALE = 13, 19, 21, 23
"""The opsets that brought axes, saturation, blocks and 16 bits, and scales of a type of their own."""


def _dtype(node: Node, name: str) -> DType | None:
    found = node.attributes[name]
    return found if isinstance(found, DType) else None


def _given(*operands: Operand) -> tuple[Operand, ...]:
    """The operands without absent ones at the end."""
    kept = list(operands)
    while kept and kept[-1] is None:
        kept.pop()
    return tuple(kept)


def _reach(node: Node, opset: int) -> dict[str, OnnxAttribute] | None:
    """The attributes of axis and block, or None where the opset has none."""
    block = whole(node, "block")
    if is_single(operand(node, 1)) and not block:
        return {}
    if opset < (_BLOCK if block else _AXIS):
        return None
    found: dict[str, OnnxAttribute] = {"axis": whole(node, "axis")}
    return {**found, "block_size": block} if block else found


def _zeros(scale: Value, dtype: DType) -> Value | None:
    """A zero point of the scale's shape, where that is known."""
    shape = scale.tensor.static_shape
    return None if shape is None else constant(value=constant_of(np.zeros(shape, dtype.dtype)))


@forms.of(quantize)
def _quantize(node: Node, opset: int) -> Answer:
    """QuantizeLinear; a type other than u8 is said by a zero point where it cannot be named."""
    x, scale, zero_point = operand(node), operand(node, 1), node.inputs[2]
    dtype, precision, attributes = _dtype(node, "dtype"), _dtype(node, "precision"), _reach(node, opset)
    mixed = opset < _OWN_SCALE and (precision is not None or (opset >= _SATURATE and x.dtype is not scale.dtype))
    found = schema("QuantizeLinear", opset)
    if dtype is None or attributes is None or found is None or mixed or dtype not in found.inputs[2]:
        return decomposed(node)
    if zero_point is None and dtype is not DType.UINT8:
        if opset >= _BLOCK:
            attributes["output_dtype"] = NUMBERS[dtype]
        else:
            zeros = _zeros(scale, dtype)
            return decomposed(node) if zeros is None else again(node, (x, scale, zeros))
    if not whole(node, "saturate"):
        if dtype not in LARGEST:
            return again(node, node.inputs, saturate=True)
        attributes["saturate"] = 0
    if precision is not None:
        attributes["precision"] = NUMBERS[precision]
    return Call("QuantizeLinear", _given(x, scale, zero_point), attributes)


@forms.of(dequantize)
def _dequantize(node: Node, opset: int) -> Answer:
    """DequantizeLinear; to another type than that of the scale since opset 23."""
    x, scale, zero_point = operand(node), operand(node, 1), node.inputs[2]
    dtype, attributes = _dtype(node, "dtype"), _reach(node, opset)
    if dtype is None or attributes is None:
        return decomposed(node)
    if dtype is not scale.dtype:
        if opset < _OWN_SCALE:
            return decomposed(node)
        attributes["output_dtype"] = NUMBERS[dtype]
    return Call("DequantizeLinear", _given(x, scale, zero_point), attributes)


forms.same(dynamic_quantize, "DynamicQuantizeLinear")
forms.same(matmul_integer, "MatMulInteger", broadcasting="none")


@forms.of(quantized_matmul)
def _quantized_matmul(node: Node, opset: int) -> Answer:
    """QLinearMatMul, whose scales have one type."""
    scales = {operand(node, place).dtype for place in (1, 4, 6)}
    return decomposed(node) if len(scales) > 1 else Call("QLinearMatMul", node.inputs)


def _window(node: Node) -> dict[str, OnnxAttribute] | None:
    """The attributes of a convolution, or None where the padding is negative or computed at run time."""
    known = known_padding(padding_of(node))
    if known is None:
        return None
    w = operand(node, 1 if node.op is conv_integer else 3)
    window = tuple(size for size in w.shape[2:] if isinstance(size, int))
    attributes: dict[str, OnnxAttribute] = {"kernel_shape": window} if len(window) == w.rank - 2 else {}
    return {
        **attributes,
        "strides": onnx_value(node, "strides"),
        "pads": flat_pads(known),
        "dilations": ints(node, "dilation"),
        "group": whole(node, "groups"),
    }


def _cut(node: Node) -> tuple[Value, ...] | None:
    """The convolution of what negative padding leaves; None where the padding comes at run time."""
    padding: list[tuple[int, int]] = []
    for before, after in padding_of(node):
        if not isinstance(before, int) or not isinstance(after, int):
            return None
        padding.append((before, after))
    if all(amount >= 0 for pair in padding for amount in pair):
        return None
    less = padded(operand(node), tuple((min(before, 0), min(after, 0)) for before, after in padding))
    more = tuple((max(before, 0), max(after, 0)) for before, after in padding)
    return again(node, (less, *node.inputs[1:]), padding=more)


@forms.of(conv_integer)
def _conv_integer(node: Node, opset: int) -> Answer:
    """ConvInteger."""
    attributes = _window(node)
    if attributes is None:
        return _cut(node) or decomposed(node)
    return Call("ConvInteger", _given(*node.inputs), attributes)


@forms.of(quantized_conv)
def _quantized_conv(node: Node, opset: int) -> Answer:
    """QLinearConv."""
    attributes = _window(node)
    if attributes is None:
        return _cut(node) or decomposed(node)
    return Call("QLinearConv", _given(*node.inputs), attributes)
