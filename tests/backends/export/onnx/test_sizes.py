"""Sizes that only the run tells: read from shapes, computed where they are formulas, followed back by the importer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.backends.export.onnx.shared import Net, by_onnxruntime, checked, meaning
from xir.backends.export.onnx import export_onnx, legalize
from xir.errors import InvalidModelError
from xir.frontends.onnx import import_onnx
from xir.ir.dims import Dim, Symbol, maximum, minimum
from xir.ops.elementwise import add
from xir.ops.index import compress
from xir.ops.pool import average_pool, max_pool
from xir.ops.reduce import top_k
from xir.ops.shape import broadcast, iota, pad, reshape, slice_, tile
from xir.reference import run

N, M = Symbol("n", minimum=1), Symbol("m", minimum=1)

FORMULAS: dict[str, Dim] = {
    "symbol": N,
    "product": 3 * N * M + 2,
    "power": N * N,
    "difference": 2 * N - N * M + M * M + 5,
    "quotient": (N + 7) // 2,
    "of a difference": (N - M) // 4 + 9,
    "least": minimum(N, M),
    "most": maximum(N + 1, 2 * M),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_is_computed_and_followed_back(name: str, tmp_path: Path) -> None:
    net = Net()
    x, y = net.input("x", N, 1), net.input("y", M, 1)
    scalar = reshape(slice_(x, axes=(0,), starts=(0,), stops=(1,), steps=(1,)), shape=())
    graph = net.graph(a=broadcast(scalar, shape=(FORMULAS[name],)), b=tile(y, repeats=(1, 2)))
    checked(graph, tmp_path / "m.onnx")
    assert meaning(import_onnx(tmp_path / "m.onnx")) == meaning(legalize(graph, 21))
    feeds = {"x": np.ones((3, 1), np.float32), "y": np.ones((4, 1), np.float32)}
    for want, have in zip(run(graph, feeds).values(), by_onnxruntime(tmp_path / "m.onnx", feeds), strict=True):
        np.testing.assert_array_equal(have, want)


def test_a_symbol_that_only_stands_in_a_formula_is_solved(tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", 2 * N + 1, 3)
    cut = slice_(x, axes=(0,), starts=(1,), stops=(N,), steps=(1,))
    checked(net.graph(y=iota(shape=(N,), axis=0, dtype=x.dtype), z=cut), tmp_path / "m.onnx")
    fed = np.arange(21, dtype=np.float32).reshape(7, 3)
    line, rows = by_onnxruntime(tmp_path / "m.onnx", {"x": fed})
    np.testing.assert_array_equal(line, [0, 1, 2])
    np.testing.assert_array_equal(rows, fed[1:3])


@pytest.mark.parametrize("size", [N * M, N * N, N // 2])
def test_a_size_that_nothing_tells_is_an_error(size: Dim, tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", size)
    assert not isinstance(size, int)
    scalar = reshape(slice_(x, axes=(0,), starts=(0,), stops=(1,), steps=(1,)), shape=())
    with pytest.raises(InvalidModelError, match="no input or result has it"):
        export_onnx(net.graph(y=broadcast(scalar, shape=(N,))), tmp_path / "m.onnx")


def test_sizes_of_results_are_read_from_them(tmp_path: Path) -> None:
    net = Net()
    x, keep = net.input("x", 5), net.weight("keep", np.array([True, False, True, True, False]))
    y = compress(x, keep, axis=0)
    graph = net.graph(
        y=add(y, broadcast(net.normal("w"), shape=y.shape)),
        z=tile(reshape(y, shape=(1, *y.shape)), repeats=(2, 1)),
        i=iota(shape=y.shape, axis=0, dtype=x.dtype),
    )
    checked(graph, tmp_path / "m.onnx")
    assert meaning(import_onnx(tmp_path / "m.onnx")) == meaning(legalize(graph, 21))
    feeds = {"x": np.arange(5, dtype=np.float32)}
    for want, have in zip(run(graph, feeds).values(), by_onnxruntime(tmp_path / "m.onnx", feeds), strict=True):
        np.testing.assert_array_equal(have, want)


def test_padding_of_a_pool_that_depends_on_the_size(tmp_path: Path) -> None:
    net = Net()
    h = Symbol("h", minimum=4)
    x = net.input("x", 1, 2, h, 6)
    over = 2 * ((h - 1) // 2) + 3 - h - 1
    words = {"window": (3, 3), "strides": (2, 2), "dilation": (1, 1), "padding": ((1, over), (1, 1))}
    graph = net.graph(
        a=max_pool(x, **words),  # type: ignore[arg-type]
        b=average_pool(x, counted_padding=((1, 0), (1, 1)), **words),  # type: ignore[arg-type]
    )
    checked(graph, tmp_path / "m.onnx")
    assert meaning(import_onnx(tmp_path / "m.onnx")) == meaning(legalize(graph, 21))
    for height in (4, 7):
        feeds = {"x": np.random.default_rng(height).normal(size=(1, 2, height, 6)).astype(np.float32)}
        for want, have in zip(run(graph, feeds).values(), by_onnxruntime(tmp_path / "m.onnx", feeds), strict=True):
            np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-6)


def test_other_operands_of_unknown_size(tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", N, 4)
    graph = net.graph(
        best=top_k(x, k=N, axis=0)[0],
        grown=pad(x, padding=((N, 1), (0, 0))),
        cut=slice_(x, axes=(0, 1), starts=(0, 1), stops=(N, 3), steps=(2, 1)),
        less=slice_(x, axes=(0,), starts=(0,), stops=(N - 1,), steps=(1,)),
    )
    checked(graph, tmp_path / "m.onnx")
    assert meaning(import_onnx(tmp_path / "m.onnx")) == meaning(legalize(graph, 21))
    feeds = {"x": np.arange(12, dtype=np.float32).reshape(3, 4)}
    for want, have in zip(run(graph, feeds).values(), by_onnxruntime(tmp_path / "m.onnx", feeds), strict=True):
        np.testing.assert_array_equal(have, want)


@pytest.mark.parametrize(("start", "chosen"), [(0, 0), (2, 2), (-1, -1)])
def test_one_place_of_an_axis_is_a_gather(start: int, chosen: int) -> None:
    net, size = Net(), Symbol("t", minimum=3)
    x = net.input("x", 2, size, 4)
    first = size - 1 if start < 0 else start
    cut = slice_(x, axes=(1,), starts=(first,), stops=(first + 1,), steps=(1,))
    legal = legalize(net.graph(y=reshape(cut, shape=(2, 4))), 21)
    (node,) = (node for node in legal.nodes if node.op.name != "constant")
    assert node.op.name == "gather"
    array = np.arange(40, dtype=np.float32).reshape(2, 5, 4)
    np.testing.assert_array_equal(run(legal, {"x": array})["y"], array[:, chosen])


def test_what_keeps_its_axes_or_cuts_several_is_no_gather() -> None:
    net = Net()
    x = net.input("x", 2, 5, 4)
    cut = slice_(x, axes=(1,), starts=(2,), stops=(3,), steps=(1,))
    both = slice_(x, axes=(0, 1), starts=(1, 2), stops=(2, 3), steps=(1, 1))
    graph = net.graph(a=reshape(cut, shape=(2, 4, 1)), b=reshape(both, shape=(1, 4)))
    assert "gather" not in {node.op.name for node in legalize(graph, 21).nodes}
