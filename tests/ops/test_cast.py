"""Casts in numbers: what saturates, what rounds to powers of two, what text says."""

from __future__ import annotations

import numpy as np
import pytest
from onnx.numpy_helper import to_float8e8m0

from tests.ops.evaluate import evaluate
from xir.errors import InvalidModelError
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.cast import bit_cast, number_to_text, saturating_cast, scale_cast, text_to_number
from xir.ops.elementwise import cast


def test_what_is_too_large_becomes_the_largest_number() -> None:
    x = np.array([447.0, 500.0, -np.inf, np.inf, np.nan], np.float32)
    y = evaluate(saturating_cast, x, dtype=DType.FLOAT8E4M3FN)
    np.testing.assert_array_equal(y.astype(np.float32), [448.0, 448.0, -448.0, 448.0, np.nan])


def test_without_saturation_it_becomes_no_number() -> None:
    y = evaluate(cast, np.array([500.0, np.inf], np.float32), dtype=DType.FLOAT8E4M3FN)
    assert np.isnan(y.astype(np.float32)).all()


@pytest.mark.parametrize("rounding", ["up", "down", "nearest"])
def test_powers_of_two_are_those_of_onnx(rounding: str) -> None:
    x = np.concatenate([np.geomspace(2.0**-125, 2.0**126, 500), [1.5, 3.0, 0.75, 1.0, 2.0**-126]]).astype(np.float32)
    y = evaluate(scale_cast, x, rounding=rounding, saturate=True)
    np.testing.assert_array_equal(y.view(np.uint8), to_float8e8m0(x, True, rounding).view(np.uint8))


def test_powers_of_two_at_the_ends() -> None:
    x = np.array([0.0, np.inf, np.nan, 3e38, 1e-45], np.float32)
    kept = evaluate(scale_cast, x, rounding="up", saturate=True).view(np.uint8)
    assert kept.tolist() == [0, 254, 255, 254, 0]
    lost = evaluate(scale_cast, x, rounding="nearest", saturate=False).view(np.uint8)
    assert lost.tolist() == [255, 255, 255, 255, 255]


def test_integers_that_do_not_fit_lose_their_high_bits() -> None:
    x = np.array([200, -200, 17], np.int16)
    assert evaluate(cast, x, dtype=DType.INT8).tolist() == [-56, 56, 17]
    assert evaluate(cast, x, dtype=DType.INT4).astype(int).tolist() == [-8, -8, 1]


def test_the_bits_stay() -> None:
    assert evaluate(bit_cast, np.array([1.0], np.float32), dtype=DType.UINT32).tolist() == [0x3F800000]
    nibbles = evaluate(bit_cast, np.array([-1, -8], DType.INT4.dtype), dtype=DType.UINT4)
    assert nibbles.astype(int).tolist() == [15, 8]
    assert evaluate(bit_cast, np.array([0, 2], np.uint8), dtype=DType.BOOL).tolist() == [False, True]


def test_numbers_in_digits() -> None:
    x = np.array([0.1, 1.0, 1e-7, np.inf, -np.inf, np.nan], np.float32)
    assert evaluate(number_to_text, x).tolist() == ["0.1", "1.0", "0.0000001", "INF", "-INF", "NaN"]
    assert evaluate(number_to_text, np.array([-3, 12])).tolist() == ["-3", "12"]
    assert evaluate(number_to_text, np.array([True])).tolist() == ["True"]
    assert evaluate(number_to_text, np.array([-3], DType.INT4.dtype)).tolist() == ["-3"]


def test_text_in_numbers() -> None:
    words = np.array(["3.5", "1e3", "+inf", "-INF", "NaN", b" 2 "], object)
    read = evaluate(text_to_number, words, dtype=DType.FLOAT32)
    np.testing.assert_array_equal(read, [3.5, 1000.0, np.inf, -np.inf, np.nan, 2.0])
    assert evaluate(text_to_number, np.array(["100.5", "-7"], object), dtype=DType.INT64).tolist() == [100, -7]
    big = np.array(["18446744073709551615"], object)
    assert evaluate(text_to_number, big, dtype=DType.UINT64).tolist() == [2**64 - 1]
    assert evaluate(text_to_number, np.array(["True", "0"], object), dtype=DType.BOOL).tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "dtype", "message"),
    [
        ("Hello", DType.FLOAT32, "'Hello' is no number"),
        ("Hello", DType.INT8, "'Hello' is no number"),
        ("inf", DType.INT8, "'inf' is no integer"),
        ("300", DType.INT8, "300 is no i8"),
        ("-1", DType.UINT64, "-1 is no u64"),
    ],
)
def test_text_that_says_no_such_number_is_refused(text: str, dtype: DType, message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        evaluate(text_to_number, np.array([text], object), dtype=dtype)


def test_types_that_do_not_fit_are_refused() -> None:
    x = Value(TensorType(DType.COMPLEX64, (2,)))
    words = Value(TensorType(DType.STRING, (2,)))
    with pytest.raises(InvalidModelError, match="32 bits"):
        bit_cast(x, dtype=DType.FLOAT32)
    with pytest.raises(InvalidModelError, match="numbers are needed"):
        number_to_text(x)
    with pytest.raises(InvalidModelError, match="cannot be read as c64"):
        text_to_number(words, dtype=DType.COMPLEX64)
    with pytest.raises(InvalidModelError, match="one of f8e4m3fn"):
        saturating_cast(Value(TensorType(DType.FLOAT32, (2,))), dtype=DType.FLOAT16)
