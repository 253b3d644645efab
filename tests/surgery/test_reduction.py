"""Reduction: planted faults are found, in whatever way a model fails."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest

import xir
from tests.surgery.nets import chain, diamond, layer, tensor, weight
from xir.errors import UsageError
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ops.activation import relu, sigmoid, tanh
from xir.ops.arithmetic import add, mul, neg
from xir.ops.conv import conv
from xir.reference import run
from xir.surgery.reduction import minimal_part


def holds(*names):
    """Fails where the model holds operators of all these names."""
    return lambda graph, feeds: set(names) <= {node.op.name for node in graph.nodes}


class WrongRunner:
    """A runtime that is wrong on one operator: it computes a little more than it should."""

    def __init__(self, op="sigmoid", more=0.5):
        self.op, self.more = op, more

    def __call__(self, graph, feeds):
        expected = run(graph, feeds)
        spoiled = {}

        def observe(node, results):
            if node.op.name == self.op:
                for array in results:
                    array += np.asarray(self.more, array.dtype)
            spoiled[node] = results

        actual = run(graph, feeds, observe=observe)
        return any(not np.allclose(actual[name], expected[name], atol=1e-6) for name in expected)


def long_net(length=200, place=123):
    """Operators in turn, with branches that join again, and one sigmoid."""
    x = Value(tensor(2, 8))
    w = weight((2, 8))
    value, older = x, x
    for number in range(length):
        with layer(number):
            if number == place:
                value = sigmoid(value)
            elif number % 5 == 4:
                value, older = add(value, older), value
            elif number % 5 == 3:
                value = mul(value, w.value)
            else:
                value = (tanh, neg, relu)[number % 3](value)
    return Graph("long", (x,), (value,), ("y",), (w,), {x: "x", w.value: "w"})


def test_a_fault_in_one_operator_of_200_is_found():
    graph = long_net()
    assert len(graph.nodes) == 200
    feeds = {"x": np.random.default_rng(1).standard_normal((2, 8), dtype=np.float32)}
    found = xir.reduce(graph, WrongRunner(), feeds=feeds, seconds=30)
    assert [node.op.name for node in found.graph.nodes] == ["sigmoid"]
    assert found.complete
    assert found.tries < 200
    assert (found.verdict.kind, found.steps[0].nodes) == ("fails", 200)
    assert WrongRunner()(found.graph, found.feeds)
    assert [array.shape for array in found.feeds.values()] == [(1, 1)]
    assert found.graph.nodes[0].source[0].layer == "layer123"


def test_the_same_model_reduces_to_the_same():
    first, second = (xir.reduce(long_net(40, 17), WrongRunner(), seeds=(0,)) for _ in range(2))
    assert first.to_dict() == second.to_dict()


def test_operators_that_fail_only_together_stay_together():
    graph = chain(30, special=(7, 20))
    found = xir.reduce(graph, lambda g, feeds: [n.op.name for n in g.nodes].count("relu") == 2)
    assert sorted(node.op.name for node in found.graph.nodes) == ["relu", "relu"]


def test_an_operator_between_two_guilty_ones_is_bypassed():
    """The fault needs a path from one to the other, so no cut can take out what lies between."""

    def fails(graph, feeds):
        (end,) = graph.outputs if len(graph.outputs) == 1 else (None,)
        names = []
        while end is not None and end.node is not None:
            names.append(end.node.op.name)
            end = end.node.inputs[0]
        return names[:1] == ["relu"] and "sigmoid" in names

    x = Value(tensor(2, 3))
    graph = Graph("path", (x,), (relu(neg(tanh(sigmoid(neg(x))))),), ("y",), (), {x: "x"})
    found = xir.reduce(graph, fails)
    assert [node.op.name for node in found.graph.nodes] == ["sigmoid", "relu"]


def test_outputs_that_show_nothing_go():
    x = Value(tensor(2, 3))
    graph = Graph("two", (x,), (relu(x), sigmoid(x)), ("a", "b"), (), {x: "x"})
    found = xir.reduce(graph, holds("sigmoid"))
    assert found.graph.output_names == ("b",)


def test_sizes_shrink_with_weights_and_attributes():
    x, w = Value(tensor(Symbol("n"), 16, 12, 12)), weight((32, 16, 3, 3))
    y = conv(
        x, w.value, None, strides=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), input_dilation=(1, 1), groups=1
    )
    graph = Graph("conv", (x,), (y,), ("y",), (w,), {x: "x", w.value: "w"})
    found = xir.reduce(graph, holds("conv"))
    assert (found.graph.inputs[0].type, found.graph.parameters[0].value.type) == (
        tensor(1, 1, 1, 1),
        tensor(1, 1, 1, 1),
    )


def test_numbers_become_simple():
    found = xir.reduce(diamond(), holds("mul"))
    assert not found.feeds["x"].any()
    assert not any(parameter.constant.array().any() for parameter in found.graph.parameters)


def test_a_crash_is_reduced_to_what_crashes():
    def crashes(graph, feeds):
        if any(node.op.name == "relu" for node in graph.nodes):
            os.kill(os.getpid(), signal.SIGSEGV)
        return False

    found = xir.reduce(chain(20, special=(11,)), crashes)
    assert str(found.verdict) == "crashes: SIGSEGV"
    assert [node.op.name for node in found.graph.nodes] == ["relu"]


def test_a_process_that_leaves_without_an_answer_crashes():
    def leaves(graph, feeds):
        if any(node.op.name == "relu" for node in graph.nodes):
            os._exit(3)
        return False

    assert str(xir.reduce(chain(4, special=(1,)), leaves).verdict) == "crashes: exit code 3"


def test_a_model_that_hangs_is_reduced_to_what_hangs():
    def hangs(graph, feeds):
        if any(node.op.name == "relu" for node in graph.nodes):
            time.sleep(60)
        return False

    found = xir.reduce(chain(4, special=(1,)), hangs, seconds=0.3)
    assert str(found.verdict) == "hangs"
    assert [node.op.name for node in found.graph.nodes] == ["relu"]


def test_another_failure_does_not_count():
    def fails(graph, feeds):
        names = {node.op.name for node in graph.nodes}
        return "both" if {"relu", "tanh"} <= names else "one" if "relu" in names else ""

    found = xir.reduce(chain(20, special=(7,)), fails)
    assert str(found.verdict) == "fails: both"
    assert sorted(node.op.name for node in found.graph.nodes) == ["relu", "tanh"]


def test_a_model_that_does_not_fail_is_refused():
    with pytest.raises(UsageError, match="does not fail"):
        xir.reduce(chain(3), lambda graph, feeds: False)


@pytest.mark.parametrize("error", [UsageError("no idea"), ZeroDivisionError("no idea")])
def test_a_predicate_that_cannot_tell_is_refused(error):
    def raises(graph, feeds):
        raise error

    with pytest.raises(UsageError, match=r"cannot tell of the whole model: .*no idea"):
        xir.reduce(chain(3), raises)


def test_the_search_ends_with_what_it_has_when_the_tries_are_spent():
    found = xir.reduce(long_net(60, 31), WrongRunner(), seeds=(0,), max_tries=8)
    assert (found.complete, found.tries) == (False, 8)
    assert len(found.graph.nodes) < 60


def test_the_seed_on_which_it_fails_is_found():
    def fails(graph, feeds):
        return bool(feeds["x"].ravel()[0] < 0) if "x" in feeds else False

    seeds = [seed for seed in range(20) if xir.random_inputs(chain(1), seed)["x"].ravel()[0] < 0]
    assert xir.reduce(chain(1), fails, seeds=range(20)).feeds["x"].ravel()[0] < 0
    assert seeds[0] > 0


def test_progress_is_told():
    told = []
    xir.reduce(chain(8, special=(3,)), holds("relu"), progress=lambda *step: told.append(step))
    assert told[0] == ("operators left: 8, trying", 2, 2000)


def test_a_symptom_of_symbolic_sizes_keeps_them():
    x = Value(tensor(Symbol("n"), 3))
    graph = Graph("open", (x,), (relu(neg(tanh(x))),), ("y",), (), {x: "x"})
    found = xir.reduce(graph, lambda g, feeds: any(not isinstance(d, int) for v in g.inputs for d in v.shape))
    assert len(found.graph.nodes) == 1
    assert isinstance(found.graph.inputs[0].shape[0], Symbol)


@pytest.mark.parametrize("guilty", [{0}, {5}, {19}, {3, 4}, {0, 19}, {2, 9, 15}, set(range(20))])
def test_the_part_is_minimal(guilty):
    asked = []

    def fails(part):
        asked.append(tuple(part))
        return guilty <= set(part)

    assert set(minimal_part(list(range(20)), fails)) == guilty
    assert len(asked) == len(set(asked))
