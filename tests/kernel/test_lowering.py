"""Lowered operators: the interpreted kernel is the reference, on random shapes."""

from __future__ import annotations

from collections.abc import Sequence

import ml_dtypes
import numpy as np
import pytest

from xir.ir.constant import Array
from xir.ir.dims import Dim, Symbol
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.kernel.interpret import interpret
from xir.kernel.printer import kernel_text
from xir.kernel.verify import verify
from xir.ops import definition
from xir.ops.activation import leaky_relu
from xir.ops.conv import conv
from xir.ops.elementwise import add
from xir.ops.matmul import matmul
from xir.ops.pool import max_pool
from xir.ops.reduce import arg_max, reduce_max, reduce_sum
from xir.ops.shape import concat, reshape, slice_, transpose
from xir.reference.execute import run_node

# Relative and absolute: sums are taken in another order (f64, f32), results are rounded once (f16, bf16).
TOLERANCES = {
    DType.FLOAT64: (1e-12, 1e-12),
    DType.FLOAT32: (1e-5, 1e-5),
    DType.FLOAT16: (1e-3, 1e-3),
    DType.BFLOAT16: (1e-2, 1e-2),
}
FLOATS = list(TOLERANCES)


def value(dtype: DType, *shape: Dim) -> Value:
    return Value(TensorType(dtype, shape))


def random_array(generator: np.random.Generator, dtype: DType, shape: tuple[int, ...]) -> Array:
    if dtype.is_floating:
        return generator.uniform(-2, 2, shape).astype(dtype.dtype)
    return generator.integers(-50, 50, shape).astype(dtype.dtype)


def lowered(node: Node, arrays: Sequence[Array | None], sizes: dict[Symbol, Dim] | None = None) -> tuple[Array, ...]:
    rule = definition(node).lower_rule
    assert rule is not None
    kernel = rule(node)
    verify(kernel)
    assert kernel_text(kernel).startswith(f"kernel {node.op.name}(")
    return interpret(kernel, [array for array in arrays if array is not None], sizes)


def check(result: Value, seed: int = 0, arrays: dict[int, Array] | None = None) -> None:
    """Compares kernel and reference on random operands, or on those that are given."""
    node = result.node
    assert node is not None
    generator = np.random.default_rng(seed)
    operands = [
        None
        if each is None
        else (arrays or {}).get(place, random_array(generator, each.dtype, each.tensor.static_shape or ()))
        for place, each in enumerate(node.inputs)
    ]
    expected, found = run_node(node, operands), lowered(node, operands)
    assert len(found) == len(expected)
    for mine, theirs, output in zip(found, expected, node.outputs, strict=True):
        assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
        rtol, atol = TOLERANCES.get(output.dtype, (0.0, 0.0))
        wide = np.float64 if output.dtype.is_floating else np.int64
        np.testing.assert_allclose(mine.astype(wide), theirs.astype(wide), rtol=rtol, atol=atol)


@pytest.mark.parametrize("dtype", [*FLOATS, DType.INT32, DType.INT8], ids=str)
@pytest.mark.parametrize("shape", [(), (5,), (2, 0, 3), (2, 3, 4)], ids=str)
def test_addition(dtype: DType, shape: tuple[int, ...]) -> None:
    check(add(value(dtype, *shape), value(dtype, *shape)))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_leaky_relu(dtype: DType) -> None:
    check(leaky_relu(value(dtype, 3, 4), alpha=0.1))


@pytest.mark.parametrize("dtype", [*FLOATS, DType.INT32, DType.UINT8], ids=str)
@pytest.mark.parametrize("keep_dims", [True, False])
@pytest.mark.parametrize("axes", [(0,), (2, 0), (0, 1, 2), ()], ids=str)
@pytest.mark.parametrize("reduce", [reduce_sum, reduce_max], ids=["sum", "max"])
def test_reductions(reduce: object, axes: tuple[int, ...], keep_dims: bool, dtype: DType) -> None:
    chosen = reduce_sum if reduce is reduce_sum else reduce_max
    check(chosen(value(dtype, 2, 3, 4), axes=axes, keep_dims=keep_dims))


@pytest.mark.parametrize("reduce", [reduce_sum, reduce_max], ids=["sum", "max"])
def test_reductions_of_nothing(reduce: object) -> None:
    chosen = reduce_sum if reduce is reduce_sum else reduce_max
    check(chosen(value(DType.FLOAT32, 2, 0), axes=(1,), keep_dims=False))


def test_the_largest_of_a_nan_is_a_nan() -> None:
    held = np.array([[1, np.nan], [2, 3]], np.float32)
    check(reduce_max(value(DType.FLOAT32, 2, 2), axes=(1,), keep_dims=False), arrays={0: held})


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("keep_dims", [True, False])
@pytest.mark.parametrize("axis", [0, 1])
def test_the_place_of_the_largest(axis: int, keep_dims: bool, last: bool) -> None:
    held = np.array([[1, 3, 3, 2], [np.nan, 5, np.nan, 1], [-np.inf, -np.inf, -np.inf, -np.inf]], np.float32)
    check(arg_max(value(DType.FLOAT32, 3, 4), axis=axis, keep_dims=keep_dims, last=last), arrays={0: held})
    check(arg_max(value(DType.INT8, 2, 3, 4), axis=axis, keep_dims=keep_dims, last=last))


