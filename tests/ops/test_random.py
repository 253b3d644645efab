"""Random numbers: the streams that NumPy has frozen, and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.evaluate import evaluate, placeholders
from xir.autodiff.reverse import grad
from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.random import bernoulli, dropout, generator, random_normal, random_uniform
from xir.ops.reduce import reduce_sum


def test_the_generator_is_the_mersenne_twister() -> None:
    # The first output for the seed 5489, the default of mt19937ar.c (Matsumoto and Nishimura, 2002).
    drawn = generator(5489).randint(0, 1 << 32, 1, np.uint64)
    assert drawn[0] == 3499211612


def test_the_streams_of_seed_0() -> None:
    uniform = evaluate(random_uniform, shape=(2,), low=0.0, high=1.0, seed=0, dtype=DType.FLOAT64)
    assert uniform.tolist() == [0.5488135039273248, 0.7151893663724195]
    normal = evaluate(random_normal, shape=(2,), mean=0.0, deviation=1.0, seed=0, dtype=DType.FLOAT64)
    assert normal.tolist() == [1.764052345967664, 0.4001572083672233]


def test_seeds_of_more_than_32_bits_have_streams_of_their_own() -> None:
    seeds = (1, (1 << 32) + 1, 1 << 40)
    drawn = [evaluate(random_uniform, shape=(4,), low=0.0, high=1.0, seed=s, dtype=DType.FLOAT64) for s in seeds]
    assert len({tuple(line.tolist()) for line in drawn}) == 3


def test_certain_events() -> None:
    sure = np.array([0, 1, 0, 1], np.float32)
    assert evaluate(bernoulli, sure, seed=8, dtype=DType.INT8).tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: random_uniform(shape=(1,), low=0.0, high=1.0, seed=-1, dtype=DType.FLOAT32), "a seed lies in"),
        (lambda: dropout(x(), None, x(), rate=0.5, seed=0), "a bool"),
        (lambda: dropout(x(), x(2), rate=0.5, seed=0), "the number of elements"),
        (lambda: dropout(x(), rate=1.0, seed=0), "the rate lies"),
    ],
)
def test_what_does_not_fit_is_refused(build: object, text: str) -> None:
    with pytest.raises(InvalidModelError, match=text):
        build()  # type: ignore[operator]  # a function of nothing


def x(*shape: int) -> Value:
    return Value(TensorType(DType.FLOAT32, shape))


def test_a_rate_of_the_run_has_no_gradient() -> None:
    data, ratio = placeholders(np.zeros(3, np.float32), np.zeros((), np.float32))
    assert data is not None
    assert ratio is not None
    kept, _ = dropout(data, ratio, rate=0.5, seed=0)
    loss = reduce_sum(kept, axes=(0,), keep_dims=False)
    graph = Graph("loss", (data, ratio), (loss,), ("loss",), names={data: "x", ratio: "r"})
    with pytest.raises(UnsupportedError, match="known before the run"):
        grad(graph, "loss", ["x"])
