"""ONNX forms of operators whose axes come at run time, and of those that look for elements or diagonals."""

from __future__ import annotations

from collections.abc import Mapping

from xir.backends.export.onnx._form import (
    Answer,
    Call,
    Form,
    Forms,
    OnnxAttribute,
    Operand,
    Refusal,
    again,
    ints,
    literal,
    onnx_value,
    operand,
    whole,
)
from xir.backends.export.onnx._operands import in_i64, scalars
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops.elementwise import cast
from xir.ops.finding import nonzero, unique
from xir.ops.late import (
    broadcast_late,
    reduce_late,
    reshape_late,
    slice_late,
    squeeze_late,
    unsqueeze_late,
)
from xir.ops.places import reverse_sequence, scatter_nd
from xir.ops.running import cumprod, cumsum
from xir.ops.shape import range_, reshape
from xir.ops.triangle import eye_like, trilu

forms = Forms()
forms.same(nonzero, "NonZero")

_REDUCTIONS: Mapping[str, tuple[str, int]] = {
    "sum": ("ReduceSum", 13),
    "mean": ("ReduceMean", 18),
    "max": ("ReduceMax", 18),
    "min": ("ReduceMin", 18),
    "prod": ("ReduceProd", 18),
    "l1": ("ReduceL1", 18),
    "l2": ("ReduceL2", 18),
    "sum_square": ("ReduceSumSquare", 18),
    "log_sum": ("ReduceLogSum", 18),
    "log_sum_exp": ("ReduceLogSumExp", 18),
}
"""ONNX's operator, and the opset since which its axes are an operand (onnx.defs)."""

_SMALL = (DType.INT8, DType.UINT8, DType.INT16, DType.UINT16)


@forms.of(reduce_late)
def _reduce(node: Node, opset: int) -> Answer:
    """The reduction with its axes as an operand; small integers, which sums and products do not take, in 32 bits."""
    kind, since = _REDUCTIONS[str(node.attributes["kind"])]
    if opset < since:
        return Refusal(f"{kind} over axes that come at run time", since)
    x = operand(node)
    if x.dtype in _SMALL and kind not in ("ReduceMax", "ReduceMin"):
        (wide,) = again(node, (cast(x, dtype=DType.INT32), node.inputs[1]))
        return cast(wide, dtype=x.dtype)
    attributes: dict[str, OnnxAttribute] = {"keepdims": whole(node, "keep_dims")}
    if not whole(node, "all_if_empty"):
        attributes["noop_with_empty_axes"] = 1
    return in_i64(node, 1) or Call(kind, node.inputs, attributes)


@forms.of(slice_late)
def _slice(node: Node, opset: int) -> Answer:
    """Slice with all its operands, which have one element type."""
    x, start, stop, places, step = node.inputs
    given = [each.dtype for each in (start, stop, places, step) if each is not None]
    if any(dtype is not given[0] for dtype in given):
        return in_i64(node, 1, 2, 3, 4) or Refusal("no bounds")
    named: Operand = places if places is not None else literal(list(ints(node, "axes")), given[0])
    return Call("Slice", (x, start, stop, named, *([] if step is None else [step])))


def _with_axes(kind: str) -> Form:
    def form(node: Node, opset: int) -> Answer:
        if opset < 13:
            return Refusal(f"{kind} with axes that come at run time", 13)
        return in_i64(node, 1) or Call(kind, node.inputs)

    return form


forms.of(unsqueeze_late)(_with_axes("Unsqueeze"))


@forms.of(squeeze_late)
def _squeeze(node: Node, opset: int) -> Answer:
    """Squeeze; without axes every opset has it, and it is a plain reshape where all sizes are known."""
    x = operand(node)
    if node.inputs[1] is None:
        known = all(isinstance(size, int) for size in x.shape)
        return reshape(x, shape=node.outputs[0].shape) if known else Call("Squeeze", (x,))
    return _with_axes("Squeeze")(node, opset)


@forms.of(reshape_late)
def _reshape(node: Node, opset: int) -> Answer:
    """Reshape; a 0 that does not copy needs `allowzero`."""
    attributes: dict[str, OnnxAttribute] = {} if whole(node, "copies_zero") else {"allowzero": 1}
    if attributes and opset < 14:
        return Refusal("Reshape with 'allowzero'", 14)
    return in_i64(node, 1) or Call("Reshape", node.inputs, attributes)


@forms.of(broadcast_late)
def _broadcast(node: Node, opset: int) -> Answer:
    """Expand."""
    return in_i64(node, 1) or Call("Expand", node.inputs)


