"""Normalizations: BatchNorm, the forks' BN, LRN, MVN, Normalize, and Softmax."""

from __future__ import annotations

import numpy as np

from xir.errors import InvalidModelError
from xir.frontends._handlers import Handlers
from xir.frontends.caffe.handlers._geometry import (
    batch_size,
    canonical_axis,
    channel_count,
    constant_filler,
    require_axes,
)
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.site import Handler, Site
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ops._build import channelwise
from xir.ops.constant import constant
from xir.ops.elementwise import add, mul, sub
from xir.ops.norm import batch_norm, l2_normalize, lrn, lrn_within, mean_variance_normalize, softmax
from xir.ops.reduce import reduce_mean
from xir.ops.shape import broadcast, reshape

handlers: Handlers[Handler] = Handlers("caffe")

_SEGNET_FIELDS = ("scale_filler", "shift_filler", "bn_mode")
_SEGNET_BLOBS = 2
_SEGNET_EPSILON = 1e-9

_STATISTICS = 3  # blobs of batch_norm_layer.cpp: mean, variance, their moving factor


def _literal(value: float, channels: int) -> Value:
    return constant(value=constant_of(np.full((channels,), value, np.float32)))


@handlers.layer("BatchNorm")
@handlers.layer("MKLBatchNorm")
def batch_norm_layer(site: Site, x: Value) -> Value:
    """(x - mean) / sqrt(variance + eps), the blobs being sums over a moving factor (batch_norm_layer.cpp).

    Blob 2 holds the factor: the sums are divided by it, and 0 means that nothing was learned (mean = variance = 0).
    NVIDIA's and intel's forks may carry a scale and a bias as blobs 3 and 4 (see `_affine`).
    """
    param = site.param("batch_norm_param")
    param.ignore("moving_average_fraction", "engine", "update_global_stats")
    epsilon = param.number("eps")
    site.expect_blobs(_STATISTICS)
    fused_relu = param.boolean("relu")
    if fused_relu:
        raise site.unsupported("relu: true inside BatchNorm is not taken", "put a ReLU layer behind it")
    given = param.optional_boolean("use_global_stats")
    use_global = given if given is not None else site.phase == "TEST"
    wide = x if x.rank > 1 else reshape(x, shape=(batch_size(x), 1))  # one axis counts as one channel
    channels = channel_count(wide)
    scale, shift = _affine(site, param, channels)
    if not use_global and param.integer("stats_batch_size"):
        raise site.unsupported("statistics of parts of a batch are not taken", "leave stats_batch_size out")
    if use_global:
        mean, variance = _statistics(site, channels)
        y = batch_norm(
            wide,
            scale if scale is not None else _literal(1.0, channels),
            shift if shift is not None else _literal(0.0, channels),
            mean,
            variance,
            epsilon=epsilon,
        )
    else:
        y = _batch_statistics(wide, epsilon)
        y = y if scale is None else mul(y, channelwise(scale, y))
        y = y if shift is None else add(y, channelwise(shift, y))
    return y if x.rank > 1 else reshape(y, shape=x.shape)


def _affine(site: Site, param: Message, channels: int) -> tuple[Value | None, Value | None]:
    """The scale and the bias that the layer learned itself, if it has them.

    NVIDIA's fork: both, with scale_bias or with a filler for one of them (batch_norm_layer.cpp of borisgin/nvcaffe).
    Intel's MKL engine: the scale, and with bias_term the bias (mkl_batch_norm_layer.cpp). Where the file has blobs,
    their number tells.
    """
    with_bias = param.boolean("bias_term")
    fillers = [param.optional_message(name) for name in ("scale_filler", "filler", "bias_filler")]
    asked = param.boolean("scale_bias") or (not site.blob_count and any(filler is not None for filler in fillers))
    param.ignore("use_weight_bias")
    if not asked and site.blob_count <= _STATISTICS:
        return None, None
    scale = site.weight(3, "scale", (channels,), fillers[0] or fillers[1] or constant_filler(1.0))
    if not asked and site.blob_count == _STATISTICS + 1:
        return scale, None
    if not with_bias and not site.blob_count:
        return scale, None
    return scale, site.weight(4, "bias", (channels,), fillers[2] or constant_filler(0.0))


