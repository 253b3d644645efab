"""What the state of a model begins with: in exported programs, as defaults of ONNX inputs, and read again."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import xir
from tests.cli.commands import call
from tests.frontends.torch.programs import meta, node, program, tensor, write
from xir.frontends.load import load_model
from xir.frontends.options import LoadOptions
from xir.frontends.state import state_notes, state_of
from xir.frontends.type_spec import parse_type
from xir.ir.constant import constant_of
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType
from xir.verification._torch import opened

onnx = pytest.importorskip("onnx")

BEGINNING = np.array([1.0, 2.0, 3.0], np.float32)


def counting(folder: Path) -> Path:
    """A program that adds its input to a buffer, and returns twice the sum."""
    held = meta("float32", [3])
    calls = [
        node("aten.add.Tensor", [tensor("count"), tensor("x")], "sum"),
        node("aten.mul.Tensor", [tensor("sum"), {"as_float": 2.0}], "twice"),
    ]
    outputs = [
        {"buffer_mutation": {"arg": {"name": "sum"}, "buffer_name": "run.count"}},
        {"user_output": {"arg": tensor("twice")}},
    ]
    text = program(
        {"count": held, "x": held}, calls, [tensor("sum"), tensor("twice")],
        weights={"count": "run.count"}, kinds={"count": "buffer"}, output_specs=outputs,
        tensor_values={name: held for name in ("count", "x", "sum", "twice")},
    )  # fmt: skip
    return write(folder / "count.pt2", text, {"run.count": BEGINNING})


@pytest.fixture
def written(tmp_path):
    report = xir.convert(counting(tmp_path), tmp_path / "count.onnx")
    assert report.certificate is not None
    assert report.certificate.passed
    return tmp_path / "count.onnx"


def test_the_file_has_it_as_the_input_s_default(written):
    model = onnx.load(written)
    onnx.checker.check_model(model, full_check=True)
    assert [each.name for each in model.graph.input] == ["x", "run.count"]
    (begun,) = (each for each in model.graph.initializer if each.name == "run.count")
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(begun), BEGINNING)
    (noted,) = (each.value for each in model.metadata_props if each.key == "xir.state")
    assert json.loads(noted) == ["run.count"]


def test_onnxruntime_begins_there_and_goes_on(written):
    ort = pytest.importorskip("onnxruntime")
    session = ort.InferenceSession(written, providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_inputs()] == ["x"]
    feeds = {"x": np.ones(3, np.float32)}
    for turn in (1, 2):
        twice, count = session.run(["twice", "run.count.new"], feeds)
        np.testing.assert_array_equal(twice, 2 * (BEGINNING + turn))
        feeds["run.count"] = count


def test_it_is_read_again(written):
    loaded = load_model(str(written))
    assert loaded.graph.input_names == ("x", "run.count")
    np.testing.assert_array_equal(loaded.state["run.count"].array(), BEGINNING)
    assert loaded.notes == state_notes(["run.count"])
    assert "xir.state" not in loaded.metadata
    again = written.with_name("again.onnx")
    xir.convert(written, again, rename_inputs={"run.count": "begun"})
    np.testing.assert_array_equal(load_model(str(again)).state["begun"].array(), BEGINNING)


def test_commands_begin_there(written, tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.ones(3, np.float32))
    done = call(capsys, "run", written, "--feed", f"x={tmp_path / 'x.npy'}", "--out", tmp_path / "made.npz")
    assert done.code == 0, done.err
    np.testing.assert_array_equal(np.load(tmp_path / "made.npz")["twice"], 2 * (BEGINNING + 1))
    done = call(capsys, "verify", tmp_path / "count.pt2", written)
    assert done.code == 0, done.err


def test_modules_of_pytorch_begin_there(tmp_path):
    report = xir.convert(counting(tmp_path), tmp_path / "net.py", verify=False)
    text = (tmp_path / "net.py").read_text()
    assert "def forward(self, x, run_count=None):" in text
    assert "result = net(x)" in text
    assert not any("no place for what" in note for note in report.notes)
    torch = pytest.importorskip("torch", reason="torch runs the module")
    net, count = opened(str(tmp_path / "net.py")), None
    for turn in (1, 2):
        given = (torch.ones(3),) if count is None else (torch.ones(3), count)
        made = dict(zip(net.OUTPUTS, net(*given), strict=True))
        np.testing.assert_array_equal(made["twice"].numpy(), 2 * (BEGINNING + turn))
        count = made["run.count.new"]


def test_formats_without_a_place_say_so(tmp_path):
    report = xir.convert(counting(tmp_path), tmp_path / "count.xir", verify=False)
    assert any("no place for what 'run.count' begin" in note for note in report.notes)


def test_an_input_of_another_type_has_no_beginning(written):
    loaded = load_model(str(written), LoadOptions(inputs={"run.count": parse_type("f32[1]")}))
    assert not loaded.state
    assert loaded.graph.inputs[1].type == parse_type("f32[1]")


@pytest.mark.parametrize("noted", ["", "7", "{", '["y", 3, "nothing"]'])
def test_what_a_stranger_notes_is_left_alone(written, noted):
    model = onnx.load(written)
    del model.metadata_props[:]
    model.metadata_props.add(key="xir.state", value=noted)
    onnx.save(model, written)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load_model(str(written))
    assert (loaded.graph.input_names, dict(loaded.state)) == (("x",), {})
    assert xir.verify(written, written).passed


def test_a_beginning_follows_the_input_s_type():
    inputs = {name: Value(parse_type("f64[3]")) for name in ("run.count", "x", "y")}
    graph = Graph("g", tuple(inputs.values()), (), names={value: name for name, value in inputs.items()})
    held = state_of(
        graph, {name: constant_of(BEGINNING[:size]) for name, size in (("run.count", 3), ("x", 2), ("other", 3))}
    )
    assert [*held] == ["run.count"]
    assert held["run.count"].dtype is DType.FLOAT64
    np.testing.assert_array_equal(held["run.count"].array(), BEGINNING)
