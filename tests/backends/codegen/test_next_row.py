"""A row that is read several times has the next one fetched while it is read for the last time."""

from __future__ import annotations

import numpy as np
import pytest

from xir.backends.codegen.engine import Machine
from xir.backends.codegen.lowering.lower import expand, lower
from xir.backends.codegen.lowering.schedules.ahead import LINE
from xir.backends.codegen.lowering.schedules.lanes import CHAINS
from xir.backends.codegen.steps import Run
from xir.ir.dims import Dim
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.kernel.grammar import Kernel, Prefetch
from xir.kernel.interpret import interpret
from xir.kernel.verify import verify
from xir.kernel.walk import statements
from xir.ops.norm import softmax


def softmax_of(shape: tuple[Dim, ...]) -> Graph:
    """A softmax of rows."""
    x = Value(TensorType(DType.FLOAT32, shape))
    return Graph("g", (x,), (softmax(x, axis=len(shape) - 1),), names={x: "x"})


def kernels_of(graph: Graph, lanes: int) -> list[Kernel]:
    """The kernels of a program for a processor with so many lanes."""
    made = lower(expand(graph), Machine("x86-64", "", lanes, 2 * lanes))
    return [step.kernel for step in made.steps if isinstance(step, Run)]


@pytest.mark.parametrize("lanes", [8, 16])
@pytest.mark.parametrize(
    ("shape", "fetches"),
    [((3, 1024), True), ((2, 2, 1088), True), ((5, 2048), True), ((3, 512), False)],
    ids=str,
)
def test_lines_of_the_next_row_are_asked_for_once(lanes: int, shape: tuple[Dim, ...], fetches: bool) -> None:
    (kernel,) = kernels_of(softmax_of(shape), lanes)
    verify(kernel)
    asked = [each for each in statements(kernel.body) if isinstance(each, Prefetch)]
    assert len(asked) == (CHAINS * lanes * 4 // LINE if fetches else 0)
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("rows", [2, 3])
def test_the_last_row_asks_for_nothing_outside(rows: int) -> None:
    (kernel,) = kernels_of(softmax_of((rows, 1024)), 16)
    x = np.random.default_rng(rows).standard_normal((rows, 1024), np.float32)
    (made,) = interpret(kernel, (x.reshape(-1),))
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    wanted = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.asarray(made, np.float32), wanted.reshape(-1), rtol=1e-5, atol=1e-7)
