"""Layers that work on each number alone (relu_layer.cpp and its kin)."""

from __future__ import annotations

import math

from xir.errors import InvalidModelError
from xir.frontends._handlers import Handlers
from xir.frontends.caffe.handlers._geometry import channel_count, constant_filler
from xir.frontends.caffe.site import Handler, Site
from xir.ir.node import Value
from xir.ops._build import channelwise, scalar_like
from xir.ops.activation import elu, leaky_relu, prelu, relu, sigmoid, softplus, swish, tanh
from xir.ops.compare import greater
from xir.ops.constant import identity
from xir.ops.elementwise import abs_, add, cast, clip, exp, log, mul, pow_
from xir.ops.shape import broadcast

handlers: Handlers[Handler] = Handlers("caffe")


_SLOPE = 0.25  # prelu_layer.cpp, LayerSetUp: the slope where the file names no filler


def relu_or_leaky(x: Value, slope: float) -> Value:
    """ReLU with Caffe's negative slope (relu_layer.cpp)."""
    return leaky_relu(x, alpha=slope) if slope else relu(x)


@handlers.layer("ReLU")
def relu_layer(site: Site, x: Value) -> Value:
    """max(x, 0) + negative_slope * min(x, 0).

    Intel's `fuse` says that the layer before has done it already (mkldnn_relu_layer.cpp): twice is once without slope.
    """
    param = site.param("relu_param")
    param.ignore("engine")
    slope = param.number("negative_slope")
    if param.boolean("fuse") and slope:
        raise site.unsupported("fuse with a negative_slope is not taken", "give the net before its compilation")
    return relu_or_leaky(x, slope)


@handlers.layer("ReLU6")
def relu6_layer(site: Site, x: Value) -> Value:
    """min(max(x, 0), 6)."""
    site.param("relu_param").ignore("engine")
    return clip(x, minimum=0.0, maximum=6.0)


@handlers.layer("PReLU")
def prelu_layer(site: Site, x: Value) -> Value:
    """A slope a channel, or one for all (prelu_layer.cpp)."""
    param = site.param("prelu_param")
    filler = param.optional_message("filler") or constant_filler(_SLOPE)
    if param.boolean("channel_shared"):
        slope = site.weight(0, "slope", (), filler)
        return prelu(x, broadcast(slope, shape=x.shape))
    channels = channel_count(x)
    return prelu(x, channelwise(site.weight(0, "slope", (channels,), filler), x))


@handlers.layer("ELU")
def elu_layer(site: Site, x: Value) -> Value:
    """X where x > 0, alpha * (exp(x) - 1) elsewhere; SELU's scale is the fork's `lambda`."""
    param = site.param("elu_param")
    y = elu(x, alpha=param.number("alpha"))
    scale = param.number("lambda")
    return y if scale == 1 else mul(y, scalar_like(y, scale))


@handlers.layer("Sigmoid")
def sigmoid_layer(site: Site, x: Value) -> Value:
    """1 / (1 + exp(-x))."""
    site.param("sigmoid_param").ignore("engine")
    return sigmoid(x)


@handlers.layer("TanH")
def tanh_layer(site: Site, x: Value) -> Value:
    """The hyperbolic tangent."""
    site.param("tanh_param").ignore("engine")
    return tanh(x)


@handlers.layer("AbsVal")
def absolute(site: Site, x: Value) -> Value:
    """|x|."""
    return abs_(x)


@handlers.layer("BNLL")
def bnll(site: Site, x: Value) -> Value:
    """log(1 + exp(x)) (bnll_layer.cpp)."""
    return softplus(x)


@handlers.layer("Swish")
def swish_layer(site: Site, x: Value) -> Value:
    """X * sigmoid(beta * x)."""
    return swish(x, beta=site.param("swish_param").number("beta"))


@handlers.layer("Threshold")
def threshold(site: Site, x: Value) -> Value:
    """1 where x > threshold, else 0 (threshold_layer.cpp)."""
    limit = site.param("threshold_param").number("threshold")
    return cast(greater(x, scalar_like(x, limit)), dtype=x.dtype)


@handlers.layer("Clip")
def clip_layer(site: Site, x: Value) -> Value:
    """min(max(x, min), max)."""
    param = site.param("clip_param")
    return clip(x, minimum=param.number("min"), maximum=param.number("max"))


def affine(x: Value, scale: float, shift: float) -> Value:
    """Scale * x + shift, without nodes that do nothing."""
    y = x if scale == 1 else mul(x, scalar_like(x, scale))
    return y if shift == 0 else add(y, scalar_like(y, shift))


@handlers.layer("Power")
def power(site: Site, x: Value) -> Value:
    """(shift + scale * x) ** power (power_layer.cpp)."""
    param = site.param("power_param")
    exponent, scale, shift = param.number("power"), param.number("scale"), param.number("shift")
    if exponent == 0:
        return scalar_like(x, 1.0)
    y = affine(x, scale, shift)
    y = y if exponent == 1 else pow_(y, scalar_like(y, exponent))
    return identity(x) if y is x else y


def _base(base: float) -> float:
    """The natural logarithm of the base; -1 stands for e (exp_layer.cpp, log_layer.cpp)."""
    if base == -1:
        return 1.0
    if base <= 0:
        raise InvalidModelError(f"base must be positive, or -1 for e, got {base}")
    return math.log(base)


@handlers.layer("Exp")
def exponential(site: Site, x: Value) -> Value:
    """Base ** (shift + scale * x) (exp_layer.cpp)."""
    param = site.param("exp_param")
    log_base = _base(param.number("base"))
    return exp(affine(x, log_base * param.number("scale"), log_base * param.number("shift")))


@handlers.layer("Log")
def logarithm(site: Site, x: Value) -> Value:
    """log_base(shift + scale * x) (log_layer.cpp)."""
    param = site.param("log_param")
    log_base = _base(param.number("base"))
    if log_base == 0:
        raise InvalidModelError("base must not be 1")
    return affine(log(affine(x, param.number("scale"), param.number("shift"))), 1.0 / log_base, 0.0)


@handlers.layer("SpatialDropout")
def spatial_dropout(site: Site, x: Value) -> Value:
    """The identity in testing (intel's spatial_dropout_layer.cpp)."""
    site.param("spatial_dropout_param").ignore("dropout_ratio")
    _note_training(site)
    return identity(x)


def _note_training(site: Site) -> None:
    if site.phase == "TRAIN":
        site.note("training draws random numbers; the graph passes the values on unchanged")


@handlers.layer("Dropout")
def dropout(site: Site, x: Value) -> Value:
    """The identity in testing; what training does is undone there (dropout_layer.cpp); rfcn's may scale instead."""
    param = site.param("dropout_param")
    ratio = param.number("dropout_ratio")
    param.ignore("engine", "random_seed")
    if param.boolean("sample_weights_test"):
        raise site.unsupported(
            "sample_weights_test draws random numbers in testing too", "remove it: the mean is taken"
        )
    _note_training(site)
    if not param.boolean("scale_train"):
        return mul(x, scalar_like(x, 1.0 - ratio))
    return identity(x)
