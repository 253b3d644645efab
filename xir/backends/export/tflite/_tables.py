"""All forms, family by family; an operator without one comes apart by its own decomposition."""

from __future__ import annotations

from xir.backends.export.tflite import (
    activation,
    conv,
    elementwise,
    image,
    index,
    matmul,
    pool,
    quantize,
    reduce,
    shape,
)
from xir.backends.export.tflite._form import Answer, Forms, Refusal, Said, decomposed
from xir.backends.export.tflite._types import checked
from xir.ir.node import Node, Value
from xir.ops import definition

FORMS = Forms(
    elementwise.forms,
    activation.forms,
    shape.forms,
    reduce.forms,
    index.forms,
    matmul.forms,
    conv.forms,
    pool.forms,
    image.forms,
    quantize.forms,
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


def answer_without_scales(node: Node) -> Answer:
    """The same for a format that has no integers of real numbers: those are computed."""
    return decomposed(node) if node.op.name in quantize.forms.names() else answer(node)


def said_of(node: Node) -> Said:
    """The form of a node of a legal graph; raises TypeError where it has none."""
    said = answer(node)
    if isinstance(said, Refusal | Value | tuple):
        raise TypeError(f"{node.op.name} has no form after legalisation")
    return said
