"""Activations: against onnxruntime, and far out where exponentials overflow."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.ops.evaluate import Operator, decomposed, evaluate, onnx_results
from xir.errors import InvalidModelError
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import OpDef, activation

X = np.array([-90.0, -10.0, -3.0, -1.0, -0.3, -0.0, 0.0, 0.2, 1.0, 2.9, 3.1, 30.0, 90.0], np.float32)


@pytest.mark.parametrize(
    ("operator", "kind", "attributes"),
    [
        (activation.relu, "Relu", {}),
        (activation.leaky_relu, "LeakyRelu", {"alpha": 0.1}),
        (activation.elu, "Elu", {"alpha": 1.5}),
        (activation.celu, "Celu", {"alpha": 0.7}),
        (activation.selu, "Selu", {"alpha": 1.6, "gamma": 1.05}),
        (activation.sigmoid, "Sigmoid", {}),
        (activation.tanh, "Tanh", {}),
        (activation.hard_sigmoid, "HardSigmoid", {"alpha": 0.3, "beta": 0.4}),
        (activation.hard_swish, "HardSwish", {}),
        (activation.softplus, "Softplus", {}),
        (activation.softsign, "Softsign", {}),
        (activation.mish, "Mish", {}),
        (activation.thresholded_relu, "ThresholdedRelu", {"alpha": 0.2}),
    ],
)
def test_activations_as_in_onnxruntime(operator: Operator, kind: str, attributes: dict[str, object]) -> None:
    (theirs,) = onnx_results(kind, [X], **attributes)
    np.testing.assert_allclose(evaluate(operator, X, **attributes), theirs, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("approximation", ["none", "tanh"])
def test_gelu_as_in_onnxruntime(approximation: str) -> None:
    (theirs,) = onnx_results("Gelu", [X], approximate=approximation)
    np.testing.assert_allclose(evaluate(activation.gelu, X, approximation=approximation), theirs, rtol=2e-6, atol=1e-6)


def test_prelu_as_in_onnxruntime() -> None:
    slope = np.linspace(-1, 1, X.size).astype(np.float32)
    np.testing.assert_allclose(evaluate(activation.prelu, X, slope), onnx_results("PRelu", [X, slope])[0], rtol=1e-6)


def test_swish_is_x_times_its_sigmoid() -> None:
    found = evaluate(activation.swish, X.astype(np.float64), beta=-0.5)
    np.testing.assert_allclose(found, [x / (1 + math.exp(0.5 * x)) for x in X.tolist()], rtol=1e-12)


@pytest.mark.parametrize("form", [lambda op: op, decomposed], ids=["reference", "decomposition"])
@pytest.mark.parametrize(
    ("operator", "low", "high"),
    [(activation.sigmoid, 0.0, 1.0), (activation.softplus, 0.0, 1000.0), (activation.mish, 0.0, 1000.0)],
)
def test_nothing_overflows_far_out(operator: OpDef[..., Value], low: float, high: float, form: Operator) -> None:
    found = evaluate(form(operator), np.array([-1000.0, 1000.0], np.float32))
    np.testing.assert_allclose(found, [low, high])


def test_small_numbers_keep_their_digits_in_exponential_units() -> None:
    x = np.array([-1e-6], np.float32)
    np.testing.assert_allclose(evaluate(activation.elu, x, alpha=1.0), np.expm1(x.astype(np.float64)), rtol=1e-6)


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [(activation.sigmoid, {}), (activation.leaky_relu, {"alpha": 1.0}), (activation.gelu, {"approximation": "none"})],
)
def test_integers_are_refused(operator: Operator, attributes: dict[str, object]) -> None:
    with pytest.raises(InvalidModelError, match="floating-point"):
        operator(Value(TensorType(DType.INT32, (2,))), **attributes)


def test_an_unknown_form_of_gelu_is_refused() -> None:
    with pytest.raises(InvalidModelError, match="approximation must be one of"):
        activation.gelu(Value(TensorType(DType.FLOAT32, (2,))), approximation="sigmoid")
