"""ONNX forms of reading and writing by index."""

from __future__ import annotations

import numpy as np

from xir.backends.export.onnx._form import (
    Answer,
    Call,
    Fixed,
    Forms,
    OnnxAttribute,
    Operand,
    Refusal,
    Sizes,
    again,
    operand,
    whole,
)
from xir.backends.export.onnx._operands import in_i64
from xir.backends.export.onnx.late import by_f32
from xir.ir.dims import as_dim
from xir.ir.node import Node
from xir.ir.types import DType
from xir.ops.elementwise import cast
from xir.ops.index import compress, depth_of, gather, gather_elements, gather_nd, one_hot, scatter_elements
from xir.ops.shape import reshape

forms = Forms()
forms.same(gather, "Gather", axis="axis")
forms.same(gather_elements, "GatherElements", axis="axis")

_SCATTER_SINCE = {"none": 11, "add": 16, "mul": 16, "max": 18, "min": 18}
"""The opset whose ScatterElements has a reduction (onnx.defs)."""


@forms.of(scatter_elements)
def _scatter_elements(node: Node, opset: int) -> Answer:
    """ScatterElements."""
    reduction = str(node.attributes["reduction"])
    if opset < _SCATTER_SINCE[reduction]:
        return Refusal(f"ScatterElements with reduction {reduction!r}", _SCATTER_SINCE[reduction])
    attributes: dict[str, OnnxAttribute] = {"axis": whole(node, "axis")}
    if reduction != "none":
        attributes["reduction"] = reduction
    return Call("ScatterElements", node.inputs, attributes)


@forms.of(compress)
def _compress(node: Node, opset: int) -> Answer:
    """Compress."""
    return by_f32(node, opset) or Call("Compress", node.inputs, {"axis": whole(node, "axis")})


@forms.of(gather_nd)
def _gather_nd(node: Node, opset: int) -> Answer:
    """GatherND, with batch axes from opset 12 on; 'indices_shape[-1] should have a value between 1 (inclusive)'."""
    if depth_of(operand(node, 1)) == 0:
        return Refusal("GatherND by no coordinates")
    batch = whole(node, "batch_axes")
    return Call("GatherND", node.inputs, {"batch_dims": batch} if batch else {})


@forms.of(one_hot)
def _one_hot(node: Node, opset: int) -> Answer:
    """OneHot with the values 0 and 1; ONNX's indices have an axis.

    In i64, with i64 or f32 as results, which onnxruntime has kernels for (onehot.cc).
    """
    indices, count, dtype = operand(node), node.inputs[1], node.attributes["dtype"]
    if indices.rank == 0:
        (hot,) = again(node, (reshape(indices, shape=(1,)), count), axis=1)
        return reshape(hot, shape=node.outputs[0].shape)
    if dtype not in (DType.FLOAT32, DType.INT64) and isinstance(dtype, DType):
        return cast(again(node, node.inputs, dtype=DType.INT64)[0], dtype=dtype)
    prepared = in_i64(node, 0, 1)
    if prepared is not None:
        return prepared
    depth: Operand = Sizes((as_dim(node.attributes["depth"]),), scalar=True) if count is None else count
    values = Fixed(np.array([0, 1]).astype(np.int64 if dtype is DType.INT64 else np.float32))
    return Call("OneHot", (indices, depth, values), {"axis": whole(node, "axis")})
