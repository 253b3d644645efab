"""Forms of integers that stand for real numbers: QUANTIZE and DEQUANTIZE with one scale, or one for each place."""

from __future__ import annotations

from xir.backends.export.tflite._form import Answer, Forms, Scaled, decomposed, operand, whole
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops.quantize import dequantize, quantize

forms = Forms()

STORED = (DType.INT8, DType.UINT8, DType.INT16)
"""What QUANTIZE makes of f32 and DEQUANTIZE takes (kernels/quantize.cc, dequantize.cc)."""


def _known(value: Value | None) -> bool:
    """Whether a scale or zero point may be known to the plan: what is computed is not."""
    return value is None or value.node is None or value.node.op.name == "constant"


def is_bias(node: Node) -> bool:
    """Whether integers of 32 bits are read, which are real numbers in the file: they must be known."""
    return operand(node).dtype is DType.INT32


def _scaled(node: Node, real: Value, integers: Value, kind: str) -> Answer:
    scale, zero = operand(node, 1), node.inputs[2]
    plain = real.dtype is DType.FLOAT32 and scale.dtype is DType.FLOAT32 and scale.rank < 2
    known = _known(scale) and _known(zero) and not whole(node, "block")
    stored = integers.dtype in STORED or (integers.dtype is DType.INT32 and _known(integers))
    if not (plain and known and stored):
        return decomposed(node)
    return Scaled(kind, operand(node), scale, zero, whole(node, "axis"))


@forms.of(quantize)
def _quantize(node: Node) -> Answer:
    """QUANTIZE of f32."""
    if node.attributes["precision"] is not None:
        return decomposed(node)
    return _scaled(node, operand(node), node.outputs[0], "QUANTIZE")


@forms.of(dequantize)
def _dequantize(node: Node) -> Answer:
    """DEQUANTIZE into f32."""
    return _scaled(node, node.outputs[0], operand(node), "DEQUANTIZE")
