"""import(export(graph)) is the legal graph, op by op; the file is clean and computes what the reference computes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends.export.onnx.shared import Net, by_onnxruntime, checked, meaning
from tests.ops.cases import Case, all_cases
from tests.ops.cases.control import body
from tests.ops.test_table import graph_of
from xir.backends.export.onnx import export_onnx, legalize
from xir.errors import UnsupportedError
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, SequenceType, TensorType, UnrankedType
from xir.ops.activation import leaky_relu, prelu, relu
from xir.ops.conv import conv
from xir.ops.elementwise import add, maximum, mul, sub
from xir.ops.matmul import gemm, matmul
from xir.ops.norm import softmax
from xir.ops.pool import average_pool, max_pool
from xir.ops.reduce import reduce_mean, reduce_sum
from xir.ops.sequence import sequence_map
from xir.ops.shape import broadcast, concat, pad, reshape, slice_, transpose
from xir.reference import random_inputs, run

CASES = tuple(all_cases())
IDS = [f"{index}-{each}" for index, each in enumerate(CASES)]
OPSETS = (11, 13, 17, 18, 21, 26)

DIFFERS_BY_DESIGN = {
    "loop(int64,-,": "the file has a condition that always holds: onnx.defs, Loop: the least number of inputs is two",
    "assume_shape": "ONNX knows no such promise: an identity, and what follows refuses another rank by itself",
    "shared trees": "TreeEnsembleRegressor has a table of its own for each tree",
    "at run time": "the file does not tell the sizes that the example gives beside the run-time operand",
    "reshape_late(": "onnx.defs, Reshape: 'A dimension could also be 0, in which case the actual dimension value is "
    "unchanged': the importer puts it there",
    "broadcast_late(": "onnx.defs, Expand: 'It is possible that the output.shape is not equal to shape, when some "
    "dimensions in shape is equal to 1': the importer joins it with the operand's",
    "string_case": "StringNormalizer without stopwords comes back as what it is called in ONNX",
    "max_pool_with_indices": "ONNX counts indices through the whole tensor: a remainder is taken behind it",
}


def _is_named(case: Case, table: dict[str, str]) -> bool:
    return any(text in str(case) for text in table)


def _written(graph: Graph, path: Path, opset: int) -> None:
    """The graph as a file, checked; ONNX's checker wants every rank (onnx docs/IR.md), which not every graph knows."""
    if not any(isinstance(value.type, UnrankedType) for value in (*graph.inputs, *graph.outputs)):
        checked(graph, path, opset=opset)
        return
    with pytest.warns(UserWarning, match="number of axes of .* is not known"):
        export_onnx(graph, path, opset=opset)


def _legal(graph: Graph, opset: int) -> Graph | None:
    """The legal graph, or None where the opset refuses for a named reason; an opset that would help must help."""
    try:
        return legalize(graph, opset)
    except UnsupportedError as error:
        refusal = error
    assert refusal.problems
    assert all(problem.reason for problem in refusal.problems)
    helps = re.search(r"--opset (\d+)", refusal.hint or "")
    if helps:
        legalize(graph, int(helps[1]))
    return None


def _opsets() -> Iterator[tuple[int, ...]]:
    """Every opset for the first example of an operator; for each other one by turns, and the newest."""
    *older, newest = OPSETS
    seen = Counter[str]()
    for case in CASES:
        count = seen[case.op.name]
        yield (older[count % len(older)], newest) if count else OPSETS
        seen[case.op.name] += 1


