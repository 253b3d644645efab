"""What is too little work for a team."""

from __future__ import annotations

import pytest

from tests.runtime.models import layered
from xir.backends.codegen.compile import compile_graph
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.elementwise import exp
from xir.runtime.program import Stretch, is_small


@pytest.mark.parametrize(("rows", "small"), [(1, True), (2000, False), (Symbol("N"), False)])
def test_small_work_is_done_alone(rows, small):
    model = compile_graph(layered(rows=rows, layers=1), threads=1)
    (stretch,) = [step for step in model.program.steps if isinstance(step, Stretch)]
    assert is_small(stretch.work, {}) is small


@pytest.mark.parametrize(("rows", "small"), [(1, True), (16, True), (20_000, False)])
def test_sizes_that_the_run_tells_decide_then(rows, small):
    size = Symbol("N")
    x = Value(TensorType(DType.FLOAT32, (size, 64)))
    model = compile_graph(Graph("g", (x,), (exp(x),)), threads=1)
    (stretch,) = [step for step in model.program.steps if isinstance(step, Stretch)]
    assert is_small(stretch.work, {size: rows}) is small
