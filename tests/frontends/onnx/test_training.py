"""Training information of ONNX files: read as closed graphs that run, and never in the way of inference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import xir
from xir.errors import FormatError, InvalidModelError, UnsupportedError
from xir.frontends.onnx.importer import import_onnx
from xir.frontends.options import LoadOptions
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.ir.verify import verify

W = np.array([[1, 2], [3, -4], [0.5, 6]], np.float32)
G = np.array([[0.5, -1], [2, 0], [1, 3]], np.float32)
X = np.array([[1, -2, 3]], np.float32)
DOMAIN = "ai.onnx.preview.training"

Change = Callable[[onnx.ModelProto], object]


def info(name: str, shape: tuple[int | str, ...] | None = None, dtype: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def step(
    nodes: list[onnx.NodeProto],
    outputs: list[str],
    bindings: list[tuple[str, str]],
    state: dict[str, Array],
    inputs: list[onnx.ValueInfoProto] | None = None,
    initialization: onnx.GraphProto | None = None,
    begins: list[tuple[str, str]] | None = None,
) -> onnx.TrainingInfoProto:
    """A step of training of which the gradient `g` of `w` is an input."""
    held = [numpy_helper.from_array(array, name) for name, array in state.items()]
    given = [info("g", W.shape)] if inputs is None else inputs
    algorithm = helper.make_graph(nodes, "algorithm", given, [info(name) for name in outputs], held)
    return helper.make_training_info(algorithm, bindings, initialization, begins)


def base(*steps: onnx.TrainingInfoProto, opset: int = 17) -> onnx.ModelProto:
    """`y = relu(x @ w)` with its training."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    weights = [numpy_helper.from_array(W, "w")]
    graph = helper.make_graph(nodes, "net", [info("x", ("N", 3))], [info("y", ("N", 2))], weights)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, 1)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    made.training_info.extend(steps)
    return made


def momentum() -> onnx.TrainingInfoProto:
    nodes = [
        helper.make_node(
            "Momentum",
            ["r", "t", "w", "g", "v"],
            ["w_new", "v_new"],
            domain=DOMAIN,
            alpha=0.5,
            beta=2.0,
            mode="standard",
            norm_coefficient=0.25,
        ),
        helper.make_node("Add", ["t", "one"], ["t_new"]),
    ]
    state: dict[str, Array] = {
        "r": np.asarray(0.1, np.float32),
        "t": np.asarray(0, np.int64),
        "one": np.asarray(1, np.int64),
        "v": np.ones_like(W),
    }
    begin = helper.make_graph(
        [
            helper.make_node("RandomNormal", [], ["w_0"], shape=list(W.shape), seed=3.0),
            helper.make_node("Constant", [], ["t_0"], value=numpy_helper.from_array(np.asarray(0, np.int64))),
        ],
        "begin",
        [],
        [info("w_0", W.shape), info("t_0", (), TensorProto.INT64)],
    )
    bindings = [("w", "w_new"), ("v", "v_new"), ("t", "t_new")]
    return step(
        nodes, ["w_new", "v_new", "t_new"], bindings, state, initialization=begin, begins=[("w", "w_0"), ("t", "t_0")]
    )


def imported(made: onnx.ModelProto, folder: Path) -> Graph:
    path = folder / "model.onnx"
    onnx.save(made, str(path))
    graph = import_onnx(path)
    verify(graph)
    return graph


def algorithm_of(graph: Graph, number: int = 0) -> Graph:
    found = graph.training[number].algorithm
    assert found is not None
    return found


def with_weights(graph: Graph, arrays: dict[str, Array]) -> Graph:
    """The graph with other numbers in its weights, as an update leaves them."""
    from dataclasses import replace

    from xir.ir.constant import constant_of

    parameters = tuple(
        replace(p, constant=constant_of(arrays[graph.name_of(p.value)])) if graph.name_of(p.value) in arrays else p
        for p in graph.parameters
    )
    return replace(graph, parameters=parameters)


