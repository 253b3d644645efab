"""Padding that depends on sizes of the run: `auto_pad` where it says the same, else operators of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.backends.export.onnx.shared import Net, by_onnxruntime, checked, meaning
from xir.backends.export.onnx import legalize
from xir.frontends.onnx import import_onnx
from xir.ir.dims import Dim, Symbol, ceil_divide, floor_divide, maximum, minimum
from xir.ir.node import Value
from xir.ops.conv import conv
from xir.ops.pool import average_pool, lp_pool, max_pool
from xir.reference import run

H, W = Symbol("h", minimum=1), Symbol("w", minimum=1)
WINDOW, STRIDES, ONES, BARE = (3, 2), (2, 3), (1, 1), ((0, 0), (0, 0))
Padding = tuple[tuple[Dim, Dim], ...]


def same(upper: bool, gap: int = 1) -> Padding:
    """The padding with which h x w elements give ceil(h / 2) x ceil(w / 3)."""
    found: list[tuple[Dim, Dim]] = []
    for size, extent, step in zip((H, W), WINDOW, STRIDES, strict=True):
        total = maximum((ceil_divide(size, step) - 1) * step + (extent - 1) * gap + 1 - size, 0)
        half = floor_divide(total, 2)
        found.append((half, total - half) if upper else (total - half, half))
    return tuple(found)


def windowed(net: Net, x: Value, kind: str, padding: Padding, gap: int = 1) -> Value:
    words = {"strides": STRIDES, "padding": padding, "dilation": (gap, gap)}
    match kind:
        case "conv":
            return conv(x, net.normal("k", 4, 2, *WINDOW), input_dilation=ONES, groups=1, **words)
        case "max":
            return max_pool(x, window=WINDOW, **words)
        case "lp":
            return lp_pool(x, window=WINDOW, p=2.0, **words)
        case _:
            counted = padding if kind == "counted average" else BARE
            return average_pool(x, window=WINDOW, counted_padding=counted, **words)


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("kind", ["conv", "max", "average", "counted average", "lp"])
def test_padding_to_the_same_size_is_one_operator(kind: str, upper: bool, tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", 1, 2, H, W)
    graph = net.graph(y=windowed(net, x, kind, same(upper)))
    assert sum(checked(graph, tmp_path / "m.onnx").operators.values()) == 1
    assert meaning(import_onnx(tmp_path / "m.onnx")) == meaning(legalize(graph, 21))
    for height, width in ((1, 1), (6, 7), (9, 4)):
        feeds = {"x": np.random.default_rng(height).normal(size=(1, 2, height, width)).astype(np.float32)}
        (have,) = by_onnxruntime(tmp_path / "m.onnx", feeds)
        np.testing.assert_allclose(have, run(graph, feeds)["y"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kind", "gap"), [("max", 2), ("lp", 2), ("shifted conv", 1)])
def test_other_padding_is_an_operator_of_its_own(kind: str, gap: int, tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", 1, 2, H, W)
    upper, lower = same(True, gap), same(False, gap)
    padding = (upper[0], (lower[1][0] + 1, lower[1][1])) if kind == "shifted conv" else upper
    graph = net.graph(y=windowed(net, x, kind.removeprefix("shifted "), padding, gap))
    assert "Pad" in checked(graph, tmp_path / "m.onnx").operators
    feeds = {"x": np.random.default_rng(0).normal(size=(1, 2, 8, 7)).astype(np.float32)}
    (have,) = by_onnxruntime(tmp_path / "m.onnx", feeds)
    np.testing.assert_allclose(have, run(graph, feeds)["y"], rtol=1e-4, atol=1e-5)


def overhanging(extent: int, step: int, gap: int, cells: int) -> Padding:
    """PyTorch's `ceil_mode` (aten/src/ATen/native/Pool.h): no window begins behind the elements."""
    found: list[tuple[Dim, Dim]] = []
    for size in (H, W):
        room = size + 2 * cells - (extent - 1) * gap - 1
        steps = minimum(ceil_divide(room, step), floor_divide(size + cells - 1, step))
        found.append((cells, cells + maximum(steps * step - room, 0)))
    return tuple(found)


def fitting(extent: int, step: int, gap: int, cells: int) -> Padding:
    """The same where the last window surely begins at an element."""
    rooms = (size + 2 * cells - (extent - 1) * gap - 1 for size in (H, W))
    return tuple((cells, cells + ceil_divide(room, step) * step - room) for room in rooms)


def pooled(padding: Padding, extent: int, step: int, gap: int) -> tuple[Net, Value]:
    net = Net()
    x = net.input("x", 1, 2, H, W)
    return net, max_pool(x, window=(extent,) * 2, strides=(step,) * 2, padding=padding, dilation=(gap,) * 2)


CEILED = [(3, 2, 1, 0), (2, 2, 1, 0), (3, 2, 1, 1), (5, 3, 1, 2), (4, 3, 1, 1), (2, 3, 2, 0), (3, 4, 2, 0)]


@pytest.mark.parametrize(("extent", "step", "gap", "cells"), CEILED)
def test_a_maximum_over_windows_that_hang_over_the_end_is_one_operator(
    extent: int, step: int, gap: int, cells: int, tmp_path: Path
) -> None:
    net, y = pooled(fitting(extent, step, gap, cells), extent, step, gap)
    graph = net.graph(y=y)
    assert checked(graph, tmp_path / "m.onnx").operators == {"MaxPool": 1}
    assert meaning(import_onnx(tmp_path / "m.onnx")) == meaning(legalize(graph, 21))
    for height, width in ((5, 6), (7, 8), (9, 13), (10, 11)):
        feeds = {"x": np.random.default_rng(height).uniform(-2, -1, (1, 2, height, width)).astype(np.float32)}
        (have,) = by_onnxruntime(tmp_path / "m.onnx", feeds)
        np.testing.assert_array_equal(have, run(graph, feeds)["y"])


UNLIKE = {
    "a last window that may be dropped": (overhanging(2, 3, 1, 0), 2, 3, 1),
    "gaps that may pass by all elements": (fitting(3, 2, 2, 1), 3, 2, 2),
    "a front as long as the window": (((2, fitting(2, 1, 1, 2)[0][1]),) * 2, 2, 1, 1),
    "one element more behind": (tuple((0, after + 3) for _, after in fitting(3, 2, 1, 0)), 3, 2, 1),
}


@pytest.mark.parametrize("name", UNLIKE)
def test_other_overhangs_are_padding_of_their_own(name: str, tmp_path: Path) -> None:
    padding, extent, step, gap = UNLIKE[name]
    net, y = pooled(padding, extent, step, gap)
    assert checked(net.graph(y=y), tmp_path / "m.onnx").operators["MaxPool"] == 1
    assert checked(net.graph(y=y), tmp_path / "m.onnx").operators["Pad"] == 1