def _scaled(y: Value, scale: Value, shift: Value) -> Value:
    return add(mul(y, channelwise(scale, y)), channelwise(shift, y))


def _statistics(site: Site, channels: int) -> tuple[Value, Value]:
    held = site.blob_count > 0
    factor = float(np.asarray(site.layer.blobs[2].array()).reshape(-1)[0]) if site.blob_count > 2 else 1.0
    if factor == 0:
        site.note("its statistics were never learned (moving factor 0): mean and variance are 0")
    reciprocal = 0.0 if factor == 0 else float(np.float32(1) / np.float32(factor))
    mean = site.weight(0, "mean", (channels,), constant_filler(0.0), trainable=False, factor=reciprocal)
    filler = constant_filler(0.0 if held else 1.0)
    variance = site.weight(1, "variance", (channels,), filler, trainable=False, factor=reciprocal)
    return mean, variance


def _batch_statistics(x: Value, epsilon: float) -> Value:
    """Training: mean and variance of the batch itself, eps inside the root (batch_norm_layer.cpp, Forward_cpu)."""
    axes = tuple(axis for axis in range(x.rank) if axis != 1)
    return mean_variance_normalize(x, axes=axes, normalize_variance=True, epsilon=epsilon, outside=False)


@handlers.layer("BN")
@handlers.layer("SyncBN")
def bn(site: Site, x: Value) -> Value | list[Value]:
    """PSPNet's and yjxiong's batch norm: blobs slope, bias, mean, and variance (hszhao/PSPNet, bn_layer.cpp).

    Blob 3 is the moving average of the VARIANCE: its Forward_cpu adds eps to it and raises it to -0.5 itself. SegNet's
    layer of this name is another one, which its fields or its two blobs tell (`_segnet_bn`).
    """
    param = site.param("bn_param")
    if any(param.has(name) for name in _SEGNET_FIELDS) or site.blob_count == _SEGNET_BLOBS:
        return _segnet_bn(site, param, x)
    param.ignore("momentum", "engine")
    frozen = param.boolean("frozen")
    epsilon = param.number("eps")
    channels = channel_count(x)
    slope_filler = param.optional_message("slope_filler") or constant_filler(1.0)
    shape = (1, channels, 1, 1) if site.blob_count and len(site.layer.blobs[0].shape) == 4 else (channels,)
    values = [
        site.weight(index, name, shape, filler, trainable=index < 2)
        for index, (name, filler) in enumerate(
            (
                ("slope", slope_filler),
                ("bias", param.message("bias_filler")),
                ("mean", constant_filler(0.0)),
                ("variance", constant_filler(1.0)),
            )
        )
    ]
    scale, shift, mean, variance = (_as_vector(value, channels) for value in values)
    if site.phase == "TRAIN" and not frozen:
        return _scaled(_batch_statistics(x, epsilon), scale, shift)
    return batch_norm(x, scale, shift, mean, variance, epsilon=epsilon)