def test_a_step_runs_with_gradients_that_are_given(tmp_path: Path) -> None:
    graph = imported(base(momentum()), tmp_path)
    step = algorithm_of(graph)
    assert graph.training[0].update_bindings == (("w", "w_new"), ("v", "v_new"), ("t", "t_new"))
    assert step.input_names == ("g",)
    w, v = W.astype(np.float64), np.ones_like(W, np.float64)
    for count in range(3):
        made = xir.run(step, {"g": G})
        regular = G + 0.25 * w
        v = 0.5 * v + (2.0 if count else 1.0) * regular
        w = w - 0.1 * v
        np.testing.assert_allclose(made["w_new"], w, rtol=1e-6)
        np.testing.assert_allclose(made["v_new"], v, rtol=1e-6)
        step = with_weights(step, {name: made[output] for name, output in graph.training[0].update_bindings})


def test_the_beginning_draws_weights_and_resets_the_count(tmp_path: Path) -> None:
    graph = imported(base(momentum()), tmp_path)
    begin = graph.training[0].initialization
    assert begin is not None
    made = xir.run(begin, {})
    assert graph.training[0].initialization_bindings == (("w", "w_0"), ("t", "t_0"))
    assert made["w_0"].shape == W.shape
    assert np.unique(made["w_0"]).size == W.size
    assert made["t_0"] == 0


def adagrad() -> onnx.TrainingInfoProto:
    node = helper.make_node(
        "Adagrad",
        ["r", "t", "w", "g", "h2"],
        ["w_new", "h_new"],
        domain=DOMAIN,
        decay_factor=0.5,
        epsilon=0.125,
        norm_coefficient=0.0,
    )
    state: dict[str, Array] = {
        "r": np.asarray(0.1, np.float32),
        "t": np.asarray(2, np.int64),
        "h2": np.full_like(W, 0.25),
    }
    return step([node], ["w_new", "h_new"], [("w", "w_new"), ("h2", "h_new")], state)


def adam() -> onnx.TrainingInfoProto:
    node = helper.make_node(
        "Adam",
        ["r", "t", "w", "g", "m", "s"],
        ["w_new", "m_new", "s_new"],
        domain=DOMAIN,
        alpha=0.5,
        beta=0.75,
        epsilon=0.125,
        norm_coefficient=0.0,
    )
    state: dict[str, Array] = {
        "r": np.asarray(0.1, np.float32),
        "t": np.asarray(0, np.int64),
        "m": np.ones_like(W),
        "s": np.full_like(W, 4.0),
    }
    bindings = [("w", "w_new"), ("m", "m_new"), ("s", "s_new")]
    return step([node], [output for _, output in bindings], bindings, state)


def test_adagrad(tmp_path: Path) -> None:
    made = xir.run(algorithm_of(imported(base(adagrad()), tmp_path)), {"g": G})
    squared = 0.25 + G * G
    np.testing.assert_allclose(made["h_new"], squared, rtol=1e-6)
    np.testing.assert_allclose(made["w_new"], W - 0.1 / (1 + 2 * 0.5) * G / (np.sqrt(squared) + 0.125), rtol=1e-6)


def test_adam(tmp_path: Path) -> None:
    made = xir.run(algorithm_of(imported(base(adam()), tmp_path)), {"g": G})
    first, second = 0.5 + 0.5 * G, 0.75 * 4 + 0.25 * G * G
    np.testing.assert_allclose(made["m_new"], first, rtol=1e-6)
    np.testing.assert_allclose(made["s_new"], second, rtol=1e-6)
    np.testing.assert_allclose(made["w_new"], W - 0.1 * first / (np.sqrt(second) + 0.125), rtol=1e-6)


def reading(*nodes: onnx.NodeProto, outputs: list[str], bindings: list[tuple[str, str]]) -> onnx.TrainingInfoProto:
    return step(list(nodes), outputs, bindings, {}, inputs=[])


