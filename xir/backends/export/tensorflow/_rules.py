"""How each operator that a plan has is said in TensorFlow's words (core/ops/*.cc)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

import numpy as np

from xir.backends.export.tensorflow._functions import function_name
from xir.backends.export.tensorflow._nodes import FunctionName, Nodes, Rule, Types, fields_of, number_in, real_in
from xir.backends.export.tflite._plan import Record
from xir.ir.dims import Dim
from xir.ir.types import DType

_F32, _I32 = DType.FLOAT32, DType.INT32


def _type(nodes: Nodes, record: Record, index: int = 0) -> DType:
    return nodes.tensor(record.inputs[index]).dtype


def _same(op: str, types: str = "T") -> Rule:
    """An operator of the same operands, whose one type is that of the last."""

    def rule(nodes: Nodes, record: Record) -> str:
        inputs = [nodes.read(number) for number in record.inputs]
        attributes = {types: _type(nodes, record, len(inputs) - 1)} if types else {}
        return nodes.node(op, inputs, **attributes)

    return rule


def _div(nodes: Nodes, record: Record) -> str:
    dtype = _type(nodes, record)
    op = "RealDiv" if dtype.is_floating else "TruncateDiv"
    return nodes.node(op, [nodes.read(number) for number in record.inputs], T=dtype)


def _clamped(low: float, high: float) -> Rule:
    def rule(nodes: Nodes, record: Record) -> str:
        bounds = (nodes.number(low, _F32), nodes.number(high, _F32))
        return nodes.node("ClipByValue", (nodes.read(record.inputs[0]), *bounds), T=_F32)

    return rule


def _leaky_relu(nodes: Nodes, record: Record) -> str:
    return nodes.node("LeakyRelu", (nodes.read(record.inputs[0]),), T=_F32, alpha=real_in(record, "alpha"))


def _hard_swish(nodes: Nodes, record: Record) -> str:
    """X relu6(x + 3) / 6."""
    x = nodes.read(record.inputs[0])
    gate = nodes.node("Relu6", (nodes.node("AddV2", (x, nodes.number(3.0, _F32)), T=_F32),), T=_F32)
    return nodes.node("Mul", (nodes.node("Mul", (x, gate), T=_F32), nodes.number(1 / 6, _F32)), T=_F32)


def _gelu(nodes: Nodes, record: Record) -> str:
    """X (1 + erf(x / sqrt 2)) / 2, or with a hyperbolic tangent."""
    x = nodes.read(record.inputs[0])

    def binary(op: str, left: str, right: str | float) -> str:
        return nodes.node(op, (left, right if isinstance(right, str) else nodes.number(right, _F32)), T=_F32)

    if fields_of(record).get("approximate"):
        cube = binary("Mul", binary("Mul", x, x), x)
        inner = binary("Mul", binary("AddV2", x, binary("Mul", cube, 0.044715)), sqrt(2 / 3.141592653589793))
        gate = nodes.node("Tanh", (inner,), T=_F32)
    else:
        gate = nodes.node("Erf", (binary("Mul", x, sqrt(0.5)),), T=_F32)
    return binary("Mul", binary("Mul", x, 0.5), binary("AddV2", gate, 1.0))


def _prelu(nodes: Nodes, record: Record) -> str:
    """max(x, 0) + slope min(x, 0)."""
    x, slope = (nodes.read(number) for number in record.inputs)
    below = nodes.node("Minimum", (x, nodes.number(0.0, _F32)), T=_F32)
    return nodes.node("AddV2", (nodes.node("Relu", (x,), T=_F32), nodes.node("Mul", (below, slope), T=_F32)), T=_F32)


def _cast(nodes: Nodes, record: Record) -> str:
    made = nodes.tensor(record.outputs[0]).dtype
    return nodes.node("Cast", (nodes.read(record.inputs[0]),), SrcT=_type(nodes, record), DstT=made)


def _dequantize(nodes: Nodes, record: Record) -> str:
    """f16 as f32."""
    return _cast(nodes, record)


def _concat(nodes: Nodes, record: Record) -> str:
    inputs = [nodes.read(number) for number in record.inputs]
    axis = nodes.number(number_in(record, "axis"), _I32)
    return nodes.node("ConcatV2", (*inputs, axis), N=len(inputs), T=_type(nodes, record), Tidx=_I32)


def _reshape(nodes: Nodes, record: Record) -> str:
    inputs = [nodes.read(number) for number in record.inputs]
    return nodes.node("Reshape", inputs, T=_type(nodes, record), Tshape=_I32)


def _strided_slice(nodes: Nodes, record: Record) -> str:
    inputs = [nodes.read(number) for number in record.inputs]
    mask = number_in(record, "end_mask")
    return nodes.node("StridedSlice", inputs, T=_type(nodes, record), Index=_I32, end_mask=mask)


def _pad(nodes: Nodes, record: Record) -> str:
    x, amounts, *fill = record.inputs
    inputs, dtype = [nodes.read(x), nodes.read(amounts)], _type(nodes, record)
    if not fill:
        return nodes.node("Pad", inputs, T=dtype, Tpaddings=_I32)
    flat = nodes.node("Reshape", (nodes.read(fill[0]), nodes.numbers(())), T=dtype, Tshape=_I32)
    return nodes.node("PadV2", (*inputs, flat), T=dtype, Tpaddings=_I32)


def _mirror_pad(nodes: Nodes, record: Record) -> str:
    inputs = [nodes.read(number) for number in record.inputs]
    return nodes.node("MirrorPad", inputs, T=_type(nodes, record), Tpaddings=_I32, mode="REFLECT")


def _moving(op: str, types: str) -> Rule:
    """An operator of elements and i32."""

    def rule(nodes: Nodes, record: Record) -> str:
        inputs = [nodes.read(number) for number in record.inputs]
        return nodes.node(op, inputs, T=_type(nodes, record), **{types: _I32})

    return rule


_AT_ONCE = 2
"""Axes along which one node repeats: Eigen's kernel takes five runs of axes that are repeated and that are not in turn
(kernels/broadcast_to_op.cc, util/bcast.h)."""


def _broadcast(nodes: Nodes, record: Record) -> str:
    """BroadcastTo, along a few axes after the other."""
    made, sizes = (nodes.read(number) for number in record.inputs)
    shape = nodes.tensor(record.outputs[0]).shape
    given = (1,) * len(shape) + tuple(nodes.tensor(record.inputs[0]).shape)
    repeated = [axis for axis, size in enumerate(shape) if given[axis - len(shape)] == 1 and size != 1]
    types = {"T": _type(nodes, record), "Tidx": _I32}
    for last in range(_AT_ONCE, len(repeated), _AT_ONCE):
        later = np.isin(np.arange(len(shape)), repeated[last:])
        kept = nodes.node("Mul", (sizes, nodes.numbers((~later).tolist())), T=_I32)
        made = nodes.node(
            "BroadcastTo", (made, nodes.node("AddV2", (kept, nodes.numbers(later.tolist())), T=_I32)), **types
        )
    return nodes.node("BroadcastTo", (made, sizes), **types)


def _split(nodes: Nodes, record: Record) -> tuple[str, ...]:
    inputs = [nodes.read(number) for number in record.inputs]
    count = len(record.outputs)
    name = nodes.node("SplitV", inputs, T=_type(nodes, record), Tlen=_I32, num_split=count)
    return (name, *(f"{name}:{index}" for index in range(1, count)))


def _shape(nodes: Nodes, record: Record) -> str:
    made = nodes.tensor(record.outputs[0]).dtype
    return nodes.node("Shape", (nodes.read(record.inputs[0]),), T=_type(nodes, record), out_type=made)


def _cumsum(nodes: Nodes, record: Record) -> str:
    inputs = [nodes.read(number) for number in record.inputs]
    flags = {name: bool(fields_of(record).get(name)) for name in ("exclusive", "reverse")}
    return nodes.node("Cumsum", inputs, T=_type(nodes, record), Tidx=_I32, **flags)


def _gather(nodes: Nodes, record: Record) -> str:
    inputs = [nodes.read(number) for number in record.inputs]
    axis = nodes.number(number_in(record, "axis"), _I32)
    types = {"Tparams": _type(nodes, record), "Tindices": _type(nodes, record, 1), "Taxis": _I32}
    return nodes.node("GatherV2", (*inputs, axis), **types)


def _scatter(nodes: Nodes, record: Record) -> str:
    inputs = [nodes.read(number) for number in record.inputs]
    return nodes.node("ScatterNd", inputs, T=_type(nodes, record, 1), Tindices=_type(nodes, record))


def _segments(op: str) -> Rule:
    """The rows that fall on one place, combined."""

    def rule(nodes: Nodes, record: Record) -> str:
        inputs = [nodes.read(number) for number in record.inputs]
        return nodes.node(op, inputs, T=_type(nodes, record), Tindices=_I32, Tnumsegments=_I32)

    return rule


def _suppressed(nodes: Nodes, record: Record) -> tuple[str, ...]:
    """NonMaxSuppressionV4, which drops what overlaps by more than its limit; TFLite's drops what does by it, too."""
    boxes, scores, most, overlap, least = record.inputs
    limit = nodes.tensor(overlap).constant
    if limit is None:
        raise TypeError("the plan's limit of overlaps is known")
    below = float(np.nextafter(np.float32(limit.array()), np.float32(-np.inf)))
    inputs = (*map(nodes.read, (boxes, scores, most)), nodes.number(below, _F32), nodes.read(least))
    types = {"T": _F32, "T_threshold": _F32}
    return _results(nodes.node("NonMaxSuppressionV4", inputs, pad_to_max_output_size=True, **types), record)


