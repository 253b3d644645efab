"""Sizes that only steps tell: they are learned once for the shapes that told them, and checked in every call."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from tests.backends.codegen.test_flow import TRUTH, body_of, model, tensor
from xir.backends.codegen.compile import compile_graph
from xir.errors import XirError
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ops.control import assume_shape, if_
from xir.ops.elementwise import add
from xir.ops.finding import nonzero
from xir.ops.reduce import reduce_sum
from xir.ops.shape import transpose
from xir.reference import run
from xir.runtime.executable import Executable


@pytest.fixture(scope="module")
def branching() -> Executable:
    """A matrix, or where the condition holds its columns' sums, which the rest does not take."""
    condition, x = Value(TRUTH), tensor(Symbol("N"), Symbol("M"))
    (either,) = if_(
        condition,
        x,
        then_body=body_of(lambda x: [reduce_sum(x, axes=(0,), keep_dims=False)], x),
        else_body=body_of(lambda x: [add(x, x)], x),
    )
    held = assume_shape(either, shape=(Symbol(), Symbol()))
    return compile_graph(model((condition, x), (transpose(add(held, held), perm=(1, 0)), held)), threads=1)


def test_sizes_that_take_turns(branching):
    for _ in range(3):
        for rows, columns in ((2, 3), (3, 2), (0, 4), (5, 1)):
            x = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)
            turned, held = branching(np.bool_(False), x)
            np.testing.assert_array_equal(turned, 4 * x.T)
            np.testing.assert_array_equal(held, 2 * x)


def test_what_does_not_fit_is_refused_every_time(branching):
    x = np.ones((2, 3), np.float32)
    for _ in range(3):
        branching(np.bool_(False), x)
        with pytest.raises(XirError, match="a tensor of 2 axes was expected"):
            branching(np.bool_(True), x)


def test_results_are_the_callers_own(branching):
    x = np.ones((2, 3), np.float32)
    first = branching(np.bool_(False), x)[1]
    first[...] = 7
    assert branching(np.bool_(False), x)[1].tolist() == [[2] * 3] * 2


def test_a_check_within_the_model_copies_nothing():
    """Its result is its operand, which nobody else gets; the values stay right as conditions and sizes change."""
    condition, x = Value(TRUTH), tensor(Symbol("N"), Symbol("M"))
    (either,) = if_(
        condition,
        x,
        then_body=body_of(lambda x: [reduce_sum(x, axes=(0,), keep_dims=False)], x),
        else_body=body_of(lambda x: [add(x, x)], x),
    )
    held = assume_shape(either, shape=(Symbol(), Symbol()))
    compiled = compile_graph(model((condition, x), (add(held, held),)), threads=1)
    given = np.arange(1 << 20, dtype=np.float32).reshape(1024, 1024)
    compiled(np.bool_(False), given)
    for fed in (given, given[:3], given + 1, given[:3]):
        np.testing.assert_array_equal(compiled(np.bool_(False), fed)[0], 4 * fed)
    tracemalloc.start()
    compiled(np.bool_(False), given)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * given.nbytes  # what the branch makes is its own; a copy for the check would be another


def test_more_sizes_than_are_remembered():
    """How many elements are not zero is told by the elements, not by the sizes of the input."""
    x = tensor(Symbol("N"))
    places = nonzero(x)
    graph = model((x,), (add(places, places),))
    compiled = compile_graph(graph, threads=1)
    for _ in range(2):
        for count in range(40):
            fed = (np.arange(40) < count).astype(np.float32)
            np.testing.assert_array_equal(compiled(fed)[0], run(graph, {"x0": fed})["y0"])
