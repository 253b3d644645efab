"""Loops and branches of compiled programs against the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from xir.backends.codegen.compile import compile_graph
from xir.backends.codegen.engine import host
from xir.backends.codegen.lowering.lower import expand, lower
from xir.backends.codegen.steps import Branch, Choose, Hosted, Repeat, Step
from xir.errors import UnsafeError, XirError
from xir.ir.constant import Array, constant_of
from xir.ir.constraints import collecting
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.compare import less
from xir.ops.constant import constant
from xir.ops.control import if_, loop, scan
from xir.ops.elementwise import add, mul, sub
from xir.ops.elementwise import cast as converted
from xir.ops.finding import nonzero
from xir.ops.matmul import gemm
from xir.ops.reduce import reduce_sum
from xir.ops.shape import broadcast, reshape
from xir.reference import run
from xir.runtime.executable import Executable

F32 = DType.FLOAT32
Rule = Callable[..., Sequence[Value]]


def tensor(*shape: int | Symbol, dtype: DType = F32) -> Value:
    return Value(TensorType(dtype, shape))


def literal(array: object, dtype: DType = F32) -> Value:
    return constant(value=constant_of(np.asarray(array, dtype.dtype)))


def body_of(rule: Rule, *inputs: Value) -> Graph:
    """A body: its own inputs, of the types of `inputs`."""
    own = [Value(value.type) for value in inputs]
    results = tuple(rule(*own))
    names = {value: f"in{place}" for place, value in enumerate(own)}
    return Graph("body", tuple(own), results, tuple(f"out{place}" for place in range(len(results))), names=names)


def model(inputs: Sequence[Value], outputs: Sequence[Value]) -> Graph:
    names = {value: f"x{place}" for place, value in enumerate(inputs)}
    return Graph("model", tuple(inputs), tuple(outputs), tuple(f"y{n}" for n in range(len(outputs))), names=names)


def numbers(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


def kinds(graph: Graph) -> list[type[Step]]:
    """What kinds of steps a program has, kernels left out."""
    wanted = (Branch, Choose, Hosted, Repeat)
    return [type(step) for step in lower(expand(graph), host()).steps if isinstance(step, wanted)]


def same(graph: Graph, feeds: Mapping[str, Array], compiled: Executable | None = None) -> None:
    expected = run(graph, feeds)
    made = (compiled or compile_graph(graph)).run(None, feeds)
    for name, array in zip(expected, made, strict=True):
        assert array.shape == expected[name].shape
        assert np.allclose(cast("NDArray[np.float64]", array), cast("NDArray[np.float64]", expected[name]), 2e-5, 1e-6)


def scanned(steps: int | Symbol, *, backward: bool = False, forth: bool = False) -> Graph:
    """Two states that change places, one that stays, one that is stacked, a slice that is handed through."""
    x, a, b, kept, weight = tensor(steps, 3), tensor(3), tensor(3), tensor(2), tensor(3)

    def rule(a: Value, b: Value, kept: Value, row: Value, weight: Value) -> Sequence[Value]:
        sum_ = add(mul(a, weight), row)
        return b, sum_, kept, sum_, row, sum_, weight

    row = tensor(3)
    results = scan(
        a,
        b,
        kept,
        x,
        weight,
        body=body_of(rule, a, b, kept, row, weight),
        states=3,
        axes=(0,),
        reversed_inputs=(backward,),
        result_axes=(0,) * 4,
        reversed_results=(forth, False, backward, forth),
    )
    return model((a, b, kept, x, weight), results)


@pytest.mark.parametrize("steps", [0, 1, 2, 5])
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("forth", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_scans_hand_on_states_and_stack_rows(steps: int, backward: bool, forth: bool, known: bool) -> None:
    graph = scanned(steps if known else Symbol("T"), backward=backward, forth=forth)
    feeds = dict(
        zip(graph.input_names, (numbers(3), numbers(3), numbers(2), numbers(steps, 3), numbers(3)), strict=True)
    )
    assert kinds(graph) == [Repeat]
    same(graph, feeds)


def test_one_program_serves_scans_of_several_lengths() -> None:
    graph = scanned(Symbol("T"))
    compiled = compile_graph(graph)
    for steps in (4, 0, 7, 1):
        arrays = (numbers(3), numbers(3), numbers(2), numbers(steps, 3), numbers(3))
        same(graph, dict(zip(graph.input_names, arrays, strict=True)), compiled)


@pytest.mark.parametrize("axes", [(0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("backward", [False, True])
def test_scans_along_other_axes(axes: tuple[int, int], backward: bool) -> None:
    shape = (4, 3) if axes[0] == 0 else (3, 4)
    state, x = tensor(3), tensor(*shape)

    def rule(state: Value, row: Value) -> Sequence[Value]:
        return add(state, row), mul(state, row)

    body = body_of(rule, state, tensor(3))
    results = scan(
        state,
        x,
        body=body,
        states=1,
        axes=axes[:1],
        reversed_inputs=(backward,),
        result_axes=axes[1:],
        reversed_results=(not backward,),
    )
    graph = model((state, x), results)
    assert kinds(graph) == [Repeat]
    same(graph, {"x0": numbers(3), "x1": numbers(*shape)})


def test_weights_of_a_body_are_packed_and_the_loop_follows_other_kernels() -> None:
    x, state = tensor(6, 2, 8), tensor(2, 16)
    weight, from_input = literal(numbers(16, 16)), literal(numbers(8, 16))

    def rule(h: Value, row: Value, weight: Value, from_input: Value) -> Sequence[Value]:
        mixed = gemm(row, from_input, None, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=False)
        new = gemm(h, weight, mixed, alpha=0.1, beta=1.0, transpose_a=False, transpose_b=True)
        return new, new

    results = scan(
        add(state, state),
        mul(x, x),
        weight,
        from_input,
        body=body_of(rule, state, tensor(2, 8), weight, from_input),
        states=1,
        axes=(0,),
        reversed_inputs=(False,),
        result_axes=(0,),
        reversed_results=(False,),
    )
    graph = model((x, state), (reduce_sum(results[1], axes=(0,), keep_dims=False), results[0]))
    same(graph, {"x0": numbers(6, 2, 8), "x1": numbers(2, 16)})


ONE, TRUTH = TensorType(DType.INT64, ()), TensorType(DType.BOOL, ())


def counted(*, with_count: bool, with_condition: bool, bound: bool) -> Graph:
    """Doubles while the sum is below a limit; the number of the step is added."""
    count, condition, x, y = Value(ONE), Value(TRUTH), tensor(4), tensor(4)
    limit = tensor()

    def rule(step: Value, held: Value, x: Value, y: Value, limit: Value) -> Sequence[Value]:
        number = broadcast(reshape(converted(step, dtype=F32), shape=(1,)), shape=(4,))
        grown = add(add(x, x), number)
        small = less(reduce_sum(grown, axes=(0,), keep_dims=False), limit)
        return (small if bound else held), y, grown

    body = body_of(rule, Value(ONE), Value(TRUTH), x, y, limit)
    results = loop(
        count if with_count else None, condition if with_condition else None, x, y, limit, body=body, carried=2
    )
    return model((count, condition, x, y, limit), results)


@pytest.mark.parametrize("count", [-3, 0, 1, 2, 7])
@pytest.mark.parametrize("condition", [False, True])
@pytest.mark.parametrize("limit", [-1.0, 50.0])
@pytest.mark.parametrize(
    ("with_count", "with_condition", "bound"),
    [(True, True, True), (True, False, True), (True, True, False), (True, False, False), (False, True, True)],
)
def test_loops_end_as_the_reference_ends(
    count: int, condition: bool, limit: float, with_count: bool, with_condition: bool, bound: bool
) -> None:
    graph = counted(with_count=with_count, with_condition=with_condition, bound=bound)
    assert kinds(graph) == [Repeat]
    arrays = (np.int64(count), np.bool_(condition), np.abs(numbers(4)) + 1, np.abs(numbers(4)) + 2, np.float32(limit))
    same(graph, {f"x{place}": np.asarray(each) for place, each in enumerate(arrays)})


def nested(outer: int, inner: int) -> Graph:
    """`outer` times `inner` steps; each adds the number of its own step."""
    x = Value(ONE)

    def innermost(step: Value, held: Value, x: Value) -> Sequence[Value]:
        return held, add(x, step)

    inside = body_of(innermost, Value(ONE), Value(TRUTH), x)

    def rule(step: Value, held: Value, x: Value, count: Value) -> Sequence[Value]:
        return held, sub(loop(count, None, x, body=inside, carried=1)[0], step)

    count = Value(ONE)
    body = body_of(rule, Value(ONE), Value(TRUTH), x, count)
    results = loop(literal(outer, DType.INT64), None, x, literal(inner, DType.INT64), body=body, carried=1)
    return model((x,), results)


@pytest.mark.parametrize(("outer", "inner"), [(0, 3), (3, 0), (1, 1), (4, 5)])
def test_loops_in_loops(outer: int, inner: int) -> None:
    graph = nested(outer, inner)
    assert kinds(graph) == [Repeat]
    same(graph, {"x0": np.asarray(3, np.int64)})


def test_a_loop_without_end_is_given_up() -> None:
    x = tensor(2)

    def rule(step: Value, held: Value, x: Value) -> Sequence[Value]:
        return literal(True, DType.BOOL), add(x, x)

    body = body_of(rule, Value(ONE), Value(TRUTH), x)
    graph = model((x,), loop(None, None, x, body=body, carried=1))
    with pytest.raises(UnsafeError, match="has not ended"):
        compile_graph(graph).run(None, {"x0": numbers(2)})


def test_loops_in_loops_that_run_too_often_are_given_up() -> None:
    compiled = compile_graph(nested(3000, 3000))
    for _ in range(2):  # the second call begins anew
        with pytest.raises(UnsafeError, match="bodies have run more than"):
            compiled.run(None, {"x0": np.asarray(3, np.int64)})


def chosen() -> Graph:
    """Arms that compute, hand through, answer a constant, and answer one value twice."""
    condition, a, b = Value(TRUTH), tensor(5), tensor(5)

    def then(a: Value, b: Value) -> Sequence[Value]:
        total = add(a, b)
        return total, total, a, literal(numbers(5))

    def otherwise(a: Value, b: Value) -> Sequence[Value]:
        product = reshape(mul(a, b), shape=(5,))
        return b, a, product, product

    results = if_(condition, a, b, then_body=body_of(then, a, b), else_body=body_of(otherwise, a, b))
    return model((condition, a, b), (*results, add(results[0], results[3])))


@pytest.mark.parametrize("condition", [False, True])
def test_branches_of_machine_code(condition: bool) -> None:
    graph = chosen()
    assert kinds(graph) == [Choose]
    same(graph, {"x0": np.asarray(condition), "x1": numbers(5), "x2": numbers(5)[::-1].copy()})


@pytest.mark.parametrize("condition", [False, True])
@pytest.mark.parametrize("positive", [0, 3])
def test_branches_with_nodes_that_python_runs(condition: bool, positive: int) -> None:
    flag, x = Value(TRUTH), tensor(4)

    def then(x: Value) -> Sequence[Value]:
        found = nonzero(add(x, x))
        return found, mul(x, x)

    def otherwise(x: Value) -> Sequence[Value]:
        return literal([[1, 2]], DType.INT64), add(x, x)

    results = if_(flag, x, then_body=body_of(then, x), else_body=body_of(otherwise, x))
    graph = model((flag, x), (add(results[0], results[0]), results[0], mul(results[1], results[1])))
    assert kinds(graph)[0] is Branch
    data = np.zeros(4, np.float32)
    data[:positive] = 1
    compiled = compile_graph(graph)
    for _ in range(2):
        same(graph, {"x0": np.asarray(condition), "x1": data}, compiled)


def doubled(x: Value) -> Sequence[Value]:
    return (add(x, x),)


def lessened(x: Value) -> Sequence[Value]:
    return (sub(x, literal([1.0, 1.0, 1.0])),)


@pytest.mark.parametrize("start", [0.0, 3.0, 20.0])
def test_branches_in_loops(start: float) -> None:
    x = tensor(3)

    def rule(step: Value, held: Value, x: Value) -> Sequence[Value]:
        small = less(reduce_sum(x, axes=(0,), keep_dims=False), literal(30.0))
        double, less_one = body_of(doubled, x), body_of(lessened, x)
        return held, if_(small, x, then_body=double, else_body=less_one)[0]

    body = body_of(rule, Value(ONE), Value(TRUTH), x)
    graph = model((x,), loop(literal(9, DType.INT64), None, x, body=body, carried=1))
    assert kinds(graph) == [Repeat]
    same(graph, {"x0": np.full(3, start, np.float32)})


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_bits_do_not_depend_on_threads(threads: int) -> None:
    wide = Symbol("T")
    x, state = tensor(wide, 8, 300), tensor(8, 300)
    weight = literal(numbers(300, 300) / np.float32(20))

    def rule(h: Value, row: Value, weight: Value) -> Sequence[Value]:
        new = gemm(h, weight, row, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=False)
        return new, mul(new, new)

    results = scan(
        state,
        x,
        weight,
        body=body_of(rule, state, tensor(8, 300), weight),
        states=1,
        axes=(0,),
        reversed_inputs=(False,),
        result_axes=(0,),
        reversed_results=(False,),
    )
    graph = model((x, state), results)
    feeds = {"x0": numbers(12, 8, 300), "x1": numbers(8, 300)}
    one = compile_graph(graph, threads=1).run(None, feeds)
    others = compile_graph(graph, threads=threads).run(None, feeds)
    assert all(np.array_equal(a, b) for a, b in zip(one, others, strict=True))


@pytest.mark.parametrize("count", [0, 1, 4])
@pytest.mark.parametrize("condition", [None, True])
@pytest.mark.parametrize("held", [False, True])
def test_loops_of_known_length_stack_their_results(count: int, condition: bool | None, held: bool) -> None:
    x, y = tensor(3), tensor(3)

    def rule(step: Value, flag: Value, x: Value, y: Value) -> Sequence[Value]:
        number = broadcast(reshape(converted(step, dtype=F32), shape=(1,)), shape=(3,))
        return flag if held else literal(True, DType.BOOL), add(x, y), mul(x, number), y

    body = body_of(rule, Value(ONE), Value(TRUTH), x, y)
    first = None if condition is None else literal(condition, DType.BOOL)
    results = loop(literal(count, DType.INT64), first, x, y, body=body, carried=1)
    graph = model((x, y), (*results, reduce_sum(results[1], axes=(0,), keep_dims=False)))
    assert kinds(graph) == [Repeat]
    same(graph, {"x0": numbers(3), "x1": numbers(3) + np.float32(1)})


def test_loops_of_unknown_length_that_stack_results_run_by_the_reference() -> None:
    count, x = Value(ONE), tensor(3)

    def rule(step: Value, flag: Value, x: Value) -> Sequence[Value]:
        return flag, add(x, x), x

    body = body_of(rule, Value(ONE), Value(TRUTH), x)
    graph = model((count, x), loop(count, None, x, body=body, carried=1))
    assert kinds(graph) == [Hosted]
    for steps in (0, 1, 3):
        same(graph, {"x0": np.asarray(steps, np.int64), "x1": numbers(3)})


def added_positions(x: Value, y: Value) -> Sequence[Value]:
    """Where both are not zero, added: as many places as the other has, which only the run tells."""
    return (add(nonzero(x), nonzero(y)),)


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("counts", [(2, 2), (3, 1), (1, 4)])
def test_sizes_that_a_run_tells_are_what_was_assumed(inside: bool, counts: tuple[int, int]) -> None:
    flag, x, y = Value(TRUTH), tensor(5), tensor(5)
    with collecting() as assumed:
        if inside:
            with collecting() as within:
                body = body_of(added_positions, x, y)
            body = replace(body, constraints=tuple(within))
            results = if_(flag, x, y, then_body=body, else_body=body)
        else:
            results = tuple(added_positions(x, y))
    graph = replace(model((flag, x, y), results), constraints=tuple(assumed))
    arrays = [np.asarray([1.0] * count + [0.0] * (5 - count), np.float32) for count in counts]
    feeds = {"x0": np.asarray(True), "x1": arrays[0], "x2": arrays[1]}
    if counts[0] == counts[1]:
        same(graph, feeds)
        return
    with pytest.raises(XirError):
        compile_graph(graph).run(None, feeds)
