"""A small net as onnxruntime's own quantiser writes it: loaded, optimised and written again it stays quantised."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import xir
from tests.frontends.onnx.models import normal
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Array
from xir.reference import run

quantization = pytest.importorskip("onnxruntime.quantization")

SHAPE = (1, 3, 12, 12)
FEEDS = {"data": normal(*SHAPE, seed=5)}


def scaled(x: Array, by: float) -> Array:
    return (x.astype(np.float64) / by).astype(np.float32)


def net(folder: Path) -> Path:
    """Two convolutions, an addition, pooling and a product."""
    weights = {
        "w1": scaled(normal(8, 3, 3, 3, seed=1), 4),
        "b1": normal(8, seed=2),
        "w2": scaled(normal(8, 8, 3, 3, seed=3), 8),
        "fc": normal(8, 5, seed=4),
    }
    nodes = [
        helper.make_node("Conv", ["data", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["c2", "r1"], ["s"]),
        helper.make_node("MaxPool", ["s"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["p"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("MatMul", ["f", "fc"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("data", onnx.TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, (1, 5))],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(made, folder / "net.onnx")
    return folder / "net.onnx"


class Samples:
    """What the quantiser calibrates with."""

    def __init__(self) -> None:
        self._left: Iterator[dict[str, Array]] = iter([FEEDS, {"data": normal(*SHAPE, seed=6)}])

    def get_next(self) -> dict[str, Array] | None:
        return next(self._left, None)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Nothing: all samples are one range."""


def quantized(folder: Path, way: str) -> Path:
    made = folder / "quantized.onnx"
    if way == "dynamic":
        quantization.quantize_dynamic(net(folder), made)
        return made
    style = quantization.QuantFormat.QDQ if way.startswith("pairs") else quantization.QuantFormat.QOperator
    kinds = quantization.QuantType
    quantization.quantize_static(
        net(folder),
        made,
        Samples(),
        quant_format=style,
        per_channel=True,
        activation_type=kinds.QUInt16 if way.endswith("16") else kinds.QUInt8,
        weight_type=kinds.QInt8,
    )
    return made


def by_onnxruntime(path: Path) -> Array:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, FEEDS)[0])


def assert_near(have: Array, want: Array, bound: float, name: str = "") -> None:
    np.testing.assert_allclose(have.astype(np.float64), want.astype(np.float64), atol=bound, err_msg=name)


WAYS = ("pairs", "pairs of 16", "operators", "dynamic")


def step(path: Path) -> float:
    """The largest step of the results: what one rounding the other way may change."""
    (want,) = run(import_onnx(path), FEEDS).values()
    return float(np.abs(want.astype(np.float64)).max()) / 50


@pytest.mark.parametrize("way", WAYS)
def test_it_computes_what_onnxruntime_computes(way: str, tmp_path: Path) -> None:
    path = quantized(tmp_path, way)
    graph = import_onnx(path)
    (have,) = run(graph, FEEDS).values()
    assert_near(have, by_onnxruntime(path), step(path))


@pytest.mark.parametrize("way", WAYS)
def test_optimised_and_written_again_it_is_as_quantised_as_before(way: str, tmp_path: Path) -> None:
    path = quantized(tmp_path, way)
    graph = import_onnx(path)
    better = xir.optimize(graph)
    for (name, want), have in zip(run(graph, FEEDS).items(), run(better, FEEDS).values(), strict=True):
        assert_near(have, want, step(path), name)
    xir.export(better, tmp_path / "out.onnx", target="ort==1.31")
    assert_near(by_onnxruntime(tmp_path / "out.onnx"), by_onnxruntime(path), step(path))
    bytes_ = sum(parameter.constant.nbytes for parameter in better.parameters)
    assert bytes_ <= sum(parameter.constant.nbytes for parameter in graph.parameters)
    kinds = [node.op.name for node in better.nodes]
    before = [node.op.name for node in graph.nodes]
    for kind in ("quantize", "dequantize", "quantized_conv", "conv_integer", "matmul_integer", "quantized_matmul"):
        assert kinds.count(kind) == before.count(kind), kind
