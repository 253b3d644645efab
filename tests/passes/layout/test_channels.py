"""Products and norms along the channels go along the second axis where that leaves fewer transposes, there alone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.passes.helpers import Net, convolved, operators
from tests.passes.layout.test_layout import first, last
from xir.ir.dims import Dim, Symbol, product
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.rewrite import keeping_trainable
from xir.ir.verify import verify
from xir.ops.activation import gelu
from xir.ops.einsum import einsum
from xir.ops.elementwise import add, mul
from xir.ops.matmul import gemm, matmul
from xir.ops.norm import layer_norm
from xir.ops.shape import broadcast, reshape
from xir.passes import Trace, count_transposes, optimize
from xir.reference import random_inputs, run

PASS = ("layout_of_channels",)
N, H = Symbol("N"), Symbol("H")


def dense(net: Net, x: Value, units: int, *, joined: bool = False, **words: object) -> Value:
    """A dense layer as readers of Keras and of PyTorch write it: a matrix product of rows."""
    taken = x.shape[-1]
    assert isinstance(taken, int)
    rows = reshape(x, shape=(product(x.shape[:-1]), taken))
    shape = (*x.shape[:-1], units)
    if not joined:
        made = reshape(matmul(rows, net.weight(taken, units)), shape=shape)
        return add(made, broadcast(net.weight(units), shape=shape))
    addend = broadcast(net.weight(units), shape=(rows.shape[0], units))
    settled = {"alpha": 1.0, "beta": 1.0, "transpose_a": False, "transpose_b": False, **words}
    made = gemm(rows, net.weight(taken, units), addend, **settled)  # type: ignore[arg-type]  # a table's words
    return reshape(made, shape=shape)


def block(net: Net, x: Value, *, joined: bool = False, **words: object) -> Value:
    """ConvNeXt's block on channels that stand second: a convolution of each plane, then all else with channels last."""
    channels = x.shape[1]
    assert isinstance(channels, int)
    y = last(convolved(x, net.weight(channels, 1, 3, 3), pad=1, groups=channels))
    y = layer_norm(y, net.weight(channels), net.weight(channels), axis=3, epsilon=1e-6)
    y = gelu(dense(net, y, 2 * channels, joined=joined, **words), approximation="none")
    y = dense(net, y, channels, joined=joined, **words)
    return add(x, first(mul(y, broadcast(net.weight(channels), shape=y.shape))))


def network(sizes: tuple[Dim, Dim, Dim] = (2, 24, 24), *, joined: bool = False, **words: object) -> Graph:
    net = Net()
    batch, height, width = sizes
    return net.graph(block(net, block(net, net.input(batch, 32, height, width), joined=joined, **words), joined=joined))


def agrees(after: Graph, before: Graph) -> None:
    verify(after)
    feeds = random_inputs(before)
    for got, wanted in zip(run(after, feeds).values(), run(before, feeds).values(), strict=True):
        # sums of 64 products in another order
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5 * float(np.abs(np.asarray(wanted)).max()))


@pytest.mark.parametrize("sizes", [(2, 24, 24), (N, 24, 24), (N, H, H)], ids=["known", "batch", "symbolic"])
@pytest.mark.parametrize("joined", [False, True], ids=["matmul", "gemm"])
def test_blocks_between_convolutions_keep_no_transpose(joined: bool, sizes: tuple[Dim, Dim, Dim]) -> None:
    graph = network(sizes, joined=joined)
    after = optimize(graph, passes=PASS)
    assert (count_transposes(graph), count_transposes(after)) == (4, 0)
    assert operators(after).count("conv") == 6
    assert optimize(after, passes=PASS) is after
    agrees(after, graph)


def test_scale_and_shift_of_the_norm_go_into_the_product_behind_it() -> None:
    graph = network()
    after = optimize(graph)
    assert operators(after) == ["conv", "mean_variance_normalize", "conv", "gelu", "conv", "add"] * 2
    agrees(after, graph)


