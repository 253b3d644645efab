"""Normalization: against onnxruntime, and against formulas where ONNX has another rule."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.ops.evaluate import Operator, decomposed, evaluate, onnx_results, placeholders
from xir.errors import InvalidModelError
from xir.ops.norm import (
    batch_norm,
    group_norm,
    instance_norm,
    l2_normalize,
    layer_norm,
    log_softmax,
    lrn,
    lrn_within,
    mean_variance_normalize,
    softmax,
)


def normal(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


X = normal(2, 6, 4, 3)
SCALE, SHIFT, MEAN, VARIANCE = normal(6), normal(5, 6)[1], normal(4, 6)[1], normal(3, 6)[1] ** 2

# ONNX kind, operator, operands, our attributes, ONNX's
ONNX_CASES = [
    ("BatchNormalization", batch_norm, (X, SCALE, SHIFT, MEAN, VARIANCE), {"epsilon": 1e-3}, {"epsilon": 1e-3}),
    ("InstanceNormalization", instance_norm, (X, SCALE, SHIFT), {"epsilon": 1e-3}, {"epsilon": 1e-3}),
    ("GroupNormalization", group_norm, (X, SCALE, SHIFT), {"groups": 3, "epsilon": 1e-3},
     {"num_groups": 3, "epsilon": 1e-3}),
    ("LayerNormalization", layer_norm, (X, normal(4, 3), normal(3, 4).T), {"axis": 2, "epsilon": 1e-3},
     {"axis": 2, "epsilon": 1e-3}),
    ("Softmax", softmax, (X,), {"axis": 1}, {"axis": 1}),
    ("LogSoftmax", log_softmax, (X,), {"axis": 3}, {"axis": 3}),
    ("LpNormalization", l2_normalize, (X,), {"axes": (1,), "epsilon": 0.0, "floor": False}, {"axis": 1, "p": 2}),
    ("MeanVarianceNormalization", mean_variance_normalize, (X,),
     {"axes": (0, 2, 3), "normalize_variance": True, "epsilon": 1e-9, "outside": True}, {"axes": [0, 2, 3]}),
    ("LRN", lrn, (X,), {"size": 3, "alpha": 0.5, "beta": 0.75, "bias": 2.0},
     {"size": 3, "alpha": 0.5, "beta": 0.75, "bias": 2.0}),
    ("LRN", lrn, (X,), {"size": 13, "alpha": 0.5, "beta": 0.5, "bias": 1.0},
     {"size": 13, "alpha": 0.5, "beta": 0.5, "bias": 1.0}),
]  # fmt: skip


@pytest.mark.parametrize("rule", ["reference", "decompose"])
@pytest.mark.parametrize(("kind", "operator", "arrays", "ours", "theirs"), ONNX_CASES)
def test_agrees_with_onnxruntime(
    kind: str,
    operator: Operator,
    arrays: tuple[NDArray[np.float32], ...],
    ours: dict[str, object],
    theirs: dict[str, object],
    rule: str,
) -> None:
    chosen = operator if rule == "reference" else decomposed(operator)
    (expected,) = onnx_results(kind, [np.ascontiguousarray(array) for array in arrays], **theirs)
    np.testing.assert_allclose(evaluate(chosen, *arrays, **ours), expected, rtol=1e-4, atol=1e-5)


def test_an_even_window_of_lrn_reaches_further_to_the_back() -> None:
    x = np.array([1.0, 10, 100, 1000], np.float32).reshape(1, 4)
    result = evaluate(lrn, x, size=2, alpha=2.0, beta=1.0, bias=0.0)
    np.testing.assert_allclose(x / result, [[101, 10100, 1010000, 1000000]], rtol=1e-5)  # ONNX LRN: c and c + 1


def test_lrn_within_counts_the_padding_as_caffe_does() -> None:
    x = np.array([3.0, 4.0, 5.0], np.float32).reshape(1, 1, 3, 1)
    result = evaluate(lrn_within, x, size=3, alpha=9.0, beta=1.0, bias=1.0)
    np.testing.assert_allclose((x / result).ravel(), [1 + 25, 1 + 50, 1 + 41], rtol=1e-5)


@pytest.mark.parametrize(("outside", "divisor"), [(True, 1 + 3), (False, np.sqrt(1 + 3))])
def test_epsilon_lies_outside_the_root_in_caffe(outside: bool, divisor: float) -> None:
    x = np.array([[1.0, 3.0]], np.float32)
    result = evaluate(mean_variance_normalize, x, axes=(1,), normalize_variance=True, epsilon=3.0, outside=outside)
    np.testing.assert_allclose(result, [[-1 / divisor, 1 / divisor]], rtol=1e-6)


@pytest.mark.parametrize(("floor", "divisor"), [(False, np.sqrt(25 + 11)), (True, 11)])
def test_l2_normalize_adds_or_bounds(floor: bool, divisor: float) -> None:
    x = np.array([[3.0, 4.0]], np.float32)
    result = evaluate(l2_normalize, x, axes=(1,), epsilon=11.0, floor=floor)
    np.testing.assert_allclose(result, x / divisor, rtol=1e-6)


@pytest.mark.parametrize("operator", [softmax, log_softmax])
def test_softmax_does_not_overflow_and_takes_nothing(operator: Operator) -> None:
    large = evaluate(operator, np.array([[1e4, 1e4]], np.float32), axis=1)
    np.testing.assert_allclose(large, [[0.5, 0.5]] if operator is softmax else np.log([[0.5, 0.5]]), rtol=1e-6)
    assert evaluate(operator, np.zeros((2, 0), np.float32), axis=1).shape == (2, 0)


@pytest.mark.parametrize(
    ("operator", "shapes", "attributes", "message"),
    [
        (batch_norm, [(1, 3, 2), (3,), (3,), (2,), (3,)], {"epsilon": 0.1}, "size of each parameter must be 3, got 2"),
        (lrn, [(1, 3)], {"size": 0, "alpha": 1.0, "beta": 1.0, "bias": 1.0}, "size must be positive"),
        (lrn_within, [(1, 3, 4)], {"size": 2, "alpha": 1.0, "beta": 1.0, "bias": 1.0}, "an odd size"),
        (group_norm, [(1, 3, 2), (3,), (3,)], {"groups": 2, "epsilon": 0.1}, "divisible by 2"),
        (layer_norm, [(1, 3, 2), (2,)], {"axis": 1, "epsilon": 0.1}, "differ"),
        (instance_norm, [(1, 3), (3,), (3,)], {"epsilon": 0.1}, "at least 3 axes"),
        (softmax, [(1, 3)], {"axis": 2}, "axis 2 does not exist"),
        (l2_normalize, [(1, 3)], {"axes": (1, 1), "epsilon": 0.1, "floor": True}, "twice"),
    ],
)
def test_refuses(
    operator: Operator, shapes: list[tuple[int, ...]], attributes: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidModelError, match=message):
        operator(*placeholders(*(np.zeros(shape, np.float32) for shape in shapes)), **attributes)
