"""Activations by their names and by their configurations (keras/src/activations/activations.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from xir.frontends.keras.config import plain
from xir.frontends.keras.model import Json, Layer, Weights
from xir.frontends.keras.site import Cursor, Site
from xir.ir.node import Value
from xir.ops import activation, elementwise, gating, norm
from xir.ops._build import scalar_like
from xir.ops._gates import GateFunction

_Function = Callable[[Value], Value]

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
"""Constants of the scaled exponential unit (Klambauer et al. 2017; keras/src/activations/activations.py)."""


def _linear(x: Value) -> Value:
    return x


def _softmax(x: Value) -> Value:
    return norm.softmax(x, axis=x.rank - 1)


def _hard_tanh(x: Value) -> Value:
    return elementwise.clip(x, minimum=-1.0, maximum=1.0)


def _log_sigmoid(x: Value) -> Value:
    return elementwise.neg(activation.softplus(elementwise.neg(x)))


def _squareplus(x: Value) -> Value:
    """(x + sqrt(x^2 + 4)) / 2."""
    root = elementwise.sqrt(elementwise.add(elementwise.mul(x, x), scalar_like(x, 4.0)))
    return elementwise.mul(elementwise.add(x, root), scalar_like(x, 0.5))


def _tanh_shrink(x: Value) -> Value:
    return elementwise.sub(x, activation.tanh(x))


def _sparse_plus(x: Value) -> Value:
    """0 below -1, x above 1, (x + 1)^2 / 4 between."""
    middle = elementwise.clip(x, minimum=-1.0, maximum=1.0)
    shifted = elementwise.add(middle, scalar_like(x, 1.0))
    curve = elementwise.mul(elementwise.mul(shifted, shifted), scalar_like(x, 0.25))
    above = activation.relu(elementwise.sub(x, scalar_like(x, 1.0)))
    return elementwise.add(curve, above)


def _sparse_sigmoid(x: Value) -> Value:
    half = elementwise.mul(x, scalar_like(x, 0.5))
    return elementwise.clip(elementwise.add(half, scalar_like(x, 0.5)), minimum=0.0, maximum=1.0)


FUNCTIONS: Mapping[str, _Function] = MappingProxyType(
    {
        "linear": _linear,
        "relu": activation.relu,
        "relu6": lambda x: elementwise.clip(x, minimum=0.0, maximum=6.0),
        "leaky_relu": lambda x: activation.leaky_relu(x, alpha=0.2),
        "elu": lambda x: activation.elu(x, alpha=1.0),
        "celu": lambda x: activation.celu(x, alpha=1.0),
        "selu": lambda x: activation.selu(x, alpha=SELU_ALPHA, gamma=SELU_SCALE),
        "softplus": activation.softplus,
        "softsign": activation.softsign,
        "soft_sign": activation.softsign,
        "sigmoid": activation.sigmoid,
        "log_sigmoid": _log_sigmoid,
        "tanh": activation.tanh,
        "tanh_shrink": _tanh_shrink,
        "hard_tanh": _hard_tanh,
        "exponential": elementwise.exp,
        "exp": elementwise.exp,
        "softmax": _softmax,
        "log_softmax": lambda x: norm.log_softmax(x, axis=x.rank - 1),
        "swish": lambda x: activation.swish(x, beta=1.0),
        "silu": lambda x: activation.swish(x, beta=1.0),
        "mish": activation.mish,
        "gelu": lambda x: activation.gelu(x, approximation="none"),
        "hard_silu": activation.hard_swish,
        "hard_swish": activation.hard_swish,
        "hard_shrink": lambda x: gating.shrink(x, threshold=0.5, bias=0.0),
        "soft_shrink": lambda x: gating.shrink(x, threshold=0.5, bias=0.5),
        "squareplus": _squareplus,
        "sparse_plus": _sparse_plus,
        "sparse_sigmoid": _sparse_sigmoid,
    }
)


_GATES: Mapping[str, GateFunction] = MappingProxyType(
    {
        "sigmoid": ("sigmoid", 0.0, 0.0),
        "tanh": ("tanh", 0.0, 0.0),
        "relu": ("relu", 0.0, 0.0),
        "linear": ("affine", 1.0, 0.0),
        "elu": ("elu", 1.0, 0.0),
        "softsign": ("softsign", 0.0, 0.0),
        "softplus": ("softplus", 0.0, 0.0),
        "leaky_relu": ("leaky_relu", 0.2, 0.0),
    }
)


def _name(site: Site, value: Json) -> str | None:
    """The name of an activation; None where it is a layer with a configuration of its own."""
    value = plain(value)
    if value is None:
        return "linear"
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        site.invalid(f"the activation {str(value)[:60]!r} is no name")
    config = value.get("config")
    if isinstance(config, str):
        return config
    return None


def activated(site: Site, x: Value, value: Json) -> Value:
    """The result with an activation.

    Args:
        site: the layer's site.
        x: the tensor.
        value: the setting `activation`: a name, or a layer with its configuration.

    Raises:
        UnsupportedError: there is no such activation.
    """
    name = _name(site, value)
    if name is None:
        return _layer(site, x, value)
    if name == "hard_sigmoid":
        return activation.hard_sigmoid(x, alpha=_slope(site), beta=0.5)
    function = FUNCTIONS.get(name)
    if function is None:
        site.refuse(f"the activation {name!r}", "use one of Keras's own activations")
    return function(x)


def _layer(site: Site, x: Value, value: Json) -> Value:
    """An activation that is a layer without weights."""
    held = plain(value)
    kind = held.get("class_name") if isinstance(held, dict) else None
    config = held.get("config") if isinstance(held, dict) else None
    if not isinstance(kind, str) or not isinstance(config, dict):
        site.invalid("the activation is neither a name nor a layer")
    layer = Layer(kind, site.layer.name, config, ())
    return site.scope.builder.inner(site, layer, Cursor(Weights()), (x,))[0]


def _slope(site: Site) -> float:
    """Keras 3 takes relu6(x + 3) / 6 for the hard sigmoid, Keras 1 and 2 took clip(0.2 x + 0.5)."""
    return 1 / 6 if site.generation == 3 else 0.2


def gate(site: Site, value: Json) -> GateFunction:
    """An activation of a recurrent layer as a gate's function.

    Raises:
        UnsupportedError: no gate has it.
    """
    name = _name(site, value)
    if name == "hard_sigmoid":
        return ("hard_sigmoid", _slope(site), 0.5)
    if name is None or name not in _GATES:
        site.refuse(f"the activation {name!r} of a recurrent layer")
    return _GATES[name]
