"""What is too little work for a team."""

from __future__ import annotations

import pytest

from tests.runtime.models import layered
from xir.backends.codegen.compile import compile_graph
from xir.ir.dims import Symbol
from xir.runtime.program import Stretch


@pytest.mark.parametrize(("rows", "small"), [(1, True), (2000, False), (Symbol("N"), False)])
def test_small_work_is_done_alone(rows, small):
    model = compile_graph(layered(rows=rows, layers=1), threads=1)
    assert [step.alone for step in model.program.steps if isinstance(step, Stretch)] == [small]