def _running(kind: str) -> Form:
    def form(node: Node, opset: int) -> Answer:
        """The axis is a scalar operand."""
        at = node.inputs[1]
        axis: Operand = literal(whole(node, "axis"), DType.INT64) if at is None else at
        words: dict[str, OnnxAttribute] = {name: whole(node, name) for name in ("exclusive", "reverse")}
        return scalars(node, 1) or Call(kind, (operand(node), axis), words)

    return form


forms.of(cumsum)(_running("CumSum"))
forms.of(cumprod)(_running("CumProd"))


@forms.of(range_)
def _range(node: Node, opset: int) -> Answer:
    """Range of scalars; those of narrow floats, which opset 27 brought, come by way of the type they count in."""
    dtype, stash = operand(node).dtype, node.attributes["stash"]
    if not dtype.is_floating or dtype.bits >= 32 or not isinstance(stash, DType):
        return scalars(node, 0, 1, 2) or Call("Range", node.inputs)
    if opset >= 27:
        return scalars(node, 0, 1, 2) or Call("Range", node.inputs, {"stash_type": onnx_value(node, "stash")})
    (wide,) = again(node, tuple(cast(operand(node, index), dtype=stash) for index in range(3)))
    return cast(wide, dtype=dtype)


@forms.of(reverse_sequence)
def _reverse_sequence(node: Node, opset: int) -> Answer:
    """ReverseSequence."""
    words: dict[str, OnnxAttribute] = {name: whole(node, name) for name in ("batch_axis", "time_axis")}
    return by_f32(node, opset) or in_i64(node, 1) or Call("ReverseSequence", node.inputs, words)


def by_f32(node: Node, opset: int) -> tuple[Value, ...] | None:
    """The operator on its bf16 operand in f32, which holds every bf16, before opset 28 takes it itself; else None."""
    x = operand(node)
    if opset >= 28 or x.dtype is not DType.BFLOAT16:
        return None
    first, *others = again(node, (cast(x, dtype=DType.FLOAT32), *node.inputs[1:]))
    return (cast(first, dtype=x.dtype), *others)


@forms.of(unique)
def _unique(node: Node, opset: int) -> Answer:
    """Unique, whose further results are left out where nothing reads them."""
    wide = by_f32(node, opset)
    if wide is not None:
        return wide
    attributes: dict[str, OnnxAttribute] = {"sorted": whole(node, "sorted")}
    if node.attributes["axis"] is not None:
        attributes["axis"] = whole(node, "axis")
    return Call("Unique", (operand(node),), attributes, optional=1)


_SCATTER_SINCE = {"none": 11, "add": 16, "mul": 16, "max": 18, "min": 18}
"""The opset whose ScatterND has a reduction (onnx.defs)."""


@forms.of(scatter_nd)
def _scatter_nd(node: Node, opset: int) -> Answer:
    """ScatterND."""
    reduction = str(node.attributes["reduction"])
    if opset < _SCATTER_SINCE[reduction]:
        return Refusal(f"ScatterND with reduction {reduction!r}", _SCATTER_SINCE[reduction])
    attributes: dict[str, OnnxAttribute] = {} if reduction == "none" else {"reduction": reduction}
    return in_i64(node, 1) or Call("ScatterND", node.inputs, attributes)


@forms.of(trilu)
def _trilu(node: Node, opset: int) -> Answer:
    """Trilu, its diagonal an operand."""
    k = node.inputs[1]
    diagonal: Operand = literal(whole(node, "diagonal"), DType.INT64) if k is None else k
    return scalars(node, 1, whole=True) or Call("Trilu", (operand(node), diagonal), {"upper": whole(node, "upper")})


_EYE = frozenset(
    dtype for dtype in DType if dtype is DType.BOOL or (dtype.is_integer or (dtype.is_floating and dtype.bits >= 16))
) - {DType.BFLOAT16, DType.INT4, DType.UINT4, DType.INT2, DType.UINT2}
"""What EyeLike makes at every opset (onnx.defs, type constraint T2)."""


@forms.of(eye_like)
def _eye_like(node: Node, opset: int) -> Answer:
    """EyeLike; bf16 came with opset 22."""
    dtype = node.attributes["dtype"]
    if dtype not in _EYE and (dtype is not DType.BFLOAT16 or opset < 22):
        return Refusal(f"EyeLike of {dtype}", 22 if dtype is DType.BFLOAT16 else None)
    return Call("EyeLike", (operand(node),), {"dtype": onnx_value(node, "dtype"), "k": whole(node, "diagonal")})
