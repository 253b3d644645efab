"""Quantised models whose outputs differ by rounding alone are verified node by node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from xir.ir.constant import Array, constant_of
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.activation import relu
from xir.ops.constant import constant
from xir.ops.elementwise import add
from xir.ops.quantize import dequantize, quantize
from xir.verification import Certificate, OnnxRuntimeRunner, has_onnxruntime, verify_runners
from xir.verification.nodes import compare_nodes

pytestmark = pytest.mark.skipif(not has_onnxruntime(), reason="onnxruntime is not installed")

GENERATOR = np.random.default_rng(0)
FEEDS = {name: GENERATOR.integers(0, 255, (64, 64), dtype=np.uint8) for name in "xy"}


def number(value: float, dtype: type = np.float32) -> Value:
    return constant(value=constant_of(np.asarray(value, dtype)))


def sums(scale: float = 0.2) -> Graph:
    """Sums of quantised numbers, of which many fall between two steps: onnxruntime joins the nodes and rounds once."""
    x, y = (Value(TensorType(DType.UINT8, (64, 64))) for _ in "xy")
    three, seven = number(3, np.uint8), number(7, np.uint8)
    terms = [dequantize(each, number(step), three, dtype=DType.FLOAT32) for each, step in ((x, 0.1), (y, 0.3))]
    q = quantize(add(*terms), number(scale), seven, dtype=DType.UINT8)
    return Graph("g", (x, y), (q,), ("q",), (), {x: "x", y: "y"})


def certificate(graph: Graph, path: Path, feeds: dict[str, Array]) -> Certificate:
    return verify_runners(graph, OnnxRuntimeRunner(str(path)), names=("a", "b"), feeds=feeds)


def test_rounding_that_adds_up_is_told_and_passes(tmp_path):
    path = tmp_path / "m.onnx"
    xir.export(sums(), path)
    found = certificate(sums(), path, FEEDS)
    assert found.differing == ("q",)
    assert (found.max_absolute, found.nodes, found.passed) == (1.0, 4, True)
    assert found.to_dict()["nodes"] == 4
    assert "all 4 results of nodes agree one by one" in found.summary()


def test_a_file_that_computes_something_else_does_not_pass(tmp_path):
    path = tmp_path / "m.onnx"
    xir.export(sums(scale=0.21), path)
    found = certificate(sums(), path, FEEDS)
    assert (found.nodes, found.passed) == (0, False)


def test_a_node_that_the_runtime_computes_otherwise_does_not_pass(tmp_path, monkeypatch):
    path = tmp_path / "m.onnx"
    xir.export(sums(), path)
    run = OnnxRuntimeRunner.run

    def two_steps_more(runner, feeds, **keywords):
        return {name: result + 2 for name, result in run(runner, feeds, **keywords).items()}

    monkeypatch.setattr(OnnxRuntimeRunner, "run", two_steps_more)
    assert not certificate(sums(), path, FEEDS).passed


def test_real_numbers_are_not_looked_at_one_by_one(tmp_path):
    x = Value(TensorType(DType.FLOAT32, (3,)))
    path = tmp_path / "m.onnx"
    xir.export(Graph("g", (x,), (relu(x),), ("y",), (), {x: "x"}), path)
    other = Graph("g", (x,), (add(relu(x), relu(x)),), ("y",), (), {x: "x"})
    found = certificate(other, path, {"x": np.ones(3, np.float32)})
    assert (found.nodes, found.passed) == (0, False)


def test_files_whose_weights_stand_beside_them_are_not_cut(tmp_path):
    from onnx import ModelProto, TensorProto

    path = tmp_path / "m.onnx"
    xir.export(sums(), path)
    model = ModelProto.FromString(path.read_bytes())
    model.graph.initializer.append(TensorProto(name="beside", data_location=TensorProto.EXTERNAL))
    path.write_bytes(model.SerializeToString())
    assert compare_nodes(str(path), FEEDS, {}, 1e-3, 1e-4) == []
