"""Weights that training may change: numbers like others in a graph that runs, left alone in one to be trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.passes.helpers import Example, Net, convolved, operators
from tests.passes.test_laws import EXAMPLES
from tests.passes.test_unread import BOOL, Body, body_of, tensor
from xir.ir.constant import constant_of
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.verify import verify
from xir.ops.control import if_
from xir.ops.elementwise import add, mul
from xir.ops.norm import batch_norm
from xir.passes import Trace, optimize
from xir.passes.common import share_weights
from xir.reference import random_inputs, run


def two_biases(*, trainable: bool = True) -> Graph:
    """Two layers whose biases begin as zeros."""
    net = Net()
    x = net.input(1, 2, 3, 3)
    for place in range(2):
        x = convolved(x, net.weight(2, 2, 1, 1, name=f"w{place}"), net.held(np.zeros(2, np.float32), f"b{place}"))
    graph = net.graph(x)
    return replace(graph, parameters=tuple(replace(each, trainable=trainable) for each in graph.parameters))


def names(graph: Graph) -> list[str]:
    return [graph.name_of(each.value) for each in graph.parameters]


def test_equal_weights_of_a_graph_that_runs_become_one() -> None:
    assert names(optimize(two_biases())) == ["w0", "b0", "w1"]


def test_equal_weights_of_a_graph_that_is_trained_stay_apart() -> None:
    graph = two_biases()
    assert optimize(graph, keep_trainable=True) is graph
    assert names(graph) == ["w0", "b0", "w1", "b1"]


def test_equal_weights_that_training_leaves_alone_become_one_there_too() -> None:
    assert names(optimize(two_biases(trainable=False), keep_trainable=True)) == ["w0", "b0", "w1"]


def test_layers_that_are_trained_keep_their_normalization() -> None:
    net = Net()
    y = convolved(net.input(1, 2, 3, 3), net.weight(4, 2, 3, 3, name="w"))
    graph = net.graph(batch_norm(y, *(net.weight(4, name=name, low=0.5) for name in "stmv"), epsilon=1e-5))
    trace = Trace()
    assert optimize(graph, keep_trainable=True, trace=trace) is graph
    assert list(trace.misses) == [("batch_norm_into_layer", "its statistics are not constant")]
    assert operators(optimize(graph)) == ["conv"]


def test_weights_of_bodies_stay_apart() -> None:
    ones = constant_of(np.ones(2, np.float32))
    held = [Parameter(Value(ones.type), ones) for _ in range(2)]
    body = Body(tensor(2))
    (x,) = body.inputs
    inner = body.graph(add(mul(x, held[0].value), held[1].value), parameters=held)
    net = Net()
    graph = net.graph(*if_(net.input(dtype=BOOL), net.input(2), then_body=inner, else_body=body.graph(x)))
    assert len(body_of(share_weights(graph, Trace()), "if", "then_body").parameters) == 1
    assert optimize(graph, keep_trainable=True) is graph


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.rule)
def test_no_law_changes_a_weight_that_is_trained(example: Example) -> None:
    graph = example.graph()
    after = optimize(graph, keep_trainable=True)
    verify(after)
    held = {id(each.constant) for each in graph.parameters}
    assert all(id(each.constant) in held for each in after.parameters if each.trainable)
    assert optimize(after, keep_trainable=True) is after


def test_results_stay_the_same_while_weights_are_kept() -> None:
    graph = two_biases()
    feeds = random_inputs(graph)
    got = run(optimize(graph, keep_trainable=True, exact=True), feeds)
    assert got["out0"].tobytes() == run(graph, feeds)["out0"].tobytes()