def _reduced(op: str) -> Rule:
    def rule(nodes: Nodes, record: Record) -> str:
        inputs = [nodes.read(number) for number in record.inputs]
        keep = bool(fields_of(record).get("keep_dims"))
        return nodes.node(op, inputs, T=_type(nodes, record), Tidx=_I32, keep_dims=keep)

    return rule


def _place(op: str) -> Rule:
    def rule(nodes: Nodes, record: Record) -> str:
        inputs = [nodes.read(number) for number in record.inputs]
        return nodes.node(op, inputs, T=_type(nodes, record), Tidx=_I32, output_type=DType.INT64)

    return rule


def _top_k(nodes: Nodes, record: Record) -> tuple[str, ...]:
    inputs = [nodes.read(number) for number in record.inputs]
    name = nodes.node("TopKV2", inputs, T=_type(nodes, record), sorted=True)
    return name, f"{name}:1"


def _where(nodes: Nodes, record: Record) -> str:
    return nodes.node("Where", (nodes.read(record.inputs[0]),), T=_type(nodes, record))


def _branch(nodes: Nodes, record: Record) -> tuple[str, ...]:
    """StatelessIf."""
    operands = record.inputs[1:]
    made = nodes.node(
        "StatelessIf",
        [nodes.read(number) for number in record.inputs],
        Tcond=DType.BOOL,
        Tin=_types(nodes, operands),
        Tout=_types(nodes, record.outputs),
        then_branch=_called(record, "then"),
        else_branch=_called(record, "else"),
    )
    return _results(made, record)


