"""Layers that an optimiser joined with what follows them (remapper.cc; TensorFlow.js' converter)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers._layout import is_last
from xir.frontends.tensorflow.handlers.math import relu6
from xir.frontends.tensorflow.handlers.nn import convolution, depthwise, product
from xir.ir.node import Value
from xir.ops import activation, norm
from xir.ops._build import channelwise, scalar_like
from xir.ops.compare import greater_equal
from xir.ops.elementwise import add, mul, select
from xir.ops.shape import transpose

handlers: Handlers[Handler] = Handlers("tensorflow")


def exponential_linear(x: Value) -> Value:
    """Elu with the scale 1."""
    return activation.elu(x, alpha=1.0)


def gelu(x: Value) -> Value:
    """Gelu from the distribution's sum."""
    return activation.gelu(x, approximation="none")


def gelu_of_tanh(x: Value) -> Value:
    """Gelu from tanh."""
    return activation.gelu(x, approximation="tanh")


_ACTIVATIONS: dict[str, Callable[[Value], Value]] = {
    "Relu": activation.relu,
    "Relu6": relu6,
    "Elu": exponential_linear,
    "Sigmoid": activation.sigmoid,
    "Tanh": activation.tanh,
    "GeluExact": gelu,
    "GeluApproximate": gelu_of_tanh,
}


@handlers.layer("Prelu")
def parametric(site: Site, x: Value, slope: Value) -> Value:
    """X where it is not negative, slope * x elsewhere."""
    return sloped(site, x, slope)


def sloped(site: Site, x: Value, slope: Value) -> Value:
    """Prelu, whose slope broadcasts."""
    scaled = mul(x, site.repeated(slope, x.shape))
    return select(greater_equal(x, scalar_like(x, 0)), x, scaled)


@handlers.layer("_FusedConv2D", "_FusedDepthwiseConv2dNative", "FusedDepthwiseConv2dNative", "_FusedMatMul")
def fused(site: Site, x: Value, w: Value, *operands: Value) -> Value:
    """A layer, and what its attribute `fused_ops` names after it."""
    site.ignore("num_args", "num_host_args", "filter_format")
    kind = site.node.kind
    if kind == "_FusedMatMul":
        made, axis = product(site, x, w), 1
    else:
        made = (convolution if kind == "_FusedConv2D" else depthwise)(site, x, w)
        axis = made.rank - 1 if is_last(site) else 1
    epsilon, alpha = site.real("epsilon"), site.real("leakyrelu_alpha")
    rest = iter(operands)
    for name in site.strings("fused_ops"):
        if name == "BiasAdd":
            made = add(made, channelwise(_next(site, rest), made, axis))
        elif name == "FusedBatchNorm":
            made = _normalized(made, [_next(site, rest) for _ in range(4)], axis, epsilon)
        elif name == "Prelu":
            made = sloped(site, made, _next(site, rest))
        elif name == "LeakyRelu":
            made = activation.leaky_relu(made, alpha=alpha)
        elif name == "Add":
            made = add(made, site.repeated(_next(site, rest), made.shape))
        elif name in _ACTIVATIONS:
            made = _ACTIVATIONS[name](made)
        else:
            site.refuse(f"a layer that was joined with {name[:40]!r}")
    return made


def _next(site: Site, rest: Iterator[Value]) -> Value:
    found = next(rest, None)
    return site.invalid("what it was joined with has too few operands") if found is None else found


def _normalized(x: Value, statistics: list[Value], axis: int, epsilon: float) -> Value:
    """Batch normalisation: scale, shift, mean and variance of the channels along an axis."""
    perm = (0, axis, *(each for each in range(1, x.rank) if each != axis))
    made = norm.batch_norm(transpose(x, perm=perm), *statistics, epsilon=epsilon)
    return transpose(made, perm=tuple(int(place) for place in np.argsort(perm)))
