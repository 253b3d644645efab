"""Which format a file is of, types as people write them, and inputs that a person changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.cli.commands import small
from xir.errors import FormatError, InvalidModelError, UsageError
from xir.frontends.adjust import with_input_names, with_nchw_inputs
from xir.frontends.load import formats, load_model, recognize, with_outputs
from xir.frontends.options import LoadOptions
from xir.frontends.type_spec import parse_type, split_specs
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.activation import relu
from xir.reference import run


@pytest.fixture
def net(tmp_path):
    return small(tmp_path)


@pytest.mark.parametrize("name", ["a.prototxt", "a.onnx", "a", "a.caffemodel"])
def test_the_content_decides_and_not_the_name(tmp_path, net, name):
    if name == "a.prototxt":
        assert recognize(str(net)).name == "caffe"
        return
    xir.convert(net, tmp_path / "b.onnx", verify=False)
    (tmp_path / name).write_bytes((tmp_path / "b.onnx").read_bytes())
    assert recognize(str(tmp_path / name)).name == "onnx"


def test_xir_files_are_known(tmp_path, net):
    xir.convert(net, tmp_path / "a.xir", verify=False)
    assert load_model(str(tmp_path / "a.xir")).format == "xir"


def test_what_has_no_name_is_refused(tmp_path):
    text = 'layer { type: "Input" top: "" input_param { shape { dim: 1 } } } layer { type: "ReLU" bottom: "" top: "y" }'
    path = tmp_path / "a.prototxt"
    path.write_text(text)
    with pytest.raises(InvalidModelError, match="the name of a value is empty"):
        load_model(str(path))


def test_an_output_that_is_listed_twice_is_refused(tmp_path, net):
    import onnx

    xir.convert(net, tmp_path / "a.onnx", verify=False)
    model = onnx.ModelProto.FromString((tmp_path / "a.onnx").read_bytes())
    model.graph.output.append(model.graph.output[0])
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(InvalidModelError, match="two outputs are called 'prob'"):
        load_model(str(tmp_path / "a.onnx"))


@pytest.mark.parametrize(("content", "said"), [(b"", "the file is empty"), (b"\0\1 noise", "no format that xir reads")])
def test_what_is_no_model(tmp_path, content, said):
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=said):
        recognize(str(path))


def test_every_format_has_a_name_of_its_own():
    names = [each.name for each in formats()]
    assert sorted(set(names)) == sorted(names)


def test_outputs_are_chosen_by_name(net):
    assert load_model(str(net), LoadOptions(outputs=("fc",))).graph.output_names == ("fc",)
    with pytest.raises(UsageError, match="nothing"):
        load_model(str(net), LoadOptions(outputs=("nothing",)))
    with pytest.raises(UsageError, match="no value called 'nothing'"):
        with_outputs(load_model(str(net)).graph, ["nothing"])
    with pytest.raises(UsageError, match="no output is named"):
        with_outputs(load_model(str(net)).graph, ())


@pytest.mark.parametrize("text", ["f32[1,3,224,224]", "i64[]", "u8[N,h,w,3]", "bool[ 1 , x ]"])
def test_types_that_people_write(text):
    assert repr(parse_type(text)) == text.replace(" ", "")


@pytest.mark.parametrize(
    "text", ["f32", "f33[1]", "f32[-1]", "f32[1,,2]", "f32[1]x", "f32[" + "1," * 70 + "1]", "f32[a b]"]
)
def test_types_that_nobody_can_read(text):
    with pytest.raises(UsageError):
        parse_type(text)


def test_a_type_stays_as_it_is():
    type = TensorType(DType.FLOAT32, (1,))
    assert split_specs({"x": type, "y": "f32[1]"}) == ({"x": type, "y": type}, {})


def picture():
    x = Value(TensorType(DType.FLOAT32, (1, 4, 5, 3)))
    return Graph("g", (x,), (relu(x),), ("out",), names={x: "x"})


def test_an_input_gets_another_name():
    assert with_input_names(picture(), {"x": "y"}).input_names == ("y",)
    graph = picture()
    assert with_input_names(graph, {}) is graph


@pytest.mark.parametrize("names", [{"no": "y"}, {"x": "out"}, {"x": ""}])
def test_names_that_cannot_be_given(names):
    with pytest.raises(UsageError):
        with_input_names(picture(), names)


def test_an_input_is_taken_with_channels_first():
    turned = with_nchw_inputs(picture(), ["x"])
    assert repr(turned.inputs[0].type) == "f32[1,3,4,5]"
    assert turned.input_names == ("x",)
    data = np.random.default_rng(0).standard_normal((1, 3, 4, 5)).astype(np.float32)
    expected = np.maximum(data, 0).transpose(0, 2, 3, 1)
    assert np.array_equal(run(turned, {"x": data})["out"], expected)


def test_two_axes_cannot_be_turned():
    x = Value(TensorType(DType.FLOAT32, (1, 4)))
    with pytest.raises(UsageError, match="expected three axes or more"):
        with_nchw_inputs(Graph("g", (x,), (relu(x),), ("out",), names={x: "x"}), ["x"])


def test_types_of_inputs_that_do_not_fit_are_named_as_the_cause(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, f32 = onnx.helper, onnx.TensorProto.FLOAT
    values = [helper.make_tensor_value_info(name, f32, ["n", 3]) for name in "aby"]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["y"])], "g", values[:2], values[2:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), tmp_path / "add.onnx")
    with pytest.raises(InvalidModelError) as caught:
        xir.load(tmp_path / "add.onnx", inputs={"a": "f32[4,3]", "b": "f32[5,3]"})
    assert "--input" in str(caught.value.hint)
