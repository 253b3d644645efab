"""Quantised graphs as TFLite files: what the kernels compute in integers, and what stays in real numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import xir
from tests.backends.export.tflite.integer_cases import CASES, Case, Made, literal, stored, through
from tests.backends.export.tflite.record import INTEGERS
from tests.backends.export.tflite.test_export import Net, image, kinds, small_network
from xir.backends.export.tflite import _fuse, _integers, export_tflite, plan_tflite
from xir.backends.export.tflite._versions import version_of
from xir.ir.constant import Array, constant_of
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import activation, compare, elementwise, pool
from xir.ops import shape as shapes
from xir.ops.constant import constant
from xir.ops.conv import conv
from xir.ops.quantize import dequantize
from xir.ops.quantize import quantize as into_integers
from xir.passes import optimize
from xir.precision import Quantization, quantize
from xir.reference import run


def quantized(symmetric: bool) -> Graph:
    graph = optimize(small_network())
    samples = [xir.random_inputs(graph, seed=seed) for seed in range(2)]
    return quantize(graph, samples, settings=Quantization(symmetric=symmetric, max_error=10.0)).graph


def steps_apart(graph: Graph, path: Path, scale: float) -> Array:
    """How far our own reading of the file is from the graph, in steps of the result."""
    export_tflite(graph, path)
    feeds = xir.random_inputs(graph, seed=9)
    again = run(xir.load(path), feeds)
    pairs = zip(run(graph, feeds).values(), again.values(), strict=True)
    return np.concatenate([np.abs(np.asarray(a, np.float64) - np.asarray(b)).reshape(-1) / scale for a, b in pairs])


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_network_computes_in_integers(symmetric: bool, tmp_path: Path) -> None:
    graph = quantized(symmetric)
    plan = plan_tflite(graph)
    names = kinds(plan)
    assert names.count("DEQUANTIZE") == 2
    assert names[: names.index("MEAN")].count("QUANTIZE") in (2, 3)  # the input, and what is joined at other scales
    types = {record.kind: plan.tensors[record.outputs[0]].dtype for record in plan.records}
    assert {types[kind] for kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "ADD", "CONCATENATION")} == {
        DType.INT8
    }
    found = {record.kind: version_of(record, plan.tensors) for record in plan.records}
    assert (found["CONV_2D"], found["DEPTHWISE_CONV_2D"], found["ADD"], found["MEAN"]) == (3, 3, 2, 2)
    assert steps_apart(graph, tmp_path / "net.tflite", 1 / 256).max() <= 1


def test_weights_alone_stay_integers_in_the_file(tmp_path: Path) -> None:
    x = image(1, 3, 6, 6)
    net = Net(x)
    made = constant_of(np.random.default_rng(1).integers(-127, 128, (4, 3, 3, 3)).astype(np.int8))
    net.weights.append(Parameter(Value(made.type), made))
    steps = constant(value=constant_of(np.array([0.01, 0.02, 0.03, 0.04], np.float32)))
    w = dequantize(net.weights[0].value, steps, dtype=DType.FLOAT32, axis=0)
    one = (1, 1)
    result = conv(x, w, strides=one, padding=((0, 0), (0, 0)), dilation=one, input_dilation=one, groups=1)
    graph = net.graph(result)
    plan = plan_tflite(graph)
    record = next(record for record in plan.records if record.kind == "DEQUANTIZE")
    assert (plan.tensors[record.inputs[0]].dtype, version_of(record, plan.tensors)) == (DType.INT8, 5)
    assert steps_apart(graph, tmp_path / "net.tflite", 1e-4).max() <= 1


def test_moved_elements_are_integers_and_odd_scales_stay_real(tmp_path: Path) -> None:
    x = image(1, 2, 6, 6)
    held = through(x, 0.05, 3)
    padded = pool.max_pool(held, window=(3, 3), strides=(2, 2), padding=((1, 1), (1, 1)), dilation=(1, 1))
    moved = shapes.reshape(padded, shape=(2, 9))
    odd = through(activation.sigmoid(moved), 0.0001, 0)
    fitting = through(activation.sigmoid(moved), 1 / 256, -128)
    graph = Net(x).graph(odd, fitting, elementwise.mul(moved, moved))
    plan = plan_tflite(graph)
    made = [plan.tensors[record.outputs[0]].dtype for record in plan.records if record.kind == "LOGISTIC"]
    assert sorted(dtype.value[0] for dtype in made) == ["f32", "i8"]
    pooled = next(record for record in plan.records if record.kind == "MAX_POOL_2D")
    assert plan.tensors[pooled.inputs[0]].dtype is DType.INT8
    assert steps_apart(graph, tmp_path / "net.tflite", 0.01).max() <= 1


def test_integers_at_the_borders_keep_their_type(tmp_path: Path) -> None:
    x = image(2, 3)
    step = constant(value=constant_of(np.array(0.1, np.float32)))
    point = constant(value=constant_of(np.array(7, np.uint8)))
    stored = into_integers(x, step, point, dtype=DType.UINT8)
    graph = Net(x).graph(stored, dequantize(stored, step, point, dtype=DType.FLOAT32))
    plan = plan_tflite(graph)
    assert plan.tensors[plan.outputs[0]].dtype is DType.UINT8
    assert steps_apart(graph, tmp_path / "net.tflite", 1.0).max() <= 1


@pytest.fixture(scope="module")
def expected() -> dict[str, Array]:
    """{case: what LiteRT's sets of kernels make of it}."""
    with np.load(INTEGERS) as held:
        return {**held}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label.replace(" ", "-"))
