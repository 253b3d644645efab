"""What values hold before the run."""

from __future__ import annotations

import numpy as np

from xir.frontends._folding import KEPT_ELEMENTS, Folding
from xir.ir.constant import Constant, constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.control import loop
from xir.ops.elementwise import add, div, mul, neg
from xir.ops.finding import nonzero
from xir.ops.index import gather
from xir.ops.random import random_uniform
from xir.ops.reduce import reduce_sum
from xir.ops.shape import iota, reshape, split

N = Symbol("n")


def weight(array: object, held: dict[Value, Constant]) -> Value:
    constant = constant_of(np.asarray(array))
    value = Value(constant.type)
    held[value] = constant
    return value


def value(*shape: int | Symbol) -> Value:
    return Value(TensorType(DType.INT64, shape))


def found(folding: Folding, what: Value) -> object:
    constant = folding.constant_of(what)
    return None if constant is None else constant.array().tolist()


def test_what_depends_on_weights_alone_is_known() -> None:
    held: dict[Value, Constant] = {}
    folding, w, x = Folding(held.get, 100), weight([1, 2, 3], held), value(3)
    assert found(folding, w) == [1, 2, 3]
    assert found(folding, add(w, mul(w, w))) == [2, 6, 12]
    assert found(folding, iota(shape=(3,), axis=0, dtype=DType.INT64)) == [0, 1, 2]
    assert found(folding, split(w, axis=0, sizes=(1, 2))[1]) == [2, 3]
    assert found(folding, x) is None
    assert found(folding, neg(add(w, x))) is None


def test_sizes_that_only_the_computation_tells() -> None:
    held: dict[Value, Constant] = {}
    folding = Folding(held.get, 100)
    places = nonzero(weight([0, 5, 0, 7], held))
    count = places.shape[1]
    assert found(folding, reshape(places, shape=(count,))) == [1, 3]
    assert found(folding, places) == [[1, 3]]
    assert found(folding, reshape(weight([7], held), shape=(N,))) is None
    assert found(folding, reshape(value(N), shape=(N,))) is None
    assert found(Folding(held.get, 4), places) == [[1, 3]]
    many = nonzero(weight([1, 2, 3], held))
    assert found(Folding(held.get, 3), many) == [[0, 1, 2]]
    assert found(Folding(held.get, 2), many) is None


def test_what_is_large_is_not_followed_and_does_not_stay() -> None:
    held: dict[Value, Constant] = {}
    w = weight(np.arange(2 * KEPT_ELEMENTS), held)
    total = reduce_sum(neg(w), axes=(0,), keep_dims=False)
    assert found(Folding(held.get, KEPT_ELEMENTS), total) is None
    folding = Folding(held.get, 4 * KEPT_ELEMENTS)
    first = neg(w)
    wanted = -int(np.arange(2 * KEPT_ELEMENTS).sum())
    for _ in range(2):
        assert found(folding, reduce_sum(first, axes=(0,), keep_dims=False)) == wanted
    assert found(folding, add(first, first)) == (-2 * np.arange(2 * KEPT_ELEMENTS)).tolist()


def test_what_no_run_computes_is_left_to_the_run() -> None:
    held: dict[Value, Constant] = {}
    folding, zero, one = Folding(held.get, 100), weight([0], held), weight([1], held)
    assert found(folding, div(one, zero)) is None
    assert found(folding, gather(one, weight(9, held), axis=0)) is None
    assert found(folding, random_uniform(shape=(2,), low=0.0, high=1.0, seed=1, dtype=DType.FLOAT32)) is None


def test_loops_of_constants_are_computed() -> None:
    held: dict[Value, Constant] = {}
    place, going, x = value(), Value(TensorType(DType.BOOL, ())), value()
    body = Graph("twice", (place, going, x), (going, add(x, x)))
    (made,) = loop(weight(np.int64(5), held), None, weight(np.int64(3), held), body=body, carried=1)
    assert found(Folding(held.get, 100), made) == 96
