"""Convolution: against onnxruntime, and against loops where ONNX cannot say it."""

from __future__ import annotations

from itertools import product

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.ops.evaluate import decomposed, evaluate, onnx_results, placeholders
from xir.errors import InvalidModelError
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import _columns
from xir.ops.conv import col2im, conv, conv_transpose, im2col

Floats = NDArray[np.float64]
Pads = tuple[tuple[int, int], ...]


def normal(*shape: int, dtype: type[np.floating] = np.float32) -> NDArray[np.floating]:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


def brute_conv(
    x: Floats,
    w: Floats,
    strides: tuple[int, ...],
    padding: Pads,
    dilation: tuple[int, ...],
    input_dilation: tuple[int, ...],
    groups: int,
) -> Floats:
    """The definition, one multiplication at a time: the element at a position, or zero."""
    spatial = [(size - 1) * step + 1 for size, step in zip(x.shape[2:], input_dilation, strict=True)]
    out = [
        (size + b + a - (cells - 1) * gap - 1) // stride + 1
        for size, (b, a), cells, gap, stride in zip(spatial, padding, w.shape[2:], dilation, strides, strict=True)
    ]
    result = np.zeros((x.shape[0], w.shape[0], *out))
    inputs, outputs = w.shape[1], w.shape[0] // groups
    for n, o, *place in np.ndindex(*result.shape):
        for c, *cell in np.ndindex(*w.shape[1:]):
            at = [p * s + k * d - b for p, s, k, d, (b, _) in zip(place, strides, cell, dilation, padding, strict=True)]
            inside = all(
                0 <= i < size and i % step == 0 for i, size, step in zip(at, spatial, input_dilation, strict=True)
            )
            if inside:
                index = tuple(i // step for i, step in zip(at, input_dilation, strict=True))
                result[(n, o, *place)] += x[(n, o // outputs * inputs + c, *index)] * w[(o, c, *cell)]
    return result


# name: x, w, bias?, strides, padding, dilation, groups
ONNX_CASES = {
    "plain": ((2, 3, 7, 8), (4, 3, 3, 3), True, (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    "padded on one side": ((1, 3, 7, 8), (4, 3, 3, 2), True, (1, 2), ((2, 0), (0, 1)), (1, 1), 1),
    "dilated": ((1, 2, 11, 9), (3, 2, 3, 3), False, (2, 1), ((1, 2), (2, 2)), (2, 3), 1),
    "grouped": ((2, 6, 6, 5), (9, 2, 3, 3), True, (2, 2), ((1, 1), (1, 1)), (1, 1), 3),
    "depthwise": ((2, 4, 6, 5), (4, 1, 3, 3), True, (1, 2), ((1, 1), (1, 1)), (1, 1), 4),
    "depthwise with a multiplier": ((2, 3, 6, 5), (6, 1, 3, 3), False, (1, 1), ((1, 1), (1, 1)), (1, 1), 3),
    "pointwise": ((2, 5, 4, 3), (6, 5, 1, 1), True, (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    "pointwise with strides": ((2, 4, 5, 4), (6, 2, 1, 1), False, (2, 3), ((0, 0), (1, 1)), (1, 1), 2),
    "one axis": ((2, 3, 9), (4, 3, 4), True, (2,), ((1, 2),), (2,), 1),
    "three axes": ((1, 2, 4, 5, 6), (3, 2, 2, 3, 2), True, (1, 2, 1), ((0, 1), (1, 1), (0, 0)), (1, 1, 2), 1),
}


def onnx_pads(padding: Pads) -> list[int]:
    return [before for before, _ in padding] + [after for _, after in padding]


@pytest.mark.parametrize("case", ONNX_CASES.values(), ids=ONNX_CASES.keys())
def test_conv_agrees_with_onnxruntime(case: tuple) -> None:
    x_shape, w_shape, biased, strides, padding, dilation, groups = case
    x, w = normal(*x_shape), normal(*w_shape)
    bias = normal(w_shape[0]) if biased else None
    attributes = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
    result = evaluate(conv, x, w, bias, **attributes, input_dilation=(1,) * len(strides))
    (expected,) = onnx_results(
        "Conv", [x, w, bias], strides=strides, pads=onnx_pads(padding), dilations=dilation, group=groups
    )
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


BRUTE_CASES = {
    "negative padding": ((1, 2, 7, 6), (3, 2, 3, 2), (2, 1), ((-1, 2), (1, -2)), (1, 1), (1, 1), 1),
    "input dilation": ((1, 2, 4, 3), (2, 2, 3, 2), (1, 2), ((1, 0), (2, 1)), (1, 2), (2, 3), 1),
    "both in groups": ((2, 4, 5), (6, 2, 3), (2,), ((-2, 3),), (2,), (3,), 2),
    "depthwise with both": ((1, 2, 5), (2, 1, 3), (1,), ((-1, -1),), (1,), (2,), 2),
}


@pytest.mark.parametrize("case", BRUTE_CASES.values(), ids=BRUTE_CASES.keys())
def test_conv_agrees_with_loops(case: tuple) -> None:
    x_shape, w_shape, *rest = case
    x, w = normal(*x_shape, dtype=np.float64), normal(*w_shape, dtype=np.float64)
    names = ("strides", "padding", "dilation", "input_dilation", "groups")
    result = evaluate(conv, x, w, None, **dict(zip(names, rest, strict=True)))
    np.testing.assert_allclose(result, brute_conv(x, w, *rest), rtol=1e-12, atol=1e-12)


axis = st.tuples(
    st.integers(1, 6), st.integers(1, 3), st.integers(1, 3), st.integers(-1, 3), st.integers(-1, 3),
    st.integers(1, 3), st.integers(1, 3),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(axes=st.lists(axis, min_size=1, max_size=2), groups=st.integers(1, 2))
def test_conv_agrees_with_loops_whatever_the_windows(axes: list[tuple[int, ...]], groups: int) -> None:
    sizes, window, strides, before, after, dilation, spread = zip(*axes, strict=True)
    padding = tuple(zip(before, after, strict=True))
    x, w = normal(1, 2 * groups, *sizes, dtype=np.float64), normal(2 * groups, 2, *window, dtype=np.float64)
    attributes = {
        "strides": strides, "padding": padding, "dilation": dilation, "input_dilation": spread, "groups": groups,
    }  # fmt: skip
    spans = [
        (n - 1) * s + 1 + b + a - (k - 1) * d - 1
        for n, s, b, a, k, d in zip(sizes, spread, before, after, window, dilation, strict=True)
    ]
    if min(spans) < 0:
        with pytest.raises(InvalidModelError, match="does not fit"):
            evaluate(conv, x, w, None, **attributes)
        return
    expected = brute_conv(x, w, strides, padding, dilation, spread, groups)
    np.testing.assert_allclose(evaluate(conv, x, w, None, **attributes), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scratch", [1, 300, 2000])
def test_columns_in_pieces_give_the_same_result(scratch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, w = normal(2, 6, 9, 8), normal(4, 3, 3, 3)
    attributes = {
        "strides": (2, 1), "padding": ((1, 1), (0, 1)), "dilation": (1, 2), "input_dilation": (1, 1), "groups": 2,
    }  # fmt: skip
    whole = evaluate(conv, x, w, None, **attributes)
    monkeypatch.setattr(_columns, "SCRATCH_BYTES", scratch)
    np.testing.assert_allclose(evaluate(conv, x, w, None, **attributes), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_narrow_floats_are_summed_in_f32(dtype: type[np.generic]) -> None:
    x, w = np.ones((1, 4096, 1, 1), dtype), np.ones((1, 4096, 1, 1), dtype)
    result = evaluate(
        conv, x, w, None, strides=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), input_dilation=(1, 1), groups=1
    )
    assert result.dtype == dtype
    assert float(result.item()) == 4096  # summed in the type itself, 1 is lost beyond 2048 and 256


PLAIN = {"strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "input_dilation": (1, 1), "groups": 1}


def test_sizes_may_be_symbols() -> None:
    n, h = Symbol("N"), Symbol("H")
    x = Value(TensorType(DType.FLOAT32, (n, 3, h, 8)))
    w = Value(TensorType(DType.FLOAT32, (4, 3, 3, 3)))
    result = conv(x, w, **(PLAIN | {"padding": ((1, 1), (0, 0))}))
    assert result.shape == (n, 4, h, 6)


@pytest.mark.parametrize(
    ("x", "w", "changes", "message"),
    [
        ((1, 3, 4, 4), (4, 2, 3, 3), {}, "channels of the weights"),
        ((1, 3, 4, 4), (4, 1, 3, 3), {"groups": 2}, "input channels must be divisible"),
        ((1, 4, 4, 4), (3, 2, 3, 3), {"groups": 2}, "output channels must be divisible"),
        ((1, 3, 4, 4), (4, 3, 5, 3), {}, "does not fit"),
        ((1, 3, 4), (4, 3, 3, 3), {}, "3 axes are needed"),
        ((3, 4), (4, 3), {}, "at least 3 axes"),
        ((1, 3, 4, 4), (4, 3, 3, 3), {"strides": (1,)}, "for 2 spatial axes"),
        ((1, 3, 4, 4), (4, 3, 3, 3), {"strides": (0, 1)}, "must be positive"),
        ((1, 3, 4, 4), (4, 3, 3, 3), {"input_dilation": (0, 1)}, "positive input dilation"),
        ((1, 3, 4, 4), (4, 3, 3, 3), {"groups": 0}, "groups 0"),
    ],
)
def test_conv_refuses(x: tuple[int, ...], w: tuple[int, ...], changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        conv(*placeholders(np.zeros(x, np.float32), np.zeros(w, np.float32)), **(PLAIN | changes))


def test_conv_refuses_a_bias_of_another_size_and_integers() -> None:
    x, w = np.zeros((1, 3, 4, 4), np.float32), np.zeros((4, 3, 3, 3), np.float32)
    with pytest.raises(InvalidModelError, match="size of the bias must be 4, got 3"):
        conv(*placeholders(x, w, np.zeros(3, np.float32)), **PLAIN)
    with pytest.raises(InvalidModelError, match="floating-point"):
        conv(*placeholders(x.astype(np.int32), w.astype(np.int32)), **PLAIN)


# name: x, w, bias?, strides, padding, dilation, output padding, groups
TRANSPOSE_CASES = {
    "plain": ((2, 3, 4, 5), (3, 4, 3, 3), True, (1, 1), ((0, 0), (0, 0)), (1, 1), (0, 0), 1),
    "strides and asymmetric padding": ((1, 3, 4, 5), (3, 2, 3, 4), True, (2, 3), ((1, 0), (0, 2)), (1, 1), (0, 0), 1),
    "output padding": ((1, 2, 4, 3), (2, 2, 3, 3), False, (2, 3), ((1, 1), (0, 1)), (1, 1), (1, 2), 1),
    "dilated in groups": ((2, 4, 4, 3), (4, 3, 3, 2), True, (1, 2), ((1, 1), (0, 1)), (2, 3), (0, 1), 2),
    "one channel a group": ((1, 3, 4, 4), (3, 1, 4, 4), False, (2, 2), ((1, 1), (1, 1)), (1, 1), (0, 0), 3),
    "one axis": ((1, 2, 5), (2, 3, 4), True, (3,), ((2, 1),), (1,), (2,), 1),
    "three axes": ((1, 2, 3, 2, 4), (2, 2, 2, 3, 2), True, (2, 1, 2), ((0, 0), (1, 1), (0, 1)), (1,) * 3, (1, 0, 0), 1),
}  # fmt: skip


@pytest.mark.parametrize("rule", ["reference", "decompose"])
@pytest.mark.parametrize("case", TRANSPOSE_CASES.values(), ids=TRANSPOSE_CASES.keys())
def test_conv_transpose_agrees_with_onnxruntime(case: tuple, rule: str) -> None:
    x_shape, w_shape, biased, strides, padding, dilation, extra, groups = case
    x, w = normal(*x_shape), normal(*w_shape)
    bias = normal(w_shape[1] * groups) if biased else None
    operator = conv_transpose if rule == "reference" else decomposed(conv_transpose)
    attributes = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
    result = evaluate(operator, x, w, bias, **attributes, output_padding=extra)
    (expected,) = onnx_results(
        "ConvTranspose", [x, w, bias], strides=strides, pads=onnx_pads(padding), dilations=dilation, group=groups,
        output_padding=extra,
    )  # fmt: skip
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


TRANSPOSE = {"strides": (1,), "padding": ((0, 0),), "dilation": (1,), "output_padding": (0,), "groups": 1}


@pytest.mark.parametrize(
    ("w", "changes", "message"),
    [
        ((3, 2, 3), {}, "first size of the weights must be 2"),
        ((2, 2, 3), {"groups": 3}, "divisible"),
        ((2, 2, 3), {"output_padding": (-1,)}, "output padding >= 0"),
        ((2, 2, 3), {"strides": (0,)}, "must be positive"),
        ((2, 2, 3), {"padding": ((4, 4),)}, "cuts everything off"),
        ((2, 2, 3), {"dilation": (1, 1)}, "for 1 spatial axes"),
    ],
)
def test_conv_transpose_refuses(w: tuple[int, ...], changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        conv_transpose(*placeholders(np.zeros((1, 2, 4), np.float32), np.zeros(w, np.float32)), **(TRANSPOSE | changes))


COLUMNS = [
    ((2, 3), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    ((3, 2), (2, 1), ((1, 2), (0, 1)), (1, 2)),
    ((2, 2), (3, 2), ((-1, 0), (2, -1)), (2, 1)),
]


def brute_columns(
    x: Floats, window: tuple[int, ...], strides: tuple[int, ...], padding: Pads, dilation: tuple[int, ...]
) -> Floats:
    rows = []
    for channel, *cell in product(range(x.shape[1]), *map(range, window)):
        w = np.zeros((1, x.shape[1], *window))
        w[(0, channel, *cell)] = 1
        rows.append(brute_conv(x, w, strides, padding, dilation, (1,) * len(window), 1))
    return np.concatenate(rows, axis=1)


@pytest.mark.parametrize("rule", ["reference", "decompose"])
@pytest.mark.parametrize(("window", "strides", "padding", "dilation"), COLUMNS)
def test_im2col_takes_channels_first_and_then_the_cells_in_rows(
    window: tuple[int, ...], strides: tuple[int, ...], padding: Pads, dilation: tuple[int, ...], rule: str
) -> None:
    x = normal(2, 2, 7, 6, dtype=np.float64)
    operator = im2col if rule == "reference" else decomposed(im2col)
    result = evaluate(operator, x, window=window, strides=strides, padding=padding, dilation=dilation)
    np.testing.assert_array_equal(result, brute_columns(x, window, strides, padding, dilation))


@pytest.mark.parametrize("rule", ["reference", "decompose"])
@pytest.mark.parametrize(("window", "strides", "padding", "dilation"), COLUMNS)
def test_col2im_is_the_transpose_of_im2col(
    window: tuple[int, ...], strides: tuple[int, ...], padding: Pads, dilation: tuple[int, ...], rule: str
) -> None:
    x = normal(1, 2, 7, 6, dtype=np.float64)
    attributes = {"window": window, "strides": strides, "padding": padding, "dilation": dilation}
    columns = evaluate(im2col, x, **attributes)
    weights = np.random.default_rng(1).normal(size=columns.shape)
    operator = col2im if rule == "reference" else decomposed(col2im)
    back = evaluate(operator, weights, spatial=(7, 6), **attributes)
    assert back.shape == x.shape
    np.testing.assert_allclose(np.sum(back * x), np.sum(weights * columns), rtol=1e-10)


def test_col2im_agrees_with_onnxruntime() -> None:
    x = normal(2, 12, 3, 4)
    attributes = {"window": (2, 3), "strides": (2, 1), "padding": ((1, 0), (1, 1)), "dilation": (1, 1)}
    result = evaluate(col2im, x, spatial=(5, 4), **attributes)
    sizes, window = np.array([5, 4]), np.array([2, 3])
    (expected,) = onnx_results("Col2Im", [x.reshape(2, 12, 12), sizes, window], strides=[2, 1], pads=[1, 1, 0, 1])
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "spatial", "message"),
    [((1, 12, 3, 4), (5, 5), "number of windows"), ((1, 10, 3, 4), (5, 4), "10 channels are not a multiple of the 6")],
)
def test_col2im_refuses(shape: tuple[int, ...], spatial: tuple[int, ...], message: str) -> None:
    attributes = {"window": (2, 3), "strides": (2, 1), "padding": ((1, 0), (1, 1)), "dilation": (1, 1)}
    with pytest.raises(InvalidModelError, match=message):
        col2im(*placeholders(np.zeros(shape, np.float32)), spatial=spatial, **attributes)
