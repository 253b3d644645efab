"""Archives that lie: each is refused with a clear error, in bounded time and memory."""

from __future__ import annotations

import time

import numpy as np
import pytest

import xir
from tests.frontends.archives import Member, archive_bytes
from tests.frontends.torch.programs import leaf, meta, node, payload, program, size, tensor, write
from xir.errors import FormatError, InvalidModelError, UnsafeError, UnsupportedError
from xir.frontends._json import MAX_CONTAINERS, MAX_ITEMS, MAX_JSON_BYTES, parse_json
from xir.frontends.load import load_model, recognize

W = np.arange(6, dtype=np.float32)


def model() -> dict:
    return program(
        {"p_w": meta("float32", (6,)), "x": meta("float32", ("s0", 6))},
        [node("aten.mul.Tensor", [tensor("x"), tensor("p_w")], "y", name="y")],
        [tensor("y")],
        weights={"p_w": "w"},
        ranges={"s0": (1, 64)},
        out_spec=leaf(),
    )


def put(*path):
    """A change of the program: the last item takes the place of what the others lead to; `...` deletes it."""

    def change(text):
        *keys, last, value = path
        held = text
        for key in keys:
            held = held[key]
        if value is ...:
            del held[last]
        else:
            held[last] = value

    return change


G = ("graph_module", "graph")
NODE = (*G, "nodes", 0)
ARGUMENT = (*NODE, "inputs", 0, "arg")
X = (*G, "tensor_values", "x")
SIGNATURE = ("graph_module", "signature")


LIES = (
    (put("schema_version", {"major": 9, "minor": 0}), UnsupportedError, "schema version 9; xir reads version 8"),
    (put("schema_version", ...), InvalidModelError, "field 'schema_version' is missing"),
    (put("graph_module", []), InvalidModelError, "expected an object, got list"),
    (put(*G, "nodes", {}), InvalidModelError, "expected a list, got dict"),
    (put(*G, "nodes", 3), InvalidModelError, "expected a list, got int '3'"),
    (put(*NODE, "target", 7), InvalidModelError, "expected text"),
    (put(*NODE, "target", "x" * 70_000), UnsafeError, "longer than"),
    (put(*NODE, "inputs", 0, "kind", "1"), InvalidModelError, "expected a whole number"),
    (put(*ARGUMENT, {}), InvalidModelError, "expected one field"),
    (put(*ARGUMENT, {"as_tensor": {"name": "x"}, "as_int": 1}), InvalidModelError, "expected one field"),
    (put(*ARGUMENT, {"as_thing": 1}), InvalidModelError, "there is no argument 'as_thing'"),
    (put(*ARGUMENT, tensor("z")), InvalidModelError, "reads 'z', which no earlier call makes"),
    (put(*ARGUMENT, tensor("y")), InvalidModelError, "reads 'y', which no earlier call makes"),
    (put(*ARGUMENT, {"as_int": 1 << 70}), InvalidModelError, "does not fit in 64 bits"),
    (put(*ARGUMENT, {"as_float": "1.5"}), InvalidModelError, "expected a number"),
    (put(*ARGUMENT, {"as_bool": 1}), InvalidModelError, "expected true or false"),
    (put(*ARGUMENT, {"as_scalar_type": 77}), InvalidModelError, "there is no element type 77"),
    (put(*ARGUMENT, {"as_scalar_type": 9}), UnsupportedError, "complex32"),
    (put(*ARGUMENT, {"as_memory_format": 9}), InvalidModelError, "9 stands for nothing"),
    (put(*ARGUMENT, {"as_optional_tensor": {"as_int": 1}}), InvalidModelError, "no optional tensor"),
    (put(*ARGUMENT, {"as_custom_obj": {"name": "o", "class_fqn": "a.B"}}), UnsupportedError, "the class 'a.B'"),
    (put(*NODE, "outputs", [tensor("y"), tensor("z")]), InvalidModelError, "2 results are named, 1 are made"),
    (put(*NODE, "outputs", [tensor("x")]), InvalidModelError, "'x' is made twice"),
    (put(*NODE, "outputs", [{"as_device": 1}]), InvalidModelError, "a result cannot be 'as_device'"),
    (put(*NODE, "outputs", []), InvalidModelError, "reads 'y'"),
    (put(*X, "layout", 1), UnsupportedError, "sparse_coo"),
    (put(*X, "sizes", [size(-1), size(6)]), InvalidModelError, "shape"),
    (put(*X, "sizes", [size(1)] * 65), UnsafeError, "65 dimensions"),
    (put(*X, "sizes", [size(1 << 40), size(1 << 40)]), UnsafeError, "2.63"),
    (put(*X, "sizes", [{"as_float": 1.0}]), InvalidModelError, "there is no size"),
    (put(*X, "sizes", [size("s0 +"), size(6)]), InvalidModelError, "is no formula"),
    (put(*X, "sizes", [size("sin(s0)"), size(6)]), UnsupportedError, "formulas that xir cannot say"),
    (put(*X, "sizes", [size("(" * 500 + "s0" + ")" * 500), size(6)]), UnsafeError, "nested deeper"),
    (put(*X, "sizes", [size("s" * 20_000), size(6)]), UnsafeError, "a formula of sizes has"),
    (put(*G, "tensor_values", "y", meta("float32", (2, 7))), InvalidModelError, "'y' is declared f32"),
    (put(*G, "tensor_values", "y", meta("int64", ("s0", 6))), InvalidModelError, "'y' is declared i64"),
    (put(*G, "tensor_values", "x", ...), InvalidModelError, "does not say what input 'x' is"),
    (put(*G, "inputs", []), InvalidModelError, "0 inputs and 1 outputs, its signature 2 and 1"),
    (put(*G, "inputs", 1, tensor("z")), InvalidModelError, "input 'z' is 'x' in the signature"),
    (put(*G, "outputs", 0, tensor("x")), InvalidModelError, "in the signature"),
    (put(*SIGNATURE, "input_specs", 0, {"thing": {}}), InvalidModelError, "there is no input 'thing'"),
    (put(*SIGNATURE, "output_specs", 0, {"thing": {"arg": {"name": "y"}}}), InvalidModelError, "no output 'thing'"),
    (put(*SIGNATURE, "input_specs", 0, "parameter", "parameter_name", "v"), InvalidModelError, "no weight 'v'"),
    (
        put(*SIGNATURE, "input_specs", 1, {"constant_input": {"name": "x", "value": {"as_tensors": []}}}),
        InvalidModelError,
        "a constant cannot be",
    ),
    (put("range_constraints", "s0", {"min_val": 9, "max_val": 2}), InvalidModelError, "lies between 9 and 2"),
    (put("range_constraints", "s0", {"min_val": "2", "max_val": 9}), InvalidModelError, "expected a"),
)
"""What is changed in a program, and the error that tells it."""


