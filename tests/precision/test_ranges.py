"""Samples, and the ranges of values on them."""

import numpy as np
import pytest

from tests.precision.models import OPS, Model
from xir.errors import UsageError
from xir.precision import Quantization, samples_of
from xir.precision.calibration import RandomSamples, largest_values
from xir.precision.ranges import ranges_of


def model(rows: int = 1000, op: str = "tanh"):
    made = Model()
    x = made.input("x", rows)
    y = OPS[op](x)
    return made.graph(y=y), x, y


def long_tail(seed: int = 0) -> np.ndarray:
    numbers = np.random.default_rng(seed).standard_normal(1000).astype(np.float32)
    numbers[0] = 100.0
    return numbers


def found(method: str, **words: object) -> tuple[float, float]:
    graph, x, _ = model()
    settings = Quantization(method=method, **words)
    return ranges_of(graph, [x], [{"x": long_tail(seed)} for seed in range(4)], settings)[0][x]


def test_minmax_is_all_that_was_seen():
    graph, x, y = model()
    samples = [{"x": np.full(1000, -2, np.float32)}, {"x": np.full(1000, 3, np.float32)}]
    ranges, count = ranges_of(graph, [x, y], samples, Quantization(method="minmax"))
    assert count == 2
    assert ranges[x] == (-2.0, 3.0)
    assert ranges[y] == pytest.approx((np.tanh(-2), np.tanh(3)))


def test_minmax_does_not_count_infinities():
    graph, x, _ = model()
    numbers = np.full(1000, 2, np.float32)
    numbers[:2] = np.inf, np.nan
    assert ranges_of(graph, [x], [{"x": numbers}], Quantization(method="minmax"))[0][x] == (2.0, 2.0)


def test_a_percentile_leaves_the_tail_out():
    low, high = found("percentile", percentile=99.0)
    assert -4 < low < -2
    assert 2 < high < 4


def test_a_percentile_of_100_is_all():
    assert found("percentile", percentile=100.0)[1] == pytest.approx(100.0)


@pytest.mark.parametrize("method", ["entropy", "percentile", "mse"])
def test_no_range_is_wider_than_what_was_seen(method):
    low, high = found(method)
    whole = found("minmax")
    assert whole[0] - 1e-5 <= low <= 0 < high <= whole[1] + 1e-3


def test_entropy_cuts_a_lone_outlier():
    assert found("entropy")[1] < 50


@pytest.mark.parametrize("symmetric", [False, True])
def test_mse_loses_no_more_than_minmax(symmetric):
    from xir.precision.integers import scale_of

    settings = Quantization(symmetric=symmetric)
    numbers = np.random.default_rng(3).standard_t(3, 20000)

    def loss(ends: tuple[float, float]) -> float:
        scale = scale_of(*ends, settings.activation_type)
        limits = (-128, 127) if symmetric else (0, 255)
        whole = np.clip(np.rint(numbers / scale.scale) + scale.zero_point, *limits)
        return float(np.square((whole - scale.zero_point) * scale.scale - numbers).sum())

    graph, x, _ = model(20000, "neg")
    best = ranges_of(graph, [x], [{"x": numbers.astype(np.float32)}], Quantization(symmetric=symmetric))[0][x]
    assert loss(best) <= loss((numbers.min(), numbers.max()))


@pytest.mark.parametrize("method", ["minmax", "mse", "entropy", "percentile"])
def test_what_is_constant_has_a_range_of_one_number(method):
    graph, x, _ = model()
    assert ranges_of(graph, [x], [{"x": np.ones(1000, np.float32)}], Quantization(method=method))[0][x] == (1.0, 1.0)


@pytest.mark.parametrize("method", ["minmax", "mse"])
def test_what_was_never_seen_is_0(method):
    graph, x, _ = model()
    numbers = np.full(1000, np.nan, np.float32)
    assert ranges_of(graph, [x], [{"x": numbers}], Quantization(method=method))[0][x] == (0.0, 0.0)


def test_no_samples_are_refused():
    graph, x, _ = model()
    with pytest.raises(UsageError, match="no sample"):
        ranges_of(graph, [x], [], Quantization())


def test_samples_that_end_are_refused():
    with pytest.raises(UsageError, match="iterator"):
        samples_of(iter([{}]))


def test_random_samples_are_the_same_each_time():
    graph, _, _ = model(4)
    samples = RandomSamples(graph, seed=1, count=2)
    first, second = ([sample["x"] for sample in samples] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first[0], first[1])


def test_the_largest_values_are_those_of_all_samples():
    graph, x, y = model(2)
    values = largest_values(graph, [{"x": np.array([-3, 1], np.float32)}, {"x": np.array([2, 0], np.float32)}])
    assert values[x] == 3.0
    assert values[y] == pytest.approx(np.tanh(3))
