"""ONNX forms of attention and rotary embedding."""

from __future__ import annotations

from collections.abc import Mapping

from xir.backends.export.onnx._form import (
    Answer,
    Call,
    Forms,
    OnnxAttribute,
    again,
    onnx_value,
    operand,
    real,
    whole,
)
from xir.ir.node import Node, Value
from xir.ops.attention import attention
from xir.ops.rotary import rotary_embedding
from xir.ops.shape import broadcast

forms = Forms()

_MODES: Mapping[object, int] = {"products": 0, "capped": 1, "biased": 2, "weights": 3}


def _given(inputs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    """The operands without absent ones at the end."""
    count = max(index + 1 for index, value in enumerate(inputs) if value is not None)
    return inputs[:count]


@forms.of(attention)
def _attention(node: Node, opset: int) -> Answer:
    """Attention (opset 23, with numbers of valid keys 24, with windows 25).

    onnxruntime (1.31, attention_helper.h) repeats a mask for batches and heads, but wants a row for each query.
    """
    mask, rows = node.inputs[3], operand(node).shape[2]
    if mask is not None and mask.shape[2] == 1 and rows != 1:
        repeated = broadcast(mask, shape=(*mask.shape[:2], rows, mask.shape[3]))
        return again(node, (*node.inputs[:3], repeated, *node.inputs[4:]))
    attributes: dict[str, OnnxAttribute] = {
        "is_causal": whole(node, "causal"),
        "qk_matmul_output_mode": _MODES[node.attributes["shown"]],
        "softcap": real(node, "softcap"),
    }
    for theirs, ours in (
        ("scale", "scale"),
        ("left_window_size", "left"),
        ("right_window_size", "right"),
        ("softmax_precision", "precision"),
    ):
        if node.attributes[ours] is not None:
            attributes[theirs] = onnx_value(node, ours)
    if node.inputs[4] is not None:  # past and present go together
        return Call("Attention", _given(node.inputs), attributes, optional=3)
    return Call("Attention", _given(node.inputs), attributes, optional=1, places=(0, 3))


@forms.of(rotary_embedding)
def _rotary_embedding(node: Node, opset: int) -> Answer:
    """RotaryEmbedding (opset 23)."""
    size = whole(node, "size")
    attributes: dict[str, OnnxAttribute] = {"interleaved": whole(node, "interleaved")}
    if size != operand(node).shape[3]:
        attributes["rotary_embedding_dim"] = size
    return Call("RotaryEmbedding", _given(node.inputs), attributes)
