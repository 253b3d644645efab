"""The weights of a model, wherever they stand."""

from __future__ import annotations

import numpy as np
import pytest

from xir.ir.constant import Constant, constant_of
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ir.weights import bytes_in_file, weights_in, weights_of
from xir.ops.constant import constant
from xir.ops.control import if_
from xir.ops.elementwise import mul

SHARED = constant_of(np.ones(5, np.float32))


def times(x: Value, *held: Constant) -> Value:
    for each in held:
        x = mul(x, constant(value=each))
    return x


def body(*held: Constant) -> Graph:
    x = Value(TensorType(DType.FLOAT32, (5,)))
    y = times(x, *held)
    return Graph("body", (x,), (y,), ("y",), (), {x: "x"})


def test_parameters_and_literals_of_some_size_are_weights() -> None:
    x, w = Value(TensorType(DType.FLOAT32, (5,))), constant_of(np.full(5, 2, np.float32))
    weight = Value(w.type)
    y = times(mul(x, weight), SHARED)
    graph = Graph("g", (x,), (y,), ("y",), (Parameter(weight, w, True),), {x: "x", weight: "w"})
    assert weights_of(graph) == (w, SHARED)


@pytest.mark.parametrize("literal", [np.ones(1, np.float32), np.ones(5, np.int64)], ids=["a factor", "a shape"])
def test_other_literals_are_none(literal: np.ndarray) -> None:
    held = constant(value=constant_of(literal))
    assert weights_of(Graph("g", (), (held,), ("y",), (), {})) == ()


def test_weights_of_bodies_count_once() -> None:
    own = constant_of(np.full(5, 3, np.float32))
    x = Value(TensorType(DType.FLOAT32, (5,)))
    condition = Value(TensorType(DType.BOOL, ()))
    made = if_(condition, x, then_body=body(SHARED, own), else_body=body(SHARED))
    (y,) = made if isinstance(made, tuple) else (made,)
    graph = Graph("g", (x, condition), (y,), ("y",), (), {x: "x", condition: "c"})
    assert weights_of(graph) == (SHARED, own)
    assert y.node is not None
    assert weights_in(y.node) == (SHARED, own)


def test_numbers_of_four_bits_share_a_byte() -> None:
    assert bytes_in_file(constant_of(np.zeros(5, DType.INT4.dtype))) == 3
    assert bytes_in_file(SHARED) == 20
