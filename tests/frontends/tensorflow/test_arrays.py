"""TensorArrays and lists of tensors outside of loops; slices whose lengths the run tells."""

from __future__ import annotations

import numpy as np

import xir
from tests.frontends.tensorflow.graphs import literal, node, placeholder, scalar, write

F, I = "DT_FLOAT", "DT_INT32"  # noqa: E741


def run(tmp_path, nodes, outputs, **feeds):
    return xir.run(xir.load(write(tmp_path, *nodes), outputs=outputs), feeds)


def test_rows_are_scattered_and_gathered(tmp_path):
    nodes = [
        placeholder("x", 2, 3),
        scalar("size", 4),
        literal("places", [3, 1], (2,), I),
        node("TensorArrayV3", "array", "size", dtype=F),
        node("TensorArrayScatterV3", "flow", "array", "places", "x", "array:1", T=F),
        node("TensorArrayGatherV3", "rows", "array", "places", "flow", dtype=F),
        node("TensorArrayConcatV3", "line", "array", "flow", dtype=F),
        node("TensorArraySizeV3", "count", "array", "flow"),
    ]
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    made = run(tmp_path, nodes, ["rows", "line", "line:1", "count"], x=x)
    np.testing.assert_array_equal(made["rows"], x)
    assert made["line"].tolist() == [0, 0, 0, 3, 4, 5, 0, 0, 0, 0, 1, 2]
    assert made["line:1"].tolist() == [3, 3, 3, 3]
    assert made["count"] == 4


def test_an_array_grows_behind_its_end(tmp_path):
    nodes = [
        placeholder("x", 2),
        placeholder("at", dtype=I),
        scalar("none", 0),
        scalar("first", 0),
        node("TensorArrayV3", "array", "none", dtype=F, dynamic_size=True, element_shape=(2,)),
        node("TensorArrayWriteV3", "one", "array", "first", "x", "array:1", T=F),
        node("TensorArrayWriteV3", "more", "array", "at", "x", "one", T=F),
        node("TensorArraySizeV3", "count", "array", "more"),
        node("TensorArrayReadV3", "last", "array", "at", "more", dtype=F),
    ]
    made = run(tmp_path, nodes, ["count", "last"], x=np.array([1, 2], np.float32), at=np.array(3, np.int32))
    assert made["count"] == 4
    assert made["last"].tolist() == [1, 2]


def test_pieces_of_one_length_are_split(tmp_path):
    nodes = [
        placeholder("x", 4),
        scalar("size", 2),
        literal("lengths", [2], (2,), "DT_INT64"),
        node("TensorArrayV3", "array", "size", dtype=F),
        node("TensorArraySplitV3", "flow", "array", "x", "lengths", "array:1", T=F),
        node("TensorArrayReadV3", "second", "array", "one", "flow", dtype=F),
        scalar("one", 1),
    ]
    assert run(tmp_path, nodes, ["second"], x=np.arange(4, dtype=np.float32))["second"].tolist() == [2, 3]


def test_lists_of_tensors(tmp_path):
    nodes = [
        placeholder("x", 2, 3),
        placeholder("row", 3),
        literal("shape", [3], (1,), I),
        literal("places", [1, 0], (2,), I),
        scalar("most", -1),
        scalar("three", 3),
        node("TensorListFromTensor", "list", "x", "shape", element_dtype=F, shape_type=I),
        node("TensorListGather", "turned", "list", "places", "shape", element_dtype=F),
        node("EmptyTensorList", "empty", "shape", "most", element_dtype=F, shape_type=I),
        node("TensorListPushBack", "once", "empty", "row", element_dtype=F),
        node("TensorListPushBack", "twice", "once", "row", element_dtype=F),
        node("TensorListStack", "stack", "twice", "shape", element_dtype=F),
        node("TensorListScatterV2", "put", "x", "places", "shape", "three", element_dtype=F, shape_type=I),
        node("TensorListConcatV2", "line", "put", "shape", "none", element_dtype=F, shape_type=I),
        literal("none", [0], (0,), "DT_INT64"),
    ]
    x, row = np.arange(6, dtype=np.float32).reshape(2, 3), np.full(3, 7, np.float32)
    made = run(tmp_path, nodes, ["turned", "stack", "line"], x=x, row=row)
    np.testing.assert_array_equal(made["turned"], x[::-1])
    np.testing.assert_array_equal(made["stack"], [row, row])
    assert made["line"].tolist() == [3, 4, 5, 0, 1, 2, 0, 0, 0]


def test_draws_whose_number_the_run_tells(tmp_path):
    nodes = [
        literal("logits", [0.0, 50.0, 0.0], (1, 3)),
        placeholder("n", dtype=I),
        node("Multinomial", "y", "logits", "n", T=F),
        literal("sizes", [90], (1,), I),
        scalar("low", 2),
        scalar("high", 5),
        node("RandomUniformInt", "z", "sizes", "low", "high", T=I, Tout=I),
    ]
    made = run(tmp_path, nodes, ["y", "z"], n=np.array(5, np.int32))
    assert made["y"].tolist() == [[1] * 5]
    assert set(made["z"].tolist()) == {2, 3, 4}


def test_a_slice_whose_length_the_run_tells_may_reach_to_the_end(tmp_path):
    nodes = [
        placeholder("x", 3, 4),
        placeholder("n", dtype=I),
        placeholder("all", 2, dtype=I),
        literal("begin", [1, 0], (2,), I),
        scalar("rest", -1),
        node("Pack", "sizes", "n", "rest", T=I, N=2, axis=0),
        node("Slice", "rows", "x", "begin", "sizes", T=F, Index=I),
        node("Slice", "any", "x", "begin", "all", T=F, Index=I),
    ]
    graph = xir.load(write(tmp_path, *nodes), outputs=["rows", "any"])
    assert graph.outputs[0].tensor.shape[1] == 4  # what is known of one axis stays known
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    for n, sizes in ((1, [-1, 2]), (2, [2, -1]), (-1, [-1, -1])):
        feeds = {"x": x, "n": np.array(n, np.int32), "all": np.array(sizes, np.int32)}
        rows, some = xir.run(graph, feeds).values()
        np.testing.assert_array_equal(rows, x[1:] if n == -1 else x[1 : 1 + n])
        np.testing.assert_array_equal(some, x[1:, : 4 if sizes[1] == -1 else sizes[1]])
