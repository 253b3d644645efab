"""Forms of layers with several results: what nothing reads is left out, what ONNX cannot say comes apart."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from tests.backends.export.onnx.shared import Net, checked
from tests.ops.cases.attention import words as attention_words
from tests.ops.cases.gated import words
from xir.backends.export.onnx._form import Refusal
from xir.backends.export.onnx.legalize import legalize
from xir.backends.export.onnx.recurrent import forms
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.attention import attention
from xir.ops.control import loop
from xir.ops.elementwise import neg
from xir.ops.gating import hardmax
from xir.ops.lstm import lstm
from xir.ops.norm_statistics import layer_norm_with_statistics
from xir.ops.rnn import rnn


def written(graph: Graph, folder: Path, opset: int) -> list[onnx.NodeProto]:
    """The nodes of the file."""
    checked(graph, folder / "m.onnx", opset=opset)
    return list(onnx.load(folder / "m.onnx").graph.node)


@pytest.mark.parametrize(
    ("read", "outputs"),
    [
        ((0,), [True]),
        ((1,), [False, True]),
        ((2,), [False, False, True]),
        ((0, 2), [True, False, True]),
        ((0, 1, 2), [True] * 3),
    ],
)
def test_an_lstm_names_the_results_that_are_read(read: tuple[int, ...], outputs: list[bool], tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", Symbol("T"), 2, 3)
    made = lstm(x, net.normal("w", 1, 16, 3), net.normal("r", 1, 16, 4), **words(lstm))
    (node,) = written(net.graph(**{f"y{index}": made[index] for index in read}), tmp_path, 14)
    assert [bool(name) for name in node.output] == outputs


def test_attention_names_the_whole_cache_or_none_of_it(tmp_path: Path) -> None:
    net = Net()
    q, k, past = (net.input(name, 1, 2, size, 4) for name, size in (("q", 1), ("k", 1), ("past", 3)))
    y, keys, _, _ = attention(q, k, k, None, past, past, **attention_words())
    (node,) = written(net.graph(y=y, keys=keys), tmp_path, 24)
    assert [node.output[0], node.output[1], bool(node.output[2]), len(node.output)] == ["y", "keys", True, 3]
    net = Net()
    y, scores = attention(*(net.input(name, 1, 2, 3, 4) for name in "qkv"), **attention_words())
    (node,) = written(net.graph(y=y, scores=scores), tmp_path, 24)
    assert list(node.output) == ["y", "", "", "scores"]


def test_units_that_are_not_known_have_no_form() -> None:
    net, units = Net(), Symbol("H")
    x, w, r = net.input("x", 2, 2, 3), net.input("w", 1, units, 3), net.input("r", 1, units, units)
    node = rnn(x, w, r, **words(rnn))[0].node
    form = forms.get("rnn")
    assert node is not None
    assert form is not None
    assert isinstance(form(node, 14), Refusal)


def test_statistics_in_doubles_come_apart() -> None:
    net = Net()
    made = layer_norm_with_statistics(net.input("x", 2, 3, dtype=DType.FLOAT64), axis=1, epsilon=1e-5)
    legal = legalize(net.graph(y=made[0], mean=made[1]), 17)
    assert "layer_norm_with_statistics" not in {node.op.name for node in legal.nodes}


def test_hardmax_moves_its_axis_to_the_end_before_opset_13(tmp_path: Path) -> None:
    net = Net()
    y = hardmax(net.input("x", 2, 3, 4), axis=1)
    assert [node.op_type for node in written(net.graph(y=y), tmp_path, 11)] == ["Transpose", "Hardmax", "Transpose"]


def test_a_loop_that_carries_nothing_has_a_condition(tmp_path: Path) -> None:
    net = Net()
    count, x = net.input("n", dtype=DType.INT64), net.input("x", 3)
    step, going, inner = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ())), Value(x.type)
    body = Graph("body", (step, going, inner), (going, neg(inner)), ("going", "row"))
    (rows,) = loop(count, None, x, body=body, carried=0)
    (node,) = written(net.graph(y=rows), tmp_path, 21)
    assert node.op_type == "Loop"
    assert len(node.input) == 2
