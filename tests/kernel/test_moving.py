"""Kernels that move, pick and place elements: every form, sizes known late, and indices that do not exist."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from xir.errors import UnsupportedError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, dtype_from_numpy
from xir.kernel._simplify import simplify_statements
from xir.kernel.build import MACHINE_TYPES
from xir.kernel.grammar import Kernel
from xir.kernel.interpret import interpret
from xir.kernel.verify import verify
from xir.ops import definition
from xir.ops.elementwise import pow_
from xir.ops.index import gather, gather_elements, scatter_elements
from xir.ops.padding import PadMode, pad
from xir.ops.pool import max_pool_with_indices
from xir.ops.reduce import (
    arg_max,
    arg_min,
    cumsum,
    reduce_max,
    reduce_mean,
    reduce_min,
    reduce_prod,
    reduce_sum,
    top_k,
)
from xir.ops.shape import broadcast, iota, reshape, reverse, shape_of, slice_
from xir.reference.execute import run_node

F32, I64 = DType.FLOAT32, DType.INT64
N, M = Symbol("n"), Symbol("m")


def free(dtype: DType, *shape: Dim) -> Value:
    return Value(TensorType(dtype, shape))


def like(array: Array) -> Value:
    return Value(TensorType(dtype_from_numpy(array.dtype), array.shape))


def kernel_of(result: Value) -> Kernel:
    node = result.node
    assert node is not None
    rule = definition(node).lower_rule
    assert rule is not None
    made = rule(node)
    verify(made)
    return made


def found(result: Value, *arrays: Array, sizes: dict[Symbol, Dim] | None = None) -> tuple[Array, ...]:
    """What the kernel makes, as it is and with simplified scalars."""
    made = kernel_of(result)
    simple = Kernel(made.name, made.inputs, made.outputs, simplify_statements(made.body, {}))
    verify(simple)
    plain, simpler = (interpret(each, list(arrays), sizes) for each in (made, simple))
    for one, other in zip(plain, simpler, strict=True):
        assert one.tobytes() == other.tobytes()
    return plain


def agree(result: Value, arrays: Sequence[Array | None]) -> None:
    node = result.node
    assert node is not None
    expected = run_node(node, list(arrays))
    made = found(result, *(array for array in arrays if array is not None))
    for one, other in zip(made, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one.astype(np.float64), other.astype(np.float64))


LINE = np.array([1, 2, 3, 4, 5], np.float32)


# Picking and placing


@pytest.mark.parametrize("bad", [5, -6, 1 << 40, -(1 << 63), (1 << 63) - 1])
def test_an_index_of_nothing_reads_and_writes_nothing(bad: int) -> None:
    indices = np.array([1, bad, -1], np.int64)
    assert found(gather(like(LINE), like(indices), axis=0), LINE, indices)[0].tolist() == [2, 0, 5]
    assert found(gather_elements(like(LINE), like(indices), axis=0), LINE, indices)[0].tolist() == [2, 0, 5]
    updates = np.array([10, 20, 30], np.float32)
    put = scatter_elements(like(LINE), like(indices), like(updates), axis=0, reduction="none")
    assert found(put, LINE, indices, updates)[0].tolist() == [1, 10, 3, 4, 30]
    half, more = LINE.astype(np.float16), updates.astype(np.float16)
    added = scatter_elements(like(half), like(indices), like(more), axis=0, reduction="add")
    assert found(added, half, indices, more)[0].tolist() == [1, 12, 3, 4, 35]


def test_nothing_is_picked_from_an_empty_axis() -> None:
    empty, indices = np.zeros((0, 2), np.float32), np.array([0, -1], np.int32)
    assert found(gather(like(empty), like(indices), axis=0), empty, indices)[0].tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shape", [(), (3,), (2, 2)], ids=str)
def test_slices_are_picked_along_each_axis(shape: tuple[int, ...], axis: int) -> None:
    generator = np.random.default_rng(axis)
    x = generator.normal(size=(2, 3, 4)).astype(np.float32)
    indices = generator.integers(-2, 2, shape).astype(np.int32)
    agree(gather(like(x), like(indices), axis=axis), [x, indices])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int32], ids=lambda each: each.__name__)
@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
@pytest.mark.parametrize("axis", [0, 1])
def test_updates_that_meet_come_in_their_order(axis: int, reduction: str, dtype: type[np.float32]) -> None:
    generator = np.random.default_rng(axis)
    x, updates = (generator.integers(-3, 4, shape).astype(dtype) for shape in ((4, 3), (6, 2)))
    if axis == 1:
        x, updates = x.T.copy(), updates.T.copy()
    indices = generator.integers(-4, 4, updates.shape)
    put = scatter_elements(like(x), like(indices), like(updates), axis=axis, reduction=reduction)  # type: ignore[arg-type]  # by table
    agree(put, [x, indices, updates])
    agree(gather_elements(like(x), like(indices), axis=axis), [x, indices])


def test_half_precision_is_summed_in_f32() -> None:
    x, indices = np.zeros(1, np.float16), np.zeros(4096, np.int64)
    updates = np.ones(4096, np.float16)
    agree(scatter_elements(like(x), like(indices), like(updates), axis=0, reduction="add"), [x, indices, updates])


def test_sizes_that_are_not_known_to_fit_are_guarded() -> None:
    x, indices, updates = free(F32, 3, N), free(I64, 2, M), free(F32, 2, M)
    data = np.arange(6, dtype=np.float32).reshape(3, 2)
    places = np.array([[2, -1, 0], [0, 1, 2]])
    sizes: dict[Symbol, Dim] = {N: 2, M: 3}
    assert found(gather_elements(x, indices, axis=0), data, places, sizes=sizes)[0].tolist() == [[4, 5, 0], [0, 3, 0]]
    put = scatter_elements(x, indices, updates, axis=0, reduction="none")
    written = found(put, data, places, np.full((2, 3), 9, np.float32), sizes=sizes)[0]
    assert written.tolist() == [[9, 1], [2, 9], [9, 9]]


# Order and running sums

NAN = np.nan
ROWS = np.array(
    [[1, 3, 3, 2, 0], [NAN, 5, NAN, 1, -0.0], [-np.inf, np.inf, -np.inf, np.inf, 0], [0.0, -0.0, 0, -0.0, NAN]],
    np.float32,
)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64], ids=lambda each: each.__name__)
@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("k", [0, 1, 3, 5])
def test_the_first_in_order(k: int, largest: bool, dtype: type[np.float32]) -> None:
    rows = ROWS.astype(dtype)
    agree(top_k(like(rows), k=k, axis=1, largest=largest)[0], [rows, None])
    columns = rows.T.copy()
    agree(top_k(like(columns), k=k, axis=0, largest=largest)[0], [columns, None])


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("place", [arg_max, arg_min], ids=["largest", "smallest"])
def test_the_place_of_an_extreme(place: object, last: bool) -> None:
    rule = arg_max if place is arg_max else arg_min
    agree(rule(like(ROWS), axis=1, keep_dims=False, last=last), [ROWS])
    whole = np.array([[3, 1, 1, 3], [-128, 127, -128, 127]], np.int8)
    agree(rule(like(whole), axis=0, keep_dims=True, last=last), [whole])
    agree(rule(like(whole), axis=1, keep_dims=True, last=last), [whole])


@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int8], ids=lambda each: each.__name__)
def test_running_sums(dtype: type[np.float64], axis: int, exclusive: bool, reverse: bool) -> None:
    x = np.arange(-20, 100, 10, dtype=np.int64).reshape(3, 4).astype(dtype)
    agree(cumsum(like(x), axis=axis, exclusive=exclusive, reverse=reverse), [x, None])


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.int64], ids=lambda each: each.__name__)
def test_means_of_integers_are_cut_to_whole(dtype: type[np.int64]) -> None:
    x = np.array([[100, 101, 100], [3, 0, 1], [0, 0, 2]], np.int64)
    x = (x * [[1], [-1 if np.issubdtype(dtype, np.signedinteger) else 1], [1]]).astype(dtype)
    agree(reduce_mean(like(x), axes=(1,), keep_dims=False), [x])
    agree(reduce_mean(like(x[:, :0]), axes=(1,), keep_dims=True), [x[:, :0]])


INTEGERS = [dtype for dtype in DType if dtype.is_integer and dtype in MACHINE_TYPES]
REDUCTIONS = [reduce_sum, reduce_mean, reduce_max, reduce_min, reduce_prod]


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("reduce", REDUCTIONS, ids=lambda each: each.name)
def test_integers_of_all_types_wrap_around_when_they_are_reduced(reduce: object, dtype: DType) -> None:
    generator = np.random.default_rng(dtype.bits)
    x = np.frombuffer(generator.bytes(24 * dtype.bits // 8), dtype.dtype).reshape(2, 3, 4)
    for rule in REDUCTIONS:
        if rule is reduce:
            agree(rule(like(x), axes=(0, 2), keep_dims=False), [x])
            agree(rule(like(x), axes=(1,), keep_dims=True), [x])


@pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32, DType.FLOAT64], ids=str)
@pytest.mark.parametrize("reduce", REDUCTIONS, ids=lambda each: each.name)
def test_floats_of_all_types_are_reduced(reduce: object, dtype: DType) -> None:
    x = np.array([[0.5, 2, -4, 0.25], [NAN, 1, 2, 3], [np.inf, 1, 2, 3], [np.inf, -np.inf, 0, 1]]).astype(dtype.dtype)
    for rule in REDUCTIONS:
        if rule is reduce:
            agree(rule(like(x), axes=(1,), keep_dims=False), [x])
            agree(rule(like(x[:, :0]), axes=(1,), keep_dims=False), [x[:, :0]])


def test_the_mean_of_the_lowest_integers() -> None:
    x = np.array([-(1 << 63), 0], np.int64)
    agree(reduce_mean(like(x), axes=(0,), keep_dims=False), [x])


def test_the_largest_of_each_window_and_its_place() -> None:
    x = np.array([[-np.inf, -np.inf, NAN, 2], [-np.inf, -np.inf, 3, NAN], [7, 7, 1, 1]], np.float32)[None, None]
    for given in (
        {"window": (2, 2), "strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)},
        {"window": (1, 2), "strides": (2, 2), "padding": ((1, 1), (2, 1)), "dilation": (1, 2)},
    ):
        agree(max_pool_with_indices(like(x), **given)[0], [x])  # type: ignore[arg-type]  # by table


# Shapes


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
@pytest.mark.parametrize(
    "padding", [((0, 0), (0, 0)), ((1, 2), (0, 3)), ((-1, 2), (2, -1)), ((-1, -1), (9, 11)), ((0, 0), (7, 0))], ids=str
)
@pytest.mark.parametrize("shape", [(3, 4), (3, 1)], ids=str)
def test_padding(shape: tuple[int, int], padding: tuple[tuple[int, int], ...], mode: PadMode) -> None:
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    if shape == (3, 1) and padding[1][1] < 0 and mode != "constant":
        padding = (padding[0], (2, 0))
    agree(pad(like(x), padding=padding, mode=mode, value=0.5), [x, None, None, None])


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
def test_padding_that_operands_give(mode: PadMode) -> None:
    amounts, fill = np.array([1, -1, 0, 3], np.int64), np.array([7], np.float32)
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    node = pad(like(x), like(amounts), like(fill), padding=((1, 0), (-1, 3)), mode=mode).node
    assert node is not None
    agree(node.outputs[0], [x, amounts, fill, None])


@pytest.mark.parametrize("mode", ["edge", "reflect", "wrap"])
def test_an_empty_axis_has_nothing_to_repeat(mode: PadMode) -> None:
    empty = np.zeros(0, np.float32)
    x = free(F32, N)
    assert found(pad(x, padding=((1, 1),), mode=mode), empty, sizes={N: 0})[0].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("value", "dtype", "expected"), [(2.7, DType.INT8, 2), (1.0, DType.BOOL, 1), (0.0, DType.BOOL, 0)]
)
def test_what_is_padded_has_the_type_of_the_rest(value: float, dtype: DType, expected: int) -> None:
    x = np.zeros(1, dtype.dtype)
    agree(pad(like(x), padding=((1, 0),), value=value), [x, None, None, None])
    assert int(found(pad(like(x), padding=((1, 0),), value=value), x)[0][0]) == expected


@pytest.mark.parametrize(
    ("have", "want"), [((), (2, 3)), ((3,), (2, 3)), ((2, 1), (2, 3)), ((1, 1), (1, 1)), ((1,), (0,)), ((2, 3), (2, 3))]
)
def test_broadcasting(have: tuple[int, ...], want: tuple[int, ...]) -> None:
    x = np.arange(np.prod(have), dtype=np.float32).reshape(have)
    agree(broadcast(like(x), shape=want), [x, None])


@pytest.mark.parametrize(("size", "result"), [(3, 3), (1, 3), (2, 3), (0, 1)])
def test_whether_an_axis_repeats_may_be_known_late(size: int, result: int) -> None:
    made = broadcast(free(F32, N), shape=(M,))
    line = np.arange(1, size + 1, dtype=np.float32)
    expected = {3: [1, 2, 3], 1: [1, 1, 1], 2: [1, 2, 2], 0: [0]}[size]
    assert found(made, line, sizes={N: size, M: result})[0].tolist() == expected
    wrong = broadcast(free(F32, 3), shape=(M,))
    assert found(wrong, np.arange(3, dtype=np.float32), sizes={M: 4})[0].tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(("start", "size", "expected"), [(3, 3, [4, 5, 0]), (-2, 2, [4, 5]), (9, 1, [0]), (-9, 1, [1])])
def test_a_slice_reads_nothing_behind_the_end(start: int, size: int, expected: list[float]) -> None:
    bounds = np.array([start], np.int64)
    made = slice_(like(LINE), like(bounds), axes=(0,), starts=(N,), stops=(N + size,), steps=(1,))
    assert found(made, LINE, bounds, sizes={N: 0})[0].tolist() == expected


def test_other_moves() -> None:
    x = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    agree(reverse(like(x), axes=(2, 0)), [x])
    agree(reverse(like(x), axes=()), [x])
    agree(shape_of(like(x)), [x])
    agree(iota(shape=(2, 3), axis=1, dtype=DType.BFLOAT16), [])
    agree(reshape(like(x), shape=(4, 6)), [x, None])
    late = found(shape_of(free(F32, N, 2, N + M)), np.zeros((3, 2, 8), np.float32), sizes={N: 3, M: 5})
    assert late[0].tolist() == [3, 2, 8]
    line = found(iota(shape=(N,), axis=0, dtype=F32), sizes={N: 3})
    assert line[0].tolist() == [0, 1, 2]
    turned = found(reverse(free(F32, N), axes=(0,)), LINE, sizes={N: 5})
    assert turned[0].tolist() == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(("k", "size"), [(N, 4), (2, N)], ids=str)
def test_how_many_are_taken_may_be_known_late(k: Dim, size: Dim) -> None:
    row = np.array([2, 4, 1, 3], np.float32)
    values, places = found(top_k(free(F32, size), k=k, axis=0)[0], row, sizes={N: 4 if k == 2 else 2})
    assert (values.tolist(), places.tolist()) == ([4, 3], [1, 3])


def test_no_negative_power_of_0_is_0() -> None:
    zero, power = np.zeros(1, np.int32), np.array([-3], np.int32)
    assert found(pow_(like(zero), like(power)), zero, power)[0].tolist() == [0]


@pytest.mark.parametrize(
    "result",
    [
        cumsum(free(F32, 3), free(I64), axis=0),
        top_k(free(F32, 3), free(I64, 1), k=2, axis=0)[0],
        pad(free(F32, 3), free(I64, 2), None, free(I64, 1), padding=((0, 0),)),
    ],
    ids=lambda result: result.node.op.name,
)
def test_operands_that_say_what_the_loops_are_stay_with_the_reference(result: Value) -> None:
    with pytest.raises(UnsupportedError, match="an operand decides at run time"):
        kernel_of(result)
