"""What an opset lacks of signals, grids, random numbers and resizing, and what is written in its place."""

from __future__ import annotations

import re

import pytest

from tests.backends.export.onnx.shared import Net
from xir.backends.export.onnx import legalize
from xir.errors import UnsupportedError
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.types import DType
from xir.ops.einsum import einsum
from xir.ops.grid import grid_sample
from xir.ops.patches import fold
from xir.ops.random import bernoulli, multinomial, random_normal, random_uniform
from xir.ops.resample import resample
from xir.ops.signal import dft


def drawn(seed: int, dtype: DType = DType.FLOAT32, size: int | Symbol = 3) -> Graph:
    net = Net()
    net.input("x", 3)
    return net.graph(y=random_normal(shape=(size,), mean=0.0, deviation=1.0, seed=seed, dtype=dtype))


def late(net: Net, *axes: int, **words: object) -> Graph:
    x, sizes = net.input("x", 1, 1, 4, 5), net.input("n", len(axes), dtype=DType.INT64)
    shape = tuple(Symbol() if axis in axes else size for axis, size in enumerate((1, 1, 4, 5)))
    plain = {"mode": "linear", "coordinates": "half_pixel"}
    return net.graph(y=resample(x, None, None, sizes, axes=axes, shape=shape, **{**plain, **words}))  # type: ignore[arg-type]  # the test names them


def of_bernoulli() -> Graph:
    net = Net()
    return net.graph(y=bernoulli(net.input("x", 3), seed=1 << 40, dtype=DType.FLOAT32))


def of_late_axis() -> Graph:
    net = Net()
    x, place = net.input("x", 1, 4, 2), net.input("a", dtype=DType.INT64)
    return net.graph(y=dft(x, None, place, axis=None, size=Symbol(), inverse=False, onesided=False))


def of_late_padding() -> Graph:
    net = Net()
    x, image = net.input("x", 1, 8, 6), net.input("i", 2, dtype=DType.INT64)
    words = {"strides": (1, 1), "padding": ((-1, 0), (0, 0)), "dilation": (1, 1)}
    return net.graph(y=fold(x, image, spatial=(Symbol(), Symbol()), window=(2, 2), **words))  # type: ignore[arg-type]  # the test names them


@pytest.mark.parametrize(
    ("graph", "opset", "text"),
    [
        (drawn((1 << 24) + 1), 21, "none of which is this seed"),
        (drawn(1 << 40), 21, "none of which is this seed"),
        (drawn(0, DType.BFLOAT16), 21, "bf16"),
        (of_late_axis(), 17, "computed at run time"),
        (of_late_padding(), 21, "padding >= 0"),
        (late(Net(), 2, 3), 17, "of some axes"),
        (late(Net(), 0, 1, 2, 3, antialias=True), 17, "antialias"),
        (late(Net(), 0, 1, 2, 3, policy="not_larger"), 17, "aspect ratio"),
        (late(Net(), 0, 1, 2, 3, coordinates="half_pixel_symmetric"), 18, "half_pixel_symmetric"),
        (late(Net(), 0, 1, 2, 3, coordinates="tf_half_pixel_for_nn"), 13, "took back"),
    ],
)
def test_what_an_opset_cannot_say_is_refused_by_name(graph: Graph, opset: int, text: str) -> None:
    with pytest.raises(UnsupportedError, match=re.escape(text)):
        legalize(graph, opset)


def test_draws_whose_seed_no_float_holds_come_apart_or_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="none of which is this seed"):
        legalize(of_bernoulli(), 21)
    net = Net()
    graph = net.graph(y=multinomial(net.input("x", 1, 3), count=2, seed=1 << 40, dtype=DType.INT64))
    with pytest.raises(UnsupportedError, match="none of which is this seed"):
        legalize(graph, 21)
    like = net.graph(y=random_uniform(net.input("z", 2), shape=(2,), low=0.0, high=1.0, seed=7, dtype=DType.FLOAT32))
    assert [node.op.name for node in legalize(like, 21).nodes] == ["random_uniform"]


def test_draws_of_a_size_that_the_run_tells_take_the_shape_of_zeros() -> None:
    size, net = Symbol("n"), Net()
    net.input("x", size)
    graph = legalize(
        net.graph(y=random_normal(shape=(size,), mean=0.0, deviation=1.0, seed=0, dtype=DType.FLOAT32)), 21
    )
    (draw,) = (node for node in graph.nodes if node.op is random_normal)
    assert draw.inputs[0] is not None
    assert draw.inputs[0].shape == (size,)


def test_labels_are_written_in_lower_case() -> None:
    net = Net()
    graph = net.graph(y=einsum(net.input("x", 2, 3, 4), net.input("y", 4, 5), equation="...Ba,aC"))
    (node,) = legalize(graph, 21).nodes
    assert node.attributes["equation"] == "...ab,bc->...ac"


def test_more_labels_than_letters_stay_as_they_are() -> None:
    net = Net()
    labels = "abcdefghijklmnopqrstuvwxyzA"
    graph = net.graph(y=einsum(net.input("x", *(1,) * 27), equation=labels))
    (node,) = legalize(graph, 21).nodes
    assert node.attributes["equation"] == labels


def test_lines_are_sampled_by_pieces() -> None:
    net = Net()
    x, grid = net.input("x", 1, 1, 4), net.input("g", 1, 3, 1)
    graph = net.graph(y=grid_sample(x, grid, mode="linear", outside="border", align_corners=True))
    assert "grid_sample" not in {node.op.name for node in legalize(graph, 21).nodes}
