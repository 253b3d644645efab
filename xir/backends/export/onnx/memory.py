"""ONNX forms of operators that carry a state from one call to the next."""

from __future__ import annotations

from xir.backends.export.onnx._form import Answer, Call, Forms, OnnxAttribute, onnx_value, whole
from xir.ir.node import Node
from xir.ops.cache_update import cache_update
from xir.ops.causal_conv import causal_conv
from xir.ops.linear_attention import linear_attention

forms = Forms()
forms.same(causal_conv, "CausalConvWithState", activation="activation")


@forms.of(linear_attention)
def _linear_attention(node: Node, opset: int) -> Answer:
    """LinearAttention (opset 27)."""
    attributes: dict[str, OnnxAttribute] = {
        "q_num_heads": whole(node, "heads"),
        "kv_num_heads": whole(node, "shared_heads"),
        "update_rule": onnx_value(node, "rule"),
    }
    if node.attributes["scale"] is not None:
        attributes["scale"] = onnx_value(node, "scale")
    return Call("LinearAttention", node.inputs, attributes)


@forms.of(cache_update)
def _cache_update(node: Node, opset: int) -> Answer:
    """TensorScatter (opset 24)."""
    mode = "circular" if node.attributes["circular"] else "linear"
    return Call("TensorScatter", node.inputs, {"axis": whole(node, "axis"), "mode": mode})