@pytest.mark.parametrize("dtype", [*FLOATS, DType.INT8], ids=str)
@pytest.mark.parametrize(
    ("shape", "window", "strides", "padding", "dilation"),
    [
        ((2, 2, 5), (2,), (2,), ((1, 0),), (1,)),
        ((1, 2, 5, 6), (3, 2), (2, 1), ((1, 1), (0, 1)), (1, 2)),
        ((1, 1, 3, 3), (1, 1), (1, 1), ((2, 2), (0, 0)), (1, 1)),
        ((1, 1, 3, 4, 3), (2, 2, 2), (1, 2, 1), ((0, 0),) * 3, (1, 1, 2)),
    ],
)
def test_max_pool(
    shape: tuple[int, ...],
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
    dtype: DType,
) -> None:
    check(max_pool(value(dtype, *shape), window=window, strides=strides, padding=padding, dilation=dilation))


@pytest.mark.parametrize("dtype", [*FLOATS, DType.INT64, DType.UINT32], ids=str)
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)], ids=str)
def test_matrix_products(batch: tuple[int, ...], dtype: DType) -> None:
    check(matmul(value(dtype, *batch, 3, 4), value(dtype, *batch, 4, 5)))


@pytest.mark.parametrize("seed", range(12))
def test_convolutions(seed: int) -> None:
    generator = np.random.default_rng(seed)
    axes, groups = int(generator.integers(1, 4)), int(generator.integers(1, 3))
    inputs, outputs = groups * int(generator.integers(1, 3)), groups * int(generator.integers(1, 3))

    def pick(low: int, high: int) -> tuple[int, ...]:
        return tuple(int(each) for each in generator.integers(low, high, axes))

    dtype = FLOATS[seed % len(FLOATS)]
    x = value(dtype, 2, inputs, *pick(4, 7))
    w = value(dtype, outputs, inputs // groups, *pick(1, 3))
    check(
        conv(
            x,
            w,
            value(dtype, outputs) if seed % 2 else None,
            strides=pick(1, 3),
            padding=tuple(zip(pick(-1, 3), pick(-1, 3), strict=True)),
            dilation=pick(1, 3),
            input_dilation=pick(1, 3),
            groups=groups,
        ),
        seed,
    )


def test_moving_elements() -> None:
    x = value(DType.INT16, 2, 3, 4)
    check(transpose(x, perm=(2, 0, 1)))
    check(transpose(value(DType.INT16), perm=()))
    check(reshape(x, shape=(4, 6)))
    check(reshape(x, shape=(24, 1)))
    check(reshape(value(DType.INT16, 1, 1), shape=()))
    check(reshape(value(DType.INT16), shape=(1,)))
    check(concat(x, value(DType.INT16, 2, 1, 4), x, axis=1))
    check(slice_(x, axes=(2, 0), starts=(1, 0), stops=(4, 1), steps=(2, 1)))


@pytest.mark.parametrize(("start", "stop"), [(1, 3), (-2, 4), (-9, 2)])
def test_a_slice_may_begin_where_an_operand_says(start: int, stop: int) -> None:
    held = [np.array([each], np.int64) for each in (start, stop)]
    size = len(range(*slice(start, stop).indices(4)))
    positions = value(DType.INT64, 1)
    made = slice_(value(DType.FLOAT32, 4), positions, positions, axes=(0,), starts=(0,), stops=(size,), steps=(1,))
    check(made, arrays={1: held[0], 2: held[1]})


def test_sizes_may_be_known_when_the_kernel_runs() -> None:
    n = Symbol("n")
    x, w = value(DType.FLOAT32, n, 2, n + 1), value(DType.FLOAT32, 3, 2, 2)
    y = conv(x, w, strides=(2,), padding=((1, 0),), dilation=(1,), input_dilation=(1,), groups=1)
    assert y.node is not None
    generator = np.random.default_rng(0)
    arrays = [random_array(generator, DType.FLOAT32, shape) for shape in ((3, 2, 4), (3, 2, 2))]
    (found,) = lowered(y.node, arrays, {n: 3})
    known = conv(
        value(DType.FLOAT32, 3, 2, 4), w, strides=(2,), padding=((1, 0),), dilation=(1,), input_dilation=(1,), groups=1
    )
    assert known.node is not None
    np.testing.assert_allclose(found, run_node(known.node, [*arrays, None])[0], rtol=1e-5, atol=1e-5)


def test_bfloat16_is_summed_in_f32() -> None:
    ones = np.ones((1, 1000), ml_dtypes.bfloat16)
    made = matmul(value(DType.BFLOAT16, 1, 1000), value(DType.BFLOAT16, 1000, 1))
    assert made.node is not None
    (found,) = lowered(made.node, [ones, ones.T])
    assert found.item() == 1000
