"""Forms of picking elements and of bits, which Keras takes further than TFLite."""

from __future__ import annotations

from xir.backends.export.forms import Table
from xir.backends.export.keras._form import Form, each, operation
from xir.backends.export.tflite import index
from xir.backends.export.tflite._form import Answer, operand, whole
from xir.ir.dims import equal
from xir.ir.node import Node
from xir.ops import bitwise
from xir.ops.index import gather_elements

forms = Table[Form]()
bits = Table[Form]()
"""Operators that take whole numbers of every width."""

for _operator, _kind in (
    (bitwise.bitwise_and, "BitwiseAnd"),
    (bitwise.bitwise_or, "BitwiseOr"),
    (bitwise.bitwise_xor, "BitwiseXor"),
):
    bits.of(_operator)(each(_kind))


@forms.of(gather_elements)
def _gather_elements(node: Node) -> Answer:
    """TakeAlongAxis where the other axes have the same sizes; else as TFLite picks."""
    x, indices, axis = operand(node), operand(node, 1), whole(node, "axis")
    others = [place for place in range(x.rank) if place != axis]
    picks = index.forms.get("gather_elements")
    if picks is not None and any(equal(x.shape[place], indices.shape[place]) is not True for place in others):
        return picks(node)
    return operation("TakeAlongAxis", [x, indices], None, axis=axis)
