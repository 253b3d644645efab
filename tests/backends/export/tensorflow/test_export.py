"""Networks as SavedModels and frozen graphs, which our own reader takes back with equal results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.backends.export.tflite.test_export import Net, image, small_network
from tests.ops.cases import Case, all_cases
from tests.ops.test_table import graph_of
from xir.backends.export.tensorflow import export_tensorflow, plan_tensorflow
from xir.errors import UnsupportedError
from xir.files import open_mapped, staged_write
from xir.frontends.load import recognize
from xir.frontends.tensorflow.bundle.checkpoint import open_checkpoint
from xir.ir.constant import constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import activation, elementwise
from xir.ops import shape as shapes
from xir.ops.constant import constant
from xir.ops.matmul import gemm, matmul
from xir.ops.rnn import gru
from xir.reference import run

ONE_OF_EACH: dict[str, Case] = {}
for each in all_cases():
    ONE_OF_EACH.setdefault(each.op.name, each)


def same(graph: Graph, path: Path, feeds: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]) -> None:
    """Reads the file back and compares."""
    again = run(xir.load(path), feeds)
    for wanted, found in zip(run(graph, feeds).values(), again.values(), strict=True):
        rtol = 4e-3 if np.asarray(wanted).dtype == np.float16 else 1e-4
        one, other = np.asarray(found).astype(np.float64), np.asarray(wanted).astype(np.float64)
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol / 10)


@pytest.mark.parametrize(("name", "format"), [("saved_model.pb", "saved_model"), ("net.pb", "tensorflow")])
def test_a_network_is_read_back(name: str, format: str, tmp_path: Path) -> None:
    graph, path = small_network(), tmp_path / name
    report = xir.export(graph, path)
    assert (report.format, recognize(str(path)).name) == (format, format)
    assert report.transposes == 1
    assert report.operators["Conv2D"] == 2
    assert report.operators["DepthwiseConv2dNative"] == 1
    again = xir.load(path)
    assert again.input_names == ("x0",)
    assert again.output_names == ("y0",)
    same(graph, path, dict(xir.random_inputs(graph, seed=1)))


@pytest.mark.parametrize(("most", "left"), [(0, 0), (200, 7)])
def test_weights_beyond_the_limit_are_variables(most: int, left: int, tmp_path: Path) -> None:
    """Bytes below the limit for one weight stay in the graph, and what was there before goes."""
    graph, path = small_network(), tmp_path / "saved_model.pb"
    export_tensorflow(graph, path, most=0)
    report = export_tensorflow(graph, path, most=most)
    files = sorted(each.name for each in (tmp_path / "variables").iterdir())
    assert files == ["variables.data-00000-of-00001", "variables.index"]
    data = tmp_path / "variables" / files[0]
    assert (report.data_file, report.data_size) == (str(data), data.stat().st_size)
    assert (report.operators["Conv2D"], report.operators.get("SaveV2")) == (2, None)
    nodes = plan_tensorflow(graph, most=most).nodes
    assert sum(node.op == "Const" for node in nodes) == left
    assert sum(node.op == "ReadVariableOp" for node in nodes) == 11 - left
    again = xir.load(path)
    assert again.input_names == ("x0",)
    same(graph, path, dict(xir.random_inputs(graph, seed=1)))


def test_variables_have_the_names_of_weights(tmp_path: Path) -> None:
    weight = constant_of(np.arange(12, dtype=np.float32).reshape(3, 4))
    x, w = image(3, 4), Value(TensorType(DType.FLOAT32, (3, 4)))
    graph = Graph(
        "net", (x,), (elementwise.add(x, w),), ("y",), (Parameter(w, weight, trainable=True),), {w: "dense/kernel"}
    )
    export_tensorflow(graph, tmp_path / "saved_model.pb", most=0)
    (held,) = xir.load(tmp_path / "saved_model.pb").parameters
    np.testing.assert_array_equal(held.constant.array(), weight.array())
    assert "dense/kernel" in open_checkpoint(open_mapped(tmp_path / "variables" / "variables.index")).names


def test_a_staged_model_is_moved_with_its_variables(tmp_path: Path) -> None:
    graph, path = small_network(), tmp_path / "saved_model.pb"
    with staged_write(path) as staged:
        report = export_tensorflow(graph, staged, most=0)
    data = report.moved(str(path)).data_file or ""
    assert data == str(tmp_path / "variables" / "variables.data-00000-of-00001")
    assert Path(data).is_file()
    same(graph, path, dict(xir.random_inputs(graph, seed=1)))


def test_what_one_message_does_not_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="do not fit into one message") as caught:
        export_tensorflow(small_network(), tmp_path / "net.pb", wrapped=False, most=1000)
    assert "write a SavedModel" in (caught.value.hint or "")
    with pytest.raises(UnsupportedError, match="in branches and loops"):
        export_tensorflow(steps_of_the_run(), tmp_path / "saved_model.pb", most=0)
    assert not list(tmp_path.iterdir())


def steps_of_the_run() -> Graph:
    """A recurrent layer over as many steps as the run says, which is a loop."""
    x = image(Symbol("T"), Symbol("N"), 3)
    net = Net(x)
    functions = (("sigmoid", 0.0, 0.0), ("tanh", 0.0, 0.0))
    weights = (net.weight(1, 12, 3), net.weight(1, 12, 4), net.weight(1, 24))
    return net.graph(*gru(x, *weights, direction="forward", functions=functions, clip=None, linear_before_reset=True))


def test_conversion_verifies_what_it_wrote(tmp_path: Path) -> None:
    xir.export(small_network(), tmp_path / "net.xir")
    report = xir.convert(tmp_path / "net.xir", tmp_path / "new" / "saved_model.pb")
    assert report.certificate is not None
    assert report.certificate.passed


def test_sizes_and_activations(tmp_path: Path) -> None:
    x = image(Symbol("N"), 6)
    net = Net(x)
    slope = shapes.broadcast(shapes.reshape(net.weight(6), shape=(1, 6)), shape=x.shape)
    product = gemm(x, net.weight(6, 4), None, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=False)
    stacked = shapes.reshape(product, shape=(x.shape[0], 2, 2))
    graph = net.graph(
        activation.gelu(x, approximation="none"),
        activation.gelu(x, approximation="tanh"),
        activation.hard_swish(x),
        activation.leaky_relu(x, alpha=0.3),
        activation.prelu(x, slope),
        elementwise.clip(x, minimum=-1.0, maximum=1.0),
        matmul(stacked, stacked),
    )
    path = tmp_path / "net.pb"
    export_tensorflow(graph, path, wrapped=False)
    same(graph, path, dict(xir.random_inputs(graph, seed=2)))


def test_names_are_those_of_tensorflow(tmp_path: Path) -> None:
    x = Value(TensorType(DType.FLOAT32, (2,)))
    y = elementwise.exp(x)
    graph = Graph("net", (x,), (y, y), ("a b", "A B"), (), {x: "%x"})
    path = tmp_path / "saved_model.pb"
    export_tensorflow(graph, path)
    again = xir.load(path)
    assert set(again.output_names) == {"a b", "A B"}
    names = [node.name for node in plan_tensorflow(graph).nodes]
    assert len({name.lower() for name in names}) == len(names)
    assert all(name[0] not in "_%" and " " not in name for name in names)


def test_what_has_no_form_is_told_at_once() -> None:
    x = image(2, 2)
    both = elementwise.cast(x, dtype=DType.BFLOAT16)
    with pytest.raises(UnsupportedError, match="nodes have no form in TensorFlow"):
        plan_tensorflow(Net(x).graph(elementwise.exp(both)))
    text = constant(value=constant_of(np.array(["a"], object)))
    with pytest.raises(UnsupportedError, match="no elements of str"):
        plan_tensorflow(Net().graph(text))


@pytest.mark.parametrize("name", ["if", "scan", "loop"])
def test_branches_and_loops_are_functions(name: str, tmp_path: Path) -> None:
    """Those of numbers that TFLite has not are refused."""
    written = 0
    for case in (each for each in all_cases() if each.op.name == name):
        graph, feeds = graph_of(case)
        try:
            nodes = plan_tensorflow(graph)
        except UnsupportedError:
            continue
        written += 1
        assert {"StatelessIf", "StatelessWhile"} & {node.op for node in nodes.nodes}
        same(graph, write(graph, tmp_path), feeds)
    assert written == {"if": 10, "scan": 9, "loop": 12}[name]


def test_a_body_whose_steps_only_the_run_tells(tmp_path: Path) -> None:
    """What is stacked has as many places as the sequence has steps."""
    graph = steps_of_the_run()
    same(graph, write(graph, tmp_path), dict(xir.random_inputs(graph, seed=2)))


def write(graph: Graph, folder: Path) -> Path:
    """Writes a SavedModel into a folder that is made with it."""
    path = folder / "made" / "for it" / "saved_model.pb"
    xir.export(graph, path)
    return path


def test_an_example_of_each_operator(tmp_path: Path) -> None:
    written = 0
    for case in ONE_OF_EACH.values():
        graph, feeds = graph_of(case)
        path = tmp_path / "saved_model.pb"
        try:
            export_tensorflow(graph, path)
        except UnsupportedError:
            continue
        written += 1
        same(graph, path, feeds)
    assert written == 104


@pytest.mark.parametrize("name", ["arg_max", "cast", "conv", "gemm", "matmul", "scatter_nd", "top_k"])
def test_examples_of_what_has_a_rule_of_its_own(name: str, tmp_path: Path) -> None:
    written = 0
    for case in (each for each in all_cases() if each.op.name == name):
        graph, feeds = graph_of(case)
        try:
            export_tensorflow(graph, tmp_path / "saved_model.pb")
        except UnsupportedError:
            continue
        written += 1
        same(graph, tmp_path / "saved_model.pb", feeds)
    assert written


def test_weights_of_halves_matrices_and_mirrors(tmp_path: Path) -> None:
    """Weights of f16 stay so; a product with a known matrix takes it turned around; what is mirrored is MirrorPad."""
    x = image(2, 3, 4)
    net = Net(x)
    half = constant(value=constant_of(np.linspace(-1, 1, 12, dtype=np.float16).reshape(3, 4)))
    wide = shapes.broadcast(elementwise.cast(half, dtype=DType.FLOAT32), shape=x.shape)
    rows = shapes.broadcast(shapes.reshape(net.weight(4, 5), shape=(1, 4, 5)), shape=(2, 4, 5))
    mirrored = shapes.pad(x, padding=((0, 0), (1, 0), (0, 2)), mode="reflect")
    graph = net.graph(elementwise.add(x, wide), matmul(x, rows), mirrored)
    path = tmp_path / "saved_model.pb"
    report = export_tensorflow(graph, path)
    assert {"BatchMatMulV2", "MirrorPad"} <= set(report.operators)
    same(graph, path, dict(xir.random_inputs(graph, seed=4)))
