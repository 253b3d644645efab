"""Quantisation as files say it, version by version, and as it is written again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

import xir
from tests.frontends.onnx.models import One, saved
from xir.errors import InvalidModelError
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.reference import run

X = np.array([[-3.0, -0.5, 0.5], [1.5, 100.0, 1000.0]], np.float32)
TWO = np.array([0.5, 4.0], np.float32)
THREE = np.array([0.5, 1.0, 4.0], np.float32)


def imported(one: One, folder: Path) -> Graph:
    return import_onnx(saved(one.model(), folder))


def result(one: One, folder: Path) -> Array:
    (made,) = run(imported(one, folder), one.feeds).values()
    return made


def test_without_a_zero_point_bytes_have_no_sign(tmp_path: Path) -> None:
    for opset in (10, 13, 19, 21, 23, 28):
        made = result(One("QuantizeLinear", opset, {"x": X, "s": np.asarray(0.5, np.float32)}), tmp_path)
        assert made.dtype == np.uint8
        assert made.tolist() == [[0, 0, 1], [3, 200, 255]]


def test_the_axis_is_the_second_unless_said(tmp_path: Path) -> None:
    feeds: dict[str, Array] = {"x": X, "s": THREE, "z": np.zeros(3, np.int8)}
    assert result(One("QuantizeLinear", 13, feeds), tmp_path).tolist() == [[-6, 0, 0], [3, 100, 127]]
    rows: dict[str, Array] = {"x": X, "s": TWO, "z": np.zeros(2, np.int8)}
    made = result(One("QuantizeLinear", 13, rows, attributes={"axis": -2}), tmp_path)
    assert made.tolist() == [[-6, -1, 1], [0, 25, 127]]


def test_a_vector_needs_no_axis(tmp_path: Path) -> None:
    feeds: dict[str, Array] = {"x": np.array([1, 2, 3], np.int8), "s": THREE}
    assert result(One("DequantizeLinear", 13, feeds), tmp_path).tolist() == [0.5, 2.0, 12.0]
    single: dict[str, Array] = {"x": np.array([1, 2, 3], np.int8), "s": THREE[:1]}
    assert result(One("DequantizeLinear", 13, single), tmp_path).tolist() == [0.5, 1.0, 1.5]
    blocks: dict[str, Array] = {"x": np.array([1, 2, 3], np.int8), "s": TWO}
    made = result(One("DequantizeLinear", 21, blocks, attributes={"block_size": 2}), tmp_path)
    assert made.tolist() == [0.5, 1.0, 12.0]


def test_the_type_may_be_named(tmp_path: Path) -> None:
    feeds: dict[str, Array] = {"x": X, "s": np.asarray(0.5, np.float32)}
    words = {"output_dtype": TensorProto.INT16}
    assert result(One("QuantizeLinear", 21, feeds, attributes=words), tmp_path).dtype == np.int16
    half: dict[str, Array] = {"x": np.array([4], np.int8), "s": np.asarray(0.5, np.float32)}
    made = result(One("DequantizeLinear", 23, half, attributes={"output_dtype": TensorProto.FLOAT16}), tmp_path)
    assert made.dtype == np.float16


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (One("QuantizeLinear", 21, {"x": X, "s": TWO}, attributes={"output_dtype": 99}), "no element type 99"),
        (One("QuantizeLinear", 21, {"x": X, "s": TWO}, attributes={"block_size": -1}), "'block_size' is -1"),
        (One("QuantizeLinear", 21, {"x": X, "s": TWO}, attributes={"axis": 4}), "axis 4 does not exist"),
        (
            One(
                "QuantizeLinear",
                21,
                {"x": X, "s": np.ones((), np.float32), "z": np.zeros((), np.int8)},
                attributes={"output_dtype": TensorProto.UINT8},
            ),
            "'output_dtype' is u8, the zero point has i8",
        ),
        (One("MatMulInteger", 10, {"a": np.ones((), np.int8), "b": np.ones((2, 2), np.int8)}), "a scalar cannot be"),
    ],
)
def test_what_contradicts_the_wording_is_refused(one: One, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=message):
        imported(one, tmp_path)


def test_products_take_vectors_and_repeat_batches(tmp_path: Path) -> None:
    a, b = np.array([1, 2], np.int8), np.array([[1, -1], [2, 3]], np.int8)
    assert result(One("MatMulInteger", 10, {"a": a, "b": b}), tmp_path).tolist() == [5, 5]
    assert result(One("MatMulInteger", 10, {"a": a, "b": a}), tmp_path).tolist() == 5
    batches: dict[str, Array] = {"a": np.stack([b, b]), "b": b, "z": np.array([[[1], [0]]], np.int8)}
    want = (np.stack([b, b]) - batches["z"].astype(np.int8)).astype(np.int32) @ b.astype(np.int32)
    assert result(One("MatMulInteger", 10, batches), tmp_path).tolist() == want.tolist()


PAIR = One(
    "DequantizeLinear",
    21,
    {},
    {"x": np.arange(24, dtype=np.int8).reshape(2, 12), "s": TWO, "z": np.zeros(2, np.int8)},
    attributes={"axis": 0},
)


def test_a_stored_weight_stays_stored(tmp_path: Path) -> None:
    graph = xir.optimize(imported(PAIR, tmp_path))
    assert [node.op.name for node in graph.nodes] == ["dequantize"]
    xir.export(graph, tmp_path / "out.onnx", opset=21)
    (node,) = onnx.load(tmp_path / "out.onnx").graph.node
    assert node.op_type == "DequantizeLinear"


@pytest.mark.parametrize(("opset", "kinds"), [(21, {"QuantizeLinear"}), (13, {"QuantizeLinear", "DequantizeLinear"})])
def test_a_pair_stays_a_pair(opset: int, kinds: set[str], tmp_path: Path) -> None:
    """Blocks and 16 bits come apart before opset 21; bytes by axis do not."""
    one = One("QuantizeLinear", opset, {"x": X, "s": THREE, "z": np.ones(3, np.int8)}, attributes={"axis": 1})
    graph = xir.optimize(imported(one, tmp_path))
    xir.export(graph, tmp_path / "out.onnx", opset=opset)
    assert {node.op_type for node in onnx.load(tmp_path / "out.onnx").graph.node} <= kinds


def test_a_type_that_cannot_be_named_is_said_by_a_zero_point(tmp_path: Path) -> None:
    one = One("QuantizeLinear", 21, {"x": X, "s": np.ones((), np.float32)}, attributes={"output_dtype": 3})
    graph = imported(one, tmp_path)
    xir.export(graph, tmp_path / "out.onnx", opset=13)
    (node,) = onnx.load(tmp_path / "out.onnx").graph.node
    assert len(node.input) == 3
    (made,) = run(import_onnx(tmp_path / "out.onnx"), one.feeds).values()
    assert made.tolist() == result(one, tmp_path).tolist()
