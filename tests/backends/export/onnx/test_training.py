"""Steps of training in an ONNX file that xir writes: they say the same, and share what the model computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

import xir
from tests.backends.export.onnx.shared import Net
from xir.backends.export.onnx import export_onnx
from xir.ir.constant import constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.training import TrainingStep
from xir.ir.types import DType, TensorType
from xir.ir.verify import verify
from xir.ops.activation import relu
from xir.ops.arithmetic import add, mul, neg, sub
from xir.ops.constant import constant
from xir.ops.control import if_
from xir.ops.elementwise import cast
from xir.ops.matmul import matmul
from xir.ops.random import random_normal
from xir.ops.reduce import reduce_sum, top_k
from xir.ops.shape import broadcast
from xir.passes import optimize

W = np.array([[1, 2], [3, -4], [0.5, 6]], np.float32)
X = np.array([[1, -2, 3]], np.float32)


def trained() -> Graph:
    """`y = relu(x @ w)`, of which a step takes the sum of `h` from `w` and counts in `t`; it begins with noise."""
    net = Net()
    x = net.input("x", Symbol("N"), 3)
    w = net.weight("w", W)
    h = matmul(x, w)
    y = relu(h)
    names = {**net.names, h: "h"}
    t = Value(TensorType(DType.INT64, ()))
    held = constant_of(np.asarray(0, np.int64))
    one = Value(TensorType(DType.INT64, ()))
    steps = [Parameter(t, held, False), Parameter(one, constant_of(np.asarray(1, np.int64)), False)]
    loss = reduce_sum(h, axes=(0, 1), keep_dims=False)
    outputs = (sub(w, broadcast(loss, shape=(3, 2))), add(t, one), loss, y)
    algorithm = Graph(
        "step",
        (x,),
        outputs,
        ("w_new", "t_new", "loss", "y"),
        (*net.parameters, *steps),
        {**names, t: "t", one: "one", y: "y"},
    )
    drawn = random_normal(None, shape=(3, 2), mean=0.0, deviation=1.0, seed=3, dtype=DType.FLOAT32)
    begin = Graph("begin", (), (drawn,), ("w_0",))
    step = TrainingStep(begin, algorithm, (("w", "w_0"),), (("w", "w_new"), ("t", "t_new")))
    graph = Graph("net", (x,), (y,), ("y",), tuple(net.parameters), {**names, y: "y"}, training=(step,))
    verify(graph)
    return graph


def algorithm_of(graph: Graph) -> Graph:
    found = graph.training[0].algorithm
    assert found is not None
    return found


def written(graph: Graph, folder: Path, **options: object) -> tuple[onnx.ModelProto, Graph]:
    path = folder / "model.onnx"
    export_onnx(graph, path, **options)  # type: ignore[arg-type]
    made = onnx.load(str(path))
    onnx.checker.check_model(made, full_check=True)
    back = xir.load(path)
    verify(back)
    return made, back


@pytest.mark.parametrize("opset", [11, 13, 17, 21, 26])
def test_a_step_is_written_and_says_the_same(tmp_path: Path, opset: int) -> None:
    graph = trained()
    made, back = written(graph, tmp_path, opset=opset)
    assert made.ir_version >= 7
    assert back.training[0].update_bindings == (("w", "w_new"), ("t", "t_new"))
    assert back.training[0].initialization_bindings == (("w", "w_0"),)
    ours, theirs = (xir.run(algorithm_of(each), {"x": X}) for each in (graph, back))
    for name in ("w_new", "t_new", "loss"):
        assert np.array_equal(ours[name], theirs[name])


def test_what_the_model_computes_stands_there_once(tmp_path: Path) -> None:
    made, _ = written(trained(), tmp_path)
    step = made.training_info[0].algorithm
    assert [node.op_type for node in made.graph.node] == ["MatMul", "Relu"]
    assert "MatMul" not in [node.op_type for node in step.node]
    assert [value.name for value in step.input] == []
    assert [tensor.name for tensor in step.initializer][:2] == ["t", "one"]
    assert [value.name for value in step.output] == ["w_new", "t_new", "loss"]
    assert "h" in [name for node in step.node for name in node.input]


def test_an_optimized_model_keeps_its_bindings(tmp_path: Path) -> None:
    graph = trained()
    _, back = written(optimize(graph), tmp_path)
    assert "w" in [back.name_of(parameter.value) for parameter in back.parameters]
    assert np.array_equal(
        xir.run(algorithm_of(graph), {"x": X})["w_new"], xir.run(algorithm_of(back), {"x": X})["w_new"]
    )


def test_outputs_of_a_step_that_the_model_computes_under_another_name_are_made_again(tmp_path: Path) -> None:
    graph = trained()
    step = algorithm_of(graph)
    renamed = replace(step, output_names=("w_new", "t_new", "loss", "result"))
    made, back = written(replace(graph, training=(replace(graph.training[0], algorithm=renamed),)), tmp_path)
    assert [value.name for value in made.training_info[0].algorithm.output][-1] == "result"
    assert xir.run(algorithm_of(back), {"x": X})["result"].shape == (1, 2)


def test_names_of_a_step_that_the_model_has_are_varied(tmp_path: Path) -> None:
    graph = trained()
    step = algorithm_of(graph)
    clash = replace(step, output_names=("h", "t_new", "loss", "y"))
    bindings = (("w", "h"), ("t", "t_new"))
    changed = replace(graph.training[0], algorithm=clash, update_bindings=bindings)
    _, back = written(replace(graph, training=(changed,)), tmp_path)
    assert back.training[0].update_bindings == (("w", "h_2"), ("t", "t_new"))
    assert np.array_equal(xir.run(algorithm_of(back), {"x": X})["h_2"], xir.run(algorithm_of(graph), {"x": X})["w_new"])


def test_weights_of_steps_go_into_the_data_file(tmp_path: Path) -> None:
    graph = trained()
    big = np.arange(4096, dtype=np.float32)
    value = Value(TensorType(DType.FLOAT32, (4096,)))
    more = Graph("more", (), (mul(value, value),), ("m_new",), (Parameter(value, constant_of(big)),), {value: "m"})
    step = TrainingStep(None, more, (), (("m", "m_new"),))
    path = tmp_path / "model.onnx"
    report = export_onnx(replace(graph, training=(*graph.training, step)), path, external_data=True)
    assert report.data_size >= big.nbytes
    back = xir.load(path).training[1].algorithm
    assert back is not None
    assert np.array_equal(xir.run(back, {})["m_new"], big * big)


def narrow(graph: Graph) -> Graph:
    """The graph, of which the step makes numbers that ONNX has since opset 23 and IR version 11."""
    step = algorithm_of(graph)
    made = cast(step.inputs[0], dtype=DType.FLOAT4E2M1)
    wider = replace(step, outputs=(*step.outputs, made), output_names=(*step.output_names, "small"))
    return replace(graph, training=(replace(graph.training[0], algorithm=wider),))


def test_the_opset_is_raised_for_a_step(tmp_path: Path) -> None:
    made, back = written(narrow(trained()), tmp_path)
    assert (made.opset_import[0].version, made.ir_version) == (23, 11)
    assert back.training


@pytest.mark.parametrize(
    ("change", "options", "reason"),
    [
        (lambda graph: graph, {"ir_version": 6, "opset": 11}, "needs IR version 7, and 6"),
        (narrow, {"opset": 17}, "at opset 17"),
        (narrow, {"target": "ort==1.18"}, "takes opsets up to 21"),
        (lambda graph: graph, {"target": "opencv==4.5"}, "needs IR version 7, and 6"),
    ],
)
def test_training_that_the_versions_cannot_hold_is_left_out_aloud(
    tmp_path: Path, change: Callable[[Graph], Graph], options: dict[str, str | int], reason: str
) -> None:
    with pytest.warns(UserWarning, match=f"training information is not written.*{reason}"):
        made, back = written(change(trained()), tmp_path, **options)
    assert not made.training_info
    assert not back.training


def test_sizes_without_names_are_named_for_the_whole_file(tmp_path: Path) -> None:
    size = Symbol()
    net = Net()
    x = net.input("x", Symbol(), 2)
    other = Value(TensorType(DType.FLOAT32, (size, 2)))
    step = TrainingStep(None, Graph("step", (other,), (relu(other),), ("z",), names={other: "labels"}))
    graph = Graph("net", (x,), (relu(x),), ("y",), names=net.names, training=(step,))
    made, _ = written(graph, tmp_path)
    sizes = [
        value.type.tensor_type.shape.dim[0].dim_param
        for value in (made.graph.input[0], made.training_info[0].algorithm.input[0])
    ]
    assert len(set(sizes)) == 2


def test_bodies_and_unwanted_results_stand_in_a_step_again(tmp_path: Path) -> None:
    """The model reads the first result of `top_k`, its step both, and what a branch makes of a value of the model."""
    net = Net()
    x, flag = net.input("x", 4), net.input("flag", dtype=DType.BOOL)
    w = net.weight("w", np.array([4, 1, 3, 2], np.float32))
    inside = [Value(TensorType(DType.FLOAT32, (4,))) for _ in range(2)]
    bodies = [
        Graph(name, (value,), (rule(value),)) for name, value, rule in zip("ab", inside, (relu, neg), strict=True)
    ]
    chosen = if_(flag, mul(x, w), then_body=bodies[0], else_body=bodies[1])[0]
    largest, places = top_k(chosen, k=2, axis=0, largest=True, sorted=True)
    names = {**net.names, places: "places"}
    step = Graph(
        "step", tuple(net.inputs), (sub(w, chosen), places), ("w_new", "at"), tuple(net.parameters), dict(names)
    )
    training = (TrainingStep(None, step, (), (("w", "w_new"),)),)
    graph = Graph("net", tuple(net.inputs), (largest,), ("y",), tuple(net.parameters), names, training=training)
    made, back = written(graph, tmp_path)
    assert "TopK" in [node.op_type for node in made.training_info[0].algorithm.node]
    for flag_ in (True, False):
        feeds = {"x": np.array([1, -1, 2, -2], np.float32), "flag": np.asarray(flag_)}
        ours, theirs = (xir.run(algorithm_of(each), feeds) for each in (graph, back))
        assert [value.tolist() for value in ours.values()] == [value.tolist() for value in theirs.values()]


def test_draws_of_the_model_are_those_of_its_step(tmp_path: Path) -> None:
    drawn = random_normal(None, shape=(3,), mean=0.5, deviation=2.0, seed=7, dtype=DType.FLOAT32)
    net = Net()
    w = net.weight("w", np.zeros(3, np.float32))
    made = add(relu(drawn), constant(value=constant_of(np.ones(3, np.float32))))
    again = add(made, constant(value=constant_of(np.ones(3, np.float32))))
    step = Graph("step", (), (add(w, mul(again, made)),), ("w_new",), tuple(net.parameters), net.names)
    graph = Graph("net", (), (add(made, w),), ("y",), tuple(net.parameters), net.names)
    graph = replace(graph, training=(TrainingStep(None, step, (), (("w", "w_new"),)),))
    file, back = written(graph, tmp_path)
    assert [node.op_type for node in file.training_info[0].algorithm.node] == ["Add", "Mul", "Add"]
    assert np.array_equal(xir.run(algorithm_of(back), {})["w_new"], xir.run(step, {})["w_new"])