@pytest.mark.parametrize(("change", "error", "told"), LIES)
def test_programs_that_lie(tmp_path, change, error, told):
    text = model()
    change(text)
    with pytest.raises(error, match=told) as raised:
        load_model(str(write(tmp_path / "m.pt2", text, {"w": W})))
    assert raised.value.source.file is not None


def row(**changes) -> dict:
    return {
        "path_name": "weight_0",
        "is_param": True,
        "use_pickle": False,
        "tensor_meta": meta("float32", (6,)),
    } | changes


@pytest.mark.parametrize(
    ("changed", "error", "told"),
    [
        (row(path_name="weight_9"), InvalidModelError, "no member"),
        (row(path_name="../../secret"), InvalidModelError, "no member"),
        (row(tensor_meta=None), UnsupportedError, "an object of a class"),
        (row(use_pickle=True), FormatError, "is no zip archive"),
        (row(tensor_meta=meta("float32", (7,))), InvalidModelError, "reaches element 6"),
        (row(tensor_meta=meta("float32", (6,), storage_offset=size(1))), InvalidModelError, "reaches element 6"),
        (row(tensor_meta=meta("float32", (6,), storage_offset=size(-1))), InvalidModelError, "starts at element"),
        (row(tensor_meta=meta("float32", (6,), strides=[size(-1)])), InvalidModelError, "strides"),
        (row(tensor_meta=meta("float32", (6,), strides=[])), InvalidModelError, "strides"),
        (row(tensor_meta=meta("float32", (1 << 40,), strides=[size(0)])), InvalidModelError, "share"),
        (row(tensor_meta=meta("float32", (1 << 40, 1 << 40))), UnsafeError, "2.63"),
        (row(tensor_meta=meta("float32", ("s0",))), InvalidModelError, "must be a number"),
        (row(tensor_meta=meta("float64", (6,))), InvalidModelError, "reaches element 5"),
        (row(tensor_meta=meta("int32", (6,))), InvalidModelError, "is declared f32"),
        (row(tensor_meta=meta("float32", (2, 3))), InvalidModelError, "is declared f32"),
    ],
)
def test_weights_that_lie(tmp_path, changed, error, told):
    path = write(tmp_path / "m.pt2", model(), {"w": W}, changes={"w": changed})
    with pytest.raises(error, match=told):
        load_model(str(path))


