"""Bodies, local functions and control flow of ONNX files: what becomes of them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import xir.onnx_backend
from tests.frontends.onnx.models import i64, model, normal, saved
from xir.errors import InvalidModelError, UnsafeError, UnsupportedError, UsageError
from xir.frontends.onnx import importer
from xir.frontends.onnx.importer import import_onnx
from xir.ir.graph import Graph
from xir.ir.types import SequenceType
from xir.ir.verify import verify
from xir.reference import run

X = {"x": normal(2, 3)}
TRUE, FALSE = np.asarray(True), np.asarray(False)


def branch(name: str, *nodes: onnx.NodeProto, out: str = "r") -> onnx.GraphProto:
    return helper.make_graph(
        list(nodes), name, [], [helper.make_value_info(out, helper.make_tensor_type_proto(1, None))]
    )


def choice(then: onnx.GraphProto, other: onnx.GraphProto, condition: str = "c") -> onnx.NodeProto:
    return helper.make_node("If", [condition], ["y"], then_branch=then, else_branch=other)


def node(kind: str, inputs: list[str], output: str = "r", **words: object) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output], **words)


def imported(made: onnx.ModelProto, folder: Path) -> Graph:
    graph = import_onnx(saved(made, folder))
    verify(graph)
    return graph


def kinds(graph: Graph) -> list[str]:
    return [each.op.name for each in graph.nodes]


@pytest.mark.parametrize("condition", [True, False])
def test_branches_read_values_around_them(condition: bool, tmp_path: Path) -> None:
    inner = choice(branch("a", node("Neg", ["h"])), branch("b", node("Abs", ["x"])))
    inner.output[0] = "r"
    nodes = [
        node("Add", ["x", "w"], "h"),
        choice(branch("then", node("Mul", ["h", "w"])), branch("else", inner), "c"),
    ]
    made = model(nodes, {**X, "c": np.asarray(condition)}, {"w": normal(3, seed=1)}, ["y"])
    graph = imported(made, tmp_path)
    h = X["x"] + normal(3, seed=1)
    want = h * normal(3, seed=1) if condition else np.abs(X["x"])
    np.testing.assert_allclose(run(graph, {**X, "c": np.asarray(condition)})["y"], want, rtol=1e-6)
    assert kinds(graph)[-1] == "if"


def test_a_known_condition_leaves_one_branch(tmp_path: Path) -> None:
    nodes = [
        node("Size", ["x"], "n"),
        node("Equal", ["n", "six"], "c"),
        choice(branch("then", node("Relu", ["x"])), branch("else", node("Split", ["x"]))),
    ]
    made = model(nodes, X, {"six": np.asarray(6, np.int64)}, ["y"])
    assert kinds(imported(made, tmp_path)) == ["relu"]
    made.graph.node[2].attribute[1].g.input.append(made.graph.input[0])
    with pytest.raises(InvalidModelError, match="a branch takes no inputs"):
        import_onnx(saved(made, tmp_path))


def test_branches_of_different_ranks_count_as_the_first(tmp_path: Path) -> None:
    nodes = [choice(branch("then", node("Squeeze", ["x", "zero"])), branch("else", node("Identity", ["x"])))]
    made = model([*nodes, node("Neg", ["y"], "z")], {"x": normal(1, 3), "c": TRUE}, {"zero": i64(0)}, ["z"])
    graph = imported(made, tmp_path)
    assert run(graph, {"x": normal(1, 3), "c": TRUE})["z"].shape == (3,)
    with pytest.raises(InvalidModelError, match="1 axes was expected"):
        run(graph, {"x": normal(1, 3), "c": FALSE})


def test_branches_of_different_ranks_between_which_sizes_decide_are_the_first(tmp_path: Path) -> None:
    nodes = [
        node("Shape", ["x"], "s"),
        node("Gather", ["s", "zero"], "n"),
        node("Equal", ["n", "one"], "c"),
        choice(branch("then", node("Squeeze", ["x", "zero"])), branch("else", node("Identity", ["x"]))),
        node("Neg", ["y"], "z"),
    ]
    made = model(nodes, {"x": normal(1, 3)}, {"zero": i64(0), "one": i64(1)}, ["z"], shapes={"x": ["n", 3]})
    graph = imported(made, tmp_path)
    assert not {"if", "assume_shape"} & set(kinds(graph))
    np.testing.assert_array_equal(run(graph, {"x": normal(1, 3)})["z"], -normal(1, 3)[0])
    with pytest.raises(UsageError, match="the branches of an If make different ranks"):
        run(graph, {"x": normal(2, 3)})
    prepared = xir.onnx_backend.prepare(made)
    for rows, rank in ((1, 1), (2, 2), (1, 1)):
        assert prepared.run([normal(rows, 3)])[0].ndim == rank


def loop_body(*nodes: onnx.NodeProto, carried: int = 1, scanned: int = 0) -> onnx.GraphProto:
    values = [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("c", 9, [])]
    values += [helper.make_value_info(f"v{n}", helper.make_tensor_type_proto(1, None)) for n in range(carried)]
    outputs = [helper.make_tensor_value_info("c1", 9, [])]
    untyped = helper.make_tensor_type_proto(1, None)
    outputs += [helper.make_value_info(f"r{n}", untyped) for n in range(carried + scanned)]
    return helper.make_graph([node("Identity", ["c"], "c1"), *nodes], "body", values, outputs)


def test_a_loop_widens_what_it_carries_and_stacks_the_rest(tmp_path: Path) -> None:
    body = loop_body(node("Concat", ["v0", "x"], "r0", axis=0), node("ReduceSum", ["v0"], "r1", keepdims=0), scanned=1)
    loop = helper.make_node("Loop", ["n", "", "x"], ["y", "z"], body=body)
    made = model([loop], X, {"n": np.asarray(3, np.int64)}, ["y", "z"])
    graph = imported(made, tmp_path)
    got = run(graph, X)
    np.testing.assert_array_equal(got["y"], np.concatenate([X["x"]] * 4))
    np.testing.assert_allclose(got["z"], [X["x"].sum() * n for n in (1, 2, 3)], rtol=1e-5)


def test_a_loop_of_no_steps_gives_empty_results(tmp_path: Path) -> None:
    body = loop_body(node("Neg", ["v0"], "r0"), node("Identity", ["x"], "r1"), scanned=1)
    loop = helper.make_node("Loop", ["n", "", "x"], ["y", "z"], body=body)
    got = run(imported(model([loop], X, {"n": np.asarray(0, np.int64)}, ["y", "z"]), tmp_path), X)
    np.testing.assert_array_equal(got["y"], X["x"])
    assert got["z"].shape == (0, 2, 3)


def test_results_of_no_steps_have_the_sizes_that_the_operands_tell(tmp_path: Path) -> None:
    body = loop_body(node("Neg", ["v0"], "r0"), node("Concat", ["x", "x"], "r1", axis=0), scanned=1)
    loop = helper.make_node("Loop", ["n", "", "x"], ["y", "z"], body=body)
    made = model([loop], X, {"n": np.asarray(0, np.int64)}, ["y", "z"], shapes={"x": ["a", "b"]})
    assert run(imported(made, tmp_path), X)["z"].shape == (0, 4, 3)


def test_a_loop_that_nothing_ends_stops_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xir.ops.control.MAX_LOOP_STEPS", 5)
    loop = helper.make_node("Loop", ["", "", "x"], ["y"], body=loop_body(node("Neg", ["v0"], "r0")))
    graph = imported(model([loop], X, {}, ["y"]), tmp_path)
    with pytest.raises(UnsafeError, match="has not ended after 5 steps"):
        run(graph, X)


def test_loops_in_one_another_stop_at_the_limit_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xir.reference.sizes.MAX_BODY_RUNS", 20)
    inner = helper.make_node("Loop", ["n", "", "v0"], ["r0"], body=loop_body(node("Neg", ["v0"], "r0")))
    loop = helper.make_node("Loop", ["n", "", "x"], ["y"], body=loop_body(inner))
    for steps, stops in ((3, False), (4, False), (5, True)):
        graph = imported(model([loop], X, {"n": np.asarray(steps, np.int64)}, ["y"]), tmp_path)
        if not stops:
            np.testing.assert_array_equal(run(graph, X)["y"], X["x"] * (-1) ** (steps * steps))
            continue
        with pytest.raises(UnsafeError, match="bodies have run more than 20 times"):
            run(graph, X)


def test_a_loop_whose_body_does_not_fit_is_refused(tmp_path: Path) -> None:
    loop = helper.make_node("Loop", ["", "", "x", "x"], ["y"], body=loop_body(node("Neg", ["v0"], "r0")))
    with pytest.raises(InvalidModelError, match="the body takes 3 values, the node brings 2 and 2"):
        import_onnx(saved(model([loop], X, {}, ["y"]), tmp_path))


def test_scan_over_any_axis_in_any_direction(tmp_path: Path) -> None:
    float_ = helper.make_tensor_type_proto(1, None)
    values = [helper.make_value_info(name, float_) for name in ("s", "a")]
    outputs = [helper.make_value_info(name, float_) for name in ("s1", "o")]
    nodes = [node("Add", ["s", "a"], "s1"), node("Mul", ["s1", "w"], "o")]
    body = helper.make_graph(nodes, "body", values, outputs)
    words = {"scan_input_axes": [1], "scan_input_directions": [1], "scan_output_axes": [-1]}
    scan = helper.make_node("Scan", ["zero", "x"], ["y", "z"], body=body, num_scan_inputs=1, **words)
    weights = {"zero": np.zeros(2, np.float32), "w": np.asarray(2.0, np.float32)}
    got = run(imported(model([scan], X, weights, ["y", "z"]), tmp_path), X)
    sums = np.cumsum(X["x"][:, ::-1], axis=1)
    np.testing.assert_allclose(got["y"], sums[:, -1], rtol=1e-6)
    np.testing.assert_allclose(got["z"], 2 * sums, rtol=1e-6)
    for key, values_ in (("scan_input_axes", [0, 1]), ("scan_output_axes", [0, 0]), ("num_scan_inputs", 3)):
        bad = helper.make_node("Scan", ["zero", "x"], ["y", "z"], body=body, **{"num_scan_inputs": 1, key: values_})
        with pytest.raises(InvalidModelError):
            import_onnx(saved(model([bad], X, weights, ["y", "z"]), tmp_path))


def test_a_body_that_holds_what_is_unknown_is_one_problem(tmp_path: Path) -> None:
    nodes = [choice(branch("then", node("Teapot", ["x"])), branch("else", node("Relu", ["x"])))]
    made = model([*nodes, node("Neg", ["y"], "z")], {**X, "c": TRUE}, {}, ["z"])
    with pytest.raises(UnsupportedError) as caught:
        import_onnx(saved(made, tmp_path))
    assert [problem.kind for problem in caught.value.problems] == ["Teapot"]


def function(name: str, *nodes: onnx.NodeProto, attributes: tuple[str, ...] = ()) -> onnx.FunctionProto:
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("me", 1)]
    return helper.make_function("me", name, ["a", "b"], ["r"], list(nodes), opsets, attributes)


def with_functions(made: onnx.ModelProto, *functions: onnx.FunctionProto) -> onnx.ModelProto:
    made.opset_import.append(helper.make_opsetid("me", 1))
    made.functions.extend(functions)
    return made


def call(name: str, inputs: list[str], output: str = "y", **words: object) -> onnx.NodeProto:
    return helper.make_node(name, inputs, [output], name=f"{name}_{output}", domain="me", **words)


def test_functions_are_expanded_with_their_attributes(tmp_path: Path) -> None:
    leaky = node("LeakyRelu", ["a"])
    leaky.attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="slope")
    scaled = function("Scaled", call("Leaky", ["a"], "h", slope=0.25), node("Add", ["h", "b"]))
    made = with_functions(
        model([call("Scaled", ["x", "w"])], X, {"w": normal(3, seed=1)}, ["y"]),
        scaled,
        function("Leaky", leaky, attributes=("slope",)),
    )
    graph = imported(made, tmp_path)
    want = np.where(X["x"] >= 0, X["x"], np.float32(0.25) * X["x"]) + normal(3, seed=1)
    np.testing.assert_allclose(run(graph, X)["y"], want, rtol=1e-6)
    assert graph.nodes[0].source[0].layer.startswith("Scaled_y/Leaky_h/")


@pytest.mark.parametrize(
    ("functions", "text"),
    [
        ((function("F", call("F", ["a"], "r")),), "calls itself"),
        ((function("F", call("G", ["a"], "r")), function("G", call("F", ["a"], "r"))), "calls itself"),
        ((function("F", node("Neg", ["a"], "q")),), "output 'r' of function 'F' is made by no node"),
        ((function("F", node("Neg", ["b"], "r")),), "takes 1 inputs, got 0"),
    ],
)
def test_functions_that_cannot_be(functions: tuple[onnx.FunctionProto, ...], text: str, tmp_path: Path) -> None:
    made = with_functions(model([call("F", ["x"])], X, {}, ["y"]), *functions)
    with pytest.raises(InvalidModelError, match=text):
        import_onnx(saved(made, tmp_path))


def test_calls_that_do_not_fit_their_function(tmp_path: Path) -> None:
    plain = function("F", node("Neg", ["a"]))
    for wrong, text in (
        (call("F", ["x", "x", "x"]), "takes 2 inputs, got 3"),
        (call("F", ["x"], slope=1.0), "has no attribute 'slope'"),
    ):
        with pytest.raises(InvalidModelError, match=text):
            import_onnx(saved(with_functions(model([wrong], X, {}, ["y"]), plain), tmp_path))


def test_functions_that_hold_what_is_unknown(tmp_path: Path) -> None:
    made = with_functions(model([call("F", ["x"])], X, {}, ["y"]), function("F", node("Teapot", ["a"])))
    with pytest.raises(UnsupportedError, match="Teapot"):
        import_onnx(saved(made, tmp_path))


def test_nesting_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "MAX_CALLS", 1)
    outer, inner = function("F", call("G", ["a"], "r")), function("G", node("Neg", ["a"]))
    with pytest.raises(UnsafeError, match="nested more than 1 deep"):
        import_onnx(saved(with_functions(model([call("F", ["x"])], X, {}, ["y"]), outer, inner), tmp_path))


def test_a_body_may_mention_sizes_of_the_graph_around(tmp_path: Path) -> None:
    """The target of the Expand is known as a size alone; the tensor that has it becomes an input of the body."""
    grow = [node("Shape", ["x"], "s"), node("Expand", ["one", "s"])]
    nodes = [choice(branch("then", *grow), branch("else", node("Identity", ["one"])))]
    made = model(nodes, {**X, "c": TRUE}, {"one": np.ones((1, 1), np.float32)}, ["y"], shapes={"x": ["n", "m"]})
    graph = imported(made, tmp_path)
    np.testing.assert_array_equal(run(graph, {**X, "c": TRUE})["y"], np.ones((2, 3), np.float32))


def test_sequences_and_optionals(tmp_path: Path) -> None:
    nodes = [
        node("SequenceEmpty", [], "e"),
        node("SequenceInsert", ["e", "x"], "s1"),
        node("SequenceInsert", ["s1", "w", "zero"], "s2"),
        node("SequenceErase", ["s2"], "s3"),
        node("SequenceAt", ["s2", "one"], "last"),
        node("SequenceLength", ["s2"], "n"),
        node("ConcatFromSequence", ["s2"], "all", axis=0),
        node("SplitToSequence", ["x", "one"], "rows"),
        node("Optional", ["x"], "o"),
        node("OptionalHasElement", ["o"], "has"),
        node("OptionalGetElement", ["o"], "got"),
        node("Optional", [], "none", type=helper.make_tensor_type_proto(1, [2])),
        node("OptionalHasElement", ["none"], "nothing"),
    ]
    weights = {"w": normal(1, 3, seed=1), "zero": np.asarray(0, np.int64), "one": np.asarray(1, np.int64)}
    outputs = ["s3", "last", "n", "all", "rows", "has", "got", "nothing"]
    types = {"s3": helper.make_sequence_type_proto(helper.make_tensor_type_proto(1, None))}
    types["rows"] = types["s3"]
    made = model(nodes, X, weights, outputs)
    for info in made.graph.output:
        if info.name in types:
            info.type.CopyFrom(types[info.name])
    graph = imported(made, tmp_path)
    assert isinstance(dict(zip(graph.output_names, graph.outputs, strict=True))["s3"].type, SequenceType)
    got = run(graph, X)
    np.testing.assert_array_equal(got["s3"][0], weights["w"])
    np.testing.assert_array_equal(got["last"], X["x"])
    np.testing.assert_array_equal(got["all"], np.concatenate([weights["w"], X["x"]]))
    np.testing.assert_array_equal(got["got"], X["x"])
    assert (int(got["n"]), bool(got["has"]), bool(got["nothing"]), len(got["rows"])) == (2, True, False, 2)


def test_sequence_map_runs_its_body_for_each_element(tmp_path: Path) -> None:
    float_ = helper.make_tensor_type_proto(1, None)
    inputs = [helper.make_value_info("a", float_), helper.make_value_info("b", float_)]
    body = helper.make_graph([node("Add", ["a", "b"], "r")], "body", inputs, [helper.make_value_info("r", float_)])
    nodes = [
        node("SequenceConstruct", ["x", "w"], "s"),
        helper.make_node("SequenceMap", ["s", "x"], ["m"], body=body),
        node("SequenceAt", ["m", "one"], "y"),
    ]
    weights = {"w": normal(2, 3, seed=1), "one": np.asarray(1, np.int64)}
    graph = imported(model(nodes, X, weights, ["y"]), tmp_path)
    np.testing.assert_allclose(run(graph, X)["y"], X["x"] + weights["w"], rtol=1e-6)


def test_a_sparse_initializer_is_dense_here(tmp_path: Path) -> None:
    def sparse(places: np.ndarray) -> onnx.ModelProto:
        made = model([node("Add", ["x", "w"], "y")], X, {}, ["y"])
        values = numpy_helper.from_array(np.asarray([5, 7], np.float32), "w")
        indices = numpy_helper.from_array(places)
        made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [2, 3]))
        return made

    want = X["x"] + np.asarray([[0, 5, 0], [0, 0, 7]], np.float32)
    for places in (i64(1, 5), np.asarray([[0, 1], [1, 2]], np.int64)):
        np.testing.assert_allclose(run(imported(sparse(places), tmp_path), X)["y"], want)
    for wrong in (i64(5, 1), i64(1, 6), np.asarray([[0, 1], [1, 3]], np.int64), i64(1, 1), i64(1)):
        with pytest.raises(InvalidModelError, match="are not in order inside"):
            import_onnx(saved(sparse(wrong), tmp_path))


def test_elements_of_inputs_may_be_told(tmp_path: Path) -> None:
    made = model([node("Reshape", ["x", "t"], "y")], {**X, "t": i64(3, 2)}, {}, ["y"])
    assert imported(made, tmp_path).outputs[0].shape != (3, 2)
    known = import_onnx(saved(made, tmp_path), known={"t": i64(3, 2)})
    assert known.outputs[0].shape == (3, 2)
    assert known.input_names == ("x", "t")


def test_a_body_whose_condition_is_a_number_is_refused(tmp_path: Path) -> None:
    inputs = [helper.make_tensor_value_info(name, kind, []) for name, kind in (("i", 7), ("go", 9), ("a", 1))]
    outputs = [helper.make_tensor_value_info(name, 1, []) for name in ("went", "b")]
    nodes = [helper.make_node("Cast", ["go"], ["went"], to=1), helper.make_node("Neg", ["a"], ["b"])]
    node = helper.make_node("Loop", ["n", "", "x"], ["y"], body=helper.make_graph(nodes, "body", inputs, outputs))
    made = model([node], {"x": np.float32(1)}, {"n": np.array(3)}, ["y"])
    with pytest.raises(InvalidModelError, match="a tensor of bool is needed, got f32"):
        import_onnx(saved(made, tmp_path))


@pytest.mark.parametrize("name", ["scan_input_directions", "scan_output_directions"])
def test_a_scan_goes_forward_or_backward(name: str, tmp_path: Path) -> None:
    infos = [helper.make_tensor_value_info(each, 1, [2]) for each in ("e", "o")]
    body = helper.make_graph([helper.make_node("Neg", ["e"], ["o"])], "body", infos[:1], infos[1:])
    node = helper.make_node("Scan", ["x"], ["y"], body=body, num_scan_inputs=1, **{name: [2]})
    with pytest.raises(InvalidModelError, match="expected 0 and 1 alone"):
        import_onnx(saved(model([node], {"x": normal(3, 2)}, {}, ["y"]), tmp_path))
