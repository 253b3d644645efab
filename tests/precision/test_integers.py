"""Numbers, weights and biases as integers."""

import numpy as np
import pytest

from tests.precision.models import random
from xir.ir.types import DType
from xir.precision.integers import blocked_weight, quantized_bias, quantized_weight, scale_of

I8, U8, I4 = DType.INT8, DType.UINT8, DType.INT4


@pytest.mark.parametrize(
    ("low", "high", "dtype", "scale", "zero_point"),
    [
        (-2.0, 1.0, U8, 3 / 255, 170),
        (0.0, 255.0, U8, 1.0, 0),
        (5.0, 10.0, U8, 10 / 255, 0),
        (-10.0, -5.0, U8, 10 / 255, 255),
        (-1.0, 127.0, I8, 1.0, 0),
        (0.0, 0.0, U8, 1.0, 0),
        (0.0, 0.0, I8, 1.0, 0),
    ],
)
def test_a_range_and_0_are_laid_over_the_integers(low, high, dtype, scale, zero_point):
    found = scale_of(low, high, dtype)
    assert found.scale == pytest.approx(scale, rel=1e-6)
    assert found.zero_point == zero_point


def restored(weight, shape):
    scale = weight.scale.array().astype(np.float64)
    if weight.block:
        wide = np.repeat(scale, weight.block, axis=weight.axis)
        laid = np.take(wide, np.arange(shape[weight.axis]), axis=weight.axis)
    else:
        laid = scale.reshape(-1, *(1,) * (len(shape) - weight.axis - 1)) if scale.ndim else scale
    return weight.elements.array().astype(np.float64) * laid


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("dtype", [I8, I4])
def test_a_weight_moves_by_half_a_step_at_most(axis, dtype):
    array = random(6, 5)
    weight = quantized_weight(array, dtype, axis)
    step = weight.scale.array().max()
    assert np.abs(restored(weight, array.shape) - array).max() <= step / 2 * (1 + 1e-5)
    assert weight.elements.dtype is dtype
    assert weight.scale.shape == (() if axis is None else (array.shape[axis],))


def test_a_channel_of_zeros_has_the_scale_1():
    array = np.array([[0, 0], [1, 2]], np.float32)
    assert quantized_weight(array, I8, 0).scale.array().tolist() == [1.0, pytest.approx(2 / 127)]


def test_a_scale_is_no_less_than_asked():
    array = np.array([[1.0], [1.0]], np.float32)
    weight = quantized_weight(array, I8, 0, least_scale=np.array([0.5, 0.0]))
    assert weight.scale.array().tolist() == [0.5, pytest.approx(1 / 127)]


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("size", [32, 40])
def test_blocks_lose_less_than_channels(axis, size):
    shape = (size, 6) if axis == 0 else (6, size)
    array = random(*shape) * np.linspace(0.1, 3, size).reshape((-1, 1) if axis == 0 else (1, -1)).astype(np.float32)
    blocked = blocked_weight(array, I4, axis, 16)
    plain = quantized_weight(array, I4, 1 - axis)
    assert blocked.scale.shape == tuple(-(-n // 16) if place == axis else n for place, n in enumerate(shape))
    assert np.square(restored(blocked, shape) - array).sum() < np.square(restored(plain, shape) - array).sum()


def test_a_block_may_use_the_least_integer():
    array = np.zeros((1, 16), np.float32)
    array[0, :2] = 8.0, -7.0
    weight = blocked_weight(array, I4, 1, 16)
    assert weight.elements.array()[0, :2].astype(int).tolist() == [-8, 7]
    np.testing.assert_allclose(restored(weight, array.shape), array)


def test_a_bias_is_cut_to_32_bits():
    whole, scale = quantized_bias(np.array([1.0, 1e12], np.float32), np.array([0.5, 0.5]))
    assert whole.array().tolist() == [2, 2**31 - 1]
    assert scale.array().tolist() == [0.5, 0.5]
