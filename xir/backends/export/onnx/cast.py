"""ONNX forms of casts."""

from __future__ import annotations

from collections.abc import Mapping

from xir.backends.export.onnx._form import Answer, Call, Forms, OnnxAttribute, Refusal, operand, whole
from xir.backends.export.onnx._tensor import NUMBERS
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops import elementwise
from xir.ops.cast import LARGEST, bit_cast, number_to_text, saturating_cast, scale_cast, text_to_number

forms = Forms()

_SINCE: Mapping[DType, int] = {
    DType.BFLOAT16: 13,
    DType.FLOAT8E4M3FN: 19,
    DType.FLOAT8E4M3FNUZ: 19,
    DType.FLOAT8E5M2: 19,
    DType.FLOAT8E5M2FNUZ: 19,
    DType.INT4: 21,
    DType.UINT4: 21,
    DType.FLOAT4E2M1: 23,
    DType.FLOAT8E8M0: 24,
    DType.INT2: 25,
    DType.UINT2: 25,
    DType.FLOAT6E2M3: 28,
    DType.FLOAT6E3M2: 28,
}
"""The opset whose Cast makes an element type (onnx.defs, type constraint T2 of each version)."""


def _to(x: Value, dtype: DType, opset: int, **attributes: OnnxAttribute) -> Answer:
    needed = _SINCE.get(dtype, 1)
    if opset < needed:
        return Refusal(f"Cast to {dtype}", max(needed, _SINCE.get(x.dtype, 1)))
    return Call("Cast", (x,), {"to": NUMBERS[dtype], **attributes})


def _dtype(node: Node) -> DType:
    dtype = node.attributes["dtype"]
    if not isinstance(dtype, DType):
        raise TypeError(f"{node.op.name}: attribute 'dtype' is no element type")
    return dtype


@forms.of(elementwise.cast)
def _cast(node: Node, opset: int) -> Answer:
    """Cast; to the narrow floats without saturation, as the operator rounds (Cast-19, table of `saturate`)."""
    dtype = _dtype(node)
    if dtype is DType.FLOAT8E8M0:
        return _to(operand(node), dtype, opset, saturate=0, round_mode="nearest")
    return _to(operand(node), dtype, opset, **({"saturate": 0} if dtype in LARGEST else {}))


@forms.of(saturating_cast)
def _saturating_cast(node: Node, opset: int) -> Answer:
    """Cast to a narrow float, which saturates by itself."""
    return _to(operand(node), _dtype(node), opset)


@forms.of(scale_cast)
def _scale_cast(node: Node, opset: int) -> Answer:
    """Cast to f8e8m0 with the rounding said; to the nearest without saturation is the plain cast."""
    rounding = str(node.attributes["rounding"])
    if rounding == "nearest" and not whole(node, "saturate"):
        return elementwise.cast(operand(node), dtype=DType.FLOAT8E8M0)
    return _to(operand(node), DType.FLOAT8E8M0, opset, saturate=whole(node, "saturate"), round_mode=rounding)


@forms.of(bit_cast)
def _bit_cast(node: Node, opset: int) -> Answer:
    """BitCast (opset 26); between bool and bytes a cast does the same at any opset."""
    x, dtype = operand(node), _dtype(node)
    if {x.dtype, dtype} == {DType.BOOL, DType.UINT8}:
        return elementwise.cast(x, dtype=dtype)
    return Call("BitCast", (x,), {"to": NUMBERS[dtype]})


@forms.of(number_to_text)
def _number_to_text(node: Node, opset: int) -> Answer:
    """Cast to strings."""
    return _to(operand(node), DType.STRING, opset)


@forms.of(text_to_number)
def _text_to_number(node: Node, opset: int) -> Answer:
    """Cast of strings; to the narrow floats without saturation, as the operator rounds."""
    dtype = _dtype(node)
    return _to(operand(node), dtype, opset, **({"saturate": 0} if dtype in LARGEST else {}))
