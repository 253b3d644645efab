"""Comparison: arrays, boxes, graphs, layers, causes, memory, certificates."""

from __future__ import annotations

import json
import tracemalloc
from importlib import import_module

import numpy as np
import pytest

import xir
from xir.errors import MismatchError, MissingExtraError, UnsafeError, UsageError
from xir.ir.builder import sourced
from xir.ir.constant import constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.source import Source
from xir.ir.types import DType, TensorType
from xir.ops.activation import leaky_relu, relu
from xir.ops.elementwise import add, cast
from xir.ops.matmul import matmul
from xir.ops.shape import transpose
from xir.verification import (
    OnnxRuntimeRunner,
    ReferenceRunner,
    check_memory,
    compare,
    compare_boxes,
    has_onnxruntime,
    peak_bytes,
    verify_runners,
)
from xir.verification.certificate import worst
from xir.verification.layers import pair_layers, words
from xir.verification.memory import check_held

F32 = DType.FLOAT32


def model(weight=1.0, slope=0.1, kind="caffe", name="w"):
    """Matmul 'fc', then a leaky relu 'act'."""
    x, w = Value(TensorType(F32, (2, 3))), Value(TensorType(F32, (3, 3)))
    with sourced(Source(kind, "f", "fc", "InnerProduct", order=0)):
        y = matmul(x, w)
    with sourced(Source(kind, "f", "act", "ReLU", order=1)):
        z = leaky_relu(y, alpha=slope)
    constant = constant_of(np.full((3, 3), weight, np.float32))
    return Graph("g", (x,), (z,), ("out",), (Parameter(w, constant),), {x: "x", w: name})


@pytest.mark.parametrize(
    ("a", "b", "equal", "absolute"),
    [
        ([1.0, 2.0], [1.0, 2.0], True, 0.0),
        ([1.0, 2.0], [1.0, 2.5], False, 0.5),
        ([np.nan, np.inf], [np.nan, np.inf], True, 0.0),
        ([np.nan], [1.0], False, 0.0),
        ([np.inf], [-np.inf], False, 0.0),
        ([np.inf], [1.0], False, 0.0),
        ([], [], True, 0.0),
    ],
)
def test_arrays(a, b, equal, absolute):
    found = compare("x", np.array(a, np.float32), np.array(b, np.float32))
    assert (found.equal, found.max_absolute) == (equal, absolute)


def test_arrays_of_other_kinds():
    assert compare("x", np.ones(2), np.ones(3)).reason == "shapes [2] and [3] differ"
    assert compare("x", np.array(["a"], object), np.array(["b"], object)).mismatches == 1
    assert compare("x", np.array([1j]), np.array([1j + 1])).max_absolute == 1.0
    assert compare("x", np.array([1, 2]), np.array([1, 2])).max_ulp is None


def test_steps_between_numbers():
    one = np.array([1.0], np.float32)
    assert compare("x", one, np.nextafter(one, np.float32(2))).max_ulp == 1
    assert compare("x", np.array([-0.0], np.float32), np.array([0.0], np.float32)).max_ulp == 0
    assert compare("x", np.array([np.nan], np.float32), np.array([np.nan], np.float32)).max_ulp == 0


def test_large_arrays_are_compared_in_pieces(monkeypatch):
    generator = np.random.default_rng(0)
    a = generator.standard_normal((7, 11, 13)).astype(np.float32)
    b = (a + generator.standard_normal(a.shape) * 1e-3).astype(np.float32)
    b[0, 0, :3], a[0, 0, 2:4], b[6, 10, 12] = np.nan, np.inf, 5.0
    for left, right in ((a, b), (a.T, b.T), (a[:, ::-2], b[:, ::-2]), (a[0, 0, :3], b[0, 0, :3])):
        monkeypatch.setattr(import_module("xir.verification.compare"), "CHUNK_ELEMENTS", 1 << 20)
        whole = compare("x", left, right)
        monkeypatch.setattr(import_module("xir.verification.compare"), "CHUNK_ELEMENTS", 10)
        assert compare("x", left, right) == whole
        assert whole.mismatches


def test_comparing_copies_no_whole_array():
    a = np.zeros(1 << 22, np.float32)
    tracemalloc.start()
    try:
        assert compare("x", a, a).equal
        assert tracemalloc.get_traced_memory()[1] < a.nbytes
    finally:
        tracemalloc.stop()


def test_boxes_are_a_set():
    rows = np.array([[0, 1, 0.9, 0, 0, 1, 1], [0, 1, 0.9, 2, 2, 3, 3]], np.float32).reshape(1, 1, 2, 7)
    assert compare_boxes("b", rows, rows[:, :, ::-1]).equal
    assert not compare_boxes("b", rows, rows[:, :, :1]).equal


def test_worst_keeps_the_largest_of_each_measure():
    found = worst([compare("x", np.ones(1), np.ones(1)), compare("x", np.ones(1), np.array([3.0]))])
    assert (found.max_absolute, found.mismatches) == (2.0, 1)


