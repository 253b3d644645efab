"""Handlers of ATen operators answer what torch answers: with sizes, with symbols for them, compiled."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.frontends.torch.handlers.calls import FAMILIES, asked, built, differences, family, recorded, run
from xir.ir.graph import Graph

QUICK = ("arithmetic", "comparing", "making")
"""Families whose calls compile in a second or two."""


@pytest.mark.parametrize("name", FAMILIES)
def test_as_torch_answered(name: str):
    wanted = recorded(name)
    wrong = {key: differences(run(each), wanted[key]) for key, each in family(name).items()}
    assert {key: told for key, told in wrong.items() if told} == {}


@pytest.mark.parametrize("name", FAMILIES)
def test_with_symbols_for_sizes(name: str):
    wanted = recorded(name)
    calls = {key: each for key, each in family(name).items() if each.symbolic}
    wrong = {key: differences(run(each, symbolic=True), wanted[key]) for key, each in calls.items()}
    assert {key: told for key, told in wrong.items() if told} == {}


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.nightly) for name in FAMILIES if name not in QUICK)]
)
def test_compiled_all_calls_in_one_graph(name: str):
    wanted = recorded(name)
    graphs = {key: built(each) for key, each in family(name).items()}
    inputs = [value for graph, _ in graphs.values() for value in graph.inputs]
    outputs = [value for graph, _ in graphs.values() for value in graph.outputs]
    whole = Graph(name, tuple(inputs), tuple(outputs))
    answers = iter(xir.compile(whole, threads=1)(*(array for _, feeds in graphs.values() for array in feeds)))
    made = {key: [np.asarray(next(answers)) for _ in graph.outputs] for key, (graph, _) in graphs.items()}
    wrong = {key: differences(results, wanted[key]) for key, results in made.items()}
    assert {key: told for key, told in wrong.items() if told} == {}


@pytest.mark.parametrize("name", FAMILIES)
def test_torch_answers_what_it_answered(name: str):
    pytest.importorskip("torch", reason="torch is not installed")
    wanted = recorded(name)
    assert list(wanted) == list(family(name))
    wrong = {key: differences(asked(each), wanted[key]) for key, each in family(name).items()}
    assert {key: told for key, told in wrong.items() if told} == {}
