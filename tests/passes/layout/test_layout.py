"""Whole graphs: no transpose is left inside, what is left moves the least, and everything computes the same bits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import cast as cast_to

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.passes.helpers import Net, convolved, operators
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.rewrite import keeping_trainable
from xir.ir.source import Source
from xir.ir.types import DType
from xir.ir.verify import verify
from xir.ir.walk import all_graphs
from xir.ops.activation import relu, sigmoid
from xir.ops.control import if_
from xir.ops.elementwise import add, cast, mul, neg, sub
from xir.ops.index import gather
from xir.ops.pool import max_pool
from xir.ops.reduce import reduce_max, reduce_mean
from xir.ops.shape import broadcast, concat, pad, reshape, shape_of, slice_, split, transpose
from xir.passes import Trace, count_transposes, optimize
from xir.passes.layout import _assignment, _flow
from xir.passes.layout._perms import moves_nothing
from xir.reference import random_inputs, run

N, H = Symbol("N"), Symbol("H")
FIRST, LAST = (0, 3, 1, 2), (0, 2, 3, 1)
EXACT = ("layout",)
BOTH = ("layout", "layout_over_the_reals")


def first(x: Value) -> Value:
    return transpose(x, perm=FIRST)


def last(x: Value) -> Value:
    return transpose(x, perm=LAST)


def layer(net: Net, x: Value, channels: int = 3) -> Value:
    """A convolution with channels last."""
    taken = x.shape[3]
    assert isinstance(taken, int)
    return last(convolved(first(x), net.weight(channels, taken, 3, 3), pad=1))


def pooled(x: Value) -> Value:
    words = {"strides": (2, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
    return last(max_pool(first(x), window=(2, 2), **words))  # type: ignore[arg-type]  # a table's words


def bits(graph: Graph, seed: int = 0) -> list[bytes]:
    return [np.asarray(array).tobytes() for array in run(graph, random_inputs(graph, seed)).values()]


def moving(graph: Graph) -> int:
    """How many transposes move elements; the pass takes those that do not for free (`_web.Web.price`)."""
    turned = [node for each in all_graphs(graph) for node in each.nodes if node.op.name == "transpose"]
    operands = [(cast_to("tuple[int, ...]", node.attributes["perm"]), node.inputs[0]) for node in turned]
    return sum(x is not None and not moves_nothing(perm, x.shape) for perm, x in operands)


def laid(graph: Graph, passes: tuple[str, ...] = EXACT) -> Graph:
    """The graph after the pass alone, once it is sure that all holds that must."""
    after = optimize(graph, passes=passes)
    verify(after)
    assert (after.input_names, after.output_names) == (graph.input_names, graph.output_names)
    assert [value.type for value in after.outputs] == [value.type for value in graph.outputs]
    assert moving(optimize(after, passes=["fold_constants"])) <= moving(graph)
    assert optimize(after, passes=passes) is after
    if passes == EXACT:
        assert bits(after) == bits(graph)
    return after


def residual(net: Net, x: Value) -> Value:
    y = relu(add(layer(net, x), broadcast(net.weight(3), shape=x.shape)))
    return relu(add(x, mul(layer(net, y), broadcast(net.weight(1, 1, 3), shape=x.shape))))


def inception(net: Net, x: Value) -> Value:
    left, right = split(layer(net, x, 4), axis=3, sizes=(1, 3))
    joined = concat(relu(left), pad(right, padding=((0, 0), (0, 0), (0, 0), (0, 1))), layer(net, x, 2), axis=3)
    return slice_(joined, axes=(3,), starts=(0,), stops=(6,), steps=(2,))


def excited(net: Net, x: Value) -> Value:
    """Squeeze and excitation: the mean of each channel, two products, and a factor for each."""
    y = layer(net, x)
    n = y.shape[0]
    line = reduce_max(y, axes=(1, 2), keep_dims=False)
    factor = sigmoid(reshape(neg(line), shape=(n, 1, 1, 3)))
    return layer(net, mul(y, broadcast(factor, shape=y.shape)))


CNNS: dict[str, Callable[[Net, Value], Value]] = {
    "residual": lambda net, x: residual(net, residual(net, layer(net, x))),
    "inception": lambda net, x: inception(net, inception(net, layer(net, x))),
    "excited": lambda net, x: excited(net, excited(net, x)),
    "pools": lambda net, x: pooled(relu(layer(net, relu(layer(net, x))))),
}


@pytest.mark.parametrize("sizes", [(2, 8, 6), (N, 8, 6), (N, H, H)], ids=["known", "batch", "symbolic"])
@pytest.mark.parametrize("name", CNNS)
def test_networks_keep_transposes_at_their_edges_alone(name: str, sizes: tuple[int, int, int]) -> None:
    net = Net()
    after = laid(net.graph(CNNS[name](net, net.input(*sizes, 3))))
    left = [node for node in after.nodes if node.op.name == "transpose" and node.inputs[0] in after.inputs]
    moved = [node for node in after.nodes if node.op.name == "transpose" and node.outputs[0] in after.outputs]
    assert (len(left), len(moved)) == (1, 1)
    folded = optimize(after, passes=["fold_constants"])
    assert count_transposes(folded) == 2


def test_a_mean_over_the_reals_takes_the_layout_and_an_exact_one_does_not() -> None:
    net = Net()
    graph = net.graph(reduce_mean(relu(layer(net, net.input(1, 4, 4, 3))), axes=(1, 2), keep_dims=False))
    assert count_transposes(laid(graph)) == 2
    assert count_transposes(laid(graph, BOTH)) == 1
    assert count_transposes(optimize(graph, exact=True)) == 2


@pytest.mark.parametrize(
    ("build", "left"),
    [
        (lambda net: first(relu(last(net.input(2, 3, 4, 5)))), "relu"),
        (lambda net: transpose(cast(last(net.input(2, 3, 4, 5)), dtype=DType.INT32), perm=(1, 2, 0, 3)),
         "cast transpose"),
        (lambda net: first(sub(last(net.input(2, 3, 4, 5)), last(net.input(2, 3, 4, 5)))), "sub"),
        (lambda net: sub(last(net.input(2, 3, 4, 5)), last(net.input(2, 3, 4, 5))), "sub transpose"),
        (lambda net: add(last(net.input(2, 3, 4, 5)), net.weight(2, 4, 5, 3)), "transpose add transpose"),
        (lambda net: (first(relu(y := last(net.input(2, 3, 4, 5)))), y), "relu transpose"),
        (lambda net: (first(y := relu(last(net.input(2, 3, 4, 5)))), y), "relu transpose"),
        (lambda net: (add(y := last(net.input(2, 3, 4, 5)), y), y), "transpose add"),
        (lambda net: last(first(net.input(2, 3, 4, 5))), ""),
        (lambda net: cast(last(net.input(2, 3, 4, 5)), dtype=DType.INT8), "cast transpose"),
        (lambda net: last(cast(net.input(2, 3, 4, 5, dtype=DType.INT8), dtype=DType.FLOAT32)), "transpose cast"),
        (lambda net: shape_of(last(relu(net.input(2, 3, N, N)))), "relu shape_of constant gather"),
        (lambda net: shape_of(first(last(relu(net.input(2, 3, N, N))))), "relu shape_of"),
        (lambda net: last(reshape(net.input(2, 3, 20), shape=(2, 3, 4, 5))), "reshape transpose"),
        (lambda net: transpose(net.input(2, 1, 3), perm=(0, 2, 1)), "transpose"),
        (lambda net: relu(net.input(2)), "relu"),
    ],
)  # fmt: skip
def test_transposes_that_are_left_move_the_least(build: Callable[[Net], Value | tuple[Value, ...]], left: str) -> None:
    net = Net()
    made = build(net)
    after = laid(net.graph(*([made] if isinstance(made, Value) else made)))
    assert " ".join(operators(after)) == left


def test_one_transpose_serves_all_that_want_it() -> None:
    net = Net()
    x = net.input(1, 3, 4, 4)
    y = last(relu(convolved(x, net.weight(3, 3, 1, 1))))
    after = laid(net.graph(neg(y), sigmoid(y), relu(first(neg(y)))))
    assert Counter(operators(after))["transpose"] == 1


def test_constants_are_moved_for_nothing_but_large_ones_are_not_held_twice() -> None:
    for size, readers, left in ((4, 2, 0), (200, 1, 0), (200, 2, 1)):
        net = Net()
        w = net.weight(size, 100)
        outputs = [transpose(add(transpose(net.input(100, size), perm=(1, 0)), w), perm=(1, 0))]
        outputs += [relu(w)] * (readers - 1)
        folded = optimize(laid(net.graph(*outputs)), passes=["fold_constants"])
        assert count_transposes(folded) == left


def test_weights_that_training_changes_are_moved_at_a_cost() -> None:
    net = Net()
    w = net.weight(4, 6)
    graph = net.graph(transpose(add(transpose(net.input(6, 4), perm=(1, 0)), w), perm=(1, 0)))
    with keeping_trainable():
        assert count_transposes(optimize(graph, passes=EXACT)) == 1


def test_bodies_are_laid_out_by_themselves() -> None:
    inner = Net()
    x = inner.input(2, 3, 4, 5)
    body = inner.graph(first(relu(last(x))))
    other = Net()
    net = Net()
    y = net.input(2, 3, 4, 5)
    graph = net.graph(
        *if_(net.input(dtype=DType.BOOL), y, then_body=body, else_body=other.graph(neg(other.input(2, 3, 4, 5))))
    )
    trace = Trace()
    after = optimize(graph, passes=EXACT, trace=trace)
    assert trace.fired == {"layout": 2}
    assert trace.transposes == 0
    assert bits(after) == bits(graph)


def test_names_and_sources_say_how_a_layer_is_stored_now() -> None:
    net = Net()
    x = net.input(1, 4, 4, 3)
    hidden = relu(layer(net, x))
    net.names[hidden] = "hidden"
    net.names[hidden_before := hidden.node.inputs[0]] = "before"  # type: ignore[union-attr, index]  # it has a node
    assert hidden_before is not None
    after = laid(net.graph(first(layer(net, hidden))))
    named = {name: value for value, name in after.names.items() if value.node is not None}
    assert named["hidden"].node is not None
    assert [source.layout for source in named["hidden"].node.source if source.kind == "relu"] == [FIRST]
    assert named["before"].shape == (1, 3, 4, 4)


def _of_layer(value: Value, name: str) -> Source:
    assert value.node is not None
    (found,) = (source for source in value.node.source if source.layer == name)
    return found


def test_a_layer_that_ends_in_a_transpose_says_so() -> None:
    """As readers of formats with channels last bring a layer: its operators and transposes all have one source."""
    from xir.ir.builder import sourced

    net = Net()
    x = net.input(1, 4, 4, 3)
    with sourced(Source("test", "n", "conv", "Conv2D", order=1)):
        y = layer(net, x)
    with sourced(Source("test", "n", "relu", "Relu", order=2)):
        y = relu(y)
    with sourced(Source("test", "n", "conv_1", "Conv2D", order=3)):
        y = layer(net, y)
    graph = Graph("test", (x,), (y,), ("y",), tuple(net.parameters), net.names)
    after = optimize(graph, passes=EXACT)
    layers = [[(source.layer, source.layout) for source in node.source] for node in after.nodes]
    assert layers == [
        [("conv", None)], [("conv", FIRST)], [("relu", FIRST)], [("conv_1", FIRST)], [("conv_1", None)],
    ]  # fmt: skip


def test_work_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net()
    graph = net.graph(CNNS["residual"](net, net.input(1, 4, 4, 3)))
    monkeypatch.setattr(_flow, "MAX_WORK", 1)
    assert bits(optimize(graph, passes=EXACT)) == bits(graph)
    monkeypatch.undo()
    monkeypatch.setattr(_assignment, "MAX_PROPOSED", 0)
    assert count_transposes(optimize(graph, passes=EXACT)) == count_transposes(graph) - 1
    monkeypatch.undo()
    monkeypatch.setattr(_assignment, "MAX_SWEEPS", 1)
    assert count_transposes(optimize(graph, passes=EXACT)) < count_transposes(graph) / 2


def test_long_networks_take_time_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = _assignment._spread
    monkeypatch.setattr(_assignment, "_spread", lambda *each: asked.append(len(made := real(*each))) or made)
    net = Net()
    y = last(net.input(1, 3, 4, 4))
    w = net.weight(3, 3, 1, 1)
    for _ in range(1_000):
        y = relu(add(last(convolved(first(y), w)), y))
    after = optimize(net.graph(y), passes=EXACT)
    assert count_transposes(after) == 1
    assert sum(asked) <= 6 * 2_000


SHAPES = ((1, 2, 3, 3), (2, 2, 3, 2))


def _step(draw: st.DrawFn, values: list[Value], net: Net) -> Value | None:
    x, y = draw(st.sampled_from(values)), draw(st.sampled_from(values))
    perm = draw(st.sampled_from((FIRST, LAST, (1, 0, 2, 3), (0, 2, 1, 3), (3, 1, 0, 2))))
    match draw(
        st.sampled_from(("turn", "turn", "turn", "each", "add", "concat", "bias", "max", "cut", "join", "wide"))
    ):
        case "turn":
            return transpose(x, perm=perm) if x.rank == 4 else None
        case "each":
            return relu(x)
        case "add":
            return add(x, y) if x.shape == y.shape else None
        case "concat":
            alike = x.rank == y.rank == 4 and (*x.shape[:1], *x.shape[2:]) == (*y.shape[:1], *y.shape[2:])
            return concat(x, y, axis=1) if alike else None
        case "bias":
            size = x.shape[-1]
            return add(x, broadcast(net.weight(size if isinstance(size, int) else 1), shape=x.shape))
        case "max":
            return reduce_max(x, axes=(1,), keep_dims=draw(st.booleans())) if x.rank > 2 else None
        case "cut":
            return slice_(x, axes=(x.rank - 1,), starts=(0,), stops=(1,), steps=(1,))
        case "wide":
            return gather(x, net.held(np.array([0, 0, 0])), axis=0)
        case _:
            return reshape(x, shape=(x.shape[0], x.tensor.elements // x.shape[0])) if x.rank == 4 else None


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    net = Net()
    values = [net.input(*draw(st.sampled_from(SHAPES))) for _ in range(2)]
    for _ in range(draw(st.integers(2, 16))):
        made = _step(draw, values, net)
        if made is not None:
            values.append(made)
    return net.graph(values[-1], *draw(st.lists(st.sampled_from(values), min_size=1, max_size=2)))


def test_a_transpose_of_one_channel_is_not_counted() -> None:
    net = Net()
    x = net.input(1, 2, 3, 3)
    both = concat(x, x, axis=1)
    graph = net.graph(first(both), slice_(both, axes=(3,), starts=(0,), stops=(1,), steps=(1,)))
    after = laid(graph)
    assert (count_transposes(after), moving(after), moving(graph)) == (2, 1, 1)


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_random_graphs_keep_every_bit(graph: Graph) -> None:
    laid(graph)