def _repeated(nodes: Nodes, record: Record) -> tuple[str, ...]:
    """StatelessWhile."""
    made = nodes.node(
        "StatelessWhile",
        [nodes.read(number) for number in record.inputs],
        T=_types(nodes, record.inputs),
        cond=_called(record, "cond"),
        body=_called(record, "body"),
    )
    return _results(made, record)


def _types(nodes: Nodes, numbers: Sequence[int]) -> Types:
    return Types(tuple(nodes.tensor(number).dtype for number in numbers))


def _called(record: Record, what: str) -> FunctionName:
    return FunctionName(function_name(number_in(record, f"{what}_subgraph_index")))


def _results(name: str, record: Record) -> tuple[str, ...]:
    return (name, *(f"{name}:{index}" for index in range(1, len(record.outputs))))


def _put(nodes: Nodes, record: Record) -> str:
    """A piece of one place along an axis, put where it begins: each place asks whether it is that one."""
    x, piece, start = record.inputs
    sizes, pieces = nodes.tensor(x).shape, nodes.tensor(piece).shape
    axis = next((axis for axis, size in enumerate(pieces) if size == 1 != sizes[axis]), 0)
    length: Dim = sizes[axis]
    spread = [-1 if place == axis else 1 for place in range(len(sizes))]
    if isinstance(length, int):
        limit = nodes.number(length, _I32)
    else:
        shape = nodes.node("Shape", (nodes.read(x),), T=_type(nodes, record), out_type=_I32)
        limit = _picked(nodes, shape, axis)
    places = nodes.node("Range", (nodes.number(0, _I32), limit, nodes.number(1, _I32)), Tidx=_I32)
    here = nodes.node("Equal", (places, _picked(nodes, nodes.read(start), axis)), T=_I32)
    chosen = nodes.node("Reshape", (here, nodes.numbers(spread)), T=DType.BOOL, Tshape=_I32)
    return nodes.node("SelectV2", (chosen, nodes.read(piece), nodes.read(x)), T=_type(nodes, record))


