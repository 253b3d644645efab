"""Weights in narrower types."""

import numpy as np
import pytest

from xir.errors import InvalidModelError
from xir.ir.constant import constant_of
from xir.ir.types import DType
from xir.precision.weights import convert_weight, largest_of, limits_of

MASK = np.array([0.0, -3.4e38, -1e32], np.float32)


@pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.BFLOAT16])
def test_limits_are_those_of_the_types(dtype):
    import ml_dtypes

    info = ml_dtypes.finfo(dtype.dtype)
    assert limits_of(dtype) == (float(info.max), float(info.smallest_normal), float(info.smallest_subnormal))


@pytest.mark.parametrize(
    ("numbers", "clamped", "flushed", "subnormal"),
    [
        ([1.0, -2.0], 0, 0, 0),
        ([1e-9, 1.0], 0, 1, 0),
        ([1e-6, 0.0], 0, 0, 1),
        ([-3.4e38, 0.0], 1, 0, 0),
        ([np.inf, np.nan], 0, 0, 0),
    ],
)
def test_what_a_weight_loses_is_counted(numbers, clamped, flushed, subnormal):
    made = convert_weight(constant_of(np.array(numbers, np.float32)), "w", DType.FLOAT16, "keep")
    assert made is not None
    told = made[1]
    assert (told.clamped, told.flushed, told.subnormal) == (clamped, flushed, subnormal)
    assert told.to_dict()["name"] == "w"


def test_numbers_that_stand_for_infinity_become_the_largest():
    made = convert_weight(constant_of(MASK), "mask", DType.FLOAT16, "keep")
    assert made is not None
    assert made[0].array().tolist() == [0.0, -65504.0, -65504.0]


def test_infinities_and_nan_stay():
    made = convert_weight(constant_of(np.array([np.inf, -np.inf, np.nan], np.float32)), "w", DType.FLOAT16, "clamp")
    assert made is not None
    np.testing.assert_array_equal(made[0].array().astype(np.float32), [np.inf, -np.inf, np.nan])


def test_a_weight_that_overflows_is_kept():
    assert convert_weight(constant_of(np.array([1e5], np.float32)), "w", DType.FLOAT16, "keep") is None


def test_a_weight_that_overflows_is_clamped_on_request():
    made = convert_weight(constant_of(np.array([-1e5, 1.0], np.float32)), "w", DType.FLOAT16, "clamp")
    assert made is not None
    assert made[0].array().tolist() == [-65504.0, 1.0]


@pytest.mark.parametrize("array", [MASK, np.array([1e5], np.float32)])
def test_a_weight_that_overflows_is_refused_on_request(array):
    with pytest.raises(InvalidModelError, match="'w' has numbers up to"):
        convert_weight(constant_of(array), "w", DType.FLOAT16, "refuse")


def test_bf16_holds_what_f16_does_not():
    made = convert_weight(constant_of(np.array([1e5], np.float64)), "w", DType.BFLOAT16, "refuse")
    assert made is not None
    assert made[1].clamped == 0


def test_the_largest_of_nothing_is_0():
    assert largest_of(np.array([np.nan], np.float32)) == 0.0
    assert largest_of(np.zeros(0, np.float32)) == 0.0
