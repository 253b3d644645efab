"""ONNX forms of sequences and optionals."""

from __future__ import annotations

from xir.backends.export.onnx._form import Answer, Call, Forms, OnnxAttribute, OnnxType, operand, whole
from xir.backends.export.onnx._tensor import NUMBERS
from xir.backends.export.onnx.control import inner
from xir.ir.node import Node
from xir.ir.types import DType, OptionalType
from xir.ops import sequence

forms = Forms()

for _op, _kind in (
    (sequence.sequence_construct, "SequenceConstruct"),
    (sequence.sequence_insert, "SequenceInsert"),
    (sequence.sequence_erase, "SequenceErase"),
    (sequence.sequence_at, "SequenceAt"),
    (sequence.sequence_length, "SequenceLength"),
    (sequence.optional, "Optional"),
    (sequence.optional_has, "OptionalHasElement"),
    (sequence.optional_get, "OptionalGetElement"),
):
    forms.same(_op, _kind)


@forms.of(sequence.sequence_empty)
def _sequence_empty(node: Node, opset: int) -> Answer:
    """SequenceEmpty."""
    dtype = node.attributes["dtype"]
    return Call("SequenceEmpty", (), {"dtype": NUMBERS[dtype] if isinstance(dtype, DType) else 0})


@forms.of(sequence.split_to_sequence)
def _split_to_sequence(node: Node, opset: int) -> Answer:
    """SplitToSequence; `keepdims` counts only where no sizes are given."""
    attributes: dict[str, OnnxAttribute] = {"axis": whole(node, "axis")}
    if node.inputs[1] is None:
        attributes["keepdims"] = whole(node, "keep_dims")
    return Call("SplitToSequence", node.inputs, attributes)


@forms.of(sequence.concat_from_sequence)
def _concat_from_sequence(node: Node, opset: int) -> Answer:
    """ConcatFromSequence."""
    attributes: dict[str, OnnxAttribute] = {"axis": whole(node, "axis"), "new_axis": whole(node, "new_axis")}
    return Call("ConcatFromSequence", (operand(node),), attributes)


@forms.of(sequence.sequence_map)
def _sequence_map(node: Node, opset: int) -> Answer:
    """SequenceMap."""
    mapped = whole(node, "mapped")
    return Call("SequenceMap", node.inputs[:mapped], {"body": inner(node, "body", mapped)})


@forms.of(sequence.optional_none)
def _optional_none(node: Node, opset: int) -> Answer:
    """Optional without an operand; its attribute tells the type of what would be there."""
    held = node.outputs[0].type
    element = held.element if isinstance(held, OptionalType) else held
    return Call("Optional", (), {"type": OnnxType(element)})