def test_a_step_goes_on_where_the_model_ends(tmp_path: Path) -> None:
    loss = reading(
        helper.make_node("ReduceSum", ["h"], ["loss"], keepdims=0),
        helper.make_node("Sub", ["w", "loss"], ["w_new"]),
        outputs=["loss", "w_new"],
        bindings=[("w", "w_new")],
    )
    step = algorithm_of(imported(base(loss), tmp_path))
    assert step.input_names == ("x",)
    made = xir.run(step, {"x": X})
    assert made["loss"] == (X @ W).sum()
    np.testing.assert_allclose(made["w_new"], W - (X @ W).sum())


def test_an_output_of_the_model_may_be_a_new_value(tmp_path: Path) -> None:
    made = base(reading(outputs=[], bindings=[("state", "y")]))
    made.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 2), np.float32), "state"))
    graph = imported(made, tmp_path)
    assert algorithm_of(graph).output_names == ("y",)
    assert "state" in [graph.name_of(parameter.value) for parameter in graph.parameters]


def test_inputs_of_a_step_that_the_model_has_are_the_same(tmp_path: Path) -> None:
    made = base(momentum())
    made.training_info[0].algorithm.input.extend([info("x", ("N", 3)), info("w", W.shape)])
    assert algorithm_of(imported(made, tmp_path)).input_names == ("g",)


def test_what_training_changes_is_no_constant(tmp_path: Path) -> None:
    made = base(momentum())
    made.graph.node.insert(0, helper.make_node("Mul", ["w", "scale"], ["w2"]))
    made.graph.node[1].input[1] = "w2"
    made.graph.initializer.append(numpy_helper.from_array(2 * np.ones_like(W), "scale"))
    graph = xir.optimize(imported(made, tmp_path))
    assert "w" in graph.names.values()
    assert np.array_equal(xir.run(with_weights(graph, {"w": np.zeros_like(W)}), {"x": X})["y"], np.zeros((1, 2)))
    plain = xir.optimize(import_onnx(tmp_path / "model.onnx", training=False))
    assert not plain.training
    assert len(plain.nodes) < len(graph.nodes)


def test_equal_weights_that_training_changes_stay_two(tmp_path: Path) -> None:
    made = base(momentum())
    made.graph.node.append(helper.make_node("MatMul", ["x", "other"], ["z"]))
    made.graph.output.append(info("z", ("N", 2)))
    made.graph.initializer.append(numpy_helper.from_array(W, "other"))
    graph = xir.optimize(imported(made, tmp_path))
    assert {"w", "other"} <= set(graph.names.values())


def test_sizes_that_are_told_are_told_to_the_steps(tmp_path: Path) -> None:
    onnx.save(base(reading(outputs=["h"], bindings=[])), str(tmp_path / "model.onnx"))
    graph = xir.load(tmp_path / "model.onnx", inputs={"x": "f32[7,3]"})
    assert repr(algorithm_of(graph).inputs[0].type) == "f32[7,3]"


def test_a_step_without_graphs_says_nothing(tmp_path: Path) -> None:
    graph = imported(base(onnx.TrainingInfoProto()), tmp_path)
    assert graph.training[0].graphs == ()
    assert not graph.mutable


def change_gradient(made: onnx.ModelProto) -> None:
    node = helper.make_node("Gradient", ["w"], ["d"], domain=DOMAIN, xs=["w"], y="y")
    made.training_info[0].algorithm.node.insert(0, node)


LEFT_OUT: list[tuple[Change, str]] = [
    (change_gradient, "Gradient x1"),
    (lambda m: m.training_info[0].update_binding.add(key="nothing", value="w_new"), "'nothing' = 'w_new'"),
    (lambda m: m.training_info[0].update_binding.add(key="w", value="w_new"), "each once"),
    (lambda m: m.training_info[0].update_binding.add(key="r", value="nothing"), "'r' = 'nothing'"),
    (lambda m: m.training_info[0].update_binding.add(key="r", value="w_new"), "the weight is f32"),
    (lambda m: m.training_info.add().CopyFrom(m.training_info[0]), "training step 2"),
    (lambda m: m.training_info[0].initialization.input.append(info("q", (1,))), "has inputs"),
    (lambda m: m.training_info[0].algorithm.input.append(info("g", (1,))), "stands twice"),
    (lambda m: m.training_info[0].algorithm.output.append(info("lost")), "'lost' of training is made by no node"),
    (
        lambda m: m.training_info[0].algorithm.node.append(helper.make_node("Relu", ["g"], ["h"])),
        "'h' is made by the model and by its training",
    ),
    (lambda m: m.training_info[0].algorithm.initializer.append(m.graph.initializer[0]), "the model's too"),
]


