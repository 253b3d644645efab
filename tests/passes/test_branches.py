"""Branches that are known, and what bodies capture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from tests.passes.helpers import F32, Net, literal, operators
from xir.ir.constant import constant_of
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ir.verify import verify
from xir.ops.activation import relu
from xir.ops.constant import constant
from xir.ops.control import if_
from xir.ops.elementwise import add, mul, neg
from xir.ops.index import compress
from xir.ops.shape import broadcast, reshape
from xir.passes import Trace, optimize
from xir.passes.branches import known_branches, tidy_captures
from xir.reference import run

Make = Callable[..., Value]


def body(make: Make, *shapes: Sequence[int], weight: bool = False) -> Graph:
    """A branch on tensors of these shapes; with `weight`, `make` gets one of its own first."""
    inputs = tuple(Value(TensorType(F32, tuple(shape))) for shape in shapes)
    held = constant_of(np.arange(100, dtype=np.float32))
    own = (Value(held.type),) if weight else ()
    result = make(*own, *inputs)
    parameters = tuple(Parameter(value, held) for value in own)
    names = {value: f"in{index}" for index, value in enumerate(inputs)} | dict.fromkeys(own, "inner.weight")
    return Graph("branch", inputs, (result,), ("out",), parameters, names)


def truth(value: bool) -> Value:
    return constant(value=constant_of(np.array(value)))


def checked(graph: Graph, change: Callable[[Graph, Trace], Graph]) -> tuple[Graph, Trace]:
    """The graph after `change`, which computes the same."""
    trace = Trace()
    after = change(graph, trace)
    verify(after)
    generator = np.random.default_rng(0)
    feeds = {}
    for name, value in zip(graph.input_names, graph.inputs, strict=True):
        drawn = generator.normal(size=[size for size in value.shape if isinstance(size, int)])
        feeds[name] = drawn.astype(value.dtype.dtype) if value.dtype is not DType.BOOL else np.asarray(drawn > 0)
    for name, array in run(graph, feeds).items():
        assert run(after, feeds)[name].tobytes() == array.tobytes()
    return after, trace


@pytest.mark.parametrize(("holds", "left"), [(True, ["relu"]), (False, ["neg"])])
def test_a_known_branch_takes_the_place_of_the_if(holds: bool, left: list[str]) -> None:
    net = Net()
    (y,) = if_(truth(holds), net.input(2, 3), then_body=body(relu, (2, 3)), else_body=body(neg, (2, 3)))
    after, trace = checked(net.graph(y), known_branches)
    assert operators(after) == left
    assert trace.fired == {"known_branches": 1}
    assert {source.layer for source in after.nodes[0].source} == {"if_1"}


def test_an_unknown_branch_stays() -> None:
    net = Net()
    c, x = net.input(dtype=DType.BOOL), net.input(2)
    graph = net.graph(*if_(c, x, then_body=body(relu, (2,)), else_body=body(neg, (2,))), relu(x))
    assert known_branches(graph, Trace()) is graph


def test_weights_of_a_branch_are_weights_of_the_graph() -> None:
    net = Net()
    then = body(lambda w, x: add(w, x), (100,), weight=True)
    (y,) = if_(truth(True), net.input(100), then_body=then, else_body=body(neg, (100,)))
    after, _ = checked(net.graph(y), known_branches)
    assert [after.name_of(parameter.value) for parameter in after.parameters] == ["inner.weight"]


def test_sizes_that_a_branch_finds_out_follow() -> None:
    def positive(x: Value) -> Value:
        kept = compress(x, constant(value=constant_of(np.array([True, False, True]))), axis=0)
        return add(kept, broadcast(reshape(literal(1.0), shape=(1,)), shape=kept.shape))

    net = Net()
    (y,) = if_(truth(True), net.input(3), then_body=body(positive, (3,)), else_body=body(neg, (3,)))
    after, _ = checked(net.graph(y), known_branches)
    assert "if" not in operators(after)


def test_branches_get_each_value_once_and_none_in_vain() -> None:
    net = Net()
    c, x, z = net.input(dtype=DType.BOOL), net.input(2), net.input(2)
    shapes = [(2,)] * 5
    then = body(lambda a, b, unread, k, w: add(mul(a, b), add(k, w)), *shapes)
    other = body(lambda a, b, unread, k, w: neg(b), *shapes)
    large = net.held(np.zeros(2, np.float32))
    (y,) = if_(c, x, x, z, broadcast(literal(2.0), shape=(2,)), large, then_body=then, else_body=other)
    after, trace = checked(net.graph(y, relu(z)), tidy_captures)
    (node,) = [each for each in after.nodes if each.op.name == "if"]
    assert len(node.inputs) == 3
    assert trace.fired == {"tidy_captures": 1}
    assert tidy_captures(after, Trace()) is after


def test_constants_are_folded_in_branches() -> None:
    net = Net()
    c, x, k = net.input(dtype=DType.BOOL), net.input(2), net.held(np.array([1.0, 2.0], np.float32))
    then, other = body(lambda a, k: add(a, neg(neg(mul(k, k)))), (2,), (2,)), body(lambda a, k: a, (2,), (2,))
    after, _ = checked(net.graph(*if_(c, x, k, then_body=then, else_body=other)), lambda graph, trace: optimize(graph))
    inner = after.nodes[-1].attributes["then_body"]
    assert isinstance(inner, Graph)
    assert [name for name in operators(inner) if name != "constant"] == ["add"]
    assert optimize(after) is after


def test_large_constants_stay_outside() -> None:
    net = Net()
    c, x, k = net.input(dtype=DType.BOOL), net.input(100), net.held(np.ones(100, np.float32))
    shapes = ((100,), (100,))
    (y,) = if_(c, x, k, then_body=body(add, *shapes), else_body=body(mul, *shapes))
    graph = net.graph(y)
    assert tidy_captures(graph, Trace()) is graph
