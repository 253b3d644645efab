"""Graphs that begin inside: at results that a person names, and behind iterators and queues."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.frontends.tensorflow.graphs import literal, node, placeholder, scalar, write
from tests.frontends.tensorflow.saved import recorded, unpack
from xir.errors import InvalidModelError, UnsupportedError, UsageError, XirError

F, I = "DT_FLOAT", "DT_INT32"  # noqa: E741
QUEUE = {"component_types": [F, I]}


def parsed(folder: Path) -> str:
    """A graph that begins with an operator that xir does not read; code stands beside it."""
    return write(
        folder,
        placeholder("bytes", -1, dtype="DT_STRING"),
        node("DecodePng", "png", "bytes", dtype=F),
        node("PyFunc", "code", "png", token="t", Tin=[F], Tout=[F]),
        node("Square", "data", "code", T=F),
        scalar("axis", 1),
        node("Split", "parts", "axis", "data", T=F, num_split=2),
        node("Neg", "first", "parts", T=F),
        node("Square", "second", "parts:1", T=F),
        node("Mul", "both", "first", "second", T=F),
    )


@pytest.mark.parametrize("name", ["data", "data:0"])
def test_what_stands_before_a_cut_is_not_looked_at(tmp_path: Path, name: str) -> None:
    path = parsed(tmp_path)
    with pytest.raises(UnsupportedError, match="PyFunc"):
        xir.load(path)
    graph = xir.load(path, inputs={name: "f32[n,4]"})
    assert graph.input_names == ("data",)
    x = np.array([[1, 2, 3, 4]], np.float32)
    assert xir.run(graph, {"data": x})["both"].tolist() == [[-9, -32]]


def test_one_of_several_results_is_cut(tmp_path: Path) -> None:
    graph = xir.load(parsed(tmp_path), inputs={"parts:1": "f32[2]"}, outputs=["second"])
    assert graph.input_names == ("parts:1",)
    assert xir.run(graph, {"parts:1": np.array([2, 3], np.float32)})["second"].tolist() == [4, 9]


def test_the_other_results_of_a_node_are_still_computed(tmp_path: Path) -> None:
    graph = xir.load(parsed(tmp_path), inputs={"data": "f32[1,2]", "parts": None})
    assert graph.input_names == ("data", "parts")
    made = xir.run(graph, {"data": np.array([[9, 2]], np.float32), "parts": np.array([[3]], np.float32)})
    assert made["both"].tolist() == [[-12]]


def test_an_untyped_cut_has_the_type_that_is_built(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        placeholder("x", -1, 4),
        node("Square", "y", "x", T=F),
        literal("axes", [1], (1,), I),
        node("ConcatV2", "twice", "y", "y", "axis", N=2, T=F, Tidx=I),
        node("ConcatV2", "tall", "twice", "twice", "down", N=2, T=F, Tidx=I),
        scalar("axis", 1),
        scalar("down", 0),
        node("Neg", "z", "tall", T=F),
    )
    graph = xir.load(path, inputs={"y": None}, outputs=["z"])
    rows, columns = graph.inputs[0].tensor.shape
    assert (graph.input_names, columns) == (("y",), 4)
    assert graph.outputs[0].tensor.shape == (rows * 2, 8)
    tall = xir.load(path, inputs={"tall": None}, outputs=["z"]).inputs[0].tensor.shape
    assert str(tall[0]) != str(rows * 2)
    assert tall[1] == 8


def test_a_node_tells_what_cannot_be_built(tmp_path: Path) -> None:
    shapes = "{list { shape { dim { size: -1 } dim { size: 3 } } }}"
    path = write(
        tmp_path,
        placeholder("bytes", dtype="DT_STRING"),
        node("DecodePng", "png", "bytes", dtype=F, _output_shapes=shapes),
        node("Square", "y", "png", T=F),
        node("DecodeCSV", "csv", "bytes", "bytes", OUT_TYPE=["DT_STRING"]),
        node("Identity", "z", "csv", T="DT_STRING"),
        node("NoSuchThing", "none"),
        node("Square", "w", "none", T=F),
        node("Identity", "v", "raw", T=F),
        node("DecodeRaw", "raw", "bytes", out_type=F),
    )
    graph = xir.load(path, inputs={"png": None}, outputs=["y"])
    assert repr(graph.inputs[0].type) == "f32[?,3]"
    assert repr(xir.load(path, inputs={"csv": None}, outputs=["z"]).inputs[0].type) == "str[*]"
    assert repr(xir.load(path, inputs={"raw": None}, outputs=["v"]).inputs[0].type) == "f32[*]"
    with pytest.raises(UsageError, match="nothing tells the type of 'none'"):
        xir.load(path, inputs={"none": None}, outputs=["w"])


@pytest.mark.parametrize(
    ("inputs", "outputs", "told"),
    [
        ({"dat": "f32[1,4]"}, None, "did you mean 'data'"),
        ({"data": "f32[1,4]"}, ["bot"], "did you mean 'both'"),
        ({"parts:7": "f32[1]"}, ["first"], "nothing that is computed needs 'parts:7'"),
        (
            {"data": "f32[1,4]", "first": "f32[1,2]", "second": "f32[1,2]"},
            None,
            "nothing that is computed needs 'data'",
        ),
        ({"^data": "f32[1]"}, None, "no inputs"),
    ],
)
def test_cuts_that_are_none(tmp_path: Path, inputs: dict[str, str], outputs: list[str] | None, told: str) -> None:
    with pytest.raises(UsageError) as error:
        xir.load(parsed(tmp_path), inputs=inputs, outputs=outputs)
    assert told in f"{error.value.message} {error.value.hint}"


def test_a_signature_has_what_is_cut_in_place_of_what_nothing_needs(tmp_path: Path) -> None:
    path = unpack("old", tmp_path)
    whole = xir.load(path, method="first")
    (product,) = (node.source[0].layer for node in whole.nodes if node.op.name == "matmul")
    cut = xir.load(path, method="first", inputs={f"{product}:0": None})
    assert (whole.input_names, cut.input_names) == (("x",), (product,))
    assert repr(cut.inputs[0].type) == "f32[?,3]"
    x = recorded("old", "first", "in")["x"]
    made = xir.run(whole, {"x": x})["y"]
    assert cut.output_names == whole.output_names
    np.testing.assert_allclose(xir.run(cut, {cut.input_names[0]: made * 2})["y"], made)
    with pytest.raises(XirError, match="signature has no inputs \\['nothing'\\]"):
        xir.load(path, method="first", inputs={"nothing": None})


def queue(folder: Path, *nodes: str, **told: object) -> str:
    return write(
        folder,
        node("FIFOQueueV2", "queue", **QUEUE, **told),
        node("Identity", "handle", "queue", T="DT_RESOURCE"),
        placeholder("x", 2),
        node("QueueEnqueueV2", "put", "handle", "x", Tcomponents=[F]),
        scalar("three", 3),
        *nodes,
        node("Square", "y", "take", T=F),
        node("Square", "z", "take:1", T=I),
    )


@pytest.mark.parametrize(
    ("taken", "types"),
    [
        (node("QueueDequeueV2", "take", "handle", **QUEUE), ["f32[2]", "i32[]"]),
        (node("QueueDequeueManyV2", "take", "handle", "three", **QUEUE), ["f32[3,2]", "i32[3]"]),
        (node("QueueDequeueManyV2", "take", "handle", "x", **QUEUE), ["f32[?,2]", "i32[?]"]),
        (node("QueueDequeueUpToV2", "take", "queue", "three", **QUEUE), ["f32[?,2]", "i32[?]"]),
        (node("QueueDequeue", "take", "handle", **QUEUE), ["f32[2]", "i32[]"]),
    ],
)
def test_what_queues_hand_out_are_inputs(tmp_path: Path, taken: str, types: list[str]) -> None:
    path = queue(tmp_path, taken, shapes=[(2,), ()])
    with pytest.warns(UserWarning, match="hands out is an input: 'take', 'take:1'"):
        graph = xir.load(path)
    assert graph.input_names == ("take", "take:1")
    assert [repr(value.type) for value in graph.inputs] == types
    assert graph.output_names == ("y", "z")


def test_a_queue_of_untold_shapes_is_typed_by_hand(tmp_path: Path) -> None:
    path = queue(tmp_path, node("QueueDequeueV2", "take", "handle", **QUEUE), shapes=[])
    with pytest.warns(UserWarning, match="QueueDequeueV2 hands out"):
        graph = xir.load(path, inputs={"take:1": "i32[2]"}, outputs=["z"])
    assert xir.run(graph, {"take:1": np.array([3, 4], np.int32)})["z"].tolist() == [9, 16]


def test_what_iterators_hand_out_are_inputs(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        node("IteratorV2", "it", shared_name="", container="", output_types=[F], output_shapes=[(-1, 2)]),
        node("PyFunc", "set", Tin=[], Tout=["DT_VARIANT"], token="t"),
        node("MakeIterator", "begin", "set", "it"),
        node("IteratorGetNext", "next", "it", output_types=[F], output_shapes=[(-1, 2)]),
        node("Square", "y", "next", T=F),
    )
    with pytest.warns(UserWarning, match="what IteratorGetNext hands out is an input: 'next'"):
        graph = xir.load(path)
    assert repr(graph.inputs[0].type) == "f32[?,2]"
    assert xir.run(graph, {"next": np.array([[1, 2]], np.float32)})["y"].tolist() == [[1, 4]]


@pytest.mark.parametrize("told", [{}, {"output_types": ["DT_VARIANT"], "output_shapes": [()]}])
def test_what_is_no_tensor_is_not_handed_out(tmp_path: Path, told: dict[str, object]) -> None:
    path = write(
        tmp_path, node("IteratorGetNext", "next", "it", **told), node("Square", "y", "next", T=F), placeholder("it")
    )
    with pytest.raises((UnsupportedError, InvalidModelError), match="IteratorGetNext"):
        xir.load(path)


def test_an_input_of_the_signature_is_no_cut(tmp_path: Path) -> None:
    graph = xir.load(unpack("old", tmp_path), method="first", inputs={"x": None})
    assert [repr(value.type) for value in graph.inputs] == ["f32[?,4]"]


def test_a_cut_behind_what_contradicts_itself_is_of_the_type_that_the_node_says(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        node("Placeholder", "x", dtype=F),
        literal("axes", [0], (1,), I),
        node("Max", "y", "x", "axes", T=F),
        node("Identity", "z", "y", T=F),
    )
    assert repr(xir.load(path, inputs={"y": None}).inputs[0].type) == "f32[*]"


def test_functions_that_are_called_behind_a_cut_stay(tmp_path: Path) -> None:
    argument = 'name: "a" type: DT_FLOAT'
    square = 'node_def { name: "n" op: "Square" input: "a" attr { key: "T" value { type: DT_FLOAT } } }'
    signature = f'signature {{ name: "f" input_arg {{ {argument} }} output_arg {{ name: "b" type: DT_FLOAT }} }}'
    path = write(
        tmp_path,
        node("DecodePng", "png", "x", dtype="DT_UINT8"),
        placeholder("x", dtype="DT_STRING"),
        node("Cast", "real", "png", SrcT="DT_UINT8", DstT=F),
        node("PartitionedCall", "y", "real", f='{func { name: "f" }}', Tin=[F], Tout=[F]),
        f'library {{ function {{ {signature} {square} ret {{ key: "b" value: "n:y:0" }} }} }}',
    )
    graph = xir.load(path, inputs={"real": "f32[2]"})
    assert xir.run(graph, {"real": np.array([2, 3], np.float32)})["y"].tolist() == [4, 9]


def test_a_queue_that_leads_in_a_circle_tells_no_shapes(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        node("Identity", "a", "b", T="DT_RESOURCE"),
        node("Identity", "b", "a", T="DT_RESOURCE"),
        node("QueueDequeueV2", "take", "a", **QUEUE),
        node("Identity", "y", "take", T=F),
    )
    with pytest.warns(UserWarning, match="hands out"):
        graph = xir.load(path, outputs=["y"])
    assert repr(graph.inputs[0].type) == "f32[*]"


def test_a_placeholder_with_a_default_is_an_input_where_it_is_named(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        literal("none", [1.0, 2.0], (2,)),
        node("PlaceholderWithDefault", "x", "none", dtype=F, shape=(-1,)),
        node("Square", "y", "x", T=F),
    )
    assert xir.load(path).input_names == ()
    assert [repr(value.type) for value in xir.load(path, inputs={"x": None}).inputs] == ["f32[?]"]
    assert [repr(value.type) for value in xir.load(path, inputs={"x": "f32[3]"}).inputs] == ["f32[3]"]
