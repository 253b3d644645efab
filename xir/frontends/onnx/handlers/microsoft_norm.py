"""Normalizations that onnxruntime adds (its docs/ContribOperators.md): with skips, of embeddings, channels last."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.handlers.batch_norm import EPSILON
from xir.frontends.onnx.handlers.microsoft_activation import MICROSOFT
from xir.frontends.onnx.handlers.norm import root_mean_square
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._build import scalar_like
from xir.ops._wide import narrow, scalar, wide
from xir.ops.activation import swish
from xir.ops.compare import equal
from xir.ops.elementwise import add, cast, mul, reciprocal, sqrt
from xir.ops.index import gather
from xir.ops.norm import group_norm, layer_norm
from xir.ops.norm_length import rms_norm
from xir.ops.norm_statistics import layer_norm_with_statistics
from xir.ops.reduce import reduce_mean, reduce_sum
from xir.ops.shape import broadcast, iota, reshape, transpose

handlers: Handlers[Handler] = Handlers("onnx")

_TINY = 9.999999960041972e-13
"""1e-12 in 32 bits, onnxruntime's default epsilon of the fused normalizations."""


def _wants(site: Site, index: int) -> bool:
    """Whether the result at `index` has a name."""
    return index < len(site.node.outputs) and bool(site.node.outputs[index])


def _inverse_root(x: Value, axis: int, epsilon: float) -> Value:
    """1 / sqrt(mean(x^2) + epsilon) over the axes from `axis` on, in f32 if `x` is narrower."""
    data = wide(x)
    mean = reduce_mean(mul(data, data), axes=tuple(range(axis, x.rank)), keep_dims=True)
    return reciprocal(sqrt(add(mean, scalar_like(mean, epsilon))))


@handlers.layer(*versions("SimplifiedLayerNormalization", 1))
def simplified(site: Site, x: Value, scale: Value) -> tuple[Value, ...]:
    """SimplifiedLayerNormalization, RMSNormalization's older name; onnxruntime registers it in ONNX's own set."""
    y = root_mean_square(site, x, scale)
    if not _wants(site, 1):
        return (y,)
    axis = site.axis(site.integer("axis", -1), x.rank)
    return y, narrow(_inverse_root(x, axis, site.real("epsilon", EPSILON)), DType.FLOAT32)


def _summed(site: Site, x: Value, skip: Value, bias: Value | None) -> Value:
    total = add(x, site.repeated(skip, x.shape))
    return total if bias is None else add(total, site.repeated(bias, x.shape))


@handlers.layer(*versions("SkipLayerNormalization", 1, domain=MICROSOFT))
def skip_layer(
    site: Site, x: Value, skip: Value, scale: Value, shift: Value | None = None, bias: Value | None = None
) -> tuple[Value, ...]:
    """SkipLayerNormalization of x + skip + bias, which is the fourth result."""
    total, axis, epsilon = _summed(site, x, skip, bias), x.rank - 1, site.real("epsilon", _TINY)
    if not _wants(site, 1) and not _wants(site, 2):
        y = layer_norm(total, scale, shift, axis=axis, epsilon=epsilon)
        return y, y, y, total
    y, *statistics = layer_norm_with_statistics(total, scale, shift, axis=axis, epsilon=epsilon)
    return y, *statistics, total


@handlers.layer(*versions("SkipSimplifiedLayerNormalization", 1, domain=MICROSOFT))
def skip_simplified(site: Site, x: Value, skip: Value, scale: Value, bias: Value | None = None) -> tuple[Value, ...]:
    """SkipSimplifiedLayerNormalization of x + skip + bias, which is the fourth result."""
    if _wants(site, 1):
        site.refuse("the mean of a normalization that has none")
    total, axis, epsilon = _summed(site, x, skip, bias), x.rank - 1, site.real("epsilon", _TINY)
    y = rms_norm(total, scale, axis=axis, epsilon=epsilon)
    inverse = _inverse_root(total, axis, epsilon) if _wants(site, 2) else y
    return y, y, inverse, total


@handlers.layer(*versions("EmbedLayerNormalization", 1, domain=MICROSOFT))
def embedded(site: Site, words: Value, *given: Value | None) -> tuple[Value, ...]:
    """EmbedLayerNormalization: rows of words, places and segments, summed and normalized.

    The second result counts the ones of the mask in each row, 0 without a mask (bert/embed_layer_norm.cc).
    """
    site.ignore("mask_index_type")
    segments, word_rows, place_rows, segment_rows, scale, shift, mask, places = (*given, *(None,) * 8)[:8]
    if word_rows is None or place_rows is None or scale is None or shift is None:
        site.invalid("rows of words and of places, a scale and a shift are needed")
    batch, length = words.shape
    if places is None:
        places = reshape(iota(shape=(length,), axis=0, dtype=DType.INT64), shape=(1, length))
    total = gather(word_rows, words, axis=0)
    total = add(total, site.repeated(gather(place_rows, places, axis=0), total.shape))
    if segments is not None and segment_rows is not None:
        total = add(total, gather(segment_rows, segments, axis=0))
    y = layer_norm(total, scale, shift, axis=2, epsilon=site.real("epsilon", _TINY))
    if mask is None:
        return y, broadcast(scalar(DType.INT32, 0), shape=(batch,)), total
    ones = cast(equal(mask, scalar_like(mask, 1)), dtype=DType.INT32)
    return y, reduce_sum(ones, axes=(1,), keep_dims=False), total


def _group(site: Site, x: Value, scale: Value, shift: Value) -> Value:
    """GroupNorm of `x: [N, C, ...]`, computed in the type of its parameters, through SiLU on request."""
    data = narrow(wide(x), scale.dtype)
    y = group_norm(data, scale, shift, groups=site.integer("groups"), epsilon=site.real("epsilon", EPSILON))
    activation = site.integer("activation")
    if activation not in (0, 1):
        site.invalid(f"activation is {activation}, expected 0 or 1")
    return narrow(swish(y, beta=1.0) if activation else y, x.dtype)


def _last(x: Value) -> Value:
    """[N, C, ...] as [N, ..., C]."""
    return transpose(x, perm=(0, *range(2, x.rank), 1))


def _first(x: Value) -> Value:
    """[N, ..., C] as [N, C, ...]."""
    return transpose(x, perm=(0, x.rank - 1, *range(1, x.rank - 1)))


@handlers.layer(*versions("GroupNorm", 1, domain=MICROSOFT))
def group_channels_last(site: Site, x: Value, scale: Value, shift: Value) -> Value:
    """GroupNorm, with the channels in the last axis by default."""
    if not site.flag("channels_last", True):
        return _group(site, x, scale, shift)
    return _last(_group(site, _first(x), scale, shift))


@handlers.layer(*versions("SkipGroupNorm", 1, domain=MICROSOFT))
def skip_group(
    site: Site, x: Value, scale: Value, shift: Value, skip: Value, bias: Value | None = None
) -> tuple[Value, ...]:
    """SkipGroupNorm of x + skip + bias, which is the second result; a skip [N, C] belongs to all places."""
    last = site.flag("channels_last", True)
    if skip.rank == 2:
        n, channels = skip.shape
        skip = reshape(skip, shape=(n, *(1,) * (x.rank - 2), channels) if last else (n, channels, *(1,) * (x.rank - 2)))
    if bias is not None and not last:
        bias = reshape(bias, shape=(*bias.shape, *(1,) * (x.rank - 2)))
    total = _summed(site, x, skip, bias)
    y = _last(_group(site, _first(total), scale, shift)) if last else _group(site, total, scale, shift)
    return y, total