def test_equal_models_pass():
    found = xir.verify(model(), model(), per_layer=True)
    assert found.passed
    assert found.first_divergence is None
    assert [layer.difference.name for layer in found.layers] == ["fc", "act"]
    assert json.loads(found.to_json())["passed"] is True
    assert found.summary().startswith("verified on 3 random inputs: ")


@pytest.mark.parametrize(
    ("other", "layer", "cause"),
    [(model(weight=2.0), "fc", "weights"), (model(slope=0.5), "act", "alpha")],
)
def test_the_first_difference_and_its_cause(other, layer, cause):
    found = xir.verify(model(), other, per_layer=True)
    assert not found.passed
    assert found.first_divergence is not None
    assert (found.first_divergence.difference.name, found.first_divergence.cause) == (layer, cause)
    assert found.summary().startswith("DIFFERS on ")


def test_given_inputs_are_used():
    found = xir.verify(model(), model(), inputs={"x": np.ones((2, 3), np.float32)})
    assert (found.seeds, found.passed) == ((), True)
    assert "the given inputs" in found.summary()


def test_a_layer_that_one_side_lacks_is_told():
    x = Value(TensorType(F32, (2, 3)))
    with sourced(Source("caffe", "f", "other", "ReLU")):
        y = relu(relu(x))
    pairs, unpaired = pair_layers(Graph("g", (x,), (y,), ("out",)), model())
    assert [pair.name for pair in pairs] == ["other"]
    assert unpaired == []
    assert pair_layers(model(), Graph("g", (x,), (cast(y, dtype=DType.FLOAT64),), ("else",)))[1] == ["fc", "act"]


def test_words_name_the_node_of_the_file_itself():
    x = Value(TensorType(F32, (2,)))
    with sourced(Source("caffe", "f", "conv3", "Convolution"), Source("onnx", "g", "/conv3/Conv", "Conv")):
        y = relu(x)
    assert words(y.node) == "/conv3/Conv"
    assert words(None) == "input"
    assert words(relu(x).node) == "relu"


def test_models_of_another_layout():
    x, t = Value(TensorType(F32, (1, 2, 3, 4))), Value(TensorType(F32, (1, 3, 4, 2)))
    a = Graph("a", (x,), (relu(x),), ("out",), names={x: "x"})
    b = Graph("b", (t,), (relu(t),), ("out",), names={t: "x"})
    assert xir.verify(a, b, align={"x": (0, 2, 3, 1), "out": (0, 2, 3, 1)}).passed
    turned = Graph("c", (x,), (transpose(x, perm=(0, 2, 3, 1)),), ("out",), names={x: "x"})
    assert not xir.verify(a, turned).passed


def test_models_with_other_numbers_of_inputs():
    x, y = Value(TensorType(F32, (2,))), Value(TensorType(F32, (2,)))
    two = Graph("a", (x, y), (add(x, y),), ("out",), names={x: "x", y: "y"})
    with pytest.raises(UsageError, match="2 and 1 inputs"):
        xir.verify(two, model())


def test_memory_is_told_from_shapes():
    n = Symbol("N")
    x = Value(TensorType(F32, (n, 100)))
    y = relu(x)
    graph = Graph("g", (x,), (relu(relu(y)),), ("out",))
    assert peak_bytes(graph) == 2 * (2 * 100 * 4)
    check_memory(graph, what="it", limit=1600)
    with pytest.raises(UnsafeError, match="it needs"):
        check_memory(graph, what="it", limit=1599)


def test_hostile_sizes_are_refused_before_anything_is_allocated():
    x = Value(TensorType(F32, (1 << 20, 1 << 20)))
    graph = Graph("g", (x,), (relu(x),), ("out",))
    with pytest.raises(UnsafeError) as caught:
        xir.verify(graph, graph)
    assert caught.value.code == "XIR-E810"
    with pytest.raises(UnsafeError):
        check_held([x], [x])


def test_a_runtime_that_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match="onnxruntime is not installed"):
        OnnxRuntimeRunner("x.onnx")


@pytest.mark.skipif(not has_onnxruntime(), reason="onnxruntime is not installed")
def test_a_file_that_the_runtime_refuses():
    with pytest.raises(MismatchError, match="refuses the file"):
        OnnxRuntimeRunner(b"no model")


@pytest.mark.skipif(not has_onnxruntime(), reason="onnxruntime is not installed")
def test_feeds_that_the_runtime_refuses(tmp_path):
    xir.export(model(), tmp_path / "a.onnx")
    with pytest.raises(MismatchError, match="fails"):
        OnnxRuntimeRunner(str(tmp_path / "a.onnx")).run({"x": np.ones((1, 1), np.float32)})


def test_progress_is_told():
    told: list[tuple[int, int]] = []
    runner = ReferenceRunner(model())
    verify_runners(model(), runner, names=("a", "b"), seeds=(4, 5), progress=lambda *step: told.append(step))
    assert told == [(0, 2), (1, 2)]
