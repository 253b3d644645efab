"""Operations on bits, in numbers."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.evaluate import evaluate
from xir.errors import InvalidModelError
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.bitwise import bitwise_and, bitwise_not, shift_left, shift_right


def test_shifts_keep_the_sign_and_end_at_the_width() -> None:
    x = np.array([-8, -8, 8, -8, 1], np.int8)
    y = np.array([1, 8, 9, -1, 7], np.int8)
    assert evaluate(shift_right, x, y).tolist() == [-4, -1, 0, -1, 0]
    assert evaluate(shift_left, x, y).tolist() == [-16, 0, 0, 0, -128]


def test_every_bit_turns() -> None:
    assert evaluate(bitwise_not, np.array([0, 5], np.uint8)).tolist() == [255, 250]


@pytest.mark.parametrize("dtype", [DType.FLOAT32, DType.BOOL, DType.INT4])
def test_only_integers_have_bits(dtype: DType) -> None:
    x = Value(TensorType(dtype, (2,)))
    with pytest.raises(InvalidModelError, match="integers of 8 bits or more"):
        bitwise_and(x, x)
