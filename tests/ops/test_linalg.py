"""Determinants: numbers known by hand, and what does not come apart."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.evaluate import decomposed, evaluate
from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.dims import Dim, Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.linalg import determinant


@pytest.mark.parametrize("way", ["reference", "decomposed"])
@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ([[1, 2], [3, 4]], -2.0),
        ([[0, 1], [1, 0]], -1.0),
        ([[1, 2], [2, 4]], 0.0),
        ([[2, 0, 0], [0, 3, 0], [0, 0, 4]], 24.0),
        ([[0, 0, 1], [1, 0, 0], [0, 1, 0]], 1.0),
    ],
)
def test_determinants_known_by_hand(matrix: list[list[float]], expected: float, way: str) -> None:
    operator = determinant if way == "reference" else decomposed(determinant)
    assert float(evaluate(operator, np.array(matrix, np.float64))) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("size", [17, Symbol("m")])
def test_large_and_unknown_matrices_stay_whole(size: Dim) -> None:
    with pytest.raises(UnsupportedError, match="a known size up to 16"):
        decomposed(determinant)(Value(TensorType(DType.FLOAT32, (size, size))))


def test_a_matrix_that_turns_out_not_to_be_square_is_refused() -> None:
    rule = determinant.reference_rule
    assert rule is not None
    with pytest.raises(InvalidModelError, match="square matrices"):
        rule(np.zeros((2, 3)))
