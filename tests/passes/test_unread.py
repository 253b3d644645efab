"""Results that nobody reads: what is left out, what must stay, and what keeps its bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.passes.helpers import F32, Net, operators
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Node, Value
from xir.ir.types import DType, SequenceType, TensorType, Type
from xir.ir.verify import verify
from xir.ops.activation import relu
from xir.ops.compare import less
from xir.ops.constant import constant
from xir.ops.control import if_, loop, scan
from xir.ops.elementwise import add, cast, exp, mul, neg
from xir.ops.norm_statistics import layer_norm_with_statistics
from xir.ops.pool import max_pool_with_indices
from xir.ops.sequence import sequence_construct, sequence_map
from xir.ops.shape import broadcast, split
from xir.passes import Trace, optimize
from xir.passes.unread import drop_statistics, drop_unread
from xir.reference import random_inputs, run

I64, BOOL = DType.INT64, DType.BOOL
STEP = (TensorType(I64, ()), TensorType(BOOL, ()))


def tensor(*shape: Dim) -> TensorType:
    return TensorType(F32, shape)


class Body:
    """A body under construction."""

    def __init__(self, *types: Type) -> None:
        self.inputs = tuple(Value(type) for type in types)

    def graph(self, *outputs: Value, parameters: Sequence[Parameter] = ()) -> Graph:
        names = {value: f"in{index}" for index, value in enumerate(self.inputs)}
        names |= {each.value: f"held{index}" for index, each in enumerate(parameters)}
        return Graph(
            "body", self.inputs, outputs, tuple(f"o{i}" for i in range(len(outputs))), tuple(parameters), names
        )


def counted(steps: int) -> Value:
    return constant(value=constant_of(np.array(steps, np.int64)))


def node_of(graph: Graph, name: str) -> Node:
    (found,) = [node for node in graph.nodes if node.op.name == name]
    return found


def body_of(graph: Graph, name: str = "loop", attribute: str = "body") -> Graph:
    body = node_of(graph, name).attributes[attribute]
    assert isinstance(body, Graph)
    return body


def checked(graph: Graph, fired: int = 1) -> Graph:
    """The graph without what nobody reads: the same bits, and at rest."""
    trace = Trace()
    after = drop_unread(graph, trace)
    assert trace.fired == ({"drop_unread": fired} if fired else {})
    verify(after)
    feeds = random_inputs(graph)
    wanted, got = run(graph, feeds), run(after, feeds)
    assert {name: array.tobytes() for name, array in got.items()} == {n: a.tobytes() for n, a in wanted.items()}
    assert drop_unread(after, Trace()) is after
    assert optimize(optimize(graph)) is not None
    return after


def three_carried(net: Net, steps: int = 3) -> tuple[Value, ...]:
    """A loop that carries a, b and c: b is made of a, c of itself; its steps give exp(a) and exp(c)."""
    body = Body(*STEP, *(tensor(2) for _ in range(5)))
    _, going, a, b, c, k, _ = body.inputs
    inner = body.graph(going, neg(a), add(b, a), mul(c, k), exp(a), exp(c))
    given = [net.input(2) for _ in range(5)]
    return loop(counted(steps), None, *given, body=inner, carried=3)


@pytest.mark.parametrize(
    ("read", "carried", "made", "operands"),
    [
        ((0,), 1, 2, 3),
        ((1,), 2, 3, 4),
        ((2,), 1, 2, 4),
        ((3,), 1, 3, 3),
        ((4,), 1, 3, 4),
        ((1, 4), 3, 5, 6),
        ((0, 1, 2, 3, 4), 3, 6, 6),
    ],
)
@pytest.mark.parametrize("steps", [0, 3])
def test_loops_carry_what_is_read(read: tuple[int, ...], carried: int, made: int, operands: int, steps: int) -> None:
    net = Net()
    results = three_carried(net, steps)
    after = checked(net.graph(*(results[place] for place in read)))
    node = node_of(after, "loop")
    assert node.attributes["carried"] == carried
    assert len(body_of(after).outputs) == made
    assert len(node.inputs) == operands
    assert len(node.inputs) == len(body_of(after).inputs)


def test_a_loop_of_which_all_is_read_stays() -> None:
    body = Body(*STEP, tensor(2))
    net = Net()
    inner = body.graph(body.inputs[1], neg(body.inputs[2]), relu(body.inputs[2]))
    graph = net.graph(*loop(counted(2), None, net.input(2), body=inner, carried=1))
    assert drop_unread(graph, Trace()) is graph


def test_what_a_loop_ends_by_is_read() -> None:
    body = Body(*STEP, tensor(), tensor())
    a, b = body.inputs[2:]
    net = Net()
    going = less(b, literal_scalar(3.0))
    inner = body.graph(going, add(a, a), add(b, literal_scalar(1.0)))
    graph = net.graph(loop(counted(9), None, net.input(), net.input(), body=inner, carried=2)[0])
    assert drop_unread(graph, Trace()) is graph


def literal_scalar(number: float) -> Value:
    return constant(value=constant_of(np.array(number, np.float32)))


def test_loops_one_after_the_other_lose_what_the_last_does_not_need() -> None:
    net = Net()
    values: Sequence[Value] = [net.input(2), net.input(2)]
    for _ in range(30):
        body = Body(*STEP, tensor(2), tensor(2))
        inner = body.graph(body.inputs[1], neg(body.inputs[2]), exp(body.inputs[3]))
        values = loop(counted(1), None, *values, body=inner, carried=2)
    after = checked(net.graph(values[0]), fired=30)
    assert all(node.attributes["carried"] == 1 for node in after.nodes if node.op.name == "loop")


def test_loops_in_loops_lose_what_the_outer_one_does_not_need() -> None:
    inner = Body(*STEP, tensor(2), tensor(2))
    innermost = inner.graph(inner.inputs[1], neg(inner.inputs[2]), exp(inner.inputs[3]))
    outer = Body(*STEP, tensor(2), tensor(2))
    made = loop(counted(2), None, *outer.inputs[2:], body=innermost, carried=2)
    net = Net()
    whole = outer.graph(outer.inputs[1], *made)
    (kept, _) = loop(counted(2), None, net.input(2), net.input(2), body=whole, carried=2)
    after = checked(net.graph(kept), fired=2)
    assert operators(body_of(body_of(after))) == ["neg"]


def test_weights_of_bodies_that_nobody_needs_go() -> None:
    held = constant_of(np.arange(2, dtype=np.float32))
    weight = Value(held.type)
    body = Body(*STEP, tensor(2), tensor(2))
    inner = body.graph(
        body.inputs[1], neg(body.inputs[2]), add(body.inputs[3], weight), parameters=[Parameter(weight, held)]
    )
    net = Net()
    after = checked(net.graph(loop(counted(2), None, net.input(2), net.input(2), body=inner, carried=2)[0]))
    assert not body_of(after).parameters


def test_what_either_of_two_loops_needs_of_their_one_body_stays() -> None:
    body = Body(*STEP, tensor(2), tensor(2), tensor(2))
    inner = body.graph(body.inputs[1], neg(body.inputs[2]), exp(body.inputs[3]), relu(body.inputs[4]))
    net = Net()
    given = [[net.input(2) for _ in range(3)] for _ in range(2)]
    first, second = (loop(counted(1), None, *values, body=inner, carried=3) for values in given)
    after = checked(net.graph(first[0], second[1]), fired=2)
    bodies = [node.attributes["body"] for node in after.nodes if node.op.name == "loop"]
    assert bodies[0] is bodies[1]
    assert operators(bodies[0]) == ["neg", "exp"]  # type: ignore[arg-type]


def branches(net: Net, condition: Value) -> tuple[Value, ...]:
    then, other = Body(tensor(2), tensor(2)), Body(tensor(2), tensor(2))
    bodies = {
        "then_body": then.graph(neg(then.inputs[0]), exp(then.inputs[1])),
        "else_body": other.graph(relu(other.inputs[0]), other.inputs[1]),
    }
    return if_(condition, net.input(2), net.input(2), **bodies)


@pytest.mark.parametrize(("read", "left"), [(0, ["neg"]), (1, ["exp"])])
def test_branches_make_what_is_read(read: int, left: list[str]) -> None:
    net = Net()
    after = checked(net.graph(branches(net, net.input(dtype=BOOL))[read]))
    assert operators(body_of(after, "if", "then_body")) == left
    assert len(node_of(after, "if").inputs) == 2


def scanned(net: Net) -> tuple[Value, ...]:
    """A scan of x and y with the states p and q: results p + x's slice, q, slices of x and of y."""
    body = Body(*(tensor(2) for _ in range(5)))
    p, q, x, y, k = body.inputs
    inner = body.graph(add(p, x), mul(q, k), neg(x), exp(y))
    given = [net.input(2), net.input(2), net.input(3, 2), net.input(2, 3), net.input(2)]
    words = {"reversed_inputs": (False, True), "result_axes": (0, 1), "reversed_results": (True, False)}
    return scan(*given, body=inner, states=2, axes=(0, 1), **words)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("read", "states", "axes", "results"),
    [((0,), 1, (0,), ()), ((1,), 1, (0,), ()), ((2,), 0, (0,), (0,)), ((3,), 0, (1,), (1,)), ((0, 3), 1, (0, 1), (1,))],
)
def test_scans_carry_what_is_read(
    read: tuple[int, ...], states: int, axes: tuple[int, ...], results: tuple[int, ...]
) -> None:
    net = Net()
    made = scanned(net)
    node = node_of(checked(net.graph(*(made[place] for place in read))), "scan")
    assert (node.attributes["states"], node.attributes["axes"]) == (states, axes)
    assert node.attributes["result_axes"] == results
    assert len(node.attributes["reversed_inputs"]) == len(axes)  # type: ignore[arg-type]


