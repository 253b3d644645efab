"""Pooling: against onnxruntime in every mode it has, and against Caffe's own loops."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.ops.evaluate import Operator, decomposed, evaluate, evaluate_all, onnx_results, placeholders
from xir.errors import InvalidModelError
from xir.ir.dims import Symbol, ceil_divide
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.pool import average_pool, lp_pool, max_pool, max_pool_with_indices, max_unpool

Pads = tuple[tuple[int, int], ...]
Pool = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], Pads, tuple[int, ...]]

# name: x, window, strides, padding, dilation
CASES: dict[str, Pool] = {
    "plain": ((2, 3, 6, 7), (2, 3), (2, 2), ((0, 0), (0, 0)), (1, 1)),
    "padded on one side": ((1, 2, 6, 7), (3, 3), (2, 1), ((1, 0), (0, 2)), (1, 1)),
    "dilated": ((1, 2, 9, 8), (3, 2), (1, 2), ((1, 1), (1, 0)), (2, 3)),
    "one axis": ((2, 2, 9), (4,), (3,), ((2, 1),), (1,)),
    "three axes": ((1, 2, 4, 5, 6), (2, 3, 2), (2, 1, 2), ((1, 0), (1, 1), (0, 0)), (1, 1, 1)),
}
cases = pytest.mark.parametrize(("shape", "window", "strides", "padding", "dilation"), CASES.values(), ids=CASES.keys())


def normal(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def onnx_attributes(
    window: tuple[int, ...], strides: tuple[int, ...], padding: Pads, dilation: tuple[int, ...]
) -> dict[str, object]:
    pads = [before for before, _ in padding] + [after for _, after in padding]
    return {"kernel_shape": window, "strides": strides, "pads": pads, "dilations": dilation}


@cases
def test_max_pool_agrees_with_onnxruntime(
    shape: tuple[int, ...], window: tuple[int, ...], strides: tuple[int, ...], padding: Pads, dilation: tuple[int, ...]
) -> None:
    x = normal(*shape)
    result = evaluate(max_pool, x, window=window, strides=strides, padding=padding, dilation=dilation)
    (expected,) = onnx_results("MaxPool", [x], **onnx_attributes(window, strides, padding, dilation))
    np.testing.assert_array_equal(result, expected)


@cases
def test_max_pool_with_indices_agrees_with_onnxruntime(
    shape: tuple[int, ...], window: tuple[int, ...], strides: tuple[int, ...], padding: Pads, dilation: tuple[int, ...]
) -> None:
    x = normal(*shape)
    attributes = {"window": window, "strides": strides, "padding": padding, "dilation": dilation}
    y, indices = evaluate_all(max_pool_with_indices, x, **attributes)
    expected = onnx_results("MaxPool", [x], results=2, **onnx_attributes(window, strides, padding, dilation))
    planes, cells = shape[0] * shape[1], int(np.prod(shape[2:]))
    offsets = np.arange(planes).reshape(*shape[:2], *(1,) * (len(shape) - 2)) * cells
    np.testing.assert_array_equal(y, expected[0])
    np.testing.assert_array_equal(indices + offsets, expected[1])


@pytest.mark.parametrize("operator", [average_pool, decomposed(average_pool)], ids=["reference", "decompose"])
@pytest.mark.parametrize("include", [False, True])
@cases
def test_average_pool_agrees_with_onnxruntime(
    shape: tuple[int, ...],
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: Pads,
    dilation: tuple[int, ...],
    include: bool,
    operator: Operator,
) -> None:
    x = normal(*shape)
    attributes = {"window": window, "strides": strides, "padding": padding, "dilation": dilation}
    counted = padding if include else ((0, 0),) * len(window)
    result = evaluate(operator, x, **attributes, counted_padding=counted)
    given = onnx_attributes(window, strides, padding, dilation)
    (expected,) = onnx_results("AveragePool", [x], **given, count_include_pad=int(include))
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


def caffe_pool(
    x: NDArray[np.float32], window: int, stride: int, pad: int, method: Literal["max", "average"]
) -> NDArray[np.float64]:
    """The loops of pooling_layer.cpp in ceil mode."""
    sizes = []
    for size in x.shape[2:]:
        pooled = -(-(size + 2 * pad - window) // stride) + 1
        if pad and (pooled - 1) * stride >= size + pad:
            pooled -= 1
        sizes.append(pooled)
    result = np.zeros((*x.shape[:2], *sizes))
    for i, j in np.ndindex(*sizes):
        h, w = i * stride - pad, j * stride - pad
        h_end, w_end = min(h + window, x.shape[2] + pad), min(w + window, x.shape[3] + pad)
        area = (h_end - h) * (w_end - w)
        covered = x[:, :, max(h, 0) : min(h_end, x.shape[2]), max(w, 0) : min(w_end, x.shape[3])].astype(np.float64)
        result[:, :, i, j] = covered.max((2, 3)) if method == "max" else covered.sum((2, 3)) / area
    return result


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    window=st.integers(1, 4),
    stride=st.integers(1, 4),
    pad=st.integers(0, 3),
)
def test_an_overhang_as_padding_that_does_not_count_is_caffe_pooling(
    size: tuple[int, int], window: int, stride: int, pad: int
) -> None:
    pad, stride = min(pad, window - 1), min(stride, window)  # else Caffe itself divides by zero
    if min(size) + 2 * pad < window:
        return
    x = normal(1, 2, *size)
    expected = caffe_pool(x, window, stride, pad, "average")
    spans = [(count - 1) * stride + window for count in expected.shape[2:]]
    padding = tuple((pad, span - n - pad) for span, n in zip(spans, size, strict=True))
    counted = tuple((pad, min(pad, after)) for _, after in padding)
    attributes = {"window": (window,) * 2, "strides": (stride,) * 2, "padding": padding, "dilation": (1, 1)}
    result = evaluate(average_pool, x, **attributes, counted_padding=counted)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)
    largest = evaluate(max_pool, x, **attributes)
    np.testing.assert_array_equal(largest, caffe_pool(x, window, stride, pad, "max").astype(np.float32))


def test_the_overhang_of_a_symbolic_size_is_a_formula() -> None:
    h = Symbol("H", minimum=3)
    x = Value(TensorType(DType.FLOAT32, (1, 2, h)))
    count = ceil_divide(h - 3, 2) + 1
    overhang = (count - 1) * 2 + 3 - h
    result = max_pool(x, window=(3,), strides=(2,), padding=((0, overhang),), dilation=(1,))
    assert result.shape == (1, 2, count)


NAN = float("nan")


@pytest.mark.parametrize(
    ("row", "largest", "where"),
    [
        ([1, 2, 2, 0], [2, 2, 2], [1, 1, 2]),
        ([NAN, 1, NAN, 0], [NAN, NAN, NAN], [0, 2, 2]),
        ([-np.inf, -np.inf, 1, 0], [-np.inf, 1, 1], [0, 2, 2]),
    ],
)
def test_nans_win_and_the_first_of_equals_is_named(row: list[float], largest: list[float], where: list[int]) -> None:
    x = np.array(row, np.float32).reshape(1, 1, -1)
    attributes = {"window": (2,), "strides": (1,), "padding": ((0, 0),), "dilation": (1,)}
    y, indices = evaluate_all(max_pool_with_indices, x, **attributes)
    np.testing.assert_array_equal(y.ravel(), np.array(largest, np.float32))
    assert indices.ravel().tolist() == where
    np.testing.assert_array_equal(evaluate(max_pool, x, **attributes), y)


def test_a_window_over_padding_alone_is_the_least_value_at_minus_one() -> None:
    attributes = {"window": (1,), "strides": (1,), "padding": ((1, 0),), "dilation": (1,)}
    y, indices = evaluate_all(max_pool_with_indices, np.full((1, 1, 1), -np.inf, np.float32), **attributes)
    assert y.ravel().tolist() == [-np.inf, -np.inf]
    assert indices.ravel().tolist() == [-1, 0]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64])
def test_max_pool_takes_integers(dtype: type[np.integer]) -> None:
    limits = np.iinfo(dtype)
    x = np.array([limits.min, 3, limits.max], dtype).reshape(1, 1, 3)
    result = evaluate(max_pool, x, window=(2,), strides=(1,), padding=((1, 0),), dilation=(1,))
    assert result.dtype == dtype
    assert result.ravel().tolist() == [limits.min, 3, limits.max]


def test_narrow_floats_are_summed_in_f32() -> None:
    x = np.full((1, 1, 4096), 100, np.float16)  # the sum is beyond the range of f16
    whole = {"window": (4096,), "strides": (1,), "padding": ((0, 0),), "dilation": (1,)}
    assert evaluate(average_pool, x, **whole, counted_padding=((0, 0),)).item() == 100


@pytest.mark.parametrize(
    ("padding", "counted", "message"),
    [
        (((1, 1),), ((2, 1),), "must lie within padding"),
        (((1, 1),), ((-1, 1),), "must lie within padding"),
        (((1, 1),), (), "does not fit"),
    ],
)
def test_average_pool_refuses_counted_padding_that_is_not_padding(padding: Pads, counted: Pads, message: str) -> None:
    (x,) = placeholders(normal(1, 1, 4))
    assert x is not None
    with pytest.raises(InvalidModelError, match=message):
        average_pool(x, window=(2,), strides=(1,), padding=padding, counted_padding=counted, dilation=(1,))


def test_pooling_refuses_bools_and_flat_tensors() -> None:
    attributes = {"window": (2,), "strides": (1,), "padding": ((0, 0),), "dilation": (1,)}
    with pytest.raises(InvalidModelError, match="a number type"):
        max_pool(*placeholders(np.ones((1, 1, 4), np.bool_)), **attributes)
    with pytest.raises(InvalidModelError, match="at least 3 axes"):
        max_pool(*placeholders(normal(1, 4)), **attributes)


@pytest.mark.parametrize("operator", [lp_pool, decomposed(lp_pool)], ids=["reference", "decompose"])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_lp_pool_agrees_with_onnxruntime(p: int, operator: Operator) -> None:
    x = normal(2, 2, 6, 5)
    attributes = {"window": (3, 2), "strides": (2, 1), "padding": ((1, 0), (0, 1)), "dilation": (1, 2)}
    result = evaluate(operator, x, **attributes, p=p)
    (expected,) = onnx_results("LpPool", [x], p=p, **onnx_attributes(**attributes))
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


def test_lp_pool_refuses_a_norm_that_is_none() -> None:
    with pytest.raises(InvalidModelError, match="p must be positive"):
        lp_pool(*placeholders(normal(1, 1, 4)), window=(2,), strides=(1,), padding=((0, 0),), dilation=(1,), p=0)


@pytest.mark.parametrize("operator", [max_unpool, decomposed(max_unpool)], ids=["reference", "decompose"])
def test_max_unpool_puts_the_maxima_back(operator: Operator) -> None:
    x = normal(2, 3, 6, 4)
    attributes = {"window": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
    y, indices = evaluate_all(max_pool_with_indices, x, **attributes)
    result = evaluate(operator, y, indices, spatial=(6, 4))
    kept = np.repeat(np.repeat(y, 2, axis=2), 2, axis=3) == x
    np.testing.assert_array_equal(result, np.where(kept, x, 0))


def test_max_unpool_refuses_an_index_outside() -> None:
    indices = np.array([[[0, 5]]], np.int64)
    with pytest.raises(InvalidModelError, match=r"\[0, 4\), got 0 to 5"):
        evaluate(max_unpool, normal(1, 1, 2), indices, spatial=(4,))