def test_an_operator_takes_integers_and_litert_is_one_step_from_the_graph(
    case: Case, expected: dict[str, Array], tmp_path: Path
) -> None:
    graph, feeds = case.graph(), case.feeds()
    plan = plan_tflite(graph)
    computing = [record for record in plan.records if record.kind not in ("QUANTIZE", "DEQUANTIZE")]
    assert case.kind in [record.kind for record in computing]
    read = [plan.tensors[number] for record in computing for number in record.inputs]
    assert DType.FLOAT32 not in {tensor.dtype for tensor in read}
    (wanted,) = (np.asarray(each, np.int64) for each in run(graph, feeds).values())
    found = expected[case.label]
    assert found[0].shape == wanted.shape
    assert np.abs(found - wanted).max() <= 1
    export_tflite(graph, tmp_path / "m.tflite")
    (again,) = run(xir.load(tmp_path / "m.tflite"), feeds).values()
    assert np.abs(np.asarray(again, np.int64) - wanted).max() <= 1


def test_the_manual_lists_what_is_written_in_integers() -> None:
    text = Path(__file__).parents[4].joinpath("docs", "to_tensorflow.md").read_text("utf-8")
    table = [line for line in text.splitlines() if line.startswith("| `")]
    told = {name for line in table for name in line.split("|")[1].replace("`", "").replace(",", " ").split()}
    groups = (_integers.MOVING, _integers.CHOOSING, _integers.BEHIND, _integers.WEIGHTED, _integers.PAIRED)
    groups = (*groups, _integers.SINGLE, _integers.SAME, _integers.RESULTS, _integers.ROOTS, _integers.COMPARING)
    groups = (*groups, _fuse.ACTIVATIONS, ("PRELU",))
    assert told == {name for group in groups for name in group}
    assert told - {case.kind for case in CASES} == {"RELU_N1_TO_1"}


def kinds_of(build: Callable[[Made, Value], Value], scale: float = 0.03, zero: int = -9) -> list[str]:
    """The operators of a graph of one operator between integers."""
    return kinds(plan_tflite(Case("", lambda made, x, _: build(made, x), scale, zero).graph()))