@pytest.mark.parametrize(("read", "mapped"), [(0, 1), (1, 2)])
def test_maps_make_what_is_read(read: int, mapped: int) -> None:
    body = Body(tensor(2), tensor(2), tensor(2))
    inner = body.graph(neg(body.inputs[0]), exp(body.inputs[1]))
    net = Net()
    first, second = sequence_construct(net.input(2), net.input(2)), sequence_construct(net.input(2), net.input(2))
    assert isinstance(first.type, SequenceType)
    graph = net.graph(sequence_map(first, second, net.input(2), body=inner, mapped=2)[read])
    after = drop_unread(graph, Trace())
    verify(after)
    node = node_of(after, "sequence_map")
    assert (node.attributes["mapped"], len(node.inputs)) == (mapped, mapped)
    feeds = random_inputs(graph)
    for got, wanted in zip(run(after, feeds)["out0"], run(graph, feeds)["out0"], strict=True):
        assert got.tobytes() == wanted.tobytes()


def test_an_input_that_alone_tells_a_size_stays() -> None:
    n = Symbol("N")
    body = Body(*STEP, tensor(), tensor(n))
    inner = body.graph(body.inputs[1], neg(body.inputs[2]), broadcast(body.inputs[2], shape=(n,)))
    net = Net()
    graph = net.graph(loop(counted(2), None, net.input(), net.input(4), body=inner, carried=1)[1])
    assert drop_unread(graph, Trace()) is graph


