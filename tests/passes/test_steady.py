"""What does not change from step to step or from branch to branch: computed once, unless that could fail or cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from tests.passes.helpers import F32, Net, operators
from tests.passes.test_unread import BOOL, STEP, Body, body_of, counted, literal_scalar, node_of, tensor
from xir.ir.builder import sourced
from xir.ir.constant import constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.source import Source
from xir.ir.types import TensorType
from xir.ir.verify import verify
from xir.ops.activation import relu
from xir.ops.constant import constant
from xir.ops.control import if_, loop, scan
from xir.ops.elementwise import add, cast, div, exp, mul, neg
from xir.ops.index import gather
from xir.ops.matmul import matmul
from xir.ops.sequence import sequence_construct, sequence_map
from xir.ops.shape import broadcast, reshape, split, transpose
from xir.passes import Trace, optimize
from xir.passes.steady import MAY_FAIL, OPEN, hoist_steady, keep_steady, share_with_branches
from xir.reference import random_inputs, run

Change = Callable[[Graph, Trace], Graph]


def checked(graph: Graph, change: Change, fired: int, trace: Trace | None = None) -> Graph:
    """The graph after `change`: the same bits, and at rest."""
    trace = trace or Trace()
    after = change(graph, trace)
    assert sum(trace.fired.values()) == fired
    verify(after)
    assert (after is graph) == (fired == 0)
    feeds = random_inputs(graph)
    for each in (after, optimize(graph, exact=True)):
        got, wanted = run(each, feeds), run(graph, feeds)
        assert {name: array.tobytes() for name, array in got.items()} == {n: a.tobytes() for n, a in wanted.items()}
    assert change(after, Trace()) is after
    once = optimize(graph)
    assert optimize(once) is once
    return after


def stepped(net: Net, make: Callable[..., Value], *operands: Value, steps: int | Value = 3) -> Graph:
    """A loop that adds `make(operands)` to what it carries."""
    count = counted(steps) if isinstance(steps, int) else steps
    body = Body(*STEP, tensor(2, 2), *(operand.type for operand in operands))
    made = make(*body.inputs[3:])
    inner = body.graph(body.inputs[1], add(body.inputs[2], made))
    return net.graph(*loop(count, None, net.input(2, 2), *operands, body=inner, carried=1))


@pytest.mark.parametrize("steps", [1, 3])
def test_what_each_step_computes_alike_is_computed_before(steps: int) -> None:
    net = Net()
    graph = stepped(net, lambda a, b: exp(mul(a, neg(b))), net.input(2, 2), net.input(2, 2), steps=steps)
    after = checked(graph, hoist_steady, 1)
    assert operators(body_of(after)) == ["add"]
    assert [name for name in operators(after) if name != "constant"] == ["neg", "mul", "exp", "loop"]
    made = next(node for node in after.nodes if node.op.name == "exp")
    assert {source.kind for source in made.source} == {"loop"}


def test_a_loop_that_takes_no_step_computes_nothing_before() -> None:
    net = Net()
    checked(stepped(net, lambda a: exp(a), net.input(2, 2), steps=0), hoist_steady, 0)


def test_a_condition_that_never_held_computes_nothing_before() -> None:
    body = Body(*STEP, tensor(2), tensor(2))
    inner = body.graph(body.inputs[1], add(body.inputs[2], exp(body.inputs[3])))
    net = Net()
    never = constant(value=constant_of(np.array(False)))
    checked(net.graph(*loop(None, never, net.input(2), net.input(2), body=inner, carried=1)), hoist_steady, 0)


def test_what_only_moves_elements_stays_where_it_is_read() -> None:
    net = Net()
    graph = stepped(net, lambda a: broadcast(reshape(a, shape=(1, 2)), shape=(2, 2)), net.input(2))
    assert hoist_steady(graph, Trace()) is graph


def test_what_lies_between_goes_too_and_what_follows_stays() -> None:
    net = Net()
    graph = stepped(net, lambda a: reshape(exp(reshape(neg(a), shape=(2, 2))), shape=(2, 2)), net.input(4))
    after = checked(graph, hoist_steady, 1)
    assert operators(body_of(after)) == ["reshape", "add"]


FAILING: list[tuple[str, Callable[[Net], tuple[Callable[..., Value], Sequence[Value]]], str]] = [
    ("an index", lambda net: (lambda a, i: gather(a, i, axis=0), (net.input(3, 2), net.held(np.array([0, 2])))),
     MAY_FAIL),
    ("whole numbers divided", lambda net: (
        lambda a: cast(div(a, a), dtype=F32), (net.held(np.arange(1, 5, dtype=np.int32).reshape(2, 2)),)), MAY_FAIL),
    ("an open size", lambda net: (
        lambda a, b: matmul(a, b), (net.input(2, n := Symbol("n")), net.input(n, 2))), OPEN),
]  # fmt: skip


@pytest.mark.parametrize(("build", "reason"), [each[1:] for each in FAILING], ids=[each[0] for each in FAILING])
def test_what_may_fail_stays_inside_and_says_why(
    build: Callable[[Net], tuple[Callable[..., Value], Sequence[Value]]], reason: str
) -> None:
    net, trace = Net(), Trace()
    make, operands = build(net)
    graph = stepped(net, make, *operands, steps=net.held(np.array(2)))
    assert hoist_steady(graph, trace) is graph
    assert ("hoist_steady", reason) in trace.misses


def test_whole_numbers_that_cannot_fail_go() -> None:
    net = Net()
    held = net.held(np.arange(4, dtype=np.int32).reshape(2, 2))
    after = checked(stepped(net, lambda a: cast(mul(a, a), dtype=F32), held), hoist_steady, 1)
    assert operators(body_of(after)) == ["add"]


def test_products_of_known_sizes_go_out_of_scans_and_maps() -> None:
    body = Body(tensor(2, 2), tensor(2), tensor(2, 2), tensor(2, 2))
    state, piece, a, b = body.inputs
    inner = body.graph(add(state, matmul(a, transpose(b, perm=(1, 0)))), neg(piece))
    net = Net()
    given = [net.input(2, 2), net.input(3, 2), net.input(2, 2), net.input(2, 2)]
    words = {"axes": (0,), "reversed_inputs": (False,), "result_axes": (0,), "reversed_results": (False,)}
    after = checked(net.graph(*scan(*given, body=inner, states=1, **words)), hoist_steady, 1)  # type: ignore[arg-type]
    assert operators(body_of(after, "scan")) == ["add", "neg"]


def test_what_a_map_computes_alike_is_computed_before() -> None:
    body = Body(tensor(2), tensor(2))
    inner = body.graph(add(body.inputs[0], exp(body.inputs[1])))
    net = Net()
    pieces = sequence_construct(net.input(2), net.input(2))
    after = hoist_steady(net.graph(*sequence_map(pieces, net.input(2), body=inner, mapped=1)), Trace())
    verify(after)
    assert operators(body_of(after, "sequence_map")) == ["add"]


def test_operands_of_which_less_is_known_than_the_body_says_stay() -> None:
    net, trace = Net(), Trace()
    body = Body(*STEP, tensor(2), tensor(2))
    inner = body.graph(body.inputs[1], add(body.inputs[2], exp(body.inputs[3])))
    graph = net.graph(*loop(counted(2), None, net.input(2), net.input(Symbol("K")), body=inner, carried=1))
    assert hoist_steady(graph, trace) is graph


def test_sizes_that_would_be_assumed_stay_assumed_inside() -> None:
    net, trace = Net(), Trace()
    a, b = net.input(Symbol("J")), net.input(Symbol("K"))
    body = Body(*STEP, tensor(2), tensor(Symbol()), tensor(Symbol()))
    total = add(body.inputs[3], body.inputs[4])
    inner = body.graph(body.inputs[1], neg(body.inputs[2]), total)
    graph = net.graph(*loop(counted(2), None, net.input(2), a, b, body=inner, carried=1))
    assert hoist_steady(graph, trace) is graph
    assert ("hoist_steady", OPEN) in trace.misses


def test_loops_in_loops_compute_before_the_outer_one() -> None:
    inner = Body(*STEP, tensor(2), tensor(2))
    innermost = inner.graph(inner.inputs[1], add(inner.inputs[2], exp(inner.inputs[3])))
    outer = Body(*STEP, tensor(2), tensor(2))
    (made,) = loop(counted(2), None, *outer.inputs[2:], body=innermost, carried=1)
    net = Net()
    graph = net.graph(*loop(counted(2), None, net.input(2), net.input(2), body=outer.graph(outer.inputs[1], made),
                            carried=1))  # fmt: skip
    after = checked(graph, hoist_steady, 2)
    assert "exp" in operators(after)
    assert operators(body_of(body_of(after))) == ["add"]


def carrying(net: Net, steps: int = 2, size: object = 2) -> tuple[Value, ...]:
    """A loop that hands on k as it is, and adds it to what it carries."""
    body = Body(*STEP, tensor(2), tensor(2))
    _, going, k, total = body.inputs
    inner = body.graph(going, k, add(total, k), exp(k))
    return loop(counted(steps), None, net.input(size), net.input(2), body=inner, carried=2)  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", [0, 2])
def test_what_no_step_changes_is_captured(steps: int) -> None:
    net = Net()
    after = checked(net.graph(*carrying(net, steps)), keep_steady, 1)
    assert after.outputs[0] is after.inputs[0]
    assert node_of(after, "loop").attributes["carried"] == 1


def test_what_is_captured_keeps_its_own_size() -> None:
    net = Net()
    size = Symbol("K")
    after = keep_steady(net.graph(*carrying(net, size=size)), Trace())
    assert after.outputs[0].shape == (size,)


def test_a_loop_that_changes_nothing_is_nothing() -> None:
    body = Body(*STEP, tensor(2), tensor(3))
    inner = body.graph(*body.inputs[1:])
    net = Net()
    after = checked(net.graph(*loop(counted(2), None, net.input(2), net.input(3), body=inner, carried=2)),
                    keep_steady, 2)  # fmt: skip
    assert after.outputs == after.inputs


def test_states_of_scans_that_no_step_changes_are_captured() -> None:
    body = Body(tensor(2), tensor(2), tensor(2))
    k, total, piece = body.inputs
    inner = body.graph(k, add(total, piece), mul(k, piece))
    net = Net()
    words = {"axes": (0,), "reversed_inputs": (True,), "result_axes": (1,), "reversed_results": (True,)}
    made = scan(net.input(2), net.input(2), net.input(3, 2), body=inner, states=2, **words)  # type: ignore[arg-type]
    after = checked(net.graph(*made), keep_steady, 1)
    assert node_of(after, "scan").attributes["states"] == 1


def chosen(
    net: Net, then: Callable[..., Sequence[Value]], other: Callable[..., Sequence[Value]], *operands: Value
) -> tuple[Value, ...]:
    bodies: list[Graph] = []
    for make in (then, other):
        body = Body(*(operand.type for operand in operands))
        bodies.append(body.graph(*make(*body.inputs)))
    return if_(net.input(dtype=BOOL), *operands, then_body=bodies[0], else_body=bodies[1])


def inside(graph: Graph) -> list[list[str]]:
    return [operators(body_of(graph, "if", name)) for name in ("then_body", "else_body")]


def test_what_both_branches_compute_is_computed_before_them() -> None:
    net = Net()
    graph = net.graph(*chosen(
        net, lambda a, b: [exp(add(neg(a), b))], lambda a, b: [mul(add(neg(a), b), b)], net.input(2), net.input(2)
    ))  # fmt: skip
    after = checked(graph, share_with_branches, 1)
    assert inside(after) == [["exp"], ["mul"]]
    assert operators(after) == ["neg", "add", "if"]


def test_what_both_branches_compute_stands_for_the_layers_of_both() -> None:
    def negated(layer: str, a: Value) -> Value:
        with sourced(Source("test", "test.net", layer, "Neg")):
            return neg(a)

    net = Net()
    graph = net.graph(*chosen(
        net, lambda a: [exp(negated("first", a))], lambda a: [relu(negated("second", a))], net.input(2)
    ))  # fmt: skip
    shared = next(node for node in share_with_branches(graph, Trace()).nodes if node.op.name == "neg")
    assert {"first", "second"} <= {source.layer for source in shared.source}


def test_what_is_there_already_is_captured() -> None:
    net = Net()
    x = net.input(2)
    there = exp(neg(x))
    graph = net.graph(relu(there), *chosen(net, lambda a: [mul(exp(neg(a)), a)], lambda a: [a], x))
    # the branches read nothing of what is computed after them: the rest of the graph comes first here
    after = checked(graph, share_with_branches, 1)
    assert inside(after) == [["mul"], []]


def test_what_one_branch_computes_alone_stays_there() -> None:
    net = Net()
    x = net.input(2)
    graph = net.graph(*chosen(net, lambda a: [exp(a)], lambda a: [neg(a)], x), relu(x))
    assert share_with_branches(graph, Trace()) is graph


def test_attributes_and_literals_count() -> None:
    net = Net()
    graph = net.graph(*chosen(
        net, lambda a: [mul(a, broadcast(literal_scalar(2.0), shape=(2,)))],
        lambda a: [mul(a, broadcast(literal_scalar(3.0), shape=(2,)))], net.input(2),
    ))  # fmt: skip
    assert share_with_branches(graph, Trace()) is graph


def test_equal_literals_and_several_results_are_shared() -> None:
    def halves(a: Value) -> tuple[Value, ...]:
        return split(mul(a, broadcast(literal_scalar(2.0), shape=(4,))), axis=0, sizes=(2, 2))

    net = Net()
    graph = net.graph(*chosen(net, lambda a: halves(a)[:1], lambda a: [neg(halves(a)[1])], net.input(4)))
    after = checked(graph, share_with_branches, 1)
    assert inside(after) == [[], ["neg"]]
    assert operators(optimize(after, exact=True)) == ["constant", "broadcast", "mul", "split", "if"]


def test_what_both_branches_hand_on_is_what_they_get() -> None:
    net = Net()
    graph = net.graph(*chosen(net, lambda a, b: [a, b], lambda a, b: [a, neg(b)], net.input(2), net.input(2)))
    after = checked(graph, keep_steady, 1)
    assert after.outputs[0] is after.inputs[0]


def test_branches_that_compute_the_same_are_no_branches() -> None:
    net = Net()
    graph = net.graph(*chosen(net, lambda a: [exp(a)], lambda a: [exp(a)], net.input(2)))
    after = optimize(graph, exact=True)
    assert operators(after) == ["exp"]


def test_keys_of_long_chains_stay_short() -> None:
    def chain(a: Value) -> list[Value]:
        for _ in range(3000):
            a = add(a, a)
        return [a]

    net, trace = Net(), Trace()
    after = share_with_branches(net.graph(*chosen(net, chain, chain, net.input(2))), trace)
    assert trace.fired == {"share_with_branches": 1}
    assert inside(after) == [[], []]


def known_inside(held: bool) -> Graph:
    """A loop whose body asks a constant that it captures which branch to take, and adds numbers that it captures."""
    then, other = Body(tensor(2)), Body(tensor(2))
    bodies = {"then_body": then.graph(neg(then.inputs[0])), "else_body": other.graph(exp(other.inputs[0]))}
    body = Body(*STEP, tensor(2), TensorType(BOOL, ()), tensor(), tensor())
    _, going, x, flag, a, b = body.inputs
    (made,) = if_(flag, x, **bodies)
    total = mul(made, broadcast(add(a, b), shape=(2,)))
    net = Net()
    flagged = net.held(np.array(held), "flag")
    numbers = [net.held(np.array(number, np.float32), f"n{number}") for number in (1.5, 2.5)]
    inner = body.graph(going, total)
    return net.graph(*loop(counted(2), None, net.input(2), flagged, *numbers, body=inner, carried=1))


@pytest.mark.parametrize(("held", "left"), [(True, "neg"), (False, "exp")])
def test_bodies_of_loops_fold_captured_constants_and_take_known_branches(held: bool, left: str) -> None:
    graph = known_inside(held)
    after = optimize(graph, exact=True)
    inner = [name for name in operators(body_of(after)) if name not in ("constant", "broadcast")]
    assert inner == [left, "mul"]
    assert len(node_of(after, "loop").inputs) == 3
    feeds = random_inputs(graph)
    assert run(after, feeds)["out0"].tobytes() == run(graph, feeds)["out0"].tobytes()
    assert optimize(after, exact=True) is after


def test_bodies_of_scans_fold_captured_constants() -> None:
    body = Body(tensor(2), tensor(2), tensor())
    state, piece, k = body.inputs
    inner = body.graph(add(state, broadcast(exp(neg(k)), shape=(2,))), piece)
    net = Net()
    words = {"axes": (0,), "reversed_inputs": (False,), "result_axes": (0,), "reversed_results": (False,)}
    k = net.held(np.array(2, np.float32))
    graph = net.graph(*scan(net.input(2), net.input(3, 2), k, body=inner, states=1, **words))  # type: ignore[arg-type]
    after = optimize(graph, exact=True)
    assert "exp" not in operators(body_of(after, "scan"))
    assert len(node_of(after, "scan").inputs) == 2


def test_a_loop_is_never_unrolled() -> None:
    net = Net()
    body = Body(*STEP, tensor(2))
    inner = body.graph(body.inputs[1], exp(body.inputs[2]))
    graph = net.graph(*loop(counted(1), None, net.input(2), body=inner, carried=1))
    assert operators(optimize(graph)) == ["constant", "loop"]