def _picked(nodes: Nodes, vector: str, place: int) -> str:
    inputs = (vector, nodes.number(place, _I32), nodes.number(0, _I32))
    return nodes.node("GatherV2", inputs, Tparams=_I32, Tindices=_I32, Taxis=_I32)


RULES: Mapping[str, Rule] = {
    **{
        kind: _same(op)
        for kind, op in (
            *(("ADD", "AddV2"), ("SUB", "Sub"), ("MUL", "Mul"), ("MINIMUM", "Minimum"), ("MAXIMUM", "Maximum")),
            *(("EQUAL", "Equal"), ("NOT_EQUAL", "NotEqual"), ("LESS", "Less"), ("LESS_EQUAL", "LessEqual")),
            *(("GREATER", "Greater"), ("GREATER_EQUAL", "GreaterEqual"), ("SELECT_V2", "SelectV2"), ("EXP", "Exp")),
            *(("LOG", "Log"), ("SQRT", "Sqrt"), ("SIN", "Sin"), ("COS", "Cos"), ("FLOOR", "Floor"), ("CEIL", "Ceil")),
            *(("ROUND", "Round"), ("LOGISTIC", "Sigmoid"), ("TANH", "Tanh"), ("NEG", "Neg"), ("ABS", "Abs")),
            *(("FLOOR_MOD", "FloorMod"), ("FLOOR_DIV", "FloorDiv"), ("POW", "Pow"), ("RELU", "Relu")),
            *(("RELU6", "Relu6"), ("ELU", "Elu"), ("SOFTMAX", "Softmax"), ("LOG_SOFTMAX", "LogSoftmax")),
            *(("ATAN2", "Atan2"), ("BITWISE_XOR", "BitwiseXor"), ("RIGHT_SHIFT", "RightShift")),
        )
    },
    "LOGICAL_AND": _same("LogicalAnd", ""),
    "LOGICAL_OR": _same("LogicalOr", ""),
    "LOGICAL_NOT": _same("LogicalNot", ""),
    "RANGE": _same("Range", "Tidx"),
    "DIV": _div,
    "RELU_N1_TO_1": _clamped(-1.0, 1.0),
    "RELU_0_TO_1": _clamped(0.0, 1.0),
    "LEAKY_RELU": _leaky_relu,
    "HARD_SWISH": _hard_swish,
    "GELU": _gelu,
    "PRELU": _prelu,
    "CAST": _cast,
    "DEQUANTIZE": _dequantize,
    "CONCATENATION": _concat,
    "RESHAPE": _reshape,
    "STRIDED_SLICE": _strided_slice,
    "PAD": _pad,
    "PADV2": _pad,
    "MIRROR_PAD": _mirror_pad,
    "TRANSPOSE": _moving("Transpose", "Tperm"),
    "BROADCAST_TO": _broadcast,
    "TILE": _moving("Tile", "Tmultiples"),
    "REVERSE_V2": _moving("ReverseV2", "Tidx"),
    "SPLIT_V": _split,
    "SHAPE": _shape,
    "CUMSUM": _cumsum,
    "GATHER": _gather,
    "SCATTER_ND": _scatter,
    "UNSORTED_SEGMENT_PROD": _segments("UnsortedSegmentProd"),
    "UNSORTED_SEGMENT_MAX": _segments("UnsortedSegmentMax"),
    "UNSORTED_SEGMENT_MIN": _segments("UnsortedSegmentMin"),
    "SUM": _reduced("Sum"),
    "MEAN": _reduced("Mean"),
    "REDUCE_MAX": _reduced("Max"),
    "REDUCE_MIN": _reduced("Min"),
    "REDUCE_PROD": _reduced("Prod"),
    "ARG_MAX": _place("ArgMax"),
    "ARG_MIN": _place("ArgMin"),
    "TOPK_V2": _top_k,
    "IF": _branch,
    "WHILE": _repeated,
    "DYNAMIC_UPDATE_SLICE": _put,
    "WHERE": _where,
    "NON_MAX_SUPPRESSION_V4": _suppressed,
}
"""{operator of the plan: its nodes}; those of images and products stand in `_images`."""