def test_what_stays_along_the_last_axis_is_written_as_before() -> None:
    net = Net()
    x, other = net.input(2, 32, 24, 24), net.input(1, 5, 6, 4)
    side = layer_norm(dense(net, other, 3), axis=3, epsilon=1e-5)
    graph = net.graph(block(net, x), side)
    after = optimize(graph, passes=PASS)
    assert count_transposes(after) == 0
    assert operators(after).count("matmul") == 1
    assert operators(optimize(graph)).count("layer_norm") == 1
    agrees(after, graph)


def test_names_and_trainability_of_weights_stay() -> None:
    graph = network()
    names = {graph.name_of(each.value) for each in graph.parameters}
    after = optimize(graph, passes=PASS)
    assert {after.name_of(each.value) for each in after.parameters} == names
    assert all(each.trainable for each in after.parameters)


def test_what_is_gone_is_told() -> None:
    trace = Trace()
    optimize(network(), passes=PASS, trace=trace)
    assert trace.fired == {"layout_of_channels": 4}


def test_a_graph_that_is_to_run_exactly_or_cleaned_up_alone_stays() -> None:
    assert count_transposes(optimize(network(), exact=True)) == 4
    assert count_transposes(optimize(network(), level=1)) == 4


def test_weights_that_are_to_be_trained_stay_as_they_are() -> None:
    graph = network()
    with keeping_trainable():
        assert optimize(graph, passes=PASS) is graph


def small() -> Graph:
    """The norm of a few numbers costs more operators than two transposes are."""
    return network((1, 2, 2))


def given() -> Graph:
    """Weights that come at run time would have to be transposed in every run."""
    net = Net()
    x = net.input(1, 32, 24, 24)
    rows = reshape(last(x), shape=(576, 32))
    y = reshape(matmul(rows, net.input(32, 16)), shape=(1, 24, 24, 16))
    return net.graph(first(y))


def summed() -> Graph:
    """A sum of products of the model's own, of weights that come at run time."""
    net = Net()
    x = last(net.input(1, 32, 24, 24))
    return net.graph(first(einsum(x, net.input(32, 16), equation="abcy,yz->abcz")))


def summed_pairs() -> Graph:
    """A sum of products of one tensor alone."""
    net = Net()
    return net.graph(first(einsum(last(net.input(2, 32, 24, 24)), equation="abcd->acbd")))


def read_twice() -> Graph:
    net = Net()
    rows = matmul(reshape(last(net.input(1, 32, 24, 24)), shape=(576, 32)), net.weight(32, 16))
    return net.graph(first(reshape(rows, shape=(1, 24, 24, 16))), rows)


def whole_rows() -> Graph:
    """More than one number a column is added."""
    net = Net()
    rows = reshape(last(net.input(1, 32, 24, 24)), shape=(576, 32))
    words = {"alpha": 1.0, "beta": 1.0, "transpose_a": False, "transpose_b": False}
    made = gemm(rows, net.weight(32, 16), net.weight(576, 16), **words)  # type: ignore[arg-type]  # a table's words
    return net.graph(first(reshape(made, shape=(1, 24, 24, 16))))


def elsewhere() -> Graph:
    """Rows that become other axes."""
    net = Net()
    rows = matmul(reshape(last(net.input(1, 32, 24, 24)), shape=(576, 32)), net.weight(32, 16))
    return net.graph(first(reshape(rows, shape=(1, 18, 32, 16))))


def of_columns() -> Graph:
    """Transposes are there, and so few that none can go."""
    net = Net()
    x = dense(net, last(net.input(1, 32, 24, 24)), 16)
    return net.graph(x, first(net.input(1, 24, 24, 3)))


KEPT = {
    "small": small,
    "weights at run time": given,
    "a sum": summed,
    "a sum of one": summed_pairs,
    "another reader": read_twice,
    "a matrix added": whole_rows,
    "other axes": elsewhere,
    "at an edge": of_columns,
    "a factor": lambda: network(joined=True, alpha=0.5),
}


@pytest.mark.parametrize("name", KEPT)
def test_others_stay_the_very_graphs(name: str) -> None:
    graph = KEPT[name]()
    assert count_transposes(graph) > 1
    after = optimize(graph, passes=PASS)
    if name == "a factor":  # its second block has none
        assert count_transposes(after) == 2
        return
    assert after is graph
