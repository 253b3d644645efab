"""Operators that torch's rules leave in graphs, and sizes among numbers."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends.torch.call import Scope
from xir.frontends.torch.caller import Caller
from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.tensor import Tensor
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def run(name: str, *items: object) -> np.ndarray:
    x = Tensor(Value(TensorType(DType.FLOAT32, X.shape)))
    made = Caller(OPERATORS, Scope()).call(name, [x, *(x if item is X else item for item in items)], {})
    assert isinstance(made, Tensor)
    return next(iter(xir.run(Graph("g", (x.value,), (made.value,)), {"0": X}).values()))


def test_types_are_changed() -> None:
    made = run("prims.convert_element_type.default", DType.INT64)
    assert made.dtype == np.int64
    np.testing.assert_array_equal(made, X)


def test_products_and_sums() -> None:
    np.testing.assert_array_equal(run("prims.fma.default", X, X), X * X + X)
    np.testing.assert_array_equal(run("prims.fma.default", 2.0, X), X * 2 + X)


def ranged(*numbers: object) -> Tensor:
    made = Caller(OPERATORS, Scope()).call("aten.arange.start_step", [*numbers], {})
    assert isinstance(made, Tensor)
    return made


def test_a_range_may_step_by_a_size() -> None:
    n = Symbol("n", minimum=0)
    x = Value(TensorType(DType.BOOL, (n,)))
    graph = Graph("g", (x,), (ranged(0, n * 4, n).value,))
    np.testing.assert_array_equal(*xir.run(graph, {"0": np.zeros(3, np.bool_)}).values(), [0, 3, 6, 9])


def test_ranges_that_may_go_either_way_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="up or down"):
        ranged(0, Symbol("n"), Symbol("n") - Symbol("m"))
    with pytest.raises(InvalidModelError, match="needs a step"):
        ranged(0, Symbol("n"), 0)
