"""Operators that torch has on other devices alone, against what they are defined by; calls that are refused."""

from __future__ import annotations

import numpy as np
import pytest

from tests.frontends.torch.handlers.answer import run
from tests.frontends.torch.handlers.call import Draws, call
from xir.errors import XirError
from xir.ir.types import DType

R = Draws(41)
Q, K, V, MASK = R(2, 3, 5, 8), R(2, 3, 7, 8), R(2, 3, 7, 8), R(2, 1, 5, 7)
FLASH = "_scaled_dot_product_flash_attention_for_cpu"
IMAGE, FILTERS = np.ones((1, 2, 5, 5), np.float32), np.ones((3, 2, 3, 3), np.float32)
X, W, WHOLE = R(3, 4), R.whole(-9, 9, 5, 4).astype(np.int8), R.whole(-9, 9, 4, 5).astype(np.int8)


def results(kind, *items, **named):
    return run(call(kind, *items, **named))


@pytest.mark.parametrize(
    ("kind", "items", "mask"),
    [
        ("flash", (0.0, False, False), None),
        ("cudnn", (None, True), None),
        ("cudnn", (MASK, True), MASK),
        ("efficient", (MASK, True), MASK),
    ],
)
def test_attention_of_a_gpu_is_attention(kind, items, mask):
    made = results(f"_scaled_dot_product_{kind}_attention", Q, K, V, *items, scale=0.3)
    for a, b in zip(made[:2], results(FLASH, Q, K, V, attn_mask=mask, scale=0.3), strict=True):
        np.testing.assert_array_equal(a, b)


def test_products_in_other_types():
    (made,) = results("mm.dtype", X.astype(np.float16), X.T.astype(np.float16), DType.FLOAT32)
    np.testing.assert_allclose(made, X.astype(np.float16).astype(np.float32) @ X.T.astype(np.float16), rtol=1e-5)
    (made,) = results("addmm.dtype", X[:, :1], X, X.T, DType.FLOAT64, beta=2)
    np.testing.assert_allclose(made, 2.0 * X[:, :1] + X.astype(np.float64) @ X.T, rtol=1e-6)
    (made,) = results("_int_mm", W, WHOLE)
    np.testing.assert_array_equal(made, W.astype(np.int32) @ WHOLE.astype(np.int32))
    (made,) = results("_weight_int8pack_mm", X, W, R.share(5))
    assert made.shape == (3, 5)


@pytest.mark.parametrize("dtype", [None, DType.FLOAT16])
def test_scaled_products(dtype):
    import ml_dtypes

    x, y = (each.astype(ml_dtypes.float8_e4m3fn) for each in (X, X.T))
    rows, bias = np.asarray([[0.5], [2], [1]], np.float32), R(3)
    (made,) = results("_scaled_mm", x, y, rows, np.asarray(0.25, np.float32), bias, np.asarray(2, np.float32), dtype)
    wanted = x.astype(np.float32) @ y.astype(np.float32) * rows * 0.25 + bias
    wanted = wanted if dtype else (2 * wanted).astype(ml_dtypes.float8_e4m3fn).astype(np.float32)
    np.testing.assert_allclose(made.astype(np.float32), wanted, rtol=1e-2, atol=1e-3)


def test_a_convolution_with_time_first():
    x, w, bias = R(6, 2, 3), R(3, 3, 4), R(4)
    (made,) = results("conv_tbc", x, w, bias, 1)
    wide = np.pad(x, ((1, 1), (0, 0), (0, 0)))
    wanted = sum(wide[place : place + 6] @ w[place] for place in range(3)) + bias
    np.testing.assert_allclose(made, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "items", "words"),
    [
        ("inverse", (X,), "square matrices are needed"),
        ("linalg_lu_factor", (X[:, :3], {"pivot": False}), "factors without pivots"),
        ("linalg_qr", (X, "full"), "mode 'full'"),
        ("linalg_cross", (X, X), "vectors of 4 numbers"),
        ("cross", (X[:2], X[:2]), "no axis of three"),
        ("linalg_matrix_norm", (X, 1, [0]), "goes over two axes"),
        ("cov", (X, {"fweights": X}), "weighted observations"),
        ("fft_fftfreq", (0,), "a spectrum of 0 points"),
        ("istft", (X.astype(np.complex64), 4, 0), "the signal of frames of 4 points"),
        ("stft", (X, 4, None, 9), "windows of 9 in frames of 4"),
        ("conv2d", (X, FILTERS), "do not go with"),
        ("conv2d.padding", (IMAGE, FILTERS, None, [1], "reflect"), "expected 'valid' or 'same'"),
        ("conv2d.padding", (IMAGE, FILTERS, None, [2], "same"), "is for strides of 1"),
        ("max_pool2d", (X, [2]), "a tensor of rank 3 or 4 is needed"),
        ("avg_pool2d", (IMAGE, [2], [], [0], False, True, 0), "divisor_override is 0"),
        ("scaled_dot_product_attention", (Q, K, V, None, 0.5), "dropout in attention"),
        ("scaled_dot_product_attention", (Q, K, V, MASK, 0.0, True), "beside a mask"),
        ("embedding_bag", (X, np.array([0]), np.array([0]), False, 7), "mode 7"),
    ],
)
def test_calls_that_are_refused(kind, items, words):
    *items, named = items if isinstance(items[-1], dict) else (*items, {})
    with pytest.raises(XirError, match=words):
        results(kind, *items, **named)


def test_matrices_of_no_rows_are_solved():
    none = np.zeros((2, 0, 0), np.float32)
    assert [each.shape for each in results("linalg_lu_factor", none)] == [(2, 0, 0), (2, 0)]
    assert results("inverse", none)[0].shape == (2, 0, 0)


def test_a_factor_of_one_axis_says_nothing_of_sizes_that_are_not_known():
    with pytest.raises(XirError, match="factors of some axes"):
        run(call("upsample_bilinear2d", IMAGE, [9, 8], False, 1.9, None), symbolic=True)
