"""Quantised graphs as TFLite files: what the kernels compute in integers, and what stays in real numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.backends.export.tflite.test_export import Net, image, kinds, small_network
from xir.backends.export.tflite import export_tflite, plan_tflite
from xir.backends.export.tflite._versions import version_of
from xir.ir.constant import Array, constant_of
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import activation, elementwise, pool
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


def there_and_back(x: Value, scale: float, zero: int = 0) -> Value:
    step = constant(value=constant_of(np.array(scale, np.float32)))
    point = constant(value=constant_of(np.array(zero, np.int8)))
    return dequantize(into_integers(x, step, point, dtype=DType.INT8), step, point, dtype=DType.FLOAT32)


def test_moved_elements_are_integers_and_odd_scales_stay_real(tmp_path: Path) -> None:
    x = image(1, 2, 6, 6)
    held = there_and_back(x, 0.05, 3)
    padded = pool.max_pool(held, window=(3, 3), strides=(2, 2), padding=((1, 1), (1, 1)), dilation=(1, 1))
    moved = shapes.reshape(padded, shape=(2, 9))
    odd = there_and_back(activation.sigmoid(moved), 0.01)
    fitting = there_and_back(activation.sigmoid(moved), 1 / 256, -128)
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
