"""Frozen graphs: walking, inputs and outputs, loops and branches, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.frontends.tensorflow.graphs import literal, node, placeholder, scalar, write
from xir.errors import FormatError, InvalidModelError, UnsupportedError, UsageError
from xir.frontends.tensorflow.importer import import_tensorflow

F = "DT_FLOAT"
I = "DT_INT32"  # noqa: E741


def test_a_graph_runs_from_its_placeholders_to_what_nobody_reads(tmp_path):
    path = write(
        tmp_path,
        node("Add", "y", "x", "c", T=F),  # stands before what it reads
        placeholder("x", 2),
        literal("c", [1.0], (2,)),
    )
    graph = xir.load(path)
    assert graph.input_names == ("x",)
    assert graph.output_names == ("y",)
    np.testing.assert_array_equal(xir.run(graph, {"x": np.array([1, 2], np.float32)})["y"], [2, 3])
    assert graph.nodes[-1].source[0].layer == "y"
    assert graph.nodes[-1].source[0].kind == "Add"


def test_outputs_are_named_by_node_and_place(tmp_path):
    path = write(tmp_path, placeholder("x", 4), scalar("axis", 0), node("Split", "s", "axis", "x", T=F, num_split=2))
    x = np.arange(4, dtype=np.float32)
    made = xir.run(xir.load(path), {"x": x})
    assert {name: list(value) for name, value in made.items()} == {"s": [0, 1], "s:1": [2, 3]}
    graph = xir.load(path, outputs=["s:1"])
    assert list(xir.run(graph, {"x": x})["s:1"]) == [2, 3]


def test_an_unranked_placeholder_takes_the_type_that_is_told(tmp_path):
    path = write(tmp_path, node("Placeholder", "x", dtype=F), node("Square", "y", "x", T=F))
    graph = xir.load(path, inputs={"x": "f32[n,2]"})
    assert xir.run(graph, {"x": np.full((3, 2), 2, np.float32)})["y"].tolist() == [[4, 4]] * 3
    with pytest.raises(UsageError, match="no inputs"):
        xir.load(path, inputs={"z": "f32[2]"})


def test_all_missing_operators_are_told_at_once(tmp_path):
    path = write(
        tmp_path,
        placeholder("x", 2),
        node("Bucketize", "a", "x", T=F, boundaries=[1.0]),
        node("NoSuchThing", "b", "x"),
        node("Add", "y", "a", "b", T=F),
    )
    with pytest.raises(UnsupportedError) as error:
        xir.load(path)
    assert {problem.kind for problem in error.value.problems} == {"Bucketize", "NoSuchThing"}


@pytest.mark.parametrize("kind", ["ReadFile", "WriteFile", "PyFunc", "EagerPyFunc", "LoadLibrary"])
def test_files_and_code_are_refused_wherever_they_stand(tmp_path, kind):
    path = write(tmp_path, placeholder("x", 2), node("Square", "y", "x", T=F), node(kind, "bad", "^x"))
    with pytest.raises(UnsupportedError, match=kind):
        xir.load(path)


def test_an_attribute_that_nobody_knows_is_refused(tmp_path):
    path = write(tmp_path, placeholder("x", 2), node("Square", "y", "x", T=F, speed=3, _private=1))
    with pytest.raises(UnsupportedError, match="'speed'"):
        xir.load(path)


@pytest.mark.parametrize(
    ("nodes", "error", "told"),
    [
        ([node("Add", "a", "b", "b", T=F), node("Add", "b", "a", "a", T=F)], InvalidModelError, "outputs"),
        ([node("Abs", "y", "a"), node("Neg", "a", "b"), node("Neg", "b", "a")], InvalidModelError, "circle"),
        ([node("Square", "y", "x", T=F)], InvalidModelError, "no node 'x'"),
        ([placeholder("x", 2), node("Square", "y", "x:3", T=F)], InvalidModelError, "no result"),
        ([placeholder("x", 2), placeholder("x", 2)], InvalidModelError, "two nodes"),
        ([placeholder("x", 2), node("Add", "y", "x", T=F)], InvalidModelError, "2 operands"),
        (["node { name: 3 }"], FormatError, "string"),
        (['node { name: "x" op: "Neg" colour: 3 }'], FormatError, "no field"),
        (['node { name: "x" op: "Neg"'], FormatError, "no field 'versions'"),
    ],
)  # fmt: skip
def test_graphs_that_contradict_themselves(tmp_path, nodes, error, told):
    with pytest.raises(error, match=told):
        import_tensorflow(write(tmp_path, *nodes))


def counting_loop(extra=()):
    """X doubled as long as i < 5, i from 0."""
    frame = {"frame_name": "f"}
    return [
        placeholder("x", 2),
        scalar("zero", 0),
        node("Enter", "i/enter", "zero", T=I, **frame),
        node("Enter", "x/enter", "x", T=F, **frame),
        node("Merge", "i", "i/enter", "i/next", T=I, N=2),
        node("Merge", "v", "x/enter", "x/next", T=F, N=2),
        node("Const", "five", "^i", dtype=I, value="{tensor { dtype: DT_INT32 tensor_shape { } int_val: 5 }}"),
        node("Less", "less", "i", "five", T=I),
        node("LoopCond", "cond", "less"),
        node("Switch", "i/switch", "i", "cond", T=I),
        node("Switch", "x/switch", "v", "cond", T=F),
        node("Const", "one", "^i/switch:1", dtype=I, value="{tensor { dtype: DT_INT32 tensor_shape { } int_val: 1 }}"),
        node("Add", "i/plus", "i/switch:1", "one", T=I),
        node("Add", "x/twice", "x/switch:1", "x/switch:1", T=F),
        node("NextIteration", "i/next", "i/plus", T=I),
        node("NextIteration", "x/next", "x/twice", T=F),
        node("Exit", "y", "x/switch", T=F),
        *extra,
    ]


def test_a_frame_becomes_a_loop(tmp_path):
    graph = xir.load(write(tmp_path, *counting_loop()))
    assert [item.op.name for item in graph.nodes].count("loop") == 1
    assert xir.run(graph, {"x": np.array([1, -1], np.float32)})["y"].tolist() == [32, -32]


def branch(predicate):
    """X + 1 where the predicate holds, else x + x."""
    return [
        placeholder("x", 2),
        predicate,
        node("Switch", "s", "x", "p", T=F),
        node("Switch", "t", "p", "p", T="DT_BOOL"),
        node("Identity", "then", "t:1", T="DT_BOOL"),
        node("Const", "one", "^then", dtype=F, value="{tensor { dtype: DT_FLOAT tensor_shape { } float_val: 1 }}"),
        node("Add", "a", "s:1", "one", T=F),
        node("Add", "b", "s", "s", T=F),
        node("Merge", "m", "b", "a", T=F, N=2),
        node("Identity", "y", "m", T=F),
    ]


def test_switch_and_merge_become_a_branch(tmp_path):
    graph = xir.load(write(tmp_path, *branch(placeholder("p", dtype="DT_BOOL"))))
    assert [item.op.name for item in graph.nodes].count("if") == 1
    x = np.array([3, 5], np.float32)
    assert xir.run(graph, {"x": x, "p": np.array(True)})["y"].tolist() == [4, 6]
    assert xir.run(graph, {"x": x, "p": np.array(False)})["y"].tolist() == [6, 10]


def test_a_branch_that_is_known_stands_alone(tmp_path):
    nodes = branch(scalar("p", 0, "DT_BOOL"))
    nodes[6] = node("NoSuchThing", "a", "s:1", "one")  # never taken, so nobody asks for it
    graph = xir.load(write(tmp_path, *nodes), outputs=["y"])
    assert "if" not in [item.op.name for item in graph.nodes]
    assert xir.run(graph, {"x": np.array([3, 5], np.float32)})["y"].tolist() == [6, 10]


FUNCTIONS = """
library {
  function {
    signature { name: "twice" input_arg { name: "a" type: DT_FLOAT } output_arg { name: "r" type: DT_FLOAT } }
    node_def { name: "add" op: "AddV2" input: "a" input: "a" attr { key: "T" value { type: DT_FLOAT } } }
    ret { key: "r" value: "add:z:0" }
  }
  function {
    signature { name: "small" input_arg { name: "a" type: DT_FLOAT } output_arg { name: "r" type: DT_BOOL } }
    node_def { name: "ten" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } }
      attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape { } float_val: 10 } } } }
    node_def { name: "less" op: "Less" input: "a" input: "ten:output:0" attr { key: "T" value { type: DT_FLOAT } } }
    ret { key: "r" value: "less:z:0" }
  }
}
"""


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (node("PartitionedCall", "y", "x", f='{func { name: "twice" }}', Tin=["DT_FLOAT"], Tout=["DT_FLOAT"]), 6),
        (node("twice", "y", "x"), 6),
        (node("While", "y", "x", cond='{func { name: "small" }}', body='{func { name: "twice" }}', T=["DT_FLOAT"]), 12),
    ],
)  # fmt: skip
def test_functions_are_called(tmp_path, call, expected):
    graph = xir.load(write(tmp_path, placeholder("x"), call, FUNCTIONS))
    assert xir.run(graph, {"x": np.array(3, np.float32)})["y"] == expected


def test_a_function_that_calls_itself_is_refused(tmp_path):
    text = FUNCTIONS.replace('op: "AddV2" input: "a" input: "a"', 'op: "twice" input: "a"').replace(
        "add:z:0", "add:r:0"
    )
    with pytest.raises(UnsupportedError, match="calls itself"):
        xir.load(write(tmp_path, placeholder("x"), node("twice", "y", "x"), text))


def test_an_array_of_a_loop_is_one_tensor(tmp_path):
    """The squares of 0 to 3, written by a loop into a TensorArray of which nothing tells the elements."""
    frame = {"frame_name": "f"}
    inside = {"value": "{tensor { dtype: DT_INT32 tensor_shape { } int_val: 1 }}", "dtype": I}
    nodes = [
        placeholder("n", dtype=I),
        scalar("zero", 0),
        node("TensorArrayV3", "array", "n", dtype=I),
        node("Enter", "i/enter", "zero", T=I, **frame),
        node("Enter", "n/enter", "n", T=I, is_constant=True, **frame),
        node("Enter", "flow/enter", "array:1", T=F, **frame),
        node("Enter", "array/enter", "array", T="DT_RESOURCE", is_constant=True, **frame),
        node("Merge", "i", "i/enter", "i/next", T=I, N=2),
        node("Merge", "flow", "flow/enter", "flow/next", T=F, N=2),
        node("Less", "less", "i", "n/enter", T=I),
        node("LoopCond", "cond", "less"),
        node("Switch", "i/switch", "i", "cond", T=I),
        node("Switch", "flow/switch", "flow", "cond", T=F),
        node("Const", "one", "^i/switch:1", **inside),
        node("Add", "i/plus", "i/switch:1", "one", T=I),
        node("Square", "square", "i/switch:1", T=I),
        node("TensorArrayWriteV3", "write", "array/enter", "i/switch:1", "square", "flow/switch:1", T=I),
        node("NextIteration", "i/next", "i/plus", T=I),
        node("NextIteration", "flow/next", "write", T=F),
        node("Exit", "flow/exit", "flow/switch", T=F),
        node("TensorArraySizeV3", "size", "array", "flow/exit"),
        scalar("step", 1),
        node("Range", "places", "zero", "size", "step"),
        node("TensorArrayGatherV3", "y", "array", "places", "flow/exit", dtype=I),
    ]
    graph = xir.load(write(tmp_path, *nodes), outputs=["y"])
    assert xir.run(graph, {"n": np.array(4, np.int32)})["y"].tolist() == [0, 1, 4, 9]
