"""Comparisons and logic: against onnxruntime, where NaN and signed zeros stand among the numbers."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.evaluate import Operator, evaluate, onnx_results
from xir.errors import InvalidModelError
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import compare

X = np.array([0.0, 1.0, np.nan, np.nan, np.inf, -np.inf, 2.0], np.float32)
Y = np.array([-0.0, 2.0, np.nan, 1.0, np.inf, np.inf, 1.0], np.float32)


@pytest.mark.parametrize(
    ("operator", "kind"),
    [
        (compare.equal, "Equal"),
        (compare.less, "Less"),
        (compare.less_equal, "LessOrEqual"),
        (compare.greater, "Greater"),
        (compare.greater_equal, "GreaterOrEqual"),
    ],
)
def test_comparisons_as_in_onnxruntime(operator: Operator, kind: str) -> None:
    np.testing.assert_array_equal(evaluate(operator, X, Y), onnx_results(kind, [X, Y])[0])
    whole = np.array([1, 2, 3]), np.array([3, 2, 1])
    np.testing.assert_array_equal(evaluate(operator, *whole), onnx_results(kind, whole)[0])


def test_not_equal_is_not_equal() -> None:
    np.testing.assert_array_equal(evaluate(compare.not_equal, X, Y), ~evaluate(compare.equal, X, Y))


@pytest.mark.parametrize(
    ("operator", "kind"), [(compare.logical_and, "And"), (compare.logical_or, "Or"), (compare.logical_xor, "Xor")]
)
def test_logic_as_in_onnxruntime(operator: Operator, kind: str) -> None:
    x, y = np.array([True, True, False, False]), np.array([True, False, True, False])
    np.testing.assert_array_equal(evaluate(operator, x, y), onnx_results(kind, [x, y])[0])


def test_not_as_in_onnxruntime() -> None:
    x = np.array([True, False])
    np.testing.assert_array_equal(evaluate(compare.logical_not, x), onnx_results("Not", [x])[0])


@pytest.mark.parametrize(
    ("operator", "dtype", "words"),
    [(compare.less, DType.BOOL, "numbers are needed"), (compare.logical_and, DType.FLOAT32, "bool")],
)
def test_operands_that_do_not_fit_are_refused(operator: Operator, dtype: DType, words: str) -> None:
    with pytest.raises(InvalidModelError, match=words):
        operator(Value(TensorType(dtype, (2,))), Value(TensorType(dtype, (2,))))
