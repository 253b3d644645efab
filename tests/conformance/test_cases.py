"""Cases as files: what goes in comes out; the collected suite is onnx's own."""

from __future__ import annotations

import io
import json
import pickle
import re
import subprocess
import sys
import warnings

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.backend.test.loader import load_model_tests

from xir.errors import FileError, FormatError, MissingExtraError
from xir_conformance import worker
from xir_conformance.cases import DataSet, operators_of, read_case, read_data_sets, write_case
from xir_conformance.judge import judge
from xir_conformance.onnx_suite import KINDS, cache_folder, onnx_suite
from xir_conformance.plugins import RUNTIMES, runtime_named
from xir_conformance.suites import folder_suite

F32 = TensorProto.FLOAT
TENSOR = helper.make_tensor_type_proto(F32, None)
SEQUENCE = helper.make_sequence_type_proto(TENSOR)


def same(a, b):
    """Whether two values are one, bit for bit, type for type."""
    if isinstance(a, list | tuple):
        return isinstance(b, list | tuple) and len(a) == len(b) and all(map(same, a, b))
    if a is None or b is None:
        return a is b
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype == object or a.dtype.kind in "US":
        return a.shape == b.shape and [str(x) for x in a.reshape(-1)] == [str(x) for x in b.reshape(-1)]
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


VALUES = [
    (TENSOR, np.array([[1, 2]], np.float32)),
    (helper.make_tensor_type_proto(TensorProto.BFLOAT16, None), np.array([1.5, -2], ml_dtypes.bfloat16)),
    (helper.make_tensor_type_proto(TensorProto.INT4, None), np.array([1, -2, 7], ml_dtypes.int4)),
    (helper.make_tensor_type_proto(TensorProto.STRING, None), np.array(["a", "bcd"], object)),
    (helper.make_tensor_type_proto(TensorProto.INT64, None), np.int64(3)),
    (SEQUENCE, [np.array([1], np.float32), np.array([2, 3], np.float32)]),
    (SEQUENCE, []),
    (helper.make_optional_type_proto(TENSOR), np.array([1], np.float32)),
    (helper.make_optional_type_proto(TENSOR), None),
]


