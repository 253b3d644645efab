"""What a compiled model tells of itself, refuses, and gives back."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import xir
from tests.runtime.models import WIDTH, feed, layered
from xir.errors import UsageError
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.finding import nonzero
from xir.runtime.executable import Executable
from xir.runtime.memory import address_of


@pytest.fixture(scope="module")
def model() -> Executable:
    return xir.compile(layered(rows=Symbol("N"), layers=1), threads=1)


def test_it_describes_itself(model):
    assert repr(model) == f"Executable('layered', inputs: x f32[N,{WIDTH}], outputs: y f32[N,{WIDTH}], threads: 1)"


def test_it_is_called_like_a_function_and_like_a_session(model):
    x = feed(3)
    (called,) = model(x)
    assert model.run(None, {"x": x})[0].tobytes() == called.tobytes()
    assert model.run(["y"], {"x": x})[0].tobytes() == called.tobytes()
    np.testing.assert_allclose(called, xir.run(layered(rows=3, layers=1), {"x": x})["y"], rtol=1e-5, atol=1e-7)
    assert [(port.name, str(port.type)) for port in (*model.get_inputs(), *model.get_outputs())] == [
        ("x", "f32"),
        ("y", "f32"),
    ]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda model: model(), "takes 1 arrays"),
        (lambda model: model.run(None, {"z": feed()}), "no inputs \\['z'\\]"),
        (lambda model: model.run(None, {}), "missing"),
        (lambda model: model.run(["z"], {"x": feed()}), "no outputs \\['z'\\]"),
        (lambda model: model(feed().astype(np.float64)), "float64"),
    ],
)
def test_wrong_calls_are_refused(model, call, words):
    with pytest.raises(UsageError, match=words):
        call(model)


def test_each_result_is_the_callers_own(model):
    first = model(feed(3))[0]
    kept = first.copy()
    second = model(feed(3, seed=1))[0]
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(first, kept)


def test_nothing_keeps_a_model_alive():
    model = xir.compile(layered(rows=4, layers=1), threads=1)
    model(feed(4))
    gone = weakref.ref(model.program.owner)
    del model
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_bounded_by_the_argument(threads, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    assert xir.compile(layered(layers=1), threads=threads).threads == threads


def test_an_unknown_target():
    with pytest.raises(UsageError, match="no target 'tpu'"):
        xir.compile(layered(layers=1), "tpu")


def test_it_runs_on_memory_that_the_caller_vouches_for(model):
    for rows in (3, 5, 3):
        x = feed(rows)
        key = (x.shape,)
        y = np.empty(model.shapes(key)[0], np.float32)
        model.run_at(key, [address_of(x)], [address_of(y)])
        assert y.tobytes() == model(x)[0].tobytes()
    model.run_at(((0, WIDTH),), [0], [0])
    assert model.takes_addresses


def test_shapes_that_do_not_fit_are_refused(model):
    for ask in (model.shapes, lambda key: model.run_at(key, [0], [0])):
        with pytest.raises(UsageError):
            ask(((3, WIDTH + 1),))


def test_what_is_no_machine_code_takes_no_addresses():
    x = Value(TensorType(DType.FLOAT32, (3,)))
    same = xir.compile(Graph("same", (x,), (x,), ("y",), (), {x: "x"}), threads=1)
    assert not same.takes_addresses
    hosted = xir.compile(Graph("places", (x,), (nonzero(x),), ("y",), (), {x: "x"}), threads=1)
    assert not hosted.takes_addresses
    with pytest.raises(UsageError, match="do not tell"):
        hosted.shapes(((3,),))
