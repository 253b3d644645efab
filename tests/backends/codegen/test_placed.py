"""What only moves into a part of another buffer is written there at once, and the numbers stay the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.backends.codegen.test_fuse import graph_of, interpreted, kernels
from xir.backends.codegen.compile import compile_graph
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.activation import relu
from xir.ops.elementwise import add, cast, div, exp, maximum, mul, neg, sub
from xir.ops.finding import nonzero
from xir.ops.matmul import matmul
from xir.ops.padding import pad
from xir.ops.reduce import reduce_sum
from xir.ops.running import cumprod
from xir.ops.shape import concat, reshape, slice_, transpose
from xir.reference import run


def product(x: Value) -> Value:
    """X x^T, [6, 6]."""
    return matmul(x, transpose(x, perm=(1, 0)))


def sums(x: Value) -> Value:
    """Sums of rows, [6, 1]."""
    return reduce_sum(x, axes=(1,), keep_dims=True)


def padded(x: Value, *, before: int = 1, after: int = 2, value: float = 0.0) -> Value:
    """With a border along both axes."""
    return pad(x, padding=((before, after), (after, before)), value=value)


CASES: dict[str, tuple[Callable[[Value], Value | tuple[Value, ...]], tuple[str, ...]]] = {
    "concatenated": (lambda x: concat(product(x), sums(x), axis=1), ("matmul concat", "reduce_sum concat")),
    "concatenated with a function": (
        lambda x: concat(relu(product(x)), sums(x), axis=1),
        ("matmul maximum concat", "reduce_sum concat"),
    ),
    "twice in one": (lambda x: _twice(product(x)), ("matmul concat concat",)),
    "and read by others": (lambda x: _and_others(product(x)), ("matmul concat",)),
    "and an output itself": (lambda x: _output_too(product(x)), ("matmul concat",)),
    "an input in the middle": (lambda x: concat(x, product(x), axis=1), ("matmul concat",)),
    "padded": (lambda x: padded(product(x)), ("matmul pad",)),
    "padded by ones": (lambda x: padded(product(x), value=1.0), ("matmul pad",)),
    "padded on one side": (lambda x: padded(product(x), before=0), ("matmul pad",)),
    "cut is not padded": (lambda x: padded(product(x), before=-1), ()),
    "an input, padded": (lambda x: padded(x), ()),
    "made from two places": (lambda x: _twice(cumprod(x, axis=0)), ()),
    "made before what it reads besides": (lambda x: _running(x), ()),
}


def _twice(p: Value) -> Value:
    return concat(p, p, axis=0)


def _and_others(p: Value) -> tuple[Value, ...]:
    return concat(p, sums(p), axis=1), neg(exp(p))


def _output_too(p: Value) -> tuple[Value, ...]:
    return p, concat(exp(p), p, axis=0)


def _running(x: Value) -> Value:
    """Two steps of a largest number so far (RWKV): the first one's difference is made beside it, and read in a part."""
    before, first, second = (slice_(x, axes=(0,), starts=(at,), stops=(at + 2,), steps=(1,)) for at in (0, 2, 4))
    one = maximum(before, first)
    two = maximum(one, second)
    gap = sub(before, one)
    step = add(mul(sub(one, two), gap), sub(second, two))
    made = concat(*(reshape(each, shape=(2, 1, 40)) for each in (before, step, first)), axis=1)
    rest = slice_(made, axes=(1,), starts=(0,), stops=(2,), steps=(1,))
    return concat(rest, reshape(div(mul(gap, one), add(gap, two)), shape=(2, 1, 40)), axis=1)


@pytest.mark.parametrize("name", CASES)
def test_who_makes_it_writes_it(name: str) -> None:
    build, wanted = CASES[name]
    words = [[node.op.name for node in each.nodes] for each in kernels(graph_of(build))]
    moved = [" ".join(each) for each in words if len(each) > 1 and {"concat", "pad"} & set(each)]
    made = [each for each in moved if each.split()[0] in ("matmul", "reduce_sum", "transpose")]
    for each in wanted:
        parts = each.split()
        assert any(all(word in found.split() for word in parts) for found in made), made


@pytest.mark.parametrize("name", CASES)
def test_the_same_numbers(name: str) -> None:
    graph = graph_of(CASES[name][0])
    array = np.random.default_rng(3).standard_normal((6, 40)).astype(np.float32)
    expected = list(run(graph, {"x": array}).values())
    for outputs in (interpreted(graph, array), compile_graph(graph)(array), compile_graph(graph, threads=2)(array)):
        for made, wanted in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(made, wanted, rtol=2e-5, atol=2e-5)


def test_the_border_is_few_kernels() -> None:
    runs = kernels(graph_of(lambda x: padded(product(x))))
    assert sum(len(each.kernel.body) for each in runs) <= 3


def test_a_part_waits_for_who_tells_its_sizes() -> None:
    graph = graph_of(lambda x: concat(product(x), cast(nonzero(x), dtype=DType.FLOAT32), axis=1), (2, 40))
    array = np.random.default_rng(3).standard_normal((2, 40)).astype(np.float32)
    (expected,) = run(graph, {"x": array}).values()
    (made,) = compile_graph(graph)(array)
    np.testing.assert_allclose(made, expected, rtol=2e-5, atol=2e-5)
