"""Large results are stored past the caches, wherever they lie."""

from __future__ import annotations

import numpy as np
import pytest

from xir.backends.codegen.compile import compile_graph
from xir.backends.codegen.engine import host
from xir.backends.codegen.llvm._streams import STREAMED, begins_line, streamed
from xir.backends.codegen.llvm.kernel import phases
from xir.backends.codegen.lowering.lower import expand, lower
from xir.backends.codegen.steps import kernels
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.kernel.build import index
from xir.kernel.grammar import Apply, Axis
from xir.ops.elementwise import add

COUNT = STREAMED // 4 + 37


def sum_of_two(count: int) -> Graph:
    x, y = (Value(TensorType(DType.FLOAT32, (count,))) for _ in range(2))
    return Graph("sum", (x, y), (add(x, y),), ("r",))


@pytest.mark.parametrize(("count", "wanted"), [(COUNT, True), (COUNT // 2, False)])
def test_only_large_results_are(count: int, wanted: bool) -> None:
    (kernel,) = kernels(lower(expand(sum_of_two(count)), host()).steps)
    assert list(streamed(kernel)) == [buffer.name for buffer in kernel.outputs if wanted]
    assert any("!nontemporal" in phase.text for phase in phases(kernel, host())) is wanted


@pytest.mark.parametrize("offset", [0, 1, 16])
def test_results_may_begin_anywhere(offset: int) -> None:
    x, y = (np.random.default_rng(seed).standard_normal(COUNT).astype(np.float32) for seed in (0, 1))
    memory = np.zeros(COUNT + 64, np.float32)
    start = -memory.ctypes.data % 64 // 4 + offset
    place = memory[start : start + COUNT]
    compile_graph(sum_of_two(COUNT), threads=1)(x, y, out={"r": place})
    np.testing.assert_array_equal(place, x + y)
    assert not memory[:start].any()
    assert not memory[start + COUNT :].any()


def test_places_that_are_whole_lines() -> None:
    outer, inner = Axis("o"), Axis("i")
    place = Apply("add", (Apply("mul", (outer, index(64))), inner))
    assert begins_line((place,), "i", 64)
    assert not begins_line((place,), "i", 128)
    assert not begins_line((place,), "o", 64)
    assert not begins_line((Apply("add", (place, index(8))),), "i", 16)
    assert not begins_line((Apply("floor_div", (outer, index(2))),), "i", 16)
