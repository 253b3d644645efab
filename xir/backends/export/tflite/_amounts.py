"""Operators whose bounds, counts and amounts are tensors of the run: vectors of i32 in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xir.backends.export.tflite._form import ints, operand, shape_in, whole
from xir.flatbuffer.write import Content
from xir.ir.constant import constant_of
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType

if TYPE_CHECKING:
    from xir.backends.export.tflite._plan import Plan

_I32 = DType.INT32
_MOST = int(np.iinfo(np.int32).max)


def _numbers(plan: Plan, numbers: list[int], dtype: DType = _I32) -> int:
    return plan.literal(constant_of(np.array(numbers), dtype))


def _small(plan: Plan, value: Value) -> int:
    """Whole numbers as i32."""
    made = plan.read(value)
    return made if value.dtype is _I32 else plan.add("CAST", [made], value.shape, _I32, "CastOptions")


def _bounded(plan: Plan, value: Value) -> int:
    """The same, numbers beyond i32, which mean an end, being its ends."""
    made = plan.read(value)
    if value.dtype is _I32:
        return made
    for kind, bound in (("MINIMUM", _MOST), ("MAXIMUM", -_MOST)):
        operands = [made, _numbers(plan, [bound], value.dtype)]
        made = plan.add(kind, operands, value.shape, value.dtype, "MaximumMinimumOptions")
    return plan.add("CAST", [made], value.shape, _I32, "CastOptions")


def write_slice(plan: Plan, node: Node) -> None:
    """STRIDED_SLICE: negative bounds count from the end and all are clamped there too (strided_slice_logic.h)."""
    x, axes = operand(node), ints(node, "axes")
    chosen = _numbers(plan, [axes.index(axis) if axis in axes else len(axes) for axis in range(x.rank)])
    bounds: list[int] = []
    for value, known, otherwise in ((node.inputs[1], "starts", 0), (node.inputs[2], "stops", _MOST)):
        own = plan.sizes(shape_in(node, known)) if value is None else _bounded(plan, value)
        parts = [own, _numbers(plan, [otherwise])]
        joined = plan.add("CONCATENATION", parts, (len(axes) + 1,), _I32, "ConcatenationOptions")
        bounds.append(plan.add("GATHER", [joined, chosen], (x.rank,), _I32, "GatherOptions"))
    steps = dict(zip(axes, ints(node, "steps"), strict=True))
    strides = _numbers(plan, [steps.get(axis, 1) for axis in range(x.rank)])
    options: tuple[str, dict[str, Content]] = ("StridedSliceOptions", {})
    plan.finish(node, "STRIDED_SLICE", [plan.read(x), *bounds, strides], options, node.outputs)


def write_tile(plan: Plan, node: Node) -> None:
    """TILE."""
    counts = _small(plan, operand(node, 1))
    plan.finish(node, "TILE", [plan.read(operand(node)), counts], ("TileOptions", {}), node.outputs)


def write_broadcast(plan: Plan, node: Node) -> None:
    """BROADCAST_TO; a size of 1 that is asked for keeps that of the operand, of as many axes."""
    x, rank = operand(node), operand(node).rank
    source, asked = plan.read(x), _small(plan, operand(node, 1))
    own = plan.add("SHAPE", [source], (rank,), _I32, "ShapeOptions", out_type="INT32")
    test = plan.add("EQUAL", [asked, _numbers(plan, [1])], (rank,), DType.BOOL, "EqualOptions")
    sizes = plan.add("SELECT_V2", [test, own, asked], (rank,), _I32, "SelectV2Options")
    plan.finish(node, "BROADCAST_TO", [source, sizes], ("BroadcastToOptions", {}), node.outputs)


def write_pad(plan: Plan, node: Node) -> None:
    """PADV2 or MIRROR_PAD; LiteRT refuses a negative amount when it runs (pad.cc)."""
    x, amounts, fill = operand(node), node.inputs[1], node.inputs[2]
    if amounts is None:
        raise TypeError("amounts of padding that are known")
    columns = plan.reshaped(_small(plan, amounts), (2, x.rank), _I32)
    turned = plan.add("TRANSPOSE", [columns, _numbers(plan, [1, 0])], (x.rank, 2), _I32, "TransposeOptions")
    operands = [plan.read(x), turned]
    if node.attributes["mode"] == "reflect":
        fields: dict[str, Content] = {"mode": "REFLECT"}
        plan.finish(node, "MIRROR_PAD", operands, ("MirrorPadOptions", fields), node.outputs)
        return
    held = constant_of(np.array([node.attributes["value"]]), x.dtype)
    value = plan.literal(held) if fill is None else plan.reshaped(plan.read(fill), (1,), x.dtype)
    plan.finish(node, "PADV2", [*operands, value], ("PadV2Options", {}), node.outputs)


def write_split(plan: Plan, node: Node) -> None:
    """SPLIT_V."""
    sizes = _small(plan, operand(node, 1))
    operands = [plan.read(operand(node)), sizes, plan.literal(constant_of(np.array(whole(node, "axis"), np.int32)))]
    plan.finish(node, "SPLIT_V", operands, ("SplitVOptions", {"num_splits": len(node.outputs)}), node.outputs)


def write_top_k(plan: Plan, node: Node) -> None:
    """TOPK_V2 along the last axis; its places are i32."""
    values, places = node.outputs
    count = plan.reshaped(_small(plan, operand(node, 1)), (), _I32)
    results: list[Value | TensorType] = [values, TensorType(_I32, places.shape)]
    made = plan.finish(node, "TOPK_V2", [plan.read(operand(node)), count], ("TopKV2Options", {}), results)
    plan.hold(places, plan.add("CAST", [made[1]], places.shape, places.dtype, "CastOptions"))
