"""The vocabulary of the tables: what ONNX's schemas admit, and the mistakes of a form."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backends.export.onnx.shared import Net
from xir.backends.export.onnx import _form as form
from xir.ir.constant import constant_of
from xir.ir.node import Attribute, Node
from xir.ir.types import DType
from xir.ops.activation import relu


def node(**attributes: Attribute) -> Node:
    made = relu(Net().input("x", 2)).node
    assert made is not None
    return Node(made.op, (*made.inputs, None), attributes, (made.outputs[0].type,))


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (True, 1),
        (3, 3),
        (0.5, 0.5),
        ("text", "text"),
        (DType.FLOAT16, 10),
        ((1, 2), (1, 2)),
        ((0.5, 1.5), (0.5, 1.5)),
    ],
)
def test_attributes_as_onnx_holds_them(value: Attribute, want: object) -> None:
    assert form.onnx_value(node(a=value), "a") == want


def test_what_no_onnx_attribute_holds() -> None:
    with pytest.raises(TypeError, match="attribute 'a' has no ONNX form"):
        form.onnx_value(node(a=None), "a")
    for read in (form.ints, form.whole, form.real, form.shape_in):
        with pytest.raises(TypeError, match="attribute 'a' is no"):
            read(node(a=constant_of(np.zeros(1))), "a")
    with pytest.raises(TypeError, match="operand 1 is absent"):
        form.operand(node(), 1)


@pytest.mark.parametrize(
    ("call", "opset", "text"),
    [
        (form.Call("Gelu", ()), 19, "ONNX has no Gelu at opset 19"),
        (form.Call("Upsample", ()), 21, "ONNX has no Upsample at opset 21"),
        (form.Call("Relu", (), {"alpha": 1.0}), 21, "Relu of opset 21 has no attribute 'alpha'"),
        (form.Call("Relu", (form.literal(0.0, DType.FLOAT32), None)), 21, "takes 1 operands"),
        (form.Call("Relu", (form.literal(0, DType.UINT8),)), 21, "takes no u8"),
        (form.Call("Not", (form.Sizes((1,)),)), 21, "takes no i64"),
        (form.Call("Max", (form.literal(0, DType.INT64),) * 3), 21, None),
        (form.Call("Clip", (form.literal(0.0, DType.FLOAT32), None)), 21, None),
    ],
)
def test_onnx_s_own_schemas_decide(call: form.Call, opset: int, text: str | None) -> None:
    found = form.problem_at(call, opset)
    assert found is None if text is None else text in str(found)


def test_the_opset_that_would_help() -> None:
    assert form.helping_opset(form.Call("Gelu", ()), 13) == 20
    assert form.helping_opset(form.Call("Relu", (form.literal(0, DType.UINT8),)), 13) is None
