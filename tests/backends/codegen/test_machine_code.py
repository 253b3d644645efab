"""Machine code against the reference, on every example of the operator table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product

import pytest

from tests.ops.cases import Case, all_cases, detection_output, essential
from tests.ops.test_table import compare, graph_of, has_batch, names
from tests.thinning import at_night
from xir.backends.codegen.compile import compile_graph
from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.types import TensorType
from xir.reference import run

CASES = tuple(case for case in all_cases() if case.is_plain)
BATCHED = tuple(case for case in CASES if has_batch(case))


def is_tensors(graph: Graph) -> bool:
    """Whether all that goes in and comes out is tensors."""
    return all(isinstance(value.type, TensorType) for value in (*graph.inputs, *graph.outputs))


@pytest.mark.parametrize("case", at_night(CASES, [not each for each in essential(CASES)]), ids=names(CASES))
def test_machine_code_makes_what_the_reference_makes(case: Case) -> None:
    graph, feeds = graph_of(case)
    if not is_tensors(graph):
        return
    compare(case, tuple(compile_graph(graph).run(None, feeds)))


@pytest.mark.nightly
def test_detections_by_every_combination_of_attributes() -> None:
    for case in detection_output.cases(product):
        graph, feeds = graph_of(case)
        compare(case, tuple(compile_graph(graph).run(None, feeds)))


def nightly(cases: Sequence[Case]) -> list[bool]:
    """Whether a case waits for the night: of each operator the first is tried always, and every third from there."""
    seen: Counter[str] = Counter()
    waits: list[bool] = []
    for case in cases:
        waits.append(seen[case.op.name] % 3 > 0)
        seen[case.op.name] += 1
    return waits


@pytest.mark.parametrize("case", at_night(BATCHED, nightly(BATCHED)), ids=names(BATCHED))
def test_machine_code_serves_a_batch_of_unknown_size(case: Case) -> None:
    try:
        graph, feeds = graph_of(case, batch=Symbol("N"))
        run(graph, feeds)
    except (InvalidModelError, UnsupportedError):
        return  # the operator needs to know this size, and says so
    if is_tensors(graph):
        compare(case, tuple(compile_graph(graph).run(None, feeds)))
