"""Operands that are no weights: packed by a kernel before the sums, where that pays, and the same numbers come out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.backends.codegen.test_contraction import CASES, MACHINES, N, close, interpreted
from xir.backends.codegen.compile import compile_graph
from xir.backends.codegen.lowering.lower import expand, lower
from xir.backends.codegen.lowering.products.pack import Packing
from xir.backends.codegen.lowering.products.panels import panel_kernel
from xir.backends.codegen.lowering.schedules.schedule import schedule
from xir.backends.codegen.steps import Run
from xir.ir.dims import Dim
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.kernel.grammar import Buffer
from xir.kernel.interpret import interpret
from xir.kernel.verify import verify
from xir.ops.elementwise import cast
from xir.ops.matmul import matmul
from xir.ops.shape import transpose
from xir.reference import run

LAYOUTS = {
    # name: (outer, along, reduced, width, offset)
    "rows": ((), (37, 20), ((20, 1),), 8, 0),
    "columns": ((), (20, 1), ((37, 20),), 8, 0),
    "one block": ((), (5, 30), ((30, 1),), 16, 0),
    "windows": ((), (34, 18), ((3, 1), (2, 9), (3, 3)), 16, 2),
    "windows turned around": ((), (34, 18), ((2, 9), (3, -3), (3, -1)), 16, 10),
    "groups": (((3, 200), (2, 100)), (10, 10), ((9, 1),), 8, 5),
    "the same for some steps": ((), (10, 10), ((4, 0), (9, 1)), 8, 5),
}


@pytest.mark.parametrize("lanes", [8, 16])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_kernel_packs_as_weights_are_packed(layout, lanes):
    outer, along, reduced, width, offset = layout
    size = np.prod([extent for extent, _ in (*outer, *reduced)]) * -(-along[0] // width) * width
    source, target = Buffer("s0", DType.FLOAT32, (800,)), Buffer("s0p", DType.FLOAT32, (int(size),))
    names = tuple(f"a{number}" for number in range(len(outer) + len(reduced)))
    packing = Packing(source, target, outer, along, reduced, width, offset, names)
    array = np.arange(1, 801, dtype=np.float32)
    kernel = schedule(panel_kernel(packing), lanes)
    verify(kernel)
    (made,) = interpret(kernel, [array], {})
    np.testing.assert_array_equal(made, packing.packed(array))


CONVOLUTIONS = (
    "3x3 with a stride",
    "few outputs",
    "depthwise with a stride",
    "groups with a stride",
    "one axis",
    "symbolic batch",
    "transposed 4 by 2",
    "transposed groups",
)


def given(name: str) -> tuple[Graph, dict[str, np.ndarray]]:
    """A convolution whose weights are an operand, and what is fed."""
    graph = CASES[name].graph()
    weights, bias = graph.parameters
    made = replace(graph, inputs=(*graph.inputs, weights.value), parameters=(bias,))
    return made, {"x": CASES[name].array(), "w": weights.constant.array()}


@pytest.mark.parametrize("lanes", MACHINES)
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_tiles_compute_the_same(case: str, lanes: str) -> None:
    graph, feeds = given(case)
    close(interpreted(graph, tuple(feeds.values()), MACHINES[lanes]), list(run(graph, feeds).values()))


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_machine_code_computes_the_same(case: str) -> None:
    graph, feeds = given(case)
    close(list(compile_graph(graph)(*feeds.values())), list(run(graph, feeds).values()))


def product(m: Dim, k: int, n: int, turned: str, batch: tuple[Dim, ...] = (), dtype: DType = DType.FLOAT32) -> Graph:
    """A product of two operands, those of `turned` ("", "x", "y" or "xy") transposed before."""
    ends = (*range(len(batch)), len(batch) + 1, len(batch))
    x = Value(TensorType(DType.FLOAT32, (*batch, *((k, m) if "x" in turned else (m, k)))))
    y = Value(TensorType(dtype, (*batch, *((n, k) if "y" in turned else (k, n)))))
    left = transpose(x, perm=ends) if "x" in turned else x
    right = transpose(y, perm=ends) if "y" in turned else y
    result = matmul(left, right if dtype is DType.FLOAT32 else cast(right, dtype=DType.FLOAT32))
    return Graph("g", (x, y), (result,), names={x: "x", y: "y"})


def fed(graph: Graph) -> dict[str, np.ndarray]:
    """Numbers for the inputs of a graph whose symbols are 3."""
    rng = np.random.default_rng(0)
    sizes = {value: tuple(size if isinstance(size, int) else 3 for size in value.shape) for value in graph.inputs}
    return {graph.name_of(v): rng.standard_normal(sizes[v]).astype(v.dtype.dtype) for v in graph.inputs}


PRODUCTS = {
    "as they lie": product(13, 9, 70, ""),
    "rows of columns": product(13, 20, 40, "y"),
    "columns of rows": product(13, 20, 40, "x"),
    "both": product(13, 20, 40, "xy"),
    "many": product(7, 20, 33, "y", (2, 3)),
    "halves": product(9, 20, 33, "y", dtype=DType.FLOAT16),
    "rows that only the run counts": product(N, 20, 33, "y"),
    "products that only the run counts": product(7, 20, 33, "y", (N,)),
}


@pytest.mark.parametrize("lanes", MACHINES)
@pytest.mark.parametrize("case", PRODUCTS)
def test_products_of_operands_are_the_same(case: str, lanes: str) -> None:
    graph = PRODUCTS[case]
    feeds = fed(graph)
    wanted = list(run(graph, feeds).values())
    close(interpreted(graph, tuple(feeds.values()), MACHINES[lanes], {N: 3}), wanted)
    close(list(compile_graph(graph)(*feeds.values())), wanted)


@pytest.mark.parametrize(
    ("graph", "packed"),
    [
        (product(5, 40, 70, "y"), False),  # few rows
        (product(6, 40, 70, "y"), True),
        (product(128, 768, 64, ""), False),  # neighbours, which stay near
        (product(256, 768, 64, ""), True),
        (product(32, 2100, 64, ""), True),
        (product(N, 40, 70, "y"), True),
    ],
    ids=str,
)
def test_what_is_read_often_is_packed(graph: Graph, packed: bool) -> None:
    kernels = [step.kernel.name for step in lower(expand(graph), MACHINES["wide"]).steps if isinstance(step, Run)]
    assert kernels == (["pack", "matmul"] if packed else ["matmul"])
