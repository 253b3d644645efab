"""Sizes that inputs tell, and sizes that only the data tell, from call to call."""

from __future__ import annotations

import numpy as np

import xir
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.activation import relu
from xir.ops.elementwise import add
from xir.ops.finding import nonzero


def test_another_batch_makes_another_plan() -> None:
    x = Value(TensorType(DType.FLOAT32, (Symbol("N"), 3)))
    executable = xir.compile(Graph("g", (x,), (relu(add(x, x)),), names={x: "x"}), threads=1)
    for count in (2, 5, 0, 2, 7):
        array = np.linspace(-1, 1, count * 3, dtype=np.float32).reshape(count, 3)
        (made,) = executable(array)
        np.testing.assert_array_equal(made, np.maximum(array + array, 0))


def test_sizes_that_the_data_tell_differ_between_calls_of_one_input_size() -> None:
    x = Value(TensorType(DType.INT64, (6,)))
    places = nonzero(x)
    executable = xir.compile(Graph("g", (x,), (add(places, places),), names={x: "x"}), threads=1)
    for numbers in ([1, 0, 1, 1, 0, 0], [0] * 6, [1] * 6, [0, 0, 0, 0, 0, 1]):
        array = np.array(numbers, np.int64)
        np.testing.assert_array_equal(executable(array)[0], 2 * np.stack(np.nonzero(array)))


def test_outputs_of_two_calls_are_two_arrays() -> None:
    x = Value(TensorType(DType.FLOAT32, (4,)))
    executable = xir.compile(Graph("g", (x,), (add(x, x), x), names={x: "x"}), threads=1)
    first, second = executable(np.ones(4, np.float32)), executable(np.zeros(4, np.float32))
    np.testing.assert_array_equal(first[0], np.full(4, 2, np.float32))
    np.testing.assert_array_equal(second[0], np.zeros(4, np.float32))
    fed = np.ones(4, np.float32)
    assert not np.shares_memory(executable(fed)[1], fed)