@pytest.mark.parametrize(("case", "opsets"), zip(CASES, _opsets(), strict=True), ids=IDS)
def test_every_operator_comes_back(case: Case, opsets: Sequence[int], tmp_path: Path) -> None:
    comes_back(case, opsets, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_every_operator_comes_back_at_every_opset(case: Case, tmp_path: Path) -> None:
    comes_back(case, OPSETS, tmp_path)


def comes_back(case: Case, opsets: Sequence[int], tmp_path: Path) -> None:
    """Exported and imported again it is the legal graph of the opset."""
    graph, _ = graph_of(case)
    for opset in opsets:
        legal = _legal(graph, opset)
        if legal is None:
            continue
        _written(graph, tmp_path / "m.onnx", opset)
        back = import_onnx(tmp_path / "m.onnx")
        if not _is_named(case, DIFFERS_BY_DESIGN):
            assert meaning(back) == meaning(legal), opset


def _window(draw: st.DrawFn) -> dict[str, Any]:
    """A window each of whose places covers an element: what a maximum of nothing is, runtimes do not agree on."""
    window = tuple(draw(st.integers(1, 3)) for _ in range(2))
    padding = tuple((draw(st.integers(0, size - 1)), draw(st.integers(0, size - 1))) for size in window)
    return {"window": window, "strides": (draw(st.integers(1, 2)),) * 2, "padding": padding, "dilation": (1, 1)}


def _channels(x: Value) -> int:
    assert isinstance(x.shape[1], int)
    return x.shape[1]


def _height(x: Value) -> int:
    assert isinstance(x.shape[2], int)
    return x.shape[2]


def _relu(draw: st.DrawFn, net: Net, x: Value, name: str) -> Value:
    return relu(x)


def _leaky(draw: st.DrawFn, net: Net, x: Value, name: str) -> Value:
    return leaky_relu(x, alpha=draw(st.floats(0.001, 1.0)))


def _prelu(draw: st.DrawFn, net: Net, x: Value, name: str) -> Value:
    slope = reshape(net.normal(name, _channels(x)), shape=(_channels(x), 1, 1))
    return prelu(x, broadcast(slope, shape=x.shape))


def _bias(draw: st.DrawFn, net: Net, x: Value, name: str) -> Value:
    return add(x, broadcast(net.normal(name, _channels(x), 1, 1), shape=x.shape))


def _scale(draw: st.DrawFn, net: Net, x: Value, name: str) -> Value:
    return mul(broadcast(net.normal(name), shape=x.shape), x)


def _centered(draw: st.DrawFn, net: Net, x: Value, name: str) -> Value:
    return maximum(x, sub(x, broadcast(reduce_mean(x, axes=(2, 3), keep_dims=True), shape=x.shape)))


def _conv(draw: st.DrawFn, net: Net, x: Value, name: str) -> Value:
    out = draw(st.integers(1, 3))
    padding = tuple((draw(st.integers(-1, 2)), draw(st.integers(0, 2))) for _ in range(2))
    return conv(
        x,
        net.normal(name, out, _channels(x), 2, 2),
        net.normal(f"{name}b", out),
        strides=(1, 1),
        padding=padding if _height(x) >= 4 else ((1, 1), (1, 1)),
        dilation=(1, 1),
        input_dilation=draw(st.sampled_from([(1, 1), (1, 2)])),
        groups=1,
    )


def _grown(x: Value) -> Value:
    return pad(x, padding=((0, 0), (0, 0), (1, 1), (1, 1)))


def _max(draw: st.DrawFn, net: Net, x: Value, name: str) -> Value:
    return max_pool(_grown(x), **_window(draw))


def _mean(draw: st.DrawFn, net: Net, x: Value, name: str) -> Value:
    words = _window(draw)
    counted = tuple((draw(st.integers(0, b)), draw(st.integers(0, a))) for b, a in words["padding"])
    return average_pool(_grown(x), counted_padding=counted, **words)


def _pad(draw: st.DrawFn, net: Net, x: Value, name: str) -> Value:
    return pad(x, padding=((0, 0), (0, 1), (-1 if _height(x) > 3 else 0, 1), (0, 2)), value=0.5)


def _cut(draw: st.DrawFn, net: Net, x: Value, name: str) -> Value:
    return slice_(x, axes=(2,), starts=(0,), stops=(max(_height(x) - 1, 1),), steps=(1,))


def _turned(draw: st.DrawFn, net: Net, x: Value, name: str) -> Value:
    return transpose(x, perm=(0, 1, 3, 2))


def _joined(draw: st.DrawFn, net: Net, x: Value, name: str) -> Value:
    return concat(x, reduce_sum(x, axes=(1,), keep_dims=True), axis=1)


STEPS = (_relu, _leaky, _prelu, _bias, _scale, _centered, _conv, _max, _mean, _pad, _cut, _turned, _joined)
"""Operators on `x: [N, C, H, W]` whose result is an image again."""


@st.composite
def nets(draw: st.DrawFn) -> Graph:
    """A random net on images, with an unknown batch size or a known one."""
    net = Net()
    batch = draw(st.sampled_from([1, 2, Symbol("batch")]))
    x = net.input("data", batch, draw(st.integers(1, 3)), 6, 6)
    for index in range(draw(st.integers(1, 6))):
        x = draw(st.sampled_from(STEPS))(draw, net, x, f"w{index}")
    flat = reshape(x, shape=(x.shape[0], x.shape[1] * x.shape[2] * x.shape[3]))
    if draw(st.booleans()):
        size = flat.shape[1]
        assert isinstance(size, int)
        c = net.normal("fc_bias", 3)
        bias = broadcast(c, shape=(flat.shape[0], 3)) if draw(st.booleans()) else None
        flat = gemm(flat, net.normal("fc", 3, size), bias, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=True)
    else:
        size = flat.shape[1]
        assert isinstance(size, int)
        flat = matmul(flat, net.normal("fc", size, 2))
    return net.graph(prob=softmax(flat, axis=1), features=x)


@settings(max_examples=40, deadline=None)
@given(graph=nets(), opset=st.sampled_from(OPSETS))
def test_random_nets_come_back_and_compute_the_same(
    graph: Graph, opset: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("net") / "m.onnx"
    legal = legalize(graph, opset)
    checked(graph, path, opset=opset)
    assert meaning(import_onnx(path)) == meaning(legal)
    feeds = random_inputs(graph, seed=0)
    for want, have in zip(run(graph, feeds).values(), by_onnxruntime(path, feeds), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-3, atol=1e-4)


def test_a_body_of_two_nodes_reads_what_each_captures(tmp_path: Path) -> None:
    """Captured values are read by name, so that one body would read those of the second node twice."""
    square = TensorType(DType.FLOAT32, (2, 3))
    shared = body([square, square], lambda x, y: (add(x, y),))
    values = [Value(type) for type in (SequenceType(square), square, SequenceType(square), square)]
    made = [sequence_map(*values[at : at + 2], body=shared, mapped=1)[0] for at in (0, 2)]
    graph = Graph("g", tuple(values), tuple(made), ("a", "b"), names={v: f"in{i}" for i, v in enumerate(values)})
    checked(graph, tmp_path / "m.onnx", opset=21)
    feeds: dict[str, Any] = {
        f"in{i}": [np.full((2, 3), i, np.float32)] if i % 2 == 0 else np.full((2, 3), i, np.float32) for i in range(4)
    }
    for name, (array,) in cast("dict[str, list[Array]]", run(import_onnx(tmp_path / "m.onnx"), feeds)).items():
        np.testing.assert_array_equal(array, np.full((2, 3), 1 if name == "a" else 5))
