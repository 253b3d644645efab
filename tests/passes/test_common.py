"""Common subexpressions: what is equal, and what only looks so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from tests.passes.helpers import Net, operators
from xir.ir.builder import apply
from xir.ir.constant import Constant, constant_of
from xir.ir.graph import Graph
from xir.ir.node import Attribute, Value
from xir.ir.types import DType, Type
from xir.ops.activation import leaky_relu, relu
from xir.ops.constant import constant
from xir.ops.control import if_
from xir.ops.elementwise import add, mul, neg, sub
from xir.ops.shape import pad, split, transpose
from xir.passes import Trace
from xir.passes.common import DIGEST_BYTES, share_common, share_weights
from xir.reference import run


class Announce:
    """An operator that does more than compute."""

    name = "announce"
    has_effect = True

    def infer(self, inputs: Sequence[Value | None], attributes: Mapping[str, Attribute]) -> tuple[Type, ...]:
        return tuple(value.type for value in inputs if value is not None)


def shared(graph: Graph) -> tuple[list[str], dict[str, int]]:
    trace = Trace()
    return operators(share_common(graph, trace)), trace.fired


def test_equal_nodes_are_computed_once_along_whole_chains() -> None:
    net = Net()
    x = net.input(2, 3)
    chains = [relu(transpose(neg(x), perm=(1, 0))) for _ in range(3)]
    assert shared(net.graph(add(add(chains[0], chains[1]), chains[2]))) == (
        ["neg", "transpose", "relu", "add", "add"],
        {"share_common": 6},
    )


def test_what_is_computed_once_stands_for_all_layers_and_keeps_the_first_name() -> None:
    net = Net()
    x = net.input(2)
    left, right = relu(neg(x)), relu(neg(x))
    net.names[right], net.names[left] = "right", "left"
    trace = Trace()
    after = share_common(net.graph(left, right, sub(left, right)), trace)
    assert [[source.layer for source in node.source] for node in after.nodes] == [
        ["neg_0", "neg_2"], ["relu_1", "relu_3"], ["sub_4"],
    ]  # fmt: skip
    assert after.output_names == ("out0", "out1", "out2")
    assert after.outputs[0] is after.outputs[1]
    assert after.names[after.outputs[0]] == "left"
    assert share_common(after, Trace()) is after


def test_a_graph_without_equal_nodes_stays_the_same() -> None:
    net = Net()
    graph = net.graph(sub(neg(net.input(2)), neg(net.input(2))))
    assert share_common(graph, Trace()) is graph


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (0.5, 0.5, True),
        (0.5, 0.25, False),
        (0.0, -0.0, False),
        (float("nan"), float("nan"), True),
        (1.0, 1, True),
    ],
)
def test_attributes_are_compared_bit_for_bit(first: float, second: float, same: bool) -> None:
    net = Net()
    x = net.input(2)
    graph = net.graph(sub(leaky_relu(x, alpha=first), leaky_relu(x, alpha=second)))
    assert shared(graph)[1] == ({"share_common": 1} if same else {})


def test_attributes_within_tuples_count() -> None:
    net = Net()
    x = net.input(4)
    graph = net.graph(sub(pad(x, padding=((0, 1),)), pad(x, padding=((1, 0),))))
    assert not shared(graph)[1]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (np.array([1, 2], np.float32), np.array([1, 2], np.float32), True),
        (np.array([1, 2], np.float32), np.array([2, 1], np.float32), False),
        (np.array([0.0], np.float32), np.array([-0.0], np.float32), False),
        (np.array([np.nan], np.float32), np.array([np.nan], np.float32), True),
        (np.ones(DIGEST_BYTES // 4, np.float32), np.ones(DIGEST_BYTES // 4, np.float32), True),
        (np.ones(DIGEST_BYTES // 4 + 1, np.float32), np.ones(DIGEST_BYTES // 4 + 1, np.float32), False),
    ],
    ids=["equal", "other", "zeros of either sign", "nan", "largest", "too large to compare"],
)
def test_literals_are_compared_by_their_bytes(
    first: np.ndarray[tuple[int, ...], np.dtype[np.generic]],
    second: np.ndarray[tuple[int, ...], np.dtype[np.generic]],
    same: bool,
) -> None:
    net = Net()
    left, right = (constant(value=constant_of(array)) for array in (first, second))
    assert shared(net.graph(sub(left, right)))[1] == ({"share_common": 1} if same else {})


def test_a_large_literal_is_equal_to_itself() -> None:
    net = Net()
    held: Constant = constant_of(np.ones(DIGEST_BYTES, np.float32))
    assert shared(net.graph(sub(constant(value=held), constant(value=held))))[1] == {"share_common": 1}


def test_types_of_literals_count() -> None:
    net = Net()
    zeros = (np.zeros(1, np.int32), np.zeros(1, np.float32))
    literals: Callable[..., Value] = constant
    assert not shared(net.graph(*(literals(value=constant_of(array)) for array in zeros)))[1]


def test_operators_with_effects_run_as_often_as_they_stand() -> None:
    net = Net()
    x = net.input(2)
    said = [apply(Announce(), (x,), {}).outputs[0] for _ in range(2)]
    assert shared(net.graph(*said)) == (["announce", "announce"], {})


def test_all_results_of_an_operator_are_shared() -> None:
    net = Net()
    x = net.input(4)
    first, second = (split(x, axis=0, sizes=(1, 3)) for _ in range(2))
    assert shared(net.graph(mul(first[1], second[1]), first[0], second[0])) == (
        ["split", "mul"],
        {"share_common": 1},
    )


def test_two_outputs_keep_their_names() -> None:
    net = Net()
    x = net.input(2)
    after = share_common(net.graph(neg(x), neg(x)), Trace())
    assert after.outputs[0] is after.outputs[1]
    assert after.output_names == ("out0", "out1")


def with_weights(*arrays: np.ndarray) -> Graph:
    net = Net()
    x = net.input(2)
    for index, array in enumerate(arrays):
        x = add(mul(x, x), net.held(array, f"w{index}"))
    return net.graph(x)


def test_equal_weights_are_there_once() -> None:
    ones, twos = np.ones(2, np.float32), np.full(2, 2, np.float32)
    graph, trace = with_weights(ones, twos, ones, ones), Trace()
    after = share_weights(graph, trace)
    assert [after.name_of(parameter.value) for parameter in after.parameters] == ["w0", "w1"]
    assert trace.fired == {"share_weights": 2}
    assert run(after, {"x0": twos})["out0"].tobytes() == run(graph, {"x0": twos})["out0"].tobytes()
    assert share_weights(after, trace) is after


def test_weights_that_only_look_equal_stay() -> None:
    graph = with_weights(np.zeros(2, np.float32), np.full(2, -0.0, np.float32))
    assert share_weights(graph, Trace()) is graph


def test_weights_of_bodies_are_shared_there() -> None:
    inside = with_weights(np.ones(2, np.float32), np.ones(2, np.float32))
    net = Net()
    made = if_(net.input(dtype=DType.BOOL), net.input(2), then_body=inside, else_body=inside)
    after = share_weights(net.graph(*made), Trace())
    body = after.nodes[0].attributes["then_body"]
    assert isinstance(body, Graph)
    assert len(body.parameters) == 1
    assert share_weights(after, Trace()) is after