def _segnet_bn(site: Site, param: Message, x: Value) -> Value | list[Value]:
    """SegNet's and ENet's batch norm: blobs scale and shift, [1,C,1,1] each.

    bn_mode INFERENCE multiplies and adds: a tool of theirs has put the statistics into the blobs. LEARN, the default,
    takes the batch's own statistics in whatever phase, eps being 1e-9; tops 1 and 2 get them. (alexgkendall/
    caffe-segnet and TimoSaemann/caffe-segnet-cudnn5, src/caffe/layers/bn_layer.cpp; caffe.proto, BNParameter)
    """
    others = [name for name in param.fields() if name not in _SEGNET_FIELDS]
    if others:
        raise InvalidModelError(
            f"bn_param holds {', '.join(others)}, which SegNet's BN, whose fields or blobs it has, does not have",
            hint="keep the fields of one of the two: scale_filler, shift_filler, bn_mode (SegNet), or slope_filler, "
            "bias_filler, eps, momentum, frozen (PSPNet)",
        )
    require_axes(x, 4)
    channels = channel_count(x)
    shape = (1, channels, 1, 1)
    scale = _as_vector(site.weight(0, "scale", shape, param.message("scale_filler")), channels)
    shift = _as_vector(site.weight(1, "shift", shape, param.message("shift_filler")), channels)
    if param.enum("bn_mode") == "INFERENCE":
        return _scaled(x, scale, shift)
    if site.phase == "TEST":
        site.note(
            "bn_mode LEARN takes the mean and variance of each batch, as its Caffe does; a net for inference "
            "has bn_mode: INFERENCE"
        )
    y = _scaled(_batch_statistics(x, _SEGNET_EPSILON), scale, shift)
    axes = (0, 2, 3)
    mean = reduce_mean(x, axes=axes, keep_dims=True)
    centered = sub(x, broadcast(mean, shape=x.shape))
    made = [y, mean, reduce_mean(mul(centered, centered), axes=axes, keep_dims=True)]
    return made[: max(site.top_count, 1)]


def _as_vector(value: Value, channels: int) -> Value:
    return value if value.rank == 1 else reshape(value, shape=(channels,))


@handlers.layer("LRN")
def lrn_layer(site: Site, x: Value) -> Value:
    """Local response normalization; alpha is divided by the size of the window (lrn_layer.cpp)."""
    param = site.param("lrn_param")
    param.ignore("engine")
    size = param.integer("local_size")
    if size % 2 == 0:
        raise InvalidModelError(f"local_size must be odd, got {size} (lrn_layer.cpp)")
    require_axes(x, 4)
    alpha, beta, k = param.number("alpha"), param.number("beta"), param.number("k")
    if param.enum("norm_region") == "ACROSS_CHANNELS":
        return lrn(x, size=size, alpha=alpha, beta=beta, bias=k)
    if k != 1:
        site.note(f"k: {k} has no meaning within channels, 1 stands in its place (lrn_layer.cpp)")
    return lrn_within(x, size=size, alpha=alpha, beta=beta, bias=1.0)


@handlers.layer("MVN")
def mvn(site: Site, x: Value) -> Value:
    """(x - mean) / (sqrt(variance) + eps) over space, or over channels too (mvn_layer.cpp)."""
    param = site.param("mvn_param")
    axes = tuple(range(1, x.rank)) if param.boolean("across_channels") else tuple(range(2, x.rank))
    return mean_variance_normalize(
        x,
        axes=axes,
        normalize_variance=param.boolean("normalize_variance"),
        epsilon=param.number("eps"),
        outside=True,
    )


@handlers.layer("Normalize")
def normalize(site: Site, x: Value) -> Value:
    """X / sqrt(sum of squares + eps) over channels (or all), times a learned scale (SSD's normalize_layer.cpp)."""
    param = site.param("norm_param")
    axes = tuple(range(1, x.rank)) if param.boolean("across_spatial") else (1,)
    y = l2_normalize(x, axes=axes, epsilon=param.number("eps"), floor=False)
    filler = param.optional_message("scale_filler") or constant_filler(1.0)
    if param.boolean("channel_shared"):
        scale = site.weight(0, "scale", (), filler)
        return mul(y, broadcast(scale, shape=y.shape))
    channels = channel_count(x)
    return mul(y, channelwise(site.weight(0, "scale", (channels,), filler), y))


@handlers.layer("Softmax")
def softmax_layer(site: Site, x: Value) -> Value:
    """exp(x) / sum(exp(x)) along `axis` (softmax_layer.cpp)."""
    param = site.param("softmax_param")
    param.ignore("engine")
    return softmax(x, axis=canonical_axis(x, param.integer("axis")))
