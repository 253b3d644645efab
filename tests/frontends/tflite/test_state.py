"""State and tables that cannot be followed, the state of tensors with elements, options of custom operators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.frontends.tflite.cases.images import spread
from tests.frontends.tflite.models import Model, Out, Subgraph
from xir.errors import InvalidModelError, UnsupportedError, XirError
from xir.frontends.load import load_model
from xir.frontends.tflite.flexbuffer import read_map

PLACE = Out("RESOURCE", shape=(1,))


def handle(graph: Subgraph) -> int:
    """A variable's."""
    return graph.op("VAR_HANDLE", [], [PLACE], {"VarHandleOptions": {"shared_name": "v"}})[0]


def unassigned() -> Model:
    """A variable that is read first."""
    model = Model()
    graph = model.subgraph()
    graph.outputs += graph.op("READ_VARIABLE", [handle(graph)], [Out(shape=(2,))])
    return model


def in_a_branch() -> Model:
    """A variable that a branch assigns."""
    model = Model()
    graph = model.subgraph()
    options = {"IfOptions": {"then_subgraph_index": 1, "else_subgraph_index": 2}}
    x = graph.input("float32", (2,))
    graph.outputs += graph.op("IF", [graph.input("bool", ()), x], [Out(shape=(2,))], options)
    for name in ("then", "else"):
        branch = model.subgraph(name)
        given = branch.input("float32", (2,))
        branch.op("ASSIGN_VARIABLE", [handle(branch), given], [])
        branch.outputs += branch.op("RELU", [given], [Out(shape=(2,))])
    return model


def drawn() -> Model:
    """A variable that begins with numbers that are drawn."""
    model = Model()
    graph = model.subgraph()
    graph.op("CALL_ONCE", [], [], {"CallOnceOptions": {"init_subgraph_index": 1}})
    place, x = handle(graph), graph.input("float32", (2,))
    graph.op("ASSIGN_VARIABLE", [place, x], [])
    graph.outputs += graph.op("READ_VARIABLE", [place], [Out(shape=(2,))])
    start = model.subgraph("start")
    drawn = start.op(
        "RANDOM_UNIFORM", [start.constant(np.array([2], np.int32))], [Out(shape=(2,))], {"RandomOptions": {}}
    )
    start.op("ASSIGN_VARIABLE", [handle(start), *drawn], [])
    return model


def kept(state: dict[str, object], inside: bool = False, held: bool = False, shape: tuple[int, ...] = (2, 3)) -> Model:
    """A step of an RNN whose state has other fields, in a branch or not."""
    model = Model()
    outer = model.subgraph()
    graph = outer
    if inside:
        options = {"IfOptions": {"then_subgraph_index": 1, "else_subgraph_index": 1}}
        outer.outputs += outer.op("IF", [outer.input("bool", ()), outer.input("float32", (2, 4))], [Out()], options)
        graph = model.subgraph("branch")
    x = graph.input("float32", (2, 4))
    weights = [graph.constant(spread(*sizes)) for sizes in ((3, 4), (3, 3), (3,))]
    fields = {"is_variable": True, **state}
    before = graph.constant(np.ones((2, 3), np.float32), **fields) if held else graph.tensor("float32", shape, **fields)
    options = {"RNNOptions": {"fused_activation_function": "TANH"}}
    graph.outputs += graph.op("RNN", [x, *weights, before], [Out(shape=(2, 3))], options)
    return model


def table(fed: str) -> Model:
    """A table whose keys, or the default, are fed, or that is not filled."""
    model = Model()
    graph = model.subgraph()
    options = {"HashtableOptions": {"table_id": 1, "key_dtype": "INT64", "value_dtype": "INT64"}}
    (place,) = graph.op("HASHTABLE", [], [PLACE], options)
    numbers = graph.constant(np.array([1, 2], np.int64))
    keys = graph.input("int64", (2,)) if fed == "keys" else numbers
    if fed != "nothing":
        graph.op("HASHTABLE_IMPORT", [place, keys, numbers], [])
    default = graph.input("int64", (1,)) if fed == "default" else graph.constant(np.array([0], np.int64))
    graph.outputs += graph.op("HASHTABLE_FIND", [place, numbers, default], [Out("int64")])
    return model


REFUSED = {
    "a variable that nothing assigns": (unassigned(), "nothing is assigned to it"),
    "a variable in a branch": (in_a_branch(), "assigned inside of a branch"),
    "a variable that begins with what is computed": (drawn(), "begins with something that is computed"),
    "state in a branch": (kept({}, inside=True), "keeps its elements inside"),
    "state that is a weight": (kept({"is_variable": False}, held=True), "no variable tensor"),
    "state of any size": (kept({}, shape=(1 << 20, 1 << 12)), "too large"),
    "keys that are fed": (table("keys"), "computed at run time"),
    "a default that is fed": (table("default"), "computed at run time"),
    "a table that is empty": (table("nothing"), "nothing that is read fills"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_is_refused(name: str, tmp_path: Path) -> None:
    model, told = REFUSED[name]
    path = tmp_path / "m.tflite"
    path.write_bytes(model.data())
    with pytest.raises(XirError, match=told):
        xir.load(path)


def test_state_begins_with_the_elements_of_its_tensor(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(kept({}, held=True).data())
    (begun,) = load_model(str(path)).state.values()
    np.testing.assert_array_equal(begun.array(), np.ones((2, 3)))


def test_options_are_texts_and_numbers_wherever_they_lie() -> None:
    data = (
        b"name\0\x05caf\xc3\xa9\0wide\0\0\0\0\0\0 @many\0key\0word\0\x04\n\x10)\x1e\0\x05\0\0\0\x01\0\0\0"
        b'\x04\0\0\0\x17\0\0\0p\x11\x01\0:\0\0\x000\0\0\0\x10\x06\x14"\x14&\x01'
    )  # by flatbuffers' own writer
    assert read_map(data) == {"key": "word", "many": 70000, "name": "café", "wide": 2.5}


def test_options_of_other_kinds_are_refused() -> None:
    data = b"list\x00\x01\x01\x04\x01\t\x01\x01\x01\x07(\x02$\x01"
    with pytest.raises(UnsupportedError, match="FlexBuffers' type 10"):
        read_map(data)
    with pytest.raises(InvalidModelError, match="damaged"):
        read_map(data[:4] + b"\x01" + data[5:9] + b"\x63" + data[10:])


def test_what_is_assigned_stays_where_a_model_ends_earlier(tmp_path):
    model = Model()
    graph = model.subgraph()
    x, place = graph.input("float32", (2,)), handle(graph)
    graph.op("ASSIGN_VARIABLE", [place, x], [])
    (held,) = graph.op("READ_VARIABLE", [place], [Out(shape=(2,))])
    (y,) = graph.op("ABS", [held], [Out(shape=(2,))], {"AbsOptions": {}})
    graph.outputs += graph.op("CUSTOM:Mine", [y], [Out(shape=(2,))])
    path = tmp_path / "m.tflite"
    path.write_bytes(model.data())
    found = xir.load(str(path), outputs=[f"t{y}"])
    made = xir.run(found, {name: np.array([1, -2], np.float32) for name in found.input_names})
    assert made[f"t{y}"].tolist() == [1, 2]
