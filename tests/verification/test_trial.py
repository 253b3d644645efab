"""The sizes of made-up inputs on which a model runs."""

from __future__ import annotations

import numpy as np
import pytest

from xir.errors import UsageError
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import table
from xir.reference import random_inputs
from xir.reference.inputs import long_symbols
from xir.verification import trial, workable_sizes

OPS = table()
N, T, U = Symbol("n"), Symbol("t"), Symbol("u")


def graph_of(*shapes: tuple[Dim, ...], needed: int = 0) -> Graph:
    """Takes arrays, and cannot compute where the last axis of the first one has less than `needed` places."""
    inputs = tuple(Value(TensorType(DType.FLOAT32, shape)) for shape in shapes)
    x = inputs[0]
    if needed:
        count = Value(TensorType(DType.INT64, ()))
        inputs = (*inputs, count)
        x = OPS["gather"](x, count, axis=x.rank - 1)
    return Graph("g", inputs, (x,), ("y",), (), {value: f"x{place}" for place, value in enumerate(inputs)})


def worked(graph: Graph, place: int) -> dict[Symbol, int]:
    """The sizes with the index `place` fed, which the last axis must have."""
    return dict(workable_sizes(graph, 0, {graph.input_names[-1]: np.array(place, np.int64)}))


def test_usual_sizes_that_work_stay() -> None:
    assert workable_sizes(graph_of((N, T))) == {}


def test_models_of_known_sizes_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "run", lambda *_: pytest.fail("was run"))
    assert workable_sizes(graph_of((N, 3, 8, 8))) == {}


@pytest.mark.parametrize(("place", "size"), [(1, None), (5, 8), (100, 128), (1000, 1024)])
def test_axes_grow_until_the_model_runs(place: int, size: int | None) -> None:
    assert worked(graph_of((N, T), needed=1), place) == ({} if size is None else {T: size})


def test_what_no_size_helps_has_the_usual_ones() -> None:
    assert worked(graph_of((N, T), needed=1), 5000) == {}


def test_inputs_that_do_not_fit_are_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []

    def refuse(graph: Graph, feeds: object) -> None:
        tried.append(feeds)
        raise UsageError("nothing tells a size")

    monkeypatch.setattr(trial, "run", refuse)
    assert workable_sizes(graph_of((N, T))) == {}
    assert len(tried) == 1


def test_an_axis_grows_alone_where_all_together_do_not_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch may be the second axis: there both cannot grow."""
    monkeypatch.setattr(trial, "peak_bytes", lambda graph, least: trial.MAX_RUN_BYTES + (1 if U in least else -1))
    assert worked(graph_of((N, T), (3, U), needed=1), 20) == {T: 32}


def test_batches_do_not_grow() -> None:
    assert long_symbols(graph_of((N, T), (T, N))) == ()
    assert long_symbols(graph_of((N, 3, T, U))) == (T, U)
    assert long_symbols(graph_of((T,))) == (T,)
    assert long_symbols(graph_of((N,), (N, T))) == (T,)


def test_sizes_that_are_made_up_are_at_least_these() -> None:
    graph = graph_of((N, T), (T, U))
    made = random_inputs(graph, least={T: 7, U: 9})
    assert [array.shape for array in made.values()] == [(2, 7), (7, 9)]
