"""All forms, family by family; an operator without one comes apart by its own decomposition."""

from __future__ import annotations

from collections.abc import Callable

from xir.backends.export.tflite import (
    activation,
    control,
    conv,
    detection,
    elementwise,
    image,
    index,
    matmul,
    norm,
    pool,
    quantize,
    reduce,
    shape,
)
from xir.backends.export.tflite._form import Answer, Forms, Refusal, Said, decomposed
from xir.backends.export.tflite._types import checked
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ops import definition

FORMS = Forms(
    elementwise.forms,
    activation.forms,
    shape.forms,
    reduce.forms,
    index.forms,
    matmul.forms,
    norm.forms,
    conv.forms,
    pool.forms,
    image.forms,
    quantize.forms,
    control.forms,
    detection.forms,
)
"""Operator -> form."""


def answer(node: Node) -> Answer:
    """What the tables say of one node: a form, simpler operators, or a refusal."""
    form = FORMS.get(node.op.name)
    if form is None:
        return decomposed(node)
    wide = checked(node)
    if wide is not None:
        return wide if not isinstance(wide, Refusal) or definition(node).decompose_rule is None else decomposed(node)
    return form(node)


def answer_for(graph: Graph) -> Callable[[Node], Answer]:
    """What the tables say of the nodes of a graph; scales that are inputs are computed with like other numbers."""
    inputs = set(graph.inputs)
    scaled = [node for node in graph.nodes if node.op.name in quantize.forms.names()]
    late = any(value in inputs for node in scaled for value in node.inputs[1:])
    wide = any(node.inputs[0] in inputs and quantize.is_bias(node) for node in scaled)
    return _answer_without_scales if late or wide else answer


def _answer_without_scales(node: Node) -> Answer:
    return decomposed(node) if node.op.name in quantize.forms.names() else answer(node)


def answer_for_tensorflow(node: Node) -> Answer:
    """The same for a format that has no integers of real numbers, which are computed."""
    said = decomposed(node) if node.op.name in quantize.forms.names() else answer(node)
    return told_of("TensorFlow", said)


def told_of(target: str, said: Answer) -> Answer:
    """The same, a refusal in the words of another format that takes TFLite's operators."""
    return Refusal(said.reason.replace("TFLite", target)) if isinstance(said, Refusal) else said


def said_of(node: Node, tables: Callable[[Node], Answer] = answer) -> Said:
    """The form of a node of a graph that `tables` have made legal; raises TypeError where it has none."""
    said = tables(node)
    if isinstance(said, Refusal | Value | tuple):
        raise TypeError(f"{node.op.name} has no form after legalisation")
    return said
