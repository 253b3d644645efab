"""Derivatives that need a size which only the run tells hold the node that tells it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from xir.autodiff import grad
from xir.errors import UnsupportedError
from xir.ir.constant import constant_of
from xir.ir.dims import Dim
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ir.verify import verify
from xir.ops.constant import constant
from xir.ops.elementwise import add, exp, mul
from xir.ops.index import compress
from xir.ops.matmul import matmul
from xir.ops.reduce import reduce_sum
from xir.ops.shape import broadcast, concat, iota, reshape
from xir.reference import run


def value(*shape: int, dtype: DType = DType.FLOAT64) -> Value:
    return Value(TensorType(dtype, shape))


def total(x: Value) -> Value:
    return reduce_sum(x, axes=tuple(range(x.rank)), keep_dims=False)


def everything(size: Dim) -> Value:
    return broadcast(constant(value=constant_of(np.asarray(True))), shape=(size,))


CASES: dict[str, Callable[[Value, Value], Value]] = {
    "nothing reads the result": lambda kept, w: total(kept),
    "a factor of its size, read after it": lambda kept, w: total(mul(kept, broadcast(w, shape=kept.shape))),
    "a factor of its size, read before it": lambda kept, w: total(mul(broadcast(w, shape=kept.shape), kept)),
    "several axes": lambda kept, w: total(reshape(kept, shape=(1, kept.shape[0], 2, 1))),
    "a sum of sizes": lambda kept, w: total(concat(kept, broadcast(w, shape=(3, 2)), axis=0)),
    "a product of sizes": lambda kept, w: total(exp(reshape(kept, shape=(kept.shape[0] * 2,)))),
    "the same twice": lambda kept, w: total(add(exp(kept), mul(kept, kept))),
    "two of them": lambda kept, w: total(compress(exp(kept), everything(kept.shape[0]), axis=0)),
}


@pytest.mark.parametrize("name", CASES)
def test_derivatives_through_sizes_that_the_run_tells(name: str) -> None:
    x, keep, w = value(4, 2), value(4, dtype=DType.BOOL), value(1, 1)
    loss = CASES[name](compress(x, keep, axis=0), w)
    graph = Graph("g", (x, keep, w), (loss,), ("loss",), names={x: "x", keep: "keep", w: "w"})
    derivative = grad(graph, "loss", ["x"])
    verify(derivative)
    start = np.linspace(-1, 1, 8).reshape(4, 2)
    feeds = {"keep": np.array([True, False, True, True]), "w": np.array([[1.5]])}
    found = run(derivative, feeds | {"x": start})["grad_x"]
    step = 1e-5
    with_value = grad(graph, "loss", ["x"], with_value=True)
    for place in np.ndindex(4, 2):
        sides: list[float] = []
        for sign in (1, -1):
            moved = start.copy()
            moved[place] += sign * step
            sides.append(float(run(with_value, feeds | {"x": moved})["loss"]))
        expected = (sides[0] - sides[1]) / (2 * step)
        assert found[place].item() == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_a_size_that_cannot_be_read_at_run_time_is_refused() -> None:
    x, keep = value(4, 2), value(4, dtype=DType.BOOL)
    kept = compress(x, keep, axis=0)
    line = iota(shape=(1, kept.shape[0]), axis=1, dtype=DType.FLOAT64)
    graph = Graph("g", (x, keep), (total(matmul(line, kept)),), ("loss",), names={x: "x", keep: "keep"})
    with pytest.raises(UnsupportedError, match=r"needs the size \? that compress tells .*, in iota"):
        grad(graph, "loss", ["x"])
