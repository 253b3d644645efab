"""What becomes of operators beside others: activations are part of the one before them, reshapes undo each other."""

from __future__ import annotations

from collections import Counter

from xir.backends.export.tflite._plan import Plan, Record

ACTIVATIONS = ("RELU", "RELU6", "RELU_N1_TO_1")
"""What ActivationFunctionType has of them."""

_FUSING = frozenset(
    (
        *("ADD", "SUB", "MUL", "DIV", "CONV_2D", "CONV_3D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"),
        *("AVERAGE_POOL_2D", "MAX_POOL_2D", "TRANSPOSE_CONV"),
    )
)
"""Operators that take an activation; CONCATENATION has the field, but its kernel refuses all (concatenation.cc)."""


def fuse_activations(plan: Plan) -> None:
    """Writes an activation into the operator whose result it alone reads."""
    makers = {record.outputs[0]: record for record in plan.records}
    readers = Counter(number for record in plan.records for number in record.inputs)
    readers.update(plan.outputs)
    gone: set[int] = set()
    for place, record in enumerate(plan.records):
        if record.kind not in ACTIVATIONS:
            continue
        maker = makers.get(record.inputs[0])
        if maker is None or readers[record.inputs[0]] != 1 or not _takes(maker):
            continue
        name, fields = maker.options or ("", {})
        maker.options = name, {**fields, "fused_activation_function": record.kind}
        maker.outputs = record.outputs
        maker.source = (*maker.source, *(each for each in record.source if each not in maker.source))
        makers[record.outputs[0]] = maker
        gone.add(place)
    plan.records = [record for place, record in enumerate(plan.records) if place not in gone]


def undo_reshapes(plan: Plan) -> None:
    """Reads what a reshape reads where another one follows it; those that nothing reads then are left out."""
    makers = {record.outputs[0]: record for record in plan.records if record.kind == "RESHAPE"}
    same: dict[int, int] = {}
    for record in plan.records:
        record.inputs = [same.get(number, number) for number in record.inputs]
        first = makers.get(record.inputs[0]) if record.kind == "RESHAPE" else None
        if first is None:
            continue
        record.inputs[0] = first.inputs[0]
        record.source = (*first.source, *(each for each in record.source if each not in first.source))
        if record.outputs[0] not in plan.outputs and _are_alike(plan, record.inputs[0], record.outputs[0]):
            same[record.outputs[0]] = record.inputs[0]
    read = set(plan.outputs)
    kept: list[Record] = []
    for record in reversed(plan.records):
        if record.kind != "RESHAPE" or record.outputs[0] in read:
            read.update(record.inputs)
            kept.append(record)
    plan.records = kept[::-1]


def _are_alike(plan: Plan, one: int, other: int) -> bool:
    held, made = plan.tensors[one], plan.tensors[other]
    return held.shape == made.shape and held.quantization == made.quantization


def _takes(maker: Record) -> bool:
    if maker.kind not in _FUSING or maker.options is None:
        return False
    return "fused_activation_function" not in maker.options[1]
