"""A schedule changes how a kernel runs, never what it computes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.ops.cases import Case
from tests.ops.test_table import LOWERED, compare, graph_of, names
from xir.backends.codegen.lowering.schedules.lanes import SHORT
from xir.backends.codegen.lowering.schedules.schedule import CHUNK, schedule
from xir.backends.codegen.lowering.stage import Stage, elements, staged
from xir.errors import UnsupportedError
from xir.ir.builder import apply
from xir.ir.dims import Symbol
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.kernel.grammar import Allocate, Apply, For, Load, Statement, Store
from xir.kernel.interpret import interpret
from xir.kernel.verify import verify
from xir.kernel.walk import loads, scalars, statements
from xir.ops import definition
from xir.ops.conv import conv
from xir.ops.elementwise import add, maximum
from xir.ops.pool import max_pool
from xir.ops.reduce import arg_max, reduce_max, reduce_sum
from xir.ops.running import cumsum
from xir.ops.shape import broadcast, transpose

LANES = 8


def stage_of(node: Node | None) -> Stage:
    """The stage of a node whose operands are all different."""
    assert node is not None
    rule = definition(node).lower_rule
    assert rule is not None
    kernel = rule(node)
    return staged(kernel, range(len(kernel.inputs) + len(kernel.outputs)), node, 7)


def loops(body: Sequence[Statement]) -> list[tuple[str, object]]:
    """(kind, extent) of every loop."""
    return [(each.kind, each.extent) for each in statements(body) if isinstance(each, For)]


@pytest.mark.parametrize("case", LOWERED, ids=names(LOWERED))
def test_every_operator_computes_the_same(case: Case) -> None:
    graph, feeds = graph_of(case)
    try:
        stage = stage_of(graph.outputs[0].node)
    except UnsupportedError:
        return  # the host runs it
    kernel = schedule(stage.kernel, LANES)
    verify(kernel)
    made = interpret(kernel, [np.ascontiguousarray(array).reshape(-1) for array in feeds.values()], {})
    shapes = [value.shape for value in graph.outputs]
    compare(case, tuple(each.reshape(shape) for each, shape in zip(made, shapes, strict=True)))


def test_loops_that_no_index_tells_apart_are_one() -> None:
    x = Value(TensorType(DType.FLOAT32, (2, 3, 4)))
    kernel = schedule(stage_of(add(x, Value(x.type)).node).kernel, LANES)
    assert loops(kernel.body) == [("vector", 24)]


def test_a_long_loop_is_cut_into_chunks_that_workers_share() -> None:
    x = Value(TensorType(DType.FLOAT32, (3 * CHUNK + 5,)))
    kernel = schedule(stage_of(add(x, Value(x.type)).node).kernel, LANES)
    verify(kernel)
    assert loops(kernel.body) == [("parallel", 4), ("vector", CHUNK), ("vector", 5)]


@pytest.mark.parametrize("columns", [CHUNK, CHUNK + 1, 2 * CHUNK + 5])
def test_reductions_of_long_columns_are_cut_too(columns: int) -> None:
    rows = np.random.default_rng(0).standard_normal((3, columns)).astype(np.float32)
    x = Value(TensorType(DType.FLOAT32, rows.shape))
    kernel = schedule(stage_of(reduce_max(x, axes=(0,), keep_dims=False).node).kernel, LANES)
    verify(kernel)
    np.testing.assert_array_equal(interpret(kernel, [rows.reshape(-1)], {})[0], rows.max(axis=0))


def test_a_loop_of_unknown_length_is_cut_too() -> None:
    size = Symbol("N")
    x = Value(TensorType(DType.FLOAT32, (size,)))
    kernel = schedule(stage_of(add(x, Value(x.type)).node).kernel, LANES)
    verify(kernel)
    rng = np.random.default_rng(0)
    for count in (0, 1, CHUNK, CHUNK + 1):
        a, b = (rng.standard_normal(count).astype(np.float32) for _ in range(2))
        np.testing.assert_array_equal(interpret(kernel, [a, b], {size: count})[0], a + b)


def test_a_transposition_goes_in_squares() -> None:
    x = Value(TensorType(DType.FLOAT32, (16, 32)))
    kernel = schedule(stage_of(transpose(x, perm=(1, 0)).node).kernel, LANES)
    assert loops(kernel.body) == [("parallel", 4), ("parallel", 2), ("unrolled", 8), ("vector", 8)]


def test_a_reduction_over_the_outer_axis_has_a_result_in_each_lane() -> None:
    x = Value(TensorType(DType.FLOAT32, (5, 64)))
    kernel = schedule(stage_of(reduce_sum(x, axes=(0,), keep_dims=False).node).kernel, LANES)
    assert loops(kernel.body) == [("vector", 64), ("serial", 5)]


@pytest.mark.parametrize(("op", "start"), [(reduce_sum, 0.0), (reduce_max, -np.inf)])
def test_a_reduction_of_neighbours_has_partial_results(op: object, start: float) -> None:
    x = Value(TensorType(DType.FLOAT32, (3, 1000)))
    rule = reduce_sum if op is reduce_sum else reduce_max
    kernel = schedule(stage_of(rule(x, axes=(1,), keep_dims=False).node).kernel, LANES)
    verify(kernel)
    held = [each.buffer for each in statements(kernel.body) if isinstance(each, Allocate)]
    assert [buffer.shape for buffer in held] == [(), (32,)]
    array = np.random.default_rng(1).standard_normal((3, 1000)).astype(np.float32)
    expected = array.astype(np.float64).sum(1) if rule is reduce_sum else array.max(1)
    np.testing.assert_allclose(interpret(kernel, [array.reshape(-1)], {})[0], expected, rtol=1e-4)
    assert any(
        isinstance(each, Store) and each.value.dtype is DType.FLOAT32 and f"{start}" for each in statements(kernel.body)
    )


def test_elements_know_what_lies_at_a_place() -> None:
    x, y = Value(TensorType(DType.FLOAT32, (3,))), Value(TensorType(DType.FLOAT32, (3, 4)))
    wide = broadcast(x, shape=(4, 3))
    stage = stage_of(wide.node)
    each = elements(stage)
    assert each is not None
    assert each.count == 12
    outer, inner = each.loops
    extents = {outer.axis.name: outer.extent, inner.axis.name: inner.extent}
    place = Apply("add", (Apply("mul", (outer.axis, _number(3))), inner.axis))
    found = each.at(place, extents)
    assert isinstance(found, Load)
    assert found.indices == (inner.axis,)
    assert not any(isinstance(part, Apply) for part in scalars([found]))
    assert elements(stage_of(reduce_sum(y, axes=(1,), keep_dims=False).node)) is None


def _number(value: int) -> object:
    from xir.kernel.build import index

    return index(value)


def test_operands_that_stand_twice_are_read_from_one_buffer() -> None:
    x = Value(TensorType(DType.FLOAT32, (4,)))
    node = apply(maximum, (x, x), {})
    rule = definition(node).lower_rule
    assert rule is not None
    stage = staged(rule(node), (3, 3, 5), node, 0)
    assert stage.reads == (3,)
    assert stage.writes == (5,)
    assert {load.buffer.name for load in loads(stage.kernel.body)} == {"s3"}


@pytest.mark.parametrize("columns", [16, 300, Symbol("N")])
def test_rows_are_walked_once_for_many_columns(columns: int | Symbol) -> None:
    x = Value(TensorType(DType.FLOAT32, (40, columns)))
    array = np.random.default_rng(2).standard_normal((40, 300 if columns != 16 else 16)).astype(np.float32)
    sizes = {} if isinstance(columns, int) else {columns: 300}
    for rule, expected in (
        (reduce_sum(x, axes=(0,), keep_dims=False), array.sum(0)),
        (reduce_max(x, axes=(0,), keep_dims=False), array.max(0)),
        (arg_max(x, axis=0, keep_dims=False), array.argmax(0)),
        (cumsum(x, axis=0, exclusive=False, reverse=False), array.cumsum(0).reshape(-1)),
    ):
        kernel = schedule(stage_of(rule.node).kernel, LANES)
        verify(kernel)
        rows = [each for each in statements(kernel.body) if isinstance(each, For) and each.extent == 40]
        assert any(isinstance(inner, For) and inner.kind == "vector" for each in rows for inner in each.body)
        np.testing.assert_allclose(interpret(kernel, [array.reshape(-1)], sizes)[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1, 5, 31, 64, 100, Symbol("N")])
def test_partial_results_cover_every_element(size: int | Symbol) -> None:
    x = Value(TensorType(DType.FLOAT32, (3, size)))
    kernel = schedule(stage_of(reduce_sum(x, axes=(1,), keep_dims=False).node).kernel, LANES)
    verify(kernel)
    for count in [size] if isinstance(size, int) else [0, 1, 9, 33, 75]:
        array = np.random.default_rng(3).standard_normal((3, count)).astype(np.float32)
        sizes = {} if isinstance(size, int) else {size: count}
        np.testing.assert_allclose(interpret(kernel, [array.reshape(-1)], sizes)[0], array.sum(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("step", "gathered"), [(2, True), (5, False)])
def test_lanes_gather_windows_that_lie_near(step: int, gathered: bool) -> None:
    x = Value(TensorType(DType.FLOAT32, (3, 4, 9, 60)))
    y = max_pool(x, window=(3, 3), strides=(1, step), padding=((0, 0), (0, 0)), dilation=(1, 1))
    kernel = schedule(stage_of(y.node).kernel, LANES)
    verify(kernel)
    assert (("vector", y.shape[-1]) in loops(kernel.body)) == gathered


@pytest.mark.parametrize("row", [(5, 20), (5, 600)], ids=str)
def test_partial_results_of_short_rows_are_joined_once(row: tuple[int, int]) -> None:
    """Behind the loop over rows where these are short, in each row where they are long."""
    x = Value(TensorType(DType.FLOAT32, (row[0], 3, row[1])))
    kernel = schedule(stage_of(reduce_sum(x, axes=(0, 2), keep_dims=False).node).kernel, LANES)
    verify(kernel)
    array = np.random.default_rng(0).standard_normal((row[0], 3, row[1]), np.float32)
    (made,) = interpret(kernel, [array.reshape(-1)], {})
    np.testing.assert_allclose(made, array.sum((0, 2)), rtol=1e-5, atol=1e-5)
    (channels,) = kernel.body
    assert isinstance(channels, For)
    (rows,) = [each for each in channels.body if isinstance(each, For) and each.kind == "serial"]
    halves = [each for each in statements(rows.body) if isinstance(each, For) and each.extent == 1]
    assert bool(halves) == (row[1] > SHORT)


def test_sums_over_lines_go_along_them_where_results_are_few() -> None:
    """A gradient by the weights of a depthwise convolution: three results side by side, and lines of 40."""
    x, dy = (Value(TensorType(DType.FLOAT32, shape)) for shape in ((1, 6, 6, 42), (3, 2, 4, 40)))
    sizes = {"padding": ((0, 0),) * 2, "strides": (1, 1), "dilation": (1, 1), "input_dilation": (1, 1)}
    kernel = schedule(stage_of(conv(x, dy, groups=3, **sizes).node).kernel, LANES)
    verify(kernel)
    assert ("parallel", 3) in loops(kernel.body)
    assert ("vector", 3) not in loops(kernel.body)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("size", [3, 40, Symbol("N")])
def test_a_sum_that_is_read_as_it_grows_is_no_reduction(size: int | Symbol, exclusive: bool) -> None:
    """A running sum along the last axis, whose elements lie side by side as those of a reduction do."""
    x = Value(TensorType(DType.FLOAT32, (2, size)))
    kernel = schedule(stage_of(cumsum(x, axis=1, exclusive=exclusive, reverse=False).node).kernel, LANES)
    array = np.arange(80, dtype=np.float32).reshape(2, 40)[:, : size if isinstance(size, int) else 33]
    sizes = {} if isinstance(size, int) else {size: 33}
    made = interpret(kernel, [np.ascontiguousarray(array).reshape(-1)], sizes)[0].reshape(array.shape)
    np.testing.assert_array_equal(made, array.cumsum(1) - (array if exclusive else 0))
