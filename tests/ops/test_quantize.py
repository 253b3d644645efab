"""Quantisation in numbers: rounding, ranges, how far scales reach, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.evaluate import evaluate, evaluate_all
from xir.errors import InvalidModelError
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.quantize import dequantize, dynamic_quantize, quantize
from xir.ops.quantize_product import conv_integer, matmul_integer, quantized_conv, quantized_matmul

F32 = np.float32


def of(dtype: DType, *shape: int | Symbol) -> Value:
    return Value(TensorType(dtype, shape))


def test_halves_go_to_the_even_number_before_the_zero_point_moves_them() -> None:
    x = np.array([-1.5, -0.5, 0.5, 1.5, 2.5], F32)
    y = evaluate(quantize, x, np.ones((), F32), np.asarray(3, np.int8), dtype=DType.INT8)
    assert y.tolist() == [1, 3, 3, 5, 5]


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (DType.UINT8, 0, 255),
        (DType.INT8, -128, 127),
        (DType.UINT16, 0, 65535),
        (DType.INT16, -32768, 32767),
        (DType.UINT4, 0, 15),
        (DType.INT4, -8, 7),
        (DType.UINT2, 0, 3),
        (DType.INT2, -2, 1),
    ],
)
def test_what_is_out_of_range_stays_at_its_ends(dtype: DType, low: int, high: int) -> None:
    x = np.array([-np.inf, -1e20, 1e20, np.inf], F32)
    y = evaluate(quantize, x, np.ones((), F32), dtype=dtype)
    assert y.astype(np.int64).tolist() == [low, low, high, high]


def test_the_division_has_the_precision_that_is_asked_for() -> None:
    x, scale = np.array([2049.0], F32), np.asarray(1.0, F32)
    assert evaluate(quantize, x, scale, dtype=DType.INT16).tolist() == [2049]
    assert evaluate(quantize, x, scale, dtype=DType.INT16, precision=DType.FLOAT16).tolist() == [2048]


def test_a_scale_reaches_over_its_block_and_the_last_may_be_short() -> None:
    x = np.array([[10.0, 10.0, 10.0, 10.0, 10.0]], F32)
    scale = np.array([[1.0, 2.0, 5.0]], F32)
    y = evaluate(quantize, x, scale, dtype=DType.INT8, axis=1, block=2)
    assert y.tolist() == [[10, 10, 5, 5, 2]]
    back = evaluate(dequantize, y, scale, dtype=DType.FLOAT32, axis=1, block=2)
    assert back.tolist() == [[10.0, 10.0, 10.0, 10.0, 10.0]]


def test_the_difference_of_wide_integers_is_exact() -> None:
    x, zero = np.array([65535], np.uint16), np.asarray(1, np.uint16)
    assert evaluate(dequantize, x, np.ones((), F32), zero, dtype=DType.FLOAT32).tolist() == [65534.0]


def test_the_range_of_nothing_but_zeros_has_a_scale() -> None:
    y, scale, zero = evaluate_all(dynamic_quantize, np.zeros(3, F32))
    assert (y.tolist(), zero.tolist()) == ([0, 0, 0], 0)
    assert scale.tolist() == pytest.approx(1 / 255)


def test_a_product_of_bytes_is_exact() -> None:
    a, b = np.full((1, 70000), 255, np.uint8), np.full((70000, 1), 127, np.int8)
    want = np.array([[255 * 127 * 70000]], np.int64).astype(np.int32)
    assert evaluate(matmul_integer, a, b).tolist() == want.tolist()


X, S, Z = of(DType.FLOAT32, 2, 3), of(DType.FLOAT32), of(DType.INT8)
BYTES = of(DType.INT8, 2, 3)
WINDOW = {"strides": (1,), "padding": ((0, 0),), "dilation": (1,), "groups": 1}
LINE, KERNEL = of(DType.UINT8, 1, 2, 5), of(DType.INT8, 3, 2, 2)


def refused(message: str, operator: object, *operands: Value | None, **attributes: object) -> None:
    assert callable(operator)
    with pytest.raises(InvalidModelError, match=message):
        operator(*operands, **attributes)


def test_scales_that_do_not_fit_are_refused() -> None:
    three = of(DType.FLOAT32, 3)
    refused("number of scales", quantize, X, three, dtype=DType.INT8, axis=0)
    refused("axis 5", quantize, X, three, dtype=DType.INT8, axis=5)
    refused("1 axes", quantize, X, of(DType.FLOAT32, 2, 3), dtype=DType.INT8, axis=0)
    refused("scales along axis 1", quantize, X, of(DType.FLOAT32, 2, 1), dtype=DType.INT8, axis=1, block=2)
    refused("2 axes", quantize, X, three, dtype=DType.INT8, axis=1, block=2)
    refused("a block of -1", quantize, X, S, dtype=DType.INT8, block=-1)
    refused("shapes", quantize, X, three, of(DType.INT8, 2), dtype=DType.INT8, axis=1)


def test_types_that_do_not_fit_are_refused() -> None:
    refused("up to 16 bits", quantize, X, S, dtype=DType.INT32)
    refused("up to 16 bits", quantize, X, S, dtype=DType.FLOAT8E8M0)
    refused("a division in i8", quantize, X, S, dtype=DType.INT8, precision=DType.INT8)
    refused("i8 is needed", quantize, X, S, of(DType.UINT8), dtype=DType.INT8)
    refused("f32 or f16 or bf16 is needed", dequantize, BYTES, S, dtype=DType.FLOAT64)
    refused("one element type", dequantize, BYTES, S, of(DType.UINT8), dtype=DType.FLOAT32)
    refused("up to 16 bits", dequantize, of(DType.INT64, 2), S, dtype=DType.FLOAT32)


def test_products_that_do_not_fit_are_refused() -> None:
    a, b = of(DType.UINT8, 2, 3), of(DType.INT8, 3, 4)
    zero = of(DType.UINT8)
    refused("number of rows", matmul_integer, a, of(DType.INT8, 2, 4))
    refused("scales or zero points", matmul_integer, a, b, of(DType.UINT8, 3))
    refused("one element type", matmul_integer, a, b, of(DType.INT8))
    eighth = of(DType.FLOAT8E4M3FN, 3, 4)
    refused("not multiplied", quantized_matmul, a, S, zero, eighth, S, of(DType.FLOAT8E4M3FN), S, zero)


def test_convolutions_that_do_not_fit_are_refused() -> None:
    zero = of(DType.UINT8)
    refused("the input has one zero point", conv_integer, LINE, KERNEL, of(DType.UINT8, 2), **WINDOW)
    refused("zero points of the weights", conv_integer, LINE, KERNEL, zero, of(DType.INT8, 2), **WINDOW)
    refused("conv: ", conv_integer, LINE, of(DType.INT8, 3, 1, 2), **WINDOW)
    words = (LINE, S, zero, KERNEL, S, Z)
    refused("one number is needed", quantized_conv, *words, of(DType.FLOAT32, 3), zero, **WINDOW)
    refused("size of the bias", quantized_conv, *words, S, zero, of(DType.INT32, 2), **WINDOW)


def test_sizes_may_be_unknown() -> None:
    n = Symbol("n")
    y = quantize(of(DType.FLOAT32, n, 3), of(DType.FLOAT32, n), dtype=DType.INT8, axis=0)
    assert y.shape == (n, 3)
    decomposed = quantize.decompose_rule
    assert decomposed is not None
    blocks = of(DType.FLOAT32, n, 2)
    words = {"dtype": DType.INT8, "axis": 1, "block": 2, "saturate": True, "precision": None}
    made = decomposed(of(DType.FLOAT32, n, 3), blocks, None, **words)
    assert isinstance(made, Value)
    assert made.shape == (n, 3)
