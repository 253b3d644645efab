"""Handlers answer what torch answered: with sizes, with symbols for them, compiled."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.frontends.torch.handlers.answer import built, run, wrong
from tests.frontends.torch.handlers.families import FAMILIES, family
from tests.frontends.torch.handlers.record import asked, recorded
from xir.ir.graph import Graph

QUICK = ("arithmetic", "comparing", "making")
"""Families whose calls compile in a second or two."""


@pytest.mark.parametrize("name", FAMILIES)
def test_every_call_is_recorded(name: str):
    assert list(recorded(name)) == list(family(name)), f"python -m tests.frontends.torch.handlers.record {name}"


@pytest.mark.parametrize("name", FAMILIES)
def test_as_torch_answered(name: str):
    assert wrong(name, ((key, run(each)) for key, each in family(name).items())) == {}


@pytest.mark.parametrize("name", FAMILIES)
def test_with_symbols_for_sizes(name: str):
    calls = ((key, each) for key, each in family(name).items() if each.symbolic)
    assert wrong(name, ((key, run(each, symbolic=True)) for key, each in calls)) == {}


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.nightly) for name in FAMILIES if name not in QUICK)]
)
def test_compiled_all_calls_in_one_graph(name: str):
    calls = {key: built(each) for key, each in family(name).items()}
    inputs = tuple(value for each in calls.values() for value in each.graph.inputs)
    outputs = tuple(value for each in calls.values() for value in each.graph.outputs)
    compiled = xir.compile(Graph(name, inputs, outputs), threads=1)
    made = map(np.asarray, compiled(*(array for each in calls.values() for array in each.feeds)))
    answers = ((key, each.answered([next(made) for _ in each.graph.outputs])) for key, each in calls.items())
    assert wrong(name, answers) == {}


@pytest.mark.parametrize("name", FAMILIES)
def test_torch_answers_what_it_answered(name: str):
    pytest.importorskip("torch", reason="torch is not installed")
    assert wrong(name, ((key, asked(each)) for key, each in family(name).items())) == {}
