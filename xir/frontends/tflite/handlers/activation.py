"""Activations, softmax and norms."""

from __future__ import annotations

import math

from xir.frontends._handlers import Handlers
from xir.frontends._images import channels_last, channels_second
from xir.frontends.tflite.site import Handler, Site, activated
from xir.ir.node import Value
from xir.ops import activation, elementwise, norm
from xir.ops._build import scalar_like

handlers: Handlers[Handler] = Handlers("tflite")


@handlers.layer("RELU", "RELU6", "RELU_N1_TO_1", "TANH")
def named(site: Site, x: Value) -> Value:
    """RELU, RELU6, RELU_N1_TO_1 and TANH, as the fused activations of these names."""
    return activated(site, x, site.operator.kind)


@handlers.layer("RELU_0_TO_1")
def up_to_one(site: Site, x: Value) -> Value:
    """RELU_0_TO_1."""
    return elementwise.clip(x, minimum=0.0, maximum=1.0)


@handlers.layer("LOGISTIC")
def logistic(site: Site, x: Value) -> Value:
    """LOGISTIC."""
    return activation.sigmoid(x)


@handlers.layer("ELU")
def exponential(site: Site, x: Value) -> Value:
    """ELU with alpha 1."""
    return activation.elu(x, alpha=1.0)


@handlers.layer("HARD_SWISH")
def hard_swish(site: Site, x: Value) -> Value:
    """HARD_SWISH."""
    return activation.hard_swish(x)


@handlers.layer("LEAKY_RELU")
def leaky(site: Site, x: Value) -> Value:
    """LEAKY_RELU."""
    return activation.leaky_relu(x, alpha=site.number("alpha"))


@handlers.layer("PRELU")
def parametric(site: Site, x: Value, slope: Value) -> Value:
    """PRELU; the slopes broadcast."""
    left, right = site.aligned(x, slope)
    return activation.prelu(left, right)


@handlers.layer("GELU")
def gaussian(site: Site, x: Value) -> Value:
    """GELU, exact or by tanh."""
    return activation.gelu(x, approximation="tanh" if site.flag("approximate") else "none")


@handlers.layer("SOFTMAX")
def softmax(site: Site, x: Value) -> Value:
    """SOFTMAX of `beta` times x, along the last axis."""
    beta = site.number("beta")
    scaled = x if beta == 1 else elementwise.mul(x, scalar_like(x, beta))
    return norm.softmax(scaled, axis=x.rank - 1)


@handlers.layer("LOG_SOFTMAX")
def log_softmax(site: Site, x: Value) -> Value:
    """LOG_SOFTMAX along the last axis."""
    return norm.log_softmax(x, axis=x.rank - 1)


@handlers.layer("L2_NORMALIZATION")
def unit_length(site: Site, x: Value) -> Value:
    """L2_NORMALIZATION along the last axis; lengths below 1e-6 count as that (l2normalization.h, epsilon)."""
    from xir.ops.reduce import reduce_l2

    length = reduce_l2(x, axes=(x.rank - 1,), keep_dims=True)
    floor = elementwise.maximum(length, scalar_like(length, 1e-6))
    return site.activated(elementwise.div(*site.aligned(x, floor)))


@handlers.layer("LOCAL_RESPONSE_NORMALIZATION")
def local_response(site: Site, x: Value) -> Value:
    """LOCAL_RESPONSE_NORMALIZATION over `2 radius + 1` channels; its alpha is not divided by them."""
    size = 2 * site.integer("radius") + 1
    alpha = site.number("alpha") * size
    if not math.isfinite(alpha):
        site.invalid(f"alpha is {alpha}")
    result = norm.lrn(channels_second(x), size=size, alpha=alpha, beta=site.number("beta"), bias=site.number("bias"))
    return channels_last(result)
