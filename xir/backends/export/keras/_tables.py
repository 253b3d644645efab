"""All forms: Keras's own first, then those of TFLite, whose kinds the rules say in Keras's words."""

from __future__ import annotations

from xir.backends.export.forms import Table
from xir.backends.export.keras import conv, elementwise, image, index, norm, pool, recurrent
from xir.backends.export.keras._form import Form, decomposed
from xir.backends.export.tflite import _tables as tflite
from xir.backends.export.tflite import control, quantize
from xir.backends.export.tflite._form import Answer, Refusal, Steps
from xir.backends.export.tflite._types import BITS, checked
from xir.ir.node import Node
from xir.ir.types import DType
from xir.ops.blocks import depth_to_space, space_to_depth
from xir.ops.norm import lrn

APART = Table[Form]()
"""Operators of TFLite that Keras has not: they come apart."""
for _operator in (depth_to_space, space_to_depth, lrn):
    APART.of(_operator)(decomposed)

FORMS = Table[Form](
    conv.forms, pool.forms, norm.forms, elementwise.forms, image.forms, index.forms, recurrent.forms, APART
)
"""Operator -> form."""

_WIDE = frozenset({DType.INT32, DType.INT64})


def answer(node: Node) -> Answer:
    """What the tables say of one node: a form, simpler operators, or a refusal."""
    name = node.op.name
    if name in control.forms.names():
        return Refusal("a branch or loop")
    for table, types in ((index.bits, BITS), (index.wide, _WIDE)):
        own = table.get(name)
        if own is not None and node.outputs[0].dtype in types:
            return own(node)
    form = FORMS.get(name)
    if name in quantize.forms.names() or (form is None and tflite.FORMS.get(name) is None):
        return decomposed(node)
    wide = checked(node) if form is not None else None
    said = tflite.answer(node) if form is None else form(node) if wide is None else wide
    if isinstance(said, Steps):
        return Refusal("bounds, counts, amounts or places that Keras takes as numbers alone")
    return tflite.told_of("Keras", said)
