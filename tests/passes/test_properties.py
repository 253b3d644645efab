"""Random graphs compute the same before and after, whatever the level."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.passes.helpers import F32, F64, Net, convolved, literal
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.verify import verify
from xir.ops.activation import relu
from xir.ops.constant import identity
from xir.ops.elementwise import abs_, add, cast, clip, minimum, mul, neg, sub
from xir.ops.norm import batch_norm
from xir.ops.shape import broadcast, concat, pad, reshape, reverse, slice_, split, transpose
from xir.passes import optimize
from xir.reference import random_inputs, run

SHAPES = ((1, 2, 3, 3), (1, 3, 3, 2), (1, 3, 2, 3), (2, 2, 3, 3))
STEPS = (
    "relu", "neg", "abs", "identity", "cast", "transpose", "reshape", "reverse", "split", "concat", "add", "sub",
    "minimum", "scale", "shift", "one", "conv", "pad", "batch_norm", "weight", "clip", "slice", "join", "wide", "grow",
)  # fmt: skip


def _unary(name: str, x: Value) -> Value | None:
    simple = {"relu": relu, "neg": neg, "abs": abs_, "identity": identity}
    if name == "wide":
        return cast(cast(x, dtype=F64), dtype=F32)
    if name == "clip":
        return clip(relu(clip(x, minimum=-1.0, maximum=None)), minimum=None, maximum=6.0)
    return simple[name](x) if name in simple else cast(x, dtype=F32) if name == "cast" else None


def _binary(name: str, x: Value, y: Value) -> Value | None:
    operators = {"add": add, "sub": sub, "minimum": minimum}
    return operators[name](x, y) if name in operators and x.shape == y.shape else None


def _moved(name: str, x: Value, choice: int) -> Value | None:
    match name:
        case "transpose":
            return transpose(x, perm=((0, 2, 3, 1), (0, 3, 1, 2), (0, 1, 2, 3), (1, 0, 3, 2))[choice])
        case "reshape":
            return reshape(reshape(x, shape=(x.tensor.elements,)), shape=x.shape)
        case "reverse":
            return reverse(x, axes=((), (1,), (1, 3), (0,))[choice])
        case "split":
            return split(x, axis=3, sizes=(x.shape[3],))[0]
        case "concat":
            return concat(x, axis=1)
        case "pad":
            width = (0, choice) if choice < 3 else (0, 0)
            return pad(x, padding=((0, 0), (0, 0), width, (0, 0)))
        case _:
            return None


def _cut(name: str, x: Value, choice: int) -> Value | None:
    match name:
        case "join":
            joined = concat(x, concat(relu(x), x, axis=1), axis=1)
            return slice_(joined, axes=(1,), starts=(choice % 2,), stops=(choice % 2 + x.shape[1],), steps=(1,))
        case "slice":
            return slice_(x, axes=(3,), starts=(0,), stops=(x.shape[3],), steps=(1 + choice % 2,))
        case "grow":
            return neg(broadcast(slice_(x, axes=(1,), starts=(0,), stops=(1,), steps=(1,)), shape=x.shape))
        case _:
            return None


def _weighted(name: str, x: Value, net: Net, choice: int) -> Value | None:
    channels = x.shape[1]
    assert isinstance(channels, int)
    match name:
        case "scale":
            return mul(x, broadcast(net.weight(channels, 1, 1), shape=x.shape))
        case "shift":
            return add(broadcast(net.weight(1, channels, 1, 1), shape=x.shape), x)
        case "one":
            return (
                mul(x, broadcast(literal(1), shape=x.shape))
                if choice % 2
                else add(x, broadcast(literal(0), shape=x.shape))
            )
        case "conv":
            bias = net.weight(2) if choice % 2 else None
            return convolved(x, net.weight(2, channels, 1, 1), bias, pad=choice % 3)
        case "batch_norm":
            held = [net.weight(channels, low=0.5) for _ in range(4)]
            return batch_norm(x, *held, epsilon=1e-3)
        case "weight":
            return mul(x, neg(broadcast(net.weight(*(1 for _ in x.shape)), shape=x.shape)))
        case _:
            return None


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    net = Net()
    values = [net.input(*draw(st.sampled_from(SHAPES))) for _ in range(2)]
    for _ in range(draw(st.integers(1, 14))):
        name, choice = draw(st.sampled_from(STEPS)), draw(st.integers(0, 3))
        x, y = draw(st.sampled_from(values)), draw(st.sampled_from(values))
        made = _unary(name, x) or _binary(name, x, y) or _moved(name, x, choice) or _cut(name, x, choice)
        made = made or _weighted(name, x, net, choice)
        if made is not None:
            values.append(made)
    outputs = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))
    return net.graph(values[-1], *outputs)


@settings(max_examples=120, deadline=None)
@given(graphs(), st.integers(0, 3))
def test_optimized_graphs_compute_the_same(graph: Graph, seed: int) -> None:
    feeds = random_inputs(graph, seed)
    wanted = run(graph, feeds)
    for level, exact in ((1, False), (2, False), (2, True)):
        after = optimize(graph, level=level, exact=exact)
        verify(after)
        assert len(after.nodes) <= len(graph.nodes)
        got = run(after, feeds)
        assert list(got) == list(wanted)
        for name, array in wanted.items():
            if exact:
                assert got[name].tobytes() == array.tobytes()
            else:  # at most 14 layers of sums of at most 3 products each: 1e-4 is a hundred times their rounding
                room = 1e-4 * max(1.0, float(np.abs(array).max(initial=0)))
                np.testing.assert_allclose(got[name], array, rtol=0, atol=room)
        assert optimize(after, level=level, exact=exact) is after