@pytest.mark.parametrize(("type", "value"), VALUES)
def test_values_come_back(tmp_path, type, value):
    info = [helper.make_value_info(name, type) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", info[:1], info[1:])
    write_case(str(tmp_path), helper.make_model(graph), [DataSet((value,), (value,))] * 2, 0.5, 0.25)
    case = read_case("name", "kind", str(tmp_path))
    assert (case.rtol, case.atol, case.operators) == (0.5, 0.25, ("Identity",))
    sets = list(read_data_sets(case))
    assert len(sets) == 2
    assert same(value, sets[1].inputs[0])
    assert same(value, sets[1].outputs[0])


def test_sets_are_read_by_their_numbers(folder):
    place = folder / "a" / "minus"
    for number in range(1, 12):
        copy = place / f"test_data_set_{number}"
        copy.mkdir()
        for stem in ("input", "output"):
            tensor = onnx.numpy_helper.from_array(np.full(2, number, np.float32))
            (copy / f"{stem}_0.pb").write_bytes(tensor.SerializeToString())
    sets = list(read_data_sets(read_case("minus", "a", str(place))))
    assert [data.inputs[0][0] for data in sets] == [1, *range(1, 12)]


def test_operators_of_bodies_and_functions_are_counted_too():
    body = helper.make_graph(
        [helper.make_node("Neg", ["a"], ["b"])], "body", [], [helper.make_tensor_value_info("b", F32, None)]
    )
    scaler = helper.make_node("Scaler", ["a"], ["c"], domain="ai.onnx.ml")
    nodes = [helper.make_node("If", ["c"], ["d"], then_branch=body, else_branch=body)]
    function = helper.make_function("mine", "f", ["a"], ["c"], [scaler], [helper.make_opsetid("ai.onnx.ml", 1)])
    model = helper.make_model(helper.make_graph(nodes, "g", [], []), functions=[function])
    assert operators_of(model) == ("If", "Neg", "ai.onnx.ml.Scaler")


def test_what_is_no_model(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"\xff\xff\xff")
    with pytest.raises(FormatError, match="no ModelProto"):
        folder_suite(str(tmp_path))


def test_more_files_than_inputs(folder):
    place = folder / "a" / "minus" / "test_data_set_0"
    (place / "input_1.pb").write_bytes((place / "input_0.pb").read_bytes())
    with pytest.raises(FormatError, match="2 files, the model has 1"):
        list(read_data_sets(read_case("minus", "a", str(place.parent))))


def test_a_folder_without_cases(tmp_path):
    with pytest.raises(FileError, match=r"model\.onnx"):
        folder_suite(str(tmp_path))


@pytest.fixture(scope="module")
def collected():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [case for kind in KINDS for case in load_model_tests(kind=kind)]


def test_the_suite_has_every_case_of_onnx(collected):
    suite = onnx_suite()
    assert [(case.kind, case.name) for case in suite.cases] == sorted(
        ((case.kind, case.name) for case in collected), key=lambda each: (KINDS.index(each[0]), each[1])
    )
    assert {case.name: (case.rtol, case.atol) for case in suite.cases} == {
        case.name: (case.rtol, case.atol) for case in collected
    }


MAKE = """
import pickle, sys, warnings
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import _normalize_tensor
warnings.simplefilter("ignore")
made = {
    case.name: (
        case.model.SerializeToString(),
        [[_normalize_tensor(each) for part in data for each in part] for data in case.data_sets],
    )
    for case in load_model_tests(kind="node")
}
with open(sys.argv[1], "wb") as file:
    pickle.dump(made, file)
"""
"""onnx draws its values anew in each process, the same ones in the same order."""


def test_the_suite_has_the_values_of_onnx(tmp_path):
    subprocess.run([sys.executable, "-c", MAKE, str(tmp_path / "made")], check=True)
    made = pickle.loads((tmp_path / "made").read_bytes())
    for case in onnx_suite().cases:
        if case.kind == "node":
            model, sets = made[case.name]
            assert read_model_bytes(case) == model, case.name
            found = [[*data.inputs, *data.outputs] for data in read_data_sets(case)]
            assert same(sets, found), case.name


def read_model_bytes(case):
    with open(case.model, "rb") as file:
        return file.read()


def test_real_models_are_fed_what_onnx_feeds(collected):
    real = {case.name: case for case in onnx_suite().cases if case.kind == "real"}
    assert len(real) == sum(case.kind == "real" for case in collected) == 9
    for case in real.values():
        (data,) = read_data_sets(case)
        assert data.inputs[0].dtype == np.float32
        assert len(data.outputs) == 1


def test_where_the_cache_lies(monkeypatch, tmp_path):
    monkeypatch.delenv("XIR_CONFORMANCE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == "/somewhere/xir/conformance"
    monkeypatch.setenv("XIR_CONFORMANCE_CACHE", str(tmp_path))
    assert cache_folder() == str(tmp_path)


def test_a_suite_is_collected_once(monkeypatch, tmp_path):
    monkeypatch.setenv("XIR_CONFORMANCE_CACHE", str(tmp_path))
    monkeypatch.setattr("xir_conformance.onnx_suite.KINDS", ("simple", "real"))
    first = onnx_suite()
    (folder,) = tmp_path.iterdir()
    before = (folder / "index.json").stat().st_mtime_ns
    assert onnx_suite() == first
    assert (folder / "index.json").stat().st_mtime_ns == before
    assert {case.kind for case in first.cases} == {"simple", "real"}
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_who_collects_second_leaves_what_is_there(monkeypatch, tmp_path):
    from xir_conformance import onnx_suite as module

    monkeypatch.setattr(module, "KINDS", ("simple",))
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "index.json").write_text("[]")
    module._collect_into(str(tmp_path / "there"))
    assert (tmp_path / "there" / "index.json").read_text() == "[]"
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


BITS = [
    ("test_cast_BFLOAT16_to_FLOAT", "xir-ort", "passed"),
    ("test_cast_FLOAT8E4M3FN_to_FLOAT", "xir-ort", "passed"),
    ("test_cast_FLOAT_to_FLOAT8E4M3FN", "xir-ort", "passed"),
    ("test_string_split_basic", "onnxruntime", "passed"),
    ("test_identity_sequence", "onnxruntime", "passed"),
    ("test_cast_FLOAT_to_BFLOAT16", "xir-ort", "passed"),
    ("test_cast_FLOAT_to_INT4", "xir-ort", "passed"),
    ("test_cast_INT4_to_FLOAT", "xir-ort", "passed"),
    ("test_adagrad", "onnxruntime", "unsupported"),
    ("test_gradient_of_add", "xir-ort", "unsupported"),
    ("test_convinteger_with_padding", "onnxruntime", "error"),
]


@pytest.mark.parametrize(("name", "runtime", "status"), BITS)
def test_every_element_type_goes_through_onnxruntime(name, runtime, status):
    (case,) = (case for case in onnx_suite().cases if case.name == name)
    outcome = judge(runtime_named(runtime), case)
    assert (outcome.status, bool(outcome.message)) == (status, status != "passed")


@pytest.mark.parametrize("name", RUNTIMES)
def test_runtimes_tell_their_versions(name):
    assert re.search(r"\d+\.\d+", runtime_named(name).version)


def test_a_runtime_whose_library_is_missing(monkeypatch):
    monkeypatch.setattr("xir_conformance.runtimes.ort.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError) as caught:
        runtime_named("onnxruntime")
    assert "xir-compiler[ort]" in caught.value.hint


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("runtime", "status"),
    [
        ("xir", "passed"),
        ("xir-roundtrip", "passed"),
        ("xir-ort", "passed"),
        ("onnxruntime", "passed"),
        ("onnx-reference", "passed"),
        ("test-wrong", "mismatch"),
        ("test-bound", "binding"),
        ("test-late", "unsupported"),
        ("test-failing", "error"),
        ("test-refusing", "unsupported"),
    ],
)
def test_the_judge(suite, runtime, status):
    assert judge(runtime_named(runtime), suite.cases[0]).status == status


@pytest.mark.usefixtures("plugin")
def test_a_worker_answers_line_by_line(suite, folder):
    (folder / "b" / "minus" / "model.onnx").write_bytes(b"\xff")
    questions = [
        {"name": case.name, "kind": case.kind, "folder": case.folder, "rtol": case.rtol, "atol": case.atol}
        for case in suite.cases
    ]
    answers = io.BytesIO()
    worker.serve(
        runtime_named("test-right"),
        io.BytesIO("".join(json.dumps(q) + "\n" for q in questions).encode()),
        answers,
        60.0,
    )
    assert [json.loads(line)["status"] for line in answers.getvalue().splitlines()] == ["passed", "passed", "error"]
