"""Fusion: fewer kernels, the same numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from xir.backends.codegen.engine import Machine
from xir.backends.codegen.lowering.lower import expand, lower
from xir.backends.codegen.lowering.lowered import Lowered
from xir.backends.codegen.steps import Run
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.kernel.interpret import interpret
from xir.kernel.verify import verify
from xir.ops.activation import relu, sigmoid
from xir.ops.elementwise import add, exp, mul, neg, sub
from xir.ops.matmul import matmul
from xir.ops.norm import layer_norm, softmax
from xir.ops.padding import pad
from xir.ops.reduce import reduce_max, reduce_sum
from xir.ops.shape import broadcast, reshape, transpose
from xir.reference import run

MACHINE = Machine("x86-64", "", 8, 16)
X = (6, 40)


def graph_of(build: Callable[[Value], Value | tuple[Value, ...]], shape: tuple[int, ...] = X) -> Graph:
    """A graph of one input."""
    x = Value(TensorType(DType.FLOAT32, shape))
    made = build(x)
    return Graph("g", (x,), made if isinstance(made, tuple) else (made,), names={x: "x"})


def kernels(graph: Graph) -> list[Run]:
    """What runs; each kernel keeps the rules."""
    runs = [step for step in lowered(graph).steps if isinstance(step, Run)]
    for each in runs:
        verify(each.kernel)
    return runs


def lowered(graph: Graph) -> Lowered:
    """The program of a graph."""
    return lower(expand(graph), MACHINE)


def interpreted(graph: Graph, array: np.ndarray) -> list[np.ndarray]:
    """The outputs, kernel by kernel through the interpreter."""
    made = lowered(graph)
    held = {slot: constant.array().reshape(-1) for slot, constant in made.constants.items()}
    held[made.slot(graph.inputs[0])] = array.reshape(-1)
    for step in made.steps:
        assert isinstance(step, Run)
        count = len(step.kernel.inputs)
        parts = [held.get(slot) for slot in step.slots[count:]]
        results = interpret(step.kernel, [held[slot] for slot in step.slots[:count]], {}, parts)
        held.update(zip(step.slots[count:], results, strict=True))
    return [held[made.slot(value)].reshape(value.type.shape) for value in made.outputs]


def rows(x: Value, values: Value) -> Value:
    """Values of rows, one a row, as wide as `x`."""
    return broadcast(reshape(values, shape=(x.shape[0], 1)), shape=x.shape)


CASES: dict[str, tuple[Callable[[Value], Value | tuple[Value, ...]], int]] = {
    "a chain": (lambda x: relu(mul(add(x, x), neg(x))), 1),
    "a value that two read": (lambda x: (neg(exp(x)), relu(exp(x))), 2),
    "moves go into all readers": (lambda x: mul(transpose(transpose(x, perm=(1, 0)), perm=(1, 0)), x), 1),
    "behind a reduction": (lambda x: sigmoid(reduce_sum(x, axes=(1,), keep_dims=False)), 1),
    "before a reduction": (lambda x: reduce_sum(exp(x), axes=(1,), keep_dims=False), 1),
    "softmax": (lambda x: softmax(x, axis=1), 1),
    "squares of rows": (lambda x: layer_norm(x, axis=1, epsilon=1e-5), 1),
    "rows in a chain": (
        lambda x: sub(
            x,
            rows(
                x,
                reduce_max(exp(sub(x, rows(x, reduce_max(x, axes=(1,), keep_dims=False)))), axes=(1,), keep_dims=False),
            ),
        ),
        1,
    ),
    "behind a product": (lambda x: relu(matmul(x, transpose(x, perm=(1, 0)))), 2),
    "padding": (
        lambda x: reduce_sum(pad(x, padding=((1, 1), (2, 0))), axes=(0,), keep_dims=False),
        1,
    ),
    "an output in the middle": (lambda x: (exp(x), neg(exp(x))), 2),
}


@pytest.mark.parametrize("name", CASES)
def test_as_many_kernels_as_must_be(name: str) -> None:
    build, count = CASES[name]
    assert len(kernels(graph_of(build))) <= count


@pytest.mark.parametrize("name", CASES)
def test_the_same_numbers(name: str) -> None:
    graph = graph_of(CASES[name][0])
    array = np.random.default_rng(3).standard_normal(X).astype(np.float32)
    for made, expected in zip(interpreted(graph, array), run(graph, {"x": array}).values(), strict=True):
        np.testing.assert_allclose(made, expected, rtol=2e-5, atol=2e-6)


def test_what_is_long_stays_in_memory() -> None:
    graph = graph_of(lambda x: softmax(x, axis=1), (3, 5000))
    array = np.random.default_rng(4).standard_normal((3, 5000)).astype(np.float32)
    (made,), (expected,) = interpreted(graph, array), run(graph, {"x": array}).values()
    np.testing.assert_allclose(made, expected, rtol=2e-5, atol=1e-9)


def test_single_numbers_are_written_into_kernels() -> None:
    (only,) = kernels(graph_of(relu))
    assert len(only.slots) == 2