@pytest.mark.parametrize(("change", "reason"), LEFT_OUT, ids=[reason for _, reason in LEFT_OUT])
def test_training_that_cannot_be_read_is_left_out_aloud(tmp_path: Path, change: Change, reason: str) -> None:
    made = base(momentum())
    change(made)
    with pytest.warns(UserWarning, match="training information is left out") as told:
        graph = imported(made, tmp_path)
    assert reason in str(told[0].message)
    assert not graph.training
    assert xir.run(graph, {"x": X})["y"].shape == (1, 2)


def test_inference_that_needs_a_number_that_training_changes_is_read_without_it(tmp_path: Path) -> None:
    grown = reading(helper.make_node("Add", ["k", "k"], ["k_new"]), outputs=["k_new"], bindings=[("k", "k_new")])
    made = base(grown)
    made.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "k"))
    made.graph.node.append(helper.make_node("TopK", ["y", "k"], ["top", "at"]))
    made.graph.output.append(info("top", ("N", 1)))
    graph = imported(made, tmp_path)
    assert graph.training
    assert "k" in graph.names.values()


def test_a_model_that_is_wrong_itself_is_refused(tmp_path: Path) -> None:
    made = base(momentum())
    made.graph.node[0].op_type = "Bogus"
    with pytest.raises(UnsupportedError, match="Bogus"):
        imported(made, tmp_path)
    made = base(momentum())
    made.graph.node[0].input[0] = "nowhere"
    with pytest.raises(InvalidModelError, match="nowhere"):
        imported(made, tmp_path)


def test_two_graphs_of_one_kind_are_no_step(tmp_path: Path) -> None:
    data = base().SerializeToString()
    twice = onnx.TrainingInfoProto(algorithm=onnx.GraphProto(name="a")).SerializeToString() * 2
    (tmp_path / "model.onnx").write_bytes(data + bytes((20 << 3 | 2 & 0x7F | 0x80, 1, len(twice))) + twice)
    with pytest.raises(FormatError, match="two graphs of one kind"):
        import_onnx(tmp_path / "model.onnx")


def test_training_may_be_ignored(tmp_path: Path) -> None:
    onnx.save(base(momentum()), str(tmp_path / "model.onnx"))
    plain = LoadOptions(training=False)
    graph = xir.load(tmp_path / "model.onnx")
    assert not xir.load(tmp_path / "model.onnx", options=plain).training
    xir.export(graph, tmp_path / "model.xir")
    assert xir.load(tmp_path / "model.xir").training
    assert not xir.load(tmp_path / "model.xir", options=plain).training


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: xir.to_precision(graph, "f16"),
        lambda graph: xir.quantize(graph, mode="dynamic"),
        lambda graph: xir.extract(graph, outputs=["h"]),
        lambda graph: xir.merge(graph, imported_identity(), connect={"y": "a"}),
    ],
)
def test_what_is_another_model_then_leaves_training_out_aloud(
    tmp_path: Path, change: Callable[[Graph], object]
) -> None:
    graph = imported(base(momentum()), tmp_path)
    with pytest.warns(UserWarning, match="training information of 'net' is left out"):
        change(graph)


def imported_identity() -> Graph:
    from xir.ir.node import Value
    from xir.ir.types import DType, TensorType
    from xir.ops.activation import relu

    value = Value(TensorType(DType.FLOAT32, (1, 2)))
    return Graph("other", (value,), (relu(value),), ("b",), names={value: "a"})
