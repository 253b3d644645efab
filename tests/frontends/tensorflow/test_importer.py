"""Frozen graphs: walking, inputs and outputs, loops and branches, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.frontends.tensorflow.graphs import literal, node, placeholder, scalar, write
from xir.errors import FormatError, InvalidModelError, UnsafeError, UnsupportedError, UsageError
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


def test_an_unranked_placeholder_is_named_where_its_rank_is_needed(tmp_path):
    axes = literal("axes", [0], (1,), "DT_INT32")
    told = node("Placeholder", "data", dtype=F)
    path = write(tmp_path, told, axes, node("Max", "y", "data", "axes", T=F))
    with pytest.raises(InvalidModelError, match="known rank") as error:
        xir.load(path)
    assert error.value.hint is not None
    assert "how many axes 'data' has: tell all sizes with --input data=f32[...]" in error.value.hint


def test_all_missing_operators_are_told_at_once(tmp_path):
    path = write(
        tmp_path,
        placeholder("x", 2),
        node("Betainc", "a", "x", "x", "x", T=F),
        node("NoSuchThing", "b", "x"),
        node("Add", "y", "a", "b", T=F),
    )
    with pytest.raises(UnsupportedError) as error:
        xir.load(path)
    assert {problem.kind for problem in error.value.problems} == {"Betainc", "NoSuchThing"}


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


def test_a_list_in_a_loop_has_elements_of_the_size_of_an_input(tmp_path):
    _, *rest = counting_loop()
    nodes = [
        placeholder("x", -1, 2),
        *rest,
        literal("shape", [-1, 2], (2,), I),
        scalar("count", 5),
        node("TensorListReserve", "list", "shape", "count", element_dtype=F, shape_type=I),
        node("Enter", "list/enter", "list", T="DT_VARIANT", frame_name="f"),
        node("Merge", "held", "list/enter", "list/next", T="DT_VARIANT", N=2),
        node("Switch", "list/switch", "held", "cond", T="DT_VARIANT"),
        node("TensorListSetItem", "set", "list/switch:1", "i/switch:1", "x/twice", element_dtype=F),
        node("NextIteration", "list/next", "set", T="DT_VARIANT"),
        node("Exit", "list/exit", "list/switch", T="DT_VARIANT"),
        node("TensorListStack", "all", "list/exit", "shape", element_dtype=F),
    ]
    graph = xir.load(write(tmp_path, *nodes), outputs=["all"])
    x = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    found = xir.run(graph, {"x": x})["all"]
    np.testing.assert_array_equal(found, np.stack([x * 2**step for step in range(1, 6)]))


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


def test_control_flow_that_is_none(tmp_path):
    alone = [placeholder("x", 2), node("Enter", "e", "x", T=F, frame_name="f"), node("Exit", "y", "e", T=F)]
    with pytest.raises(InvalidModelError, match="Exit leads out of no loop"):
        xir.load(write(tmp_path, *alone))
    free = [placeholder("x", 2), placeholder("z", 2), node("Merge", "y", "x", "z", T=F, N=2)]
    with pytest.raises(UnsupportedError, match="no single predicate"):
        xir.load(write(tmp_path, *free), outputs=["y"])


def test_deep_chains_are_walked(tmp_path):
    nodes = [node("Neg", f"n{at}", f"n{at - 1}" if at else "x", T=F) for at in range(3000)]
    graph = xir.load(write(tmp_path, placeholder("x", 1), *reversed(nodes)))
    assert len(graph.nodes) == 3000


def test_functions_that_multiply_are_bounded(tmp_path):
    """Twenty functions, each of which calls the one before it twice: 2^20 nodes from some kilobytes."""
    signature = 'input_arg { name: "a" type: DT_FLOAT } output_arg { name: "r" type: DT_FLOAT }'
    bodies = ['node_def { name: "s" op: "Square" input: "a" } ret { key: "r" value: "s:y:0" }']
    for at in range(1, 20):
        first = f'node_def {{ name: "b" op: "f{at - 1}" input: "a" }}'
        calls = first + f' node_def {{ name: "s" op: "f{at - 1}" input: "b:r:0" }}'
        bodies.append(calls + ' ret { key: "r" value: "s:r:0" }')
    functions = [f'function {{ signature {{ name: "f{at}" {signature} }} {body} }}' for at, body in enumerate(bodies)]
    library = "library { " + " ".join(functions) + " }"
    with pytest.raises(UnsafeError, match="expand to more than"):
        xir.load(write(tmp_path, placeholder("x", 2), node("f19", "y", "x"), library))


def test_a_binary_graph_is_read_and_its_fields_are_checked(tmp_path):
    def field(number, data):
        return bytes((number << 3 | 2, len(data))) + data

    x = field(1, b"x") + field(2, b"Placeholder") + field(5, field(1, b"dtype") + field(2, bytes((0x30, 1))))
    x += field(5, field(1, b"shape") + field(2, field(7, field(2, bytes((0x08, 2))))))
    y = field(1, b"y") + field(2, b"Square") + field(3, b"x") + field(5, field(1, b"T") + field(2, bytes((0x30, 1))))
    path = tmp_path / "graph.pb"
    path.write_bytes(field(1, x) + field(1, y))
    assert xir.run(xir.load(str(path)), {"x": np.array([2, 3], np.float32)})["y"].tolist() == [4, 9]
    path.write_bytes(field(1, x) + field(1, y + field(9, b"?")))
    with pytest.raises(FormatError, match="NodeDef has no field 9"):
        import_tensorflow(str(path))
    path.write_bytes((field(1, x) + field(1, y))[:-3])
    with pytest.raises(FormatError):
        import_tensorflow(str(path))


def test_a_placeholder_with_a_default_is_an_input_only_where_it_is_told(tmp_path):
    nodes = [
        literal("one", [1.0], (2,)),
        node("PlaceholderWithDefault", "x", "one", dtype=F, shape=(2,)),
        node("Neg", "y", "x", T=F),
    ]
    path = write(tmp_path, *nodes)
    assert xir.run(xir.load(path), {})["y"].tolist() == [-1, -1]
    graph = xir.load(path, inputs={"x": "f32[2]"})
    assert xir.run(graph, {"x": np.array([3, 4], np.float32)})["y"].tolist() == [-3, -4]


def test_lists_of_tensors_are_one_tensor(tmp_path):
    shape, count = literal("shape", [2], (1,), I), scalar("count", 3)
    nodes = [
        placeholder("x", 2),
        shape,
        count,
        scalar("at", 1),
        node("TensorListReserve", "list", "shape", "count", element_dtype=F, shape_type=I),
        node("TensorListSetItem", "set", "list", "at", "x", element_dtype=F),
        node("TensorListStack", "y", "set", "shape", element_dtype=F),
        node("TensorListGetItem", "item", "set", "at", "shape", element_dtype=F),
        node("TensorListLength", "length", "set"),
    ]
    graph = xir.load(write(tmp_path, *nodes), outputs=["y", "item", "length"])
    made = xir.run(graph, {"x": np.array([5, 6], np.float32)})
    assert made["y"].tolist() == [[0, 0], [5, 6], [0, 0]]
    assert made["item"].tolist() == [5, 6]
    assert made["length"] == 3


@pytest.mark.parametrize("kind", ["RandomUniform", "RandomStandardNormal", "TruncatedNormal"])
def test_random_numbers_are_seeded_by_their_node(tmp_path, kind):
    sizes = literal("sizes", [400], (1,), I)
    nodes = [sizes, *(node(kind, name, "sizes", dtype=F, T=I) for name in ("a", "b"))]
    path = write(tmp_path, *nodes)
    first, again = xir.run(xir.load(path), {}), xir.run(xir.load(path), {})
    assert first["a"].shape == (400,)
    assert np.array_equal(first["a"], again["a"])
    assert not np.array_equal(first["a"], first["b"])
    mean, deviation = {"RandomUniform": (0.5, 0.29), "RandomStandardNormal": (0, 1), "TruncatedNormal": (0, 0.88)}[kind]
    assert abs(first["a"].mean() - mean) < 0.2
    assert abs(first["a"].std() - deviation) < 0.1


def test_rows_are_shuffled_by_a_seed(tmp_path):
    path = write(tmp_path, placeholder("x", 50, 2), node("RandomShuffle", "y", "x", T=F, seed=3))
    x = np.arange(100, dtype=np.float32).reshape(50, 2)
    first, again = (xir.run(xir.load(path), {"x": x})["y"] for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, x)
    assert sorted(first.tolist()) == x.tolist()


def test_assignments_make_the_new_value(tmp_path):
    nodes = [
        placeholder("x", 2),
        literal("v", [1.0, 2.0, 3.0], (3,)),
        literal("at", [0, 2], (2,), I),
        node("ScatterDiv", "div", "v", "at", "x", T=F, Tindices=I),
        node("ScatterSub", "sub", "v", "at", "x", T=F, Tindices=I),
        node("Assign", "new", "v", "v", T=F),
        node("AssignAdd", "more", "v", "v", T=F),
    ]
    made = xir.run(xir.load(write(tmp_path, *nodes)), {"x": np.array([2, 4], np.float32)})
    assert made["div"].tolist() == [0.5, 2, 0.75]
    assert made["sub"].tolist() == [-1, 2, -1]
    assert made["new"].tolist() == [1, 2, 3]
    assert made["more"].tolist() == [2, 4, 6]


CASES = """
library {
  function {
    signature { name: "two" input_arg { name: "a" type: DT_FLOAT } input_arg { name: "b" type: DT_FLOAT }
      output_arg { name: "r" type: DT_FLOAT } }
    node_def { name: "add" op: "AddV2" input: "a" input: "b" attr { key: "T" value { type: DT_FLOAT } } }
    ret { key: "r" value: "add:z:0" }
  }
}
"""


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        ([node("PartitionedCall", "y", "x", f='{func { name: "two" }}')], "takes 2 operands, 1 are given"),
        ([node("PartitionedCall", "y", "x", f='{func { name: "none" }}')], "'none', which is not there"),
        ([node("PartitionedCall", "y", "x", "x:0:bad", f='{func { name: "two" }}')], "names no result"),
        ([scalar("i", 0), node("Case", "y", "i", "x", branches='{list { func { name: "none" } }}')], "not all are"),
        ([node("Enter", "y", "x", T=F, frame_name="f")], "an Enter outside of a loop"),
        ([node("Const", "c", dtype=F), node("Add", "y", "x", "c", T=F)], "a constant has no value"),
        ([node("VarHandleOp", "v", dtype=F, shape=()), node("Neg", "y", "v", T=F)], "got a handle"),
        ([placeholder("z", 3), node("Add", "y", "x", "z", T=F)], "broadcast"),
    ],
)  # fmt: skip
def test_calls_and_operands_that_do_not_fit(tmp_path, nodes, told):
    with pytest.raises((InvalidModelError, FormatError), match=told):
        xir.load(write(tmp_path, placeholder("x", 2), *nodes, CASES), outputs=["y"])


def test_outputs_that_are_none(tmp_path):
    nodes = [placeholder("x", 2), node("VarHandleOp", "v", dtype=F, shape=()), node("Neg", "y", "x", T=F)]
    with pytest.raises(UsageError, match="is a handle"):
        xir.load(write(tmp_path, *nodes), outputs=["v"])
    with pytest.raises(UsageError, match="no node 'z'"):
        xir.load(write(tmp_path, *nodes), outputs=["z"])
    with pytest.raises(UnsupportedError, match="a graph does not hold"):
        xir.load(write(tmp_path, *nodes, node("ReadVariableOp", "w", "v", dtype=F)), outputs=["w"])


def test_a_loop_whose_value_is_read_inside_alone_is_refused(tmp_path):
    with pytest.raises(InvalidModelError, match="read from outside"):
        xir.load(write(tmp_path, *counting_loop(), node("Neg", "z", "v", T=F)), outputs=["z"])


def test_sizes_that_only_the_run_tells(tmp_path):
    nodes = [
        node("Placeholder", "x", dtype=F, shape="{shape { dim { size: -1 } dim { size: 1 } }}"),
        node("Squeeze", "y", "x", T=F),
        node("Unpack", "none", "x", T=F, num=0, axis=1),
        node("Conv1D", "gone", "x"),
    ]
    path = write(tmp_path, *nodes)
    assert xir.run(xir.load(path, outputs=["y"]), {"x": np.ones((3, 1), np.float32)})["y"].shape == (3,)
    with pytest.raises(InvalidModelError, match="no result"):
        xir.load(path, outputs=["none"])


def test_a_text_graph_may_begin_with_comments(tmp_path):
    path = tmp_path / "graph.pbtxt"
    path.write_text("# a graph\n" + "\n".join([placeholder("x", 2), node("Neg", "y", "x", T=F)]) + "\n")
    assert xir.load(str(path)).output_names == ("y",)


def table(*more: str) -> list[str]:
    """A table of whole numbers that is looked up."""
    long, types = "DT_INT64", {"key_dtype": "DT_INT64", "value_dtype": "DT_INT64"}
    return [
        placeholder("x", 2, dtype=long),
        literal("keys", [3, 5], (2,), long),
        literal("values", [7, 9], (2,), long),
        scalar("default", -1, long),
        node("HashTableV2", "table", **types),
        node("LookupTableFindV2", "y", "table", "x", "default", Tin=long, Tout=long),
        *more,
    ]


INITIALISED = node("InitializeTableV2", "start", "table", "keys", "values", Tkey="DT_INT64", Tval="DT_INT64")


def test_a_table_of_a_frozen_graph_is_what_initialises_it(tmp_path):
    graph = xir.load(write(tmp_path, *table(INITIALISED)), outputs=["y"])
    assert xir.run(graph, {"x": np.array([5, 4], np.int64)})["y"].tolist() == [9, -1]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], "that no operators initialise"),
        ([INITIALISED, INITIALISED.replace('"start"', '"again"')], "that 2 operators initialise"),
        ([INITIALISED.replace('"values"', '"default"')], "a lookup table of"),
        ([INITIALISED.replace('"values"', '"x"')], "what the graph computes"),
        ([node("InitializeTableFromTextFileV2", "start", "table", "keys", key_index=-2, value_index=-1)], "bring"),
        ([INITIALISED, node("LookupTableFindV2", "z", "x", "x", "default")], "must be a lookup table"),
        ([INITIALISED, node("LookupTableFindV2", "z", "table", "x", "keys")], "whose values are tensors"),
    ],
)  # fmt: skip
def test_tables_that_are_refused(tmp_path, more, told):
    with pytest.raises((UnsupportedError, InvalidModelError), match=told):
        xir.load(write(tmp_path, *table(*more)), outputs=["z" if '"z"' in str(more) else "y"])
