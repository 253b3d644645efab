"""Parts of a buffer are made and read where they end up, and the numbers stay the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.backends.codegen.test_fuse import graph_of, interpreted, lowered
from xir.backends.codegen.compile import compile_graph
from xir.backends.codegen.steps import Run
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.kernel.verify import verify
from xir.ops.elementwise import exp, mul, neg
from xir.ops.matmul import matmul
from xir.ops.norm import softmax
from xir.ops.reduce import reduce_sum
from xir.ops.shape import concat, reshape, transpose
from xir.reference import run


def product(x: Value) -> Value:
    """X x^T, [6, 6]."""
    return matmul(x, transpose(x, perm=(1, 0)))


def layer(x: Value) -> Value:
    """A cache with a row more, [7, 40]."""
    return concat(x, reduce_sum(x, axes=(0,), keep_dims=True), axis=0)


def stacked(x: Value) -> tuple[Value, ...]:
    """The caches of two layers, [2, 7, 40], and what each layer computes with its own."""
    own = layer(x), layer(neg(x))
    wide = [reshape(each, shape=(1, *each.shape)) for each in own]
    return (concat(*wide, axis=0), *(product(each) for each in own))


def after(x: Value) -> tuple[Value, ...]:
    """The second part is made of the first."""
    first = product(x)
    second = matmul(first, first)
    return concat(first, second, axis=0), softmax(second, axis=1)


def twice(x: Value) -> tuple[Value, ...]:
    """One part in two places."""
    made = layer(x)
    return concat(made, made, axis=0), product(made)


def two_wholes(x: Value) -> tuple[Value, ...]:
    """One part in two buffers."""
    made = layer(x)
    return concat(made, x, axis=0), concat(x, made, axis=0), product(made)


def side_by_side(x: Value) -> tuple[Value, ...]:
    """Parts whose rows are not behind one another."""
    made = layer(x)
    return concat(made, mul(made, made), axis=1), product(made)


def an_output(x: Value) -> tuple[Value, ...]:
    """A part that is an output itself."""
    made = layer(x)
    return made, concat(made, exp(made), axis=0), product(made)


CASES: dict[str, tuple[Callable[[Value], tuple[Value, ...]], tuple[int, ...]]] = {
    "a cache of layers": (stacked, (0,)),
    "one part made of another": (after, (0,)),
    "twice": (twice, ()),
    "in two": (two_wholes, (0,)),
    "side by side": (side_by_side, ()),
    "an output": (an_output, (0,)),
}
"""{what: the graph, the outputs that kernels read: wholes of which parts are read, or a part that is an output}."""


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("rows", [6, Symbol("N")])
def test_the_same_numbers(name: str, rows: int | Symbol) -> None:
    graph = graph_of(CASES[name][0], (rows, 40))  # type: ignore[arg-type]  # any size
    array = np.random.default_rng(3).standard_normal((6, 40)).astype(np.float32) / 4
    expected = list(run(graph, {"x": array}).values())
    made = [compile_graph(graph)(array), compile_graph(graph, threads=2)(array)]
    for outputs in (*made, interpreted(graph, array)) if rows == 6 else made:
        for each, wanted in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(each, wanted, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", CASES)
def test_parts_are_read_in_the_whole(name: str) -> None:
    build, read = CASES[name]
    made = lowered(graph_of(build))
    runs = [step for step in made.steps if isinstance(step, Run)]
    for each in runs:
        verify(each.kernel)
    slots = {slot for each in runs for slot in each.slots[: len(each.kernel.inputs)]}
    assert tuple(n for n, output in enumerate(made.outputs) if made.slot(output) in slots) == read