def test_what_integers_cannot_hold_stays_real() -> None:
    def sloped(made: Made, x: Value) -> Value:
        slopes = made.held(np.array([90.0, 0.3, 0.1, 0.7], np.float32).reshape(1, 4, 1, 1))
        return activation.prelu(x, shapes.broadcast(slopes, shape=x.shape))

    def padded(made: Made, x: Value) -> Value:
        return shapes.pad(x, padding=((0, 0), (0, 0), (1, 1), (0, 0)), mode="constant", value=0.3333)

    for build in (sloped, padded):
        names = kinds_of(build)
        assert names.index("DEQUANTIZE") < min(names.index(each) for each in ("PRELU", "PADV2") if each in names)
    fitting = kinds_of(lambda made, x: shapes.pad(x, padding=((0, 0),) * 3 + ((1, 1),), mode="constant", value=-np.inf))
    assert fitting.count("QUANTIZE") == 1
    assert "DEQUANTIZE" not in fitting


@pytest.mark.parametrize(
    ("kind", "build"),
    [
        ("SQRT", lambda made, x: elementwise.sqrt(x)),
        ("LOG", lambda made, x: elementwise.log(x)),
        ("DIV", lambda made, x: elementwise.div(x, made.spread(x, 0.0))),
        ("DIV", lambda made, x: elementwise.div(x, through(activation.relu(x), 0.02, -128))),
        ("LESS", lambda made, x: compare.less(x, made.spread(x, 99.0))),
        ("LESS", lambda made, x: compare.less(x, made.spread(x, np.nan))),
        ("EQUAL", lambda made, x: compare.equal(x, made.spread(x, 0.31))),
        ("GREATER", lambda made, x: compare.greater(x, through(elementwise.neg(x), 0.02, 0))),
        ("GREATER", lambda made, x: compare.greater(through(x, 0.0039, 0), made.spread(x, 0.1))),
        ("GREATER", lambda made, x: compare.greater(through(x, 1.0, 0), made.spread(x, 0.1))),
    ],
)
def test_what_the_kernels_of_integers_do_otherwise_stays_real(
    kind: str, build: Callable[[Made, Value], Value], tmp_path: Path
) -> None:
    """Numbers below 0 of a root, quotients by what may be 0, integers that the kernel does not tell apart."""
    graph = Case("", lambda made, x, _: build(made, x), 0.0 if kind in _integers.COMPARING else 0.03).graph()
    plan = plan_tflite(graph)
    (record,) = (record for record in plan.records if record.kind == kind)
    assert plan.tensors[record.inputs[0]].dtype is DType.FLOAT32


def test_a_slope_that_is_stored_is_taken_and_a_slope_of_nothing_too() -> None:
    def sloped(made: Made, slopes: Value, x: Value) -> Value:
        return activation.prelu(x, shapes.broadcast(slopes, shape=x.shape))

    whole = np.array([3, 100, -20, 7], np.int8).reshape(1, 4, 1, 1)
    step = literal(0.004)
    names = kinds_of(
        lambda made, x: sloped(made, dequantize(made.held(whole, DType.INT8), step, dtype=DType.FLOAT32), x)
    )
    assert "DEQUANTIZE" not in names
    zeros = np.zeros((1, 4, 1, 1), np.float32)
    assert "DEQUANTIZE" not in kinds_of(lambda made, x: sloped(made, made.held(zeros), x))


def test_a_maximum_that_is_read_as_real_numbers_too_is_computed_so() -> None:
    x = image(1, 2, 6, 6)
    held = through(x, 0.05, 3)
    most = elementwise.maximum(held, through(elementwise.neg(x), 0.02, 0))
    plan = plan_tflite(Net(x).graph(stored(most, 0.05, 3), most))
    record = next(record for record in plan.records if record.kind == "MAXIMUM")
    assert plan.tensors[record.inputs[0]].dtype is DType.FLOAT32