def test_one_piece_of_a_split_is_a_slice() -> None:
    net = Net()
    pieces = split(net.input(2, Symbol("M") * 2 + 3), axis=1, sizes=(1, 2, Symbol("M") * 2))
    after = drop_unread(net.graph(relu(pieces[1])), Trace())
    assert operators(after) == ["slice", "relu"]
    assert after.nodes[0].attributes["starts"] == (1,)
    assert after.nodes[0].source[0].layer == "split_0"


@pytest.mark.parametrize("read", [(0, 1), (0, 2), (0, 1, 2)])
def test_several_pieces_of_a_split_stay(read: tuple[int, ...]) -> None:
    net = Net()
    pieces = split(net.input(2, 5), axis=1, sizes=(1, 2, 2))
    graph = net.graph(*(pieces[place] for place in read))
    assert drop_unread(graph, Trace()) is graph


def test_sizes_of_pieces_that_come_at_run_time_stay() -> None:
    net = Net()
    lengths = net.input(2, dtype=I64)
    graph = net.graph(split(net.input(4), lengths, axis=0, sizes=(2, 2))[0])
    assert drop_unread(graph, Trace()) is graph


def pooled(net: Net) -> tuple[Value, ...]:
    words = {"strides": (1,), "padding": ((0, 1),), "dilation": (1,)}
    return max_pool_with_indices(net.input(2, 3, 7), window=(2,), **words)  # type: ignore[arg-type]


def normalized(net: Net) -> tuple[Value, ...]:
    return layer_norm_with_statistics(net.input(2, 3), net.weight(3), axis=1, epsilon=1e-5)


@pytest.mark.parametrize(("build", "left"), [(pooled, "max_pool"), (normalized, "layer_norm")])
def test_places_and_statistics_that_nobody_reads_are_not_made(build: object, left: str) -> None:
    assert callable(build)
    net, trace = Net(), Trace()
    graph = net.graph(build(net)[0])
    after = drop_statistics(graph, trace)
    assert operators(after) == [left]
    assert trace.fired == {"drop_statistics": 1}
    feeds = random_inputs(graph)
    np.testing.assert_allclose(run(after, feeds)["out0"], run(graph, feeds)["out0"], rtol=1e-6)  # other roundings
    assert drop_statistics(after, trace) is after
    assert optimize(graph, exact=True) is graph


@pytest.mark.parametrize("build", [pooled, normalized])
def test_places_and_statistics_that_are_read_stay(build: object) -> None:
    assert callable(build)
    net = Net()
    made = build(net)
    graph = net.graph(made[0], cast(made[1], dtype=F32))
    assert drop_statistics(graph, Trace()) is graph


def test_deep_nesting_is_walked_in_proportion() -> None:
    body = Body(tensor(2))
    inner = body.graph(neg(body.inputs[0]), exp(body.inputs[0]))
    for _ in range(60):
        outer = Body(tensor(2))
        made = if_(constant(value=constant_of(np.array(True))), *outer.inputs, then_body=inner, else_body=inner)
        inner = outer.graph(*made)
    net = Net()
    result = if_(net.input(dtype=BOOL), net.input(2), then_body=inner, else_body=inner)[0]
    after, trace = net.graph(result), Trace()
    after = drop_unread(after, trace)
    assert trace.fired == {"drop_unread": 61}
