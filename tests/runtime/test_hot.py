"""Sizes that are met again and again get machine code of their own, in the background and without a trace."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest

import xir
from tests.runtime.models import feed, layered
from xir.backends.codegen.compile import compile_graph
from xir.errors import InvalidModelError, UsageError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Symbol
from xir.runtime import hot
from xir.runtime.executable import Executable
from xir.runtime.hot import KEPT, SAMPLED, Hot
from xir.runtime.program import Program

N = Symbol("N")
GRAPH = layered(N, 1)
WAIT = 60.0
"""Seconds after which what does not come never comes."""

Known = Mapping[Symbol, Dim]


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call that is timed makes its sizes hot."""
    monkeypatch.setattr(hot, "PRICE", 0.0)


@pytest.fixture
def model() -> Iterator[Executable]:
    with compile_graph(GRAPH, threads=1, specialize=True) as made:
        yield made


def inside(model: Executable) -> Hot:
    held = model._loaded
    assert isinstance(held, Hot)
    return held


def threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "xir-specialize"]


def heat(model: Executable, rows: int) -> None:
    """Calls until code is made, and waits for it."""
    for _ in range(SAMPLED):
        model(feed(rows))
    for thread in threads():
        thread.join(WAIT)


class Slow:
    """What makes code, held up until it may go on."""

    def __init__(self, model: Executable) -> None:
        self.begun, self.may = threading.Event(), threading.Event()
        self.maker = inside(model)._maker
        self.make, self.maker.make = self.maker.make, self

    def __call__(self, known: Known, go_on: Callable[[], None]) -> Program:
        self.begun.set()
        assert self.may.wait(WAIT)
        return self.make(known, go_on)


def test_sizes_that_are_hot_get_code_of_their_own(model: Executable) -> None:
    wanted = {rows: model(feed(rows))[0].tobytes() for rows in (5, 9)}
    assert model.specialized == ()
    heat(model, 5)
    assert model.specialized == (((5, 96),),)
    assert {rows: model(feed(rows))[0].tobytes() for rows in (5, 9)} == wanted
    assert not threads()


def test_sizes_are_hot_when_calls_took_as_long_as_making_code_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot, "PRICE", 1e6)
    with compile_graph(GRAPH, threads=1, specialize=True) as model:
        heat(model, 5)
        assert model.specialized == ()


def test_it_can_be_switched_off_and_asked_for() -> None:
    with xir.compile(GRAPH, threads=1, specialize=False) as model:
        wanted = model(feed(7))[0].tobytes()
        heat(model, 7)
        assert model.specialized == ()
        model.specialize(feed(7))
        assert model.specialized == (((7, 96),),)
        assert model(feed(7))[0].tobytes() == wanted
        with pytest.raises(UsageError):
            model.specialize(np.zeros((7, 95), np.float32))
    with pytest.raises(UsageError, match="closed"):
        model.specialize(feed(7))


def test_graphs_without_symbols_have_nothing_of_it() -> None:
    with compile_graph(layered(5, 1), threads=1, specialize=True) as model:
        assert not isinstance(model._loaded, Hot)
        model.specialize(feed(5))
        assert model.specialized == ()


def test_few_sizes_are_kept_and_those_that_nobody_calls_go(model: Executable) -> None:
    for rows in range(1, KEPT + 1):
        model.specialize(feed(rows))
    for rows in range(2, KEPT + 1):
        model(feed(rows))
    model.specialize(feed(50))
    assert [shape[0][0] for shape in model.specialized] == [*range(2, KEPT + 1), 50]
    for rows in (1, 2, 50, 51):
        np.testing.assert_array_equal(model(feed(rows))[0], compile_graph(GRAPH, threads=1)(feed(rows))[0])


def test_weights_are_not_copied(model: Executable) -> None:
    model.specialize(feed(5))
    held = inside(model)
    (own,) = held._own.values()
    assert own.loaded._constants is held._all._constants


def test_many_threads_at_once_see_one_result(model: Executable) -> None:
    wanted = {rows: model(feed(rows))[0].tobytes() for rows in range(1, 8)}
    wrong: list[int] = []

    def call(seed: int) -> None:
        for turn in range(60):
            rows = 1 + (seed + turn) % 7
            if model(feed(rows))[0].tobytes() != wanted[rows]:
                wrong.append(rows)

    callers = [threading.Thread(target=call, args=(seed,)) for seed in range(6)]
    for each in callers:
        each.start()
    for each in callers:
        each.join(WAIT)
    assert not wrong
    assert len(threads()) <= 1


def test_one_thread_makes_code_and_calls_go_on(model: Executable) -> None:
    slow = Slow(model)
    for rows in (3, 4):
        for _ in range(2 * SAMPLED):
            model(feed(rows))
    assert slow.begun.wait(WAIT)
    assert len(threads()) == 1
    assert model.specialized == ()
    slow.may.set()
    for thread in threads():
        thread.join(WAIT)
    assert model.specialized == (((3, 96),),)
    heat(model, 4)  # the other one was not forgotten
    assert len(model.specialized) == 2


@pytest.mark.parametrize("way", ["close", "forget"])
def test_no_thread_outlives_its_model(way: str) -> None:
    model = compile_graph(GRAPH, threads=1, specialize=True)
    slow = Slow(model)
    for _ in range(SAMPLED):
        model(feed(3))
    assert slow.begun.wait(WAIT)
    (thread,) = threads()
    threading.Timer(0.1, slow.may.set).start()
    if way == "close":
        model.close()
        assert not thread.is_alive()
    else:
        del model, slow.maker
        gc.collect()
        thread.join(WAIT)
    assert not threads()


def test_what_cannot_be_made_is_told_once(model: Executable) -> None:
    def fail(known: Known, go_on: Callable[[], None]) -> Program:
        raise InvalidModelError("no room")

    inside(model)._maker.make = fail
    wanted = model(feed(3))[0].tobytes()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            heat(model, 3)
    assert [str(each.message) for each in told] == ["'layered' has no code for the sizes [(3, 96)]: no room"]
    assert model(feed(3))[0].tobytes() == wanted
    with pytest.raises(InvalidModelError, match="no room"):
        model.specialize(feed(3))


def test_a_forked_process_goes_on(model: Executable) -> None:
    slow = Slow(model)
    wanted: Array = model(feed(3))[0]
    for _ in range(SAMPLED):
        model(feed(3))
    assert slow.begun.wait(WAIT)
    child = os.fork()
    if child == 0:
        try:
            slow.may.set()
            same = [np.array_equal(model(feed(3))[0], wanted) for _ in range(SAMPLED)]
            model.specialize(feed(3))
            os._exit(0 if all([*same, model.specialized, np.array_equal(model(feed(3))[0], wanted)]) else 1)
        finally:
            os._exit(2)
    slow.may.set()
    assert os.waitpid(child, 0)[1] == 0


END = """
import sys, threading
from tests.runtime.models import feed, layered
from xir.backends.codegen.compile import compile_graph
from xir.ir.dims import Symbol
from xir.runtime import hot
hot.PRICE = 0.0
model = compile_graph(layered(Symbol("N"), 3), threads=1, specialize=True)
for _ in range(hot.SAMPLED):
    model(feed(5))
print(sum(each.name == "xir-specialize" for each in threading.enumerate()))
"""


def test_the_interpreter_ends_while_code_is_made() -> None:
    done = subprocess.run([sys.executable, "-c", END], capture_output=True, text=True, timeout=WAIT, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
