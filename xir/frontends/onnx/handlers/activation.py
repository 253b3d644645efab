"""Activations."""

from __future__ import annotations

from collections.abc import Callable

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.node import Value
from xir.ops import activation
from xir.ops.activation import celu, elu, gelu, hard_sigmoid, leaky_relu, prelu, selu, swish, thresholded_relu

handlers: Handlers[Handler] = Handlers("onnx")


def _unary(operator: Callable[[Value], Value]) -> Handler:
    def handler(site: Site, x: Value) -> Value:
        """One operator without attributes."""
        return operator(x)

    return handler


for _kind, _op, _since in (
    ("Relu", activation.relu, (6, 13, 14)),
    ("Sigmoid", activation.sigmoid, (6, 13)),
    ("Tanh", activation.tanh, (6, 13)),
    ("HardSwish", activation.hard_swish, (14, 22)),
    ("Softplus", activation.softplus, (1, 22)),
    ("Softsign", activation.softsign, (1, 22)),
    ("Mish", activation.mish, (18, 22)),
):
    handlers.layer(*versions(_kind, *_since))(_unary(_op))


@handlers.layer(*versions("LeakyRelu", 6, 16))
def leaky(site: Site, x: Value) -> Value:
    """LeakyRelu."""
    return leaky_relu(x, alpha=site.real("alpha", 0.01))


@handlers.layer(*versions("PRelu", 7, 9, 16))
def parametric(site: Site, x: Value, slope: Value) -> Value:
    """PRelu; the slope broadcasts to x."""
    return prelu(x, site.repeated(slope, x.shape))


@handlers.layer(*versions("Elu", 6, 22))
def exponential(site: Site, x: Value) -> Value:
    """Elu."""
    return elu(x, alpha=site.real("alpha", 1.0))


@handlers.layer(*versions("Celu", 12, 28))
def continuous(site: Site, x: Value) -> Value:
    """Celu."""
    return celu(x, alpha=site.real("alpha", 1.0))


@handlers.layer(*versions("Selu", 6, 22))
def scaled(site: Site, x: Value) -> Value:
    """Selu; the defaults are those of onnx.defs, the 32-bit neighbours of the paper's numbers."""
    alpha = site.real("alpha", 1.67326319217681884765625)
    return selu(x, alpha=alpha, gamma=site.real("gamma", 1.05070102214813232421875))


@handlers.layer(*versions("HardSigmoid", 6, 22))
def hard(site: Site, x: Value) -> Value:
    """HardSigmoid."""
    return hard_sigmoid(x, alpha=site.real("alpha", 0.20000000298023224), beta=site.real("beta", 0.5))


@handlers.layer(*versions("ThresholdedRelu", 10, 22))
def thresholded(site: Site, x: Value) -> Value:
    """ThresholdedRelu."""
    return thresholded_relu(x, alpha=site.real("alpha", 1.0))


@handlers.layer(*versions("Gelu", 20))
def gaussian(site: Site, x: Value) -> Value:
    """Gelu, exact or by tanh."""
    approximation = site.choice("approximate", ("none", "tanh"), "none")
    return gelu(x, approximation="tanh" if approximation == "tanh" else "none")


@handlers.layer(*versions("Swish", 24))
def weighted(site: Site, x: Value) -> Value:
    """Swish, whose alpha is our beta."""
    return swish(x, beta=site.real("alpha", 1.0))
