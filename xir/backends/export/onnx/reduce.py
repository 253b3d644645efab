"""ONNX forms of reductions, whose axes became operands in opset 13 (ReduceSum) and 18 (the others)."""

from __future__ import annotations

from xir.backends.export.onnx._form import (
    Answer,
    Call,
    Form,
    Forms,
    OnnxAttribute,
    Operand,
    Sizes,
    again,
    ints,
    literal,
    onnx_value,
    operand,
    whole,
)
from xir.backends.export.onnx._operands import in_i64
from xir.ir.dims import as_dim
from xir.ir.node import Node
from xir.ir.types import DType
from xir.ops import reduce
from xir.ops.constant import identity
from xir.ops.elementwise import abs_, cast, log, mul
from xir.ops.reduce import arg_max, arg_min, top_k

forms = Forms()


_SMALL = (DType.INT8, DType.UINT8, DType.INT16, DType.UINT16)
_WIDENED = ("ReduceSum", "ReduceMean", "ReduceProd")
"""Reductions that take no integers of 8 and 16 bits (onnx.defs): in 32 bits the low bits come out the same."""


def _reduction(kind: str, operand_since: int) -> Form:
    def form(node: Node, opset: int) -> Answer:
        axes = ints(node, "axes")
        if not axes:
            return _of_nothing(node)
        x = operand(node)
        if kind in _WIDENED and x.dtype in _SMALL:
            (wide,) = again(node, (cast(x, dtype=DType.INT32),))
            return cast(wide, dtype=x.dtype)
        keep: dict[str, OnnxAttribute] = {"keepdims": whole(node, "keep_dims")}
        if opset >= operand_since:
            return Call(kind, (operand(node), literal(list(axes), DType.INT64)), keep)
        return Call(kind, (operand(node),), {**keep, "axes": axes})

    return form


def _of_nothing(node: Node) -> Answer:
    """A reduction over no axis works on each element alone; in ONNX no axes mean all axes."""
    x = operand(node)
    match node.op.name:
        case "reduce_l1" | "reduce_l2":
            return abs_(x)
        case "reduce_sum_square":
            return mul(x, x)
        case "reduce_log_sum":
            return log(x)
        case _:
            return identity(x)


for _op, _kind, _since in (
    (reduce.reduce_sum, "ReduceSum", 13),
    (reduce.reduce_mean, "ReduceMean", 18),
    (reduce.reduce_max, "ReduceMax", 18),
    (reduce.reduce_min, "ReduceMin", 18),
    (reduce.reduce_prod, "ReduceProd", 18),
    (reduce.reduce_l1, "ReduceL1", 18),
    (reduce.reduce_l2, "ReduceL2", 18),
    (reduce.reduce_sum_square, "ReduceSumSquare", 18),
    (reduce.reduce_log_sum, "ReduceLogSum", 18),
    (reduce.reduce_log_sum_exp, "ReduceLogSumExp", 18),
):
    forms.of(_op)(_reduction(_kind, _since))


def _arg(kind: str) -> Form:
    def form(node: Node, opset: int) -> Answer:
        attributes: dict[str, OnnxAttribute] = {
            "axis": whole(node, "axis"),
            "keepdims": whole(node, "keep_dims"),
        }
        if whole(node, "last"):
            attributes["select_last_index"] = 1
        return Call(kind, (operand(node),), attributes)

    return form


forms.of(arg_max)(_arg("ArgMax"))
forms.of(arg_min)(_arg("ArgMin"))


@forms.of(top_k)
def _top_k(node: Node, opset: int) -> Answer:
    """TopK, its k an operand of one element."""
    count = node.inputs[1]
    k: Operand = count if count is not None else Sizes((as_dim(node.attributes["k"]),))
    return in_i64(node, 1) or Call(
        "TopK",
        (operand(node), k),
        {"axis": whole(node, "axis"), "largest": whole(node, "largest"), "sorted": onnx_value(node, "sorted")},
    )
