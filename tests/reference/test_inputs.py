"""Made-up inputs: the same for the same seed, within every type's range."""

from __future__ import annotations

import numpy as np
import pytest

from xir.errors import UnsafeError, UsageError
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, MapType, OptionalType, SequenceType, TensorType, Type, UnrankedType
from xir.reference import random_inputs
from xir.reference.inputs import default_sizes


def graph_with(*types: Type) -> Graph:
    values = tuple(Value(type) for type in types)
    return Graph("g", values, values, (), (), {value: f"in{index}" for index, value in enumerate(values)})


def test_one_seed_gives_one_set_of_inputs() -> None:
    graph = graph_with(TensorType(DType.FLOAT32, (3, 4)), TensorType(DType.INT64, (5,)))
    first, again, other = random_inputs(graph, 1), random_inputs(graph, 1), random_inputs(graph, 2)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["in0"], other["in0"])


@pytest.mark.parametrize("dtype", DType, ids=str)
def test_every_element_type_has_inputs_of_its_own(dtype: DType) -> None:
    array = random_inputs(graph_with(TensorType(dtype, (64,))))["in0"]
    assert array.dtype == dtype.dtype
    assert array.shape == (64,)
    assert len({str(element) for element in array}) > 1


@pytest.mark.parametrize(
    ("symbol", "size"),
    [
        (Symbol("n"), 2),
        (Symbol("n", minimum=5), 5),
        (Symbol("n", divisor=8), 8),
        (Symbol("n", minimum=9, divisor=8), 16),
        (Symbol("n", maximum=1), 1),
    ],
)
def test_an_unknown_size_becomes_the_smallest_sensible_one(symbol: Symbol, size: int) -> None:
    assert random_inputs(graph_with(TensorType(DType.FLOAT32, (symbol, 3))))["in0"].shape == (size, 3)


@pytest.mark.parametrize(
    ("symbol", "left", "size"),
    [
        (Symbol("n"), 2, 3),
        (Symbol("n", divisor=4), 5, 8),
        (Symbol("n"), 100, 106),
        (Symbol("n"), 10_000, 10_975),
    ],
)
def test_an_unknown_size_is_large_enough_for_what_is_computed(symbol: Symbol, left: int, size: int) -> None:
    types = TensorType(DType.FLOAT32, (symbol, 3)), TensorType(DType.FLOAT32, (symbol - left,))
    assert random_inputs(graph_with(*types))["in0"].shape == (size, 3)


@pytest.mark.parametrize(("symbol", "left"), [(Symbol("n", maximum=5), 5), (Symbol("n"), 100_000)])
def test_a_size_that_no_growth_helps_stays(symbol: Symbol, left: int) -> None:
    assert default_sizes(graph_with(TensorType(DType.FLOAT32, (symbol - left,)))) == {symbol: 2}


def test_a_formula_follows_its_symbols() -> None:
    n = Symbol("n")
    made = random_inputs(graph_with(TensorType(DType.FLOAT32, (n,)), TensorType(DType.FLOAT32, (n * 2 + 1,))))
    assert made["in1"].shape == (made["in0"].shape[0] * 2 + 1,)


def test_sequences_optionals_and_maps_are_made_up() -> None:
    number, rows = TensorType(DType.FLOAT32, ()), TensorType(DType.FLOAT32, (Symbol("n"), 3))
    types = (SequenceType(rows), OptionalType(rows), MapType(DType.INT64, number), MapType(DType.STRING, number))
    sequence, optional, by_number, by_name = random_inputs(graph_with(*types)).values()
    assert [each.shape for each in sequence] == [(2, 3), (2, 3)]
    assert optional.shape == (2, 3)
    assert isinstance(by_number, dict)
    assert isinstance(by_name, dict)
    assert (list(by_number), list(by_name)) == ([0, 1], ["a", "b"])


@pytest.mark.parametrize("type", [UnrankedType(DType.FLOAT32), SequenceType(UnrankedType(DType.STRING))], ids=repr)
def test_what_cannot_be_made_up_is_said(type: Type) -> None:
    with pytest.raises(UsageError, match="in0"):
        random_inputs(graph_with(type))


def test_a_hostile_shape_is_refused_before_memory_is_asked_for() -> None:
    with pytest.raises(UnsafeError):
        random_inputs(graph_with(TensorType(DType.FLOAT32, (2**40, 2**40))))
