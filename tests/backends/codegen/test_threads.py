"""The bits of results depend neither on the number of threads nor on the run, nor on who calls at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import numpy as np
import pytest

from tests.backends.codegen.borders import along, product, rows, window
from tests.fuzz.programs import GENERATORS
from tests.fuzz.runner import sample_of
from tests.fuzz.sample import Sample
from xir.backends.codegen.compile import compile_graph
from xir.backends.codegen.llvm.meet import team_code
from xir.ir.types import DType
from xir.passes import optimize
from xir.runtime.executable import Executable
from xir.runtime.program import Stretch
from xir.runtime.team import Team

F32 = DType.FLOAT32
DRAWN = 60
"""Random graphs of the fuzzer."""
CALLERS, CALLS = 8, 20
GRAPHS = {
    "rows": lambda: rows(65),
    "integers": lambda: along(65, DType.INT32),
    "halves": lambda: along(33, DType.FLOAT16),
    "products": lambda: product(65, 129, 130, F32),
    "convolutions": lambda: window(24, 24, 15, 1, 3, 1, F32),
    "depthwise": lambda: window(24, 24, 15, 24, 3, 2, F32),
}


@pytest.fixture(scope="module")
def team() -> Iterator[Team]:
    made = Team(team_code())
    yield made
    made.close()


def shared(executable: Executable, team: Team, threads: int) -> Executable:
    """The same program, of which even small stretches are worked on together."""
    steps = tuple(replace(step, work=None) if isinstance(step, Stretch) else step for step in executable.program.steps)
    return Executable(replace(executable.program, steps=steps), team, threads)


def bits(executable: Executable, sample: Sample) -> list[object]:
    """The results, as they lie in memory; of what is no tensor of numbers its text."""
    results = executable.run(None, sample.feeds)
    plain = (isinstance(each, np.ndarray) and not each.dtype.hasobject for each in results)
    return [each.tobytes() if known else repr(each) for each, known in zip(results, plain, strict=True)]


def drawn() -> Iterator[Sample]:
    """Random graphs without random numbers of their own."""
    for index in range(DRAWN):
        sample = sample_of(7, index)[0]
        if GENERATORS.isdisjoint(sample.operators):
            yield sample


def check(sample: Sample, team: Team) -> None:
    alone = compile_graph(optimize(sample.graph), threads=1)
    want = bits(alone, sample)
    assert bits(alone, sample) == want
    for threads in (2, 3):
        together = shared(alone, team, threads)
        assert [bits(together, sample) for _ in range(2)] == [want] * 2


@pytest.mark.parametrize("name", GRAPHS)
def test_bits_depend_neither_on_threads_nor_on_the_run(name: str, team: Team) -> None:
    check(GRAPHS[name](), team)


@pytest.mark.filterwarnings("ignore")
def test_bits_of_random_graphs_depend_neither_on_threads_nor_on_the_run(team: Team) -> None:
    for sample in drawn():
        check(sample, team)


def test_the_team_does_work(team: Team) -> None:
    sample = rows(65)
    shared(compile_graph(sample.graph, threads=1), team, 3).run(None, sample.feeds)
    assert team.threads == 2


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", GRAPHS)
def test_eight_callers_at_once_get_what_is_theirs(name: str, threads: int, team: Team) -> None:
    sample = GRAPHS[name]()
    model = shared(compile_graph(sample.graph, threads=1), team, threads)
    fed = [{key: np.roll(array, number, axis=-1) for key, array in sample.feeds.items()} for number in range(CALLERS)]
    want = [bits(model, replace(sample, feeds=feeds)) for feeds in fed]
    start = Barrier(CALLERS)

    def caller(number: int) -> list[list[object]]:
        start.wait()
        return [bits(model, replace(sample, feeds=fed[number])) for _ in range(CALLS)]

    with ThreadPoolExecutor(CALLERS) as pool:
        assert list(pool.map(caller, range(CALLERS))) == [[each] * CALLS for each in want]
