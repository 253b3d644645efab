"""The coverage table says what the handlers and forms do: twenty operators and layers checked by hand."""

from __future__ import annotations

import pytest

from xir.inspect.coverage import Coverage, coverage
from xir.ops import OpDef, table


@pytest.fixture(scope="module")
def found() -> Coverage:
    return coverage()


def test_only_operators_are_listed(found: Coverage) -> None:
    assert [each.name for each in found.operators] == sorted(table())
    assert all(isinstance(definition, OpDef) for definition in table().values())


def test_every_layer_that_is_read_builds_some_operator(found: Coverage) -> None:
    for framework in ("caffe", "onnx"):
        built = {kind for each in found.operators for kind in each.read[framework]}
        assert set(found.read[framework]) - built == set()
    assert set(found.opsets) == set(found.read["onnx"])


@pytest.mark.parametrize(
    ("kind", "operators"),
    [
        ("AbsVal", {"abs"}),
        ("Convolution", {"conv", "relu", "leaky_relu"}),
        ("Convolution3D", {"conv", "reshape"}),
        ("Exp", {"exp", "mul", "add", "broadcast", "constant"}),  # math.log is not the operator log
        ("Log", {"log", "mul", "add", "broadcast", "constant"}),
        ("InfogainLoss", {"infogain_loss", "softmax", "constant"}),
        ("LRN", {"lrn", "lrn_within"}),
        ("MVN", {"mean_variance_normalize"}),
        ("Permute", {"transpose"}),
        ("PriorBox", {"prior_box"}),
        ("Upsample", {"max_unpool", "resize", "cast"}),
    ],
)
def test_caffe(found: Coverage, kind: str, operators: set[str]) -> None:
    assert {each.name for each in found.operators if kind in each.read["caffe"]} == operators


@pytest.mark.parametrize(
    ("kind", "operators"),
    [
        ("Conv", {"conv"}),
        ("Gemm", {"gemm", "matmul"}),
        ("GlobalMaxPool", {"reduce_max"}),
        ("Resize", {"resize", "identity"}),  # the call stands in a method of a class
        ("Upsample", {"resize", "identity"}),
        ("Sum", {"add", "identity"}),
        ("Tan", {"tan"}),
        ("Unsqueeze", {"reshape"}),
        ("Where", {"select"}),
    ],
)
def test_onnx(found: Coverage, kind: str, operators: set[str]) -> None:
    assert {each.name for each in found.operators if kind in each.read["onnx"]} >= operators


@pytest.mark.parametrize(
    ("operator", "export"),
    [("conv", "direct"), ("resize", "direct"), ("max_unpool", "pieces"), ("detection_output", "pieces")],
)
def test_export(found: Coverage, operator: str, export: str) -> None:
    assert next(each for each in found.operators if each.name == operator).export == export


@pytest.mark.parametrize(
    ("framework", "kind", "operators"),
    [
        ("tensorflow", "Conv2D", {"conv", "transpose"}),
        ("tensorflow", "While", {"loop"}),
        ("tensorflow", "Placeholder", set()),
        ("tensorflow", "TensorListStack", {"identity"}),
        ("tflite", "CONV_2D", {"conv", "transpose"}),
        ("tflite", "LSTM", {"lstm"}),
        ("keras", "LSTM", {"lstm"}),
        ("keras", "MultiHeadAttention", {"attention"}),
        ("keras", "InputLayer", set()),
    ],
)
def test_tensorflow(found: Coverage, framework: str, kind: str, operators: set[str]) -> None:
    assert set(found.read[framework][kind]) >= operators


def test_what_is_declared_is_read_or_not_or_refused(found: Coverage) -> None:
    read, unread, refused = found.read["tensorflow"], found.unread["tensorflow"], found.refused["tensorflow"]
    assert not set(read) & set(unread)
    assert "PyFunc" in refused
    assert "PyFunc" not in unread
    assert "CUSTOM" not in found.unread["tflite"]
    assert "TFSMLayer" in found.refused["keras"]
    assert "Dense" in found.read["keras"]
    assert not {"Dense", "TFSMLayer", "InputLayer"} & set(found.unread["keras"])
