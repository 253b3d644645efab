"""Examples of control flow: bodies with captured values, of no steps, and that carry what changes its size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, Type
from xir.ops.compare import less
from xir.ops.constant import constant
from xir.ops.control import assume_shape, if_, loop, scan
from xir.ops.elementwise import add, mul, neg, sub
from xir.ops.reduce import reduce_sum
from xir.ops.shape import concat

STEP = TensorType(DType.INT64, ())
GOING = TensorType(DType.BOOL, ())
PLANE = TensorType(DType.FLOAT32, (2, 3))
ROW = TensorType(DType.FLOAT32, (3,))
DTYPES = (DType.FLOAT32, DType.FLOAT64, DType.INT32, DType.INT64)


def body(types: Sequence[Type], build: Callable[..., Sequence[Value]]) -> Graph:
    """A closed graph: `build` makes its results of values of the types."""
    inputs = tuple(Value(type) for type in types)
    outputs = tuple(build(*inputs))
    names = {value: f"b{index}" for index, value in enumerate(inputs)}
    return Graph("body", inputs, outputs, tuple(f"r{index}" for index in range(len(outputs))), names=names)


def flag(holds: bool) -> Array:
    return np.asarray(holds)


def number(count: int) -> Array:
    return np.asarray(count, np.int64)


def cases() -> Iterator[Case]:
    yield from _branches()
    yield from _loops()
    yield from _scans()
    yield case(assume_shape, normal(2, 3), shape=(2, 3))
    yield case(assume_shape, normal(2, 3), shape=(Symbol("rows"), 3)).noted("any number of rows")


def _branches() -> Iterator[Case]:
    for dtype in DTYPES:
        plane = PLANE.with_dtype(dtype)
        branches = {
            "then_body": body([plane, plane], lambda x, y: (add(x, y),)),
            "else_body": body([plane, plane], lambda x, y: (sub(x, y),)),
        }
        x, y = normal(2, 3, dtype=dtype), normal(2, 3, seed=1, dtype=dtype)
        for holds in (True, False):
            yield case(if_, flag(holds), x, y, **branches).noted(f"{holds}, {dtype}")
    longer = {
        "then_body": body([PLANE], lambda x: (concat(x, x, axis=0), neg(x))),
        "else_body": body([PLANE], lambda x: (x, x)),
    }
    for holds in (True, False):
        yield case(if_, flag(holds), normal(2, 3), **longer).noted(f"{holds}, of two lengths")
    inner = body([PLANE, GOING], lambda x, c: (neg(x),))
    other = body([PLANE, GOING], lambda x, c: (if_(c, x, then_body=_turned(), else_body=_kept())[0],))
    for holds in (True, False):
        nested = case(if_, flag(holds), normal(2, 3), flag(False), then_body=inner, else_body=other)
        yield nested.noted(f"{holds}, one in the other")


def _turned() -> Graph:
    return body([PLANE], lambda x: (neg(x),))


def _kept() -> Graph:
    return body([PLANE], lambda x: (add(x, x),))


def _loops() -> Iterator[Case]:
    for dtype in DTYPES:
        plane = PLANE.with_dtype(dtype)
        sums = body([STEP, GOING, plane, plane], lambda i, c, x, y: (c, add(x, y), sub(x, y)))
        x, y = normal(2, 3, dtype=dtype), normal(2, 3, seed=1, dtype=dtype)
        yield case(loop, number(3), flag(True), x, y, body=sums, carried=1).noted(f"{dtype}")
        yield case(loop, number(0), flag(True), x, y, body=sums, carried=1).noted(f"no steps, {dtype}")
    sums = body([STEP, GOING, PLANE, PLANE], lambda i, c, x, y: (c, add(x, y), sub(x, y)))
    planes = (normal(2, 3), normal(2, 3, seed=1))
    yield case(loop, number(3), flag(False), *planes, body=sums, carried=1).noted("its condition never holds")
    yield case(loop, number(2), None, *planes, body=sums, carried=1).noted("without a condition")
    both = body([STEP, GOING, PLANE, PLANE], lambda i, c, x, y: (c, y, x))
    yield case(loop, number(3), None, *planes, body=both, carried=2).noted("two change places")
    yield case(loop, None, flag(True), *planes, body=_until(4), carried=1).noted("until its condition ends it")
    yield case(loop, number(9), flag(True), *planes, body=_until(4), carried=1).noted("its condition ends it early")
    grown = body([STEP, GOING, TensorType(DType.FLOAT32, (Symbol(), 3)), PLANE], _grown)
    yield case(loop, number(3), None, *planes, body=grown, carried=1).noted("what it carries grows")


def _until(steps: int) -> Graph:
    """A body that goes on while the step is less than `steps - 1`."""

    def build(step: Value, going: Value, x: Value, y: Value) -> Sequence[Value]:
        last = constant(value=constant_of(np.asarray(steps - 1, np.int64)))
        return less(step, last), mul(x, y), step

    return body([STEP, GOING, PLANE, PLANE], build)


def _grown(step: Value, going: Value, x: Value, y: Value) -> Sequence[Value]:
    return going, concat(x, y, axis=0), reduce_sum(x, axes=(0,), keep_dims=False)


def _scans() -> Iterator[Case]:
    words = {"states": 1, "axes": (0,), "reversed_inputs": (False,), "result_axes": (0,), "reversed_results": (False,)}
    for dtype in DTYPES:
        row = ROW.with_dtype(dtype)
        running = body([row, row], lambda s, x: (add(s, x), sub(x, s)))
        yield case(scan, normal(3, dtype=dtype), normal(4, 3, dtype=dtype), body=running, **words).noted(f"{dtype}")
    running = body([ROW, ROW], lambda s, x: (add(s, x), sub(x, s)))
    given = (normal(3), normal(4, 3))
    backward = {**words, "reversed_inputs": (True,), "reversed_results": (True,)}
    yield case(scan, *given, body=running, **backward).noted("from the end")
    yield case(scan, normal(3), normal(0, 3), body=running, **words).noted("no steps")
    turned = {**words, "axes": (1,), "result_axes": (1,)}
    yield case(scan, normal(3), normal(3, 4), body=running, **turned).noted("along the last axis")
    captured = body([ROW, ROW, ROW], lambda s, x, w: (add(s, mul(x, w)), neg(s)))
    yield case(scan, *given, normal(3, seed=1), body=captured, **words).noted("with captured")
    alone = {**words, "states": 0}
    yield case(scan, normal(4, 3), body=body([ROW], lambda x: (neg(x),)), **alone).noted("without states")
    two = body([ROW, ROW, ROW], lambda s, x, y: (add(s, x), mul(x, y)))
    both = {**words, "axes": (0, 1), "reversed_inputs": (False, True)}
    yield case(scan, *given, normal(3, 4), body=two, **both).noted("of two")
