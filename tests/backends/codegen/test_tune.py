"""Tiles chosen by measurement: whichever is taken, the bits are the same; a choice is measured once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.backends.codegen.test_contraction import MACHINES, Convolution
from xir.backends.codegen.compile import compile_graph
from xir.backends.codegen.lowering.lower import expand, lower
from xir.backends.codegen.lowering.products import tune
from xir.backends.codegen.lowering.products.tune import Tuner
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.kernel.grammar import Kernel
from xir.reference import run
from xir.runtime.cache import Cache

CONVOLUTION = Convolution(24, 40, (9, 7), (1, 1))


def _feeds(graph: Graph) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    shapes = [[size if isinstance(size, int) else 2 for size in value.shape] for value in graph.inputs]
    return {n: rng.standard_normal(s, np.float32) for n, s in zip(graph.input_names, shapes, strict=True)}


def _counting(seconds: Sequence[float], asked: list[int]):
    def measured(variants: Sequence[Kernel], machine: object) -> list[float]:
        asked.append(len(variants))
        return [*seconds, *[9.0] * len(variants)][: len(variants)]

    return measured


@pytest.mark.parametrize("number", range(4))
def test_every_tile_gives_the_same_bits(number: int, monkeypatch: pytest.MonkeyPatch):
    graph = CONVOLUTION.graph()
    feeds = _feeds(graph)
    plain = compile_graph(graph, threads=1).run(None, feeds)
    monkeypatch.setenv("XIR_CACHE", "off")
    monkeypatch.setattr(tune, "_seconds", _counting([9.0] * number + [1.0], asked := []))
    made = compile_graph(graph, threads=1, tune=True).run(None, feeds)
    assert asked == [4]
    np.testing.assert_array_equal(made[0], plain[0])
    np.testing.assert_allclose(made[0], next(iter(run(graph, feeds).values())), rtol=1e-4, atol=1e-4)


def test_tiles_that_are_not_faster_by_enough_are_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tune, "_seconds", _counting([1.0, 0.98], []))
    taken: list[int] = []
    tuner = Tuner(MACHINES["wide"], Cache(None))

    def pick(kernel: Kernel, variants: Sequence[Kernel]) -> int:
        taken.append(tuner.choose(kernel, variants))
        return taken[-1]

    lower(expand(CONVOLUTION.graph()), MACHINES["wide"], pick=pick)
    assert taken == [0]


def test_a_choice_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []
    monkeypatch.setattr(tune, "_seconds", _counting([5.0, 4.0, 1.0], asked))
    taken: list[int] = []
    for _ in range(2):
        tuner = Tuner(MACHINES["wide"], Cache(tmp_path / "tuning"))
        for _ in range(2):
            taken += _taken(tuner, CONVOLUTION.graph())
    assert (asked, taken) == ([4], [2, 2, 2, 2])


def test_a_remembered_choice_that_there_is_not_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []
    monkeypatch.setattr(tune, "_seconds", _counting([5.0, 4.0, 1.0], asked))
    cache = Cache(tmp_path / "tuning")
    tuner = Tuner(MACHINES["wide"], cache)
    _taken(tuner, CONVOLUTION.graph())
    cache.put(next(iter(tuner.known)), bytes([200]))
    assert _taken(Tuner(MACHINES["wide"], cache), CONVOLUTION.graph()) == [2]
    assert asked == [4, 4]


def test_sizes_that_only_the_run_knows_are_not_measured(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tune, "_seconds", _counting([5.0, 1.0], asked := []))
    graph = Convolution(24, 40, (9, 7), (1, 1), batch=Symbol("N")).graph()
    assert set(_taken(Tuner(MACHINES["wide"], Cache(None)), graph)) == {0}
    assert asked == []


def _taken(tuner: Tuner, graph: Graph) -> list[int]:
    taken: list[int] = []

    def pick(kernel: Kernel, variants: Sequence[Kernel]) -> int:
        taken.append(tuner.choose(kernel, variants))
        return taken[-1]

    lower(expand(graph), tuner.machine, pick=pick)
    return taken


def test_what_is_chosen_by_the_clock_is_one_of_the_tiles(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XIR_CACHE", "off")
    graph = CONVOLUTION.graph()
    feeds = _feeds(graph)
    tuned, plain = (compile_graph(graph, threads=1, tune=each).run(None, feeds)[0] for each in (True, False))
    np.testing.assert_array_equal(tuned, plain)