@pytest.mark.parametrize(
    ("data", "error", "told"),
    [
        (b"", InvalidModelError, "is no JSON"),
        (b"\xff\xfe", InvalidModelError, "is no JSON"),
        (b"[1, 2", InvalidModelError, "is no JSON"),
        (b'{"a": NaN}', InvalidModelError, "NaN is no number of JSON"),
        (b'{"a": 1, "a": 2}', InvalidModelError, "two fields of one name"),
        (b"1" * 5000, InvalidModelError, "is no JSON"),
        (b"[" * 100_000 + b"]" * 100_000, UnsafeError, "nested deeper"),
        (b'{"graph_module": ' * 5000 + b"1" + b"}" * 5000, UnsafeError, "nested deeper"),
        (b"[" + b"[]," * (MAX_CONTAINERS + 1), UnsafeError, "too many items"),
        (b"[" + b"1," * (MAX_ITEMS + 1), UnsafeError, "too many items"),
    ],
)
def test_text_that_is_no_json(tmp_path, data, error, told):
    begun = time.monotonic()
    with pytest.raises(error, match=told):
        load_model(str(write(tmp_path / "m.pt2", data, {"w": W})))
    assert time.monotonic() - begun < 20  # two seconds alone; other tests may run beside


def test_text_that_is_too_long():
    with pytest.raises(UnsafeError, match="at most"):
        parse_json(bytes(MAX_JSON_BYTES + 1), what="it", file="f")


def test_loops_in_conditions_of_loops_are_bounded(tmp_path, monkeypatch):
    """Each condition is built twice, before the loop and in it, so that 25 in each other would be 2^25 calls."""
    asked = _graph([node("aten.lt.Scalar", [tensor("a"), {"as_int": 3}], "r")])
    step = {"as_graph": {"name": "b", "graph": _graph([node("aten.add.Tensor", [tensor("a"), {"as_int": 1}], "r")])}}
    carried = {"as_tensors": [{"name": "a"}]}
    for _ in range(25):
        given = [{"as_graph": {"name": "c", "graph": asked}}, step, carried, {"as_tensors": []}]
        loop = node("higher_order.while_loop", given, [tensor("b")], is_hop_single_tensor_return=False)
        asked = _graph([loop, node("aten.lt.Scalar", [tensor("b"), {"as_int": 3}], "r")])
    held = program({"a": meta("int64", ())}, asked["nodes"], [tensor("r")])
    monkeypatch.setattr("xir.frontends.torch.importer.inlining_limit", lambda calls: 4 * calls)
    with pytest.raises(UnsafeError, match="expand to more than"):
        load_model(str(write(tmp_path / "m.pt2", held)))


def _graph(nodes):
    held = model()["graph_module"]["graph"]
    return {**held, "inputs": [tensor("a")], "outputs": [tensor("r")], "nodes": nodes, "tensor_values": {}}


def archive(tmp_path, *members: Member):
    path = tmp_path / "m.pt2"
    path.write_bytes(archive_bytes([*payload({}, "weight"), *payload({}, "constant"), *members]))
    return path


def test_archives_without_a_program(tmp_path):
    told = Member("m/archive_format", b"pt2")
    with pytest.raises(FormatError, match="no exported program"):
        load_model(str(archive(tmp_path, told)))
    with pytest.raises(UnsupportedError, match="compiled code and no program"):
        load_model(str(archive(tmp_path, told, Member("m/data/aotinductor/model/x.so", b""))))
    one, two = (Member(f"m/models/{name}.json", b"{}") for name in "ab")
    with pytest.raises(UnsupportedError, match=r"2 programs \(models/a.json, models/b.json\)"):
        load_model(str(archive(tmp_path, told, one, two)))
    with pytest.raises(InvalidModelError, match=r"no member 'data/weights/a_weights_config\.json'"):
        load_model(str(archive(tmp_path, told, one)))


def test_a_damaged_archive_is_refused(tmp_path):
    path = write(tmp_path / "m.pt2", model(), {"w": W})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(FormatError, match="zip directory"):
        load_model(str(path))


def test_other_zip_files_are_no_programs(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(archive_bytes([Member("a/b.txt", b"")]))
    with pytest.raises(FormatError, match="no format"):
        recognize(str(path))


def test_names_of_weights_and_inputs_may_collide(tmp_path):
    text = model()
    text["graph_module"]["signature"]["input_specs"][0]["parameter"]["parameter_name"] = "x"
    graph = xir.load(write(tmp_path / "m.pt2", text, {"x": W}))
    assert graph.input_names == ("x_1",) or graph.name_of(graph.parameters[0].value) != "x"
