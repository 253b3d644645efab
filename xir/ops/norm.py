"""Normalizations: by statistics given, of a batch element, of channels, of windows; and softmax."""

from __future__ import annotations

from typing import cast

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import product
from xir.ir.node import Node, Value
from xir.ir.types import TensorType
from xir.ops._build import channelwise, scalar_like
from xir.ops._checks import (
    require_axes,
    require_axis,
    require_floating,
    require_rank,
    require_rank_at_least,
    require_same_dtype,
    require_same_shape,
    require_size,
)
from xir.ops._define import op
from xir.ops._wide import narrow, wide
from xir.ops._windows import Numbers, narrowed, widened
from xir.ops.constant import identity
from xir.ops.elementwise import add, div, exp, log, maximum, mul, neg, pow_, reciprocal, sqrt, sub
from xir.ops.pool import average_pool
from xir.ops.reduce import reduce_max, reduce_mean, reduce_sum
from xir.ops.shape import broadcast, reshape


def _require_channels(x: Value, *parameters: Value) -> None:
    require_floating(x)
    require_rank_at_least(x, 2)
    require_same_dtype(x, *parameters)
    for parameter in parameters:
        require_rank(parameter, 1)
        require_size(parameter.shape[0], x.shape[1], "the size of each parameter")


def _column(parameter: Array, rank: int) -> Numbers:
    """A parameter [C] as [C, 1, ...], to go with [N, C, ...]."""
    return widened(parameter).reshape(-1, *(1,) * (rank - 2))


@op
def batch_norm(x: Value, scale: Value, shift: Value, mean: Value, variance: Value, *, epsilon: float) -> TensorType:
    """`(x - mean) / sqrt(variance + epsilon) * scale + shift` for each channel (ONNX BatchNormalization; inference).

    x: [N, C, ...], floating; scale, shift, mean, variance: [C]; result: the shape of `x`. (Ioffe & Szegedy 2015;
    Caffe's BatchNorm is this with scale 1 and shift 0.)
    """
    _require_channels(x, scale, shift, mean, variance)
    return x.tensor


@batch_norm.reference
def _batch_norm_reference(
    x: Array, scale: Array, shift: Array, mean: Array, variance: Array, *, epsilon: float
) -> Array:
    data = widened(x)
    spread = widened(variance)
    factor = widened(scale) / np.sqrt(spread + spread.dtype.type(epsilon))
    result = (data - _column(mean, x.ndim)) * factor.reshape(-1, *(1,) * (x.ndim - 2)) + _column(shift, x.ndim)
    return narrowed(result, x)


@batch_norm.decompose
def _batch_norm_decompose(
    x: Value, scale: Value, shift: Value, mean: Value, variance: Value, *, epsilon: float
) -> Value:
    data, spread = wide(x), wide(variance)
    factor = div(wide(scale), sqrt(add(spread, scalar_like(spread, epsilon))))
    centered = sub(data, channelwise(wide(mean), data))
    result = add(mul(centered, channelwise(factor, data)), channelwise(wide(shift), data))
    return narrow(result, x.dtype)


@batch_norm.gradient
def _batch_norm_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    x, scale, _, mean, variance = (cast("Value", value) for value in node.inputs)
    axes = (0, *range(2, x.rank))
    inverse = reciprocal(sqrt(add(variance, scalar_like(variance, cast("float", node.attributes["epsilon"])))))
    centered = sub(x, channelwise(mean, x))
    summed = reduce_sum(dy, axes=axes, keep_dims=False)
    weighted = reduce_sum(mul(dy, centered), axes=axes, keep_dims=False)
    factor = mul(scale, inverse)
    cubed = mul(mul(factor, inverse), inverse)
    return (
        mul(dy, channelwise(factor, x)),
        mul(weighted, inverse),
        summed,
        neg(mul(summed, factor)),
        mul(mul(weighted, cubed), scalar_like(cubed, -0.5)),
    )


@op
def lrn(x: Value, *, size: int, alpha: float, beta: float, bias: float) -> TensorType:
    """`x / (bias + alpha / size * s) ** beta`, s the sum of squares over `size` channels around (ONNX LRN).

    x: [N, C, ...], floating; the sum runs over channels c - (size - 1) // 2 to c + size // 2 as far as they exist;
    result: the shape of `x`. (Krizhevsky et al. 2012, 3.3; Caffe LRN ACROSS_CHANNELS, lrn_layer.cpp: bias is its k.)
    """
    require_floating(x)
    require_rank_at_least(x, 2)
    if size < 1:
        raise InvalidModelError(f"the size must be positive, got {size}")
    return x.tensor


@lrn.reference
def _lrn_reference(x: Array, *, size: int, alpha: float, beta: float, bias: float) -> Array:
    data = widened(x)
    squares = data * data
    total = squares.copy()
    for offset in range(1, min(size // 2, x.shape[1] - 1) + 1):
        total[:, :-offset] += squares[:, offset:]
    for offset in range(1, min((size - 1) // 2, x.shape[1] - 1) + 1):
        total[:, offset:] += squares[:, :-offset]
    number = data.dtype.type
    return narrowed(data * (number(bias) + number(alpha / size) * total) ** number(-beta), x)


@lrn.decompose
def _lrn_decompose(x: Value, *, size: int, alpha: float, beta: float, bias: float) -> Value:
    if 0 in x.shape:  # no window fits into nothing
        return identity(x)
    data = wide(x)
    n, channels, *spatial = x.shape
    plane = (n, 1, channels, product(tuple(spatial)))
    padding = (((size - 1) // 2, size // 2), (0, 0))
    mean = average_pool(
        reshape(mul(data, data), shape=plane),
        window=(size, 1),
        strides=(1, 1),
        padding=padding,
        counted_padding=padding,
        dilation=(1, 1),
    )
    return narrow(_divided_by_power(data, reshape(mean, shape=x.shape), alpha, beta, bias), x.dtype)


def _divided_by_power(x: Value, mean: Value, alpha: float, beta: float, bias: float) -> Value:
    base = add(mul(mean, scalar_like(mean, alpha)), scalar_like(mean, bias))
    return mul(x, pow_(base, scalar_like(base, -beta)))


@op
def lrn_within(x: Value, *, size: int, alpha: float, beta: float, bias: float) -> TensorType:
    """`x / (bias + alpha * m) ** beta`, m the mean of squares in a window of `size` in each plane (Caffe LRN).

    x: [N, C, spatial...], floating; `size` odd; result: the shape of `x`. WITHIN_CHANNEL in lrn_layer.cpp: the mean
    counts the zeros of a padding of (size - 1) / 2; the layer's bias is always 1, whatever its k.
    """
    require_floating(x)
    require_rank_at_least(x, 3)
    if size < 1 or size % 2 == 0:
        raise InvalidModelError(f"an odd size is needed, got {size}")
    return x.tensor


def _around(x: Value | Array, size: int) -> dict[str, tuple[int, ...]]:
    axes = (x.rank if isinstance(x, Value) else x.ndim) - 2
    return {"window": (size,) * axes, "strides": (1,) * axes, "dilation": (1,) * axes}


@lrn_within.reference
def _lrn_within_reference(x: Array, *, size: int, alpha: float, beta: float, bias: float) -> Array:
    data = widened(x)
    around = ((size // 2, size // 2),) * (x.ndim - 2)
    rule = average_pool.reference_rule
    if rule is None:
        raise InvalidModelError("average_pool has no reference rule")
    mean = cast("Numbers", rule(data * data, padding=around, counted_padding=around, **_around(x, size)))
    number = data.dtype.type
    return narrowed(data * (number(bias) + number(alpha) * mean) ** number(-beta), x)


@lrn_within.decompose
def _lrn_within_decompose(x: Value, *, size: int, alpha: float, beta: float, bias: float) -> Value:
    if 0 in x.shape:
        return identity(x)
    data = wide(x)
    padding = ((size // 2, size // 2),) * (x.rank - 2)
    mean = average_pool(mul(data, data), padding=padding, counted_padding=padding, **_around(x, size))
    return narrow(_divided_by_power(data, mean, alpha, beta, bias), x.dtype)


@op
def mean_variance_normalize(
    x: Value, *, axes: tuple[int, ...], normalize_variance: bool, epsilon: float, outside: bool
) -> TensorType:
    """`x - mean` over `axes`, divided by the standard deviation on request (Caffe MVN, ONNX MeanVarianceNormalization).

    x: any floating tensor; the variance is that of the population; `outside`: the divisor is sqrt(variance) + epsilon
    (mvn_layer.cpp; ONNX's function body with 1e-9), else sqrt(variance + epsilon); result: the shape of `x`.
    """
    require_floating(x)
    require_axes(x, axes)
    return x.tensor


@mean_variance_normalize.reference
def _mean_variance_normalize_reference(
    x: Array, *, axes: tuple[int, ...], normalize_variance: bool, epsilon: float, outside: bool
) -> Array:
    return narrowed(_standardized(widened(x), axes, normalize_variance, epsilon, outside), x)


def _standardized(x: Numbers, axes: tuple[int, ...], scaled: bool, epsilon: float, outside: bool) -> Numbers:
    centered: Numbers = x - x.mean(axis=axes, keepdims=True)
    if not scaled:
        return centered
    variance: Numbers = (centered * centered).mean(axis=axes, keepdims=True)
    small = x.dtype.type(epsilon)
    divisor: Numbers = np.sqrt(variance) + small if outside else np.sqrt(variance + small)
    return centered / divisor


@mean_variance_normalize.decompose
def _mean_variance_normalize_decompose(
    x: Value, *, axes: tuple[int, ...], normalize_variance: bool, epsilon: float, outside: bool
) -> Value:
    return narrow(_standardize(wide(x), axes, normalize_variance, epsilon, outside), x.dtype)


def _standardize(x: Value, axes: tuple[int, ...], scaled: bool, epsilon: float, outside: bool) -> Value:
    """`_standardized` as a graph."""
    centered = sub(x, broadcast(reduce_mean(x, axes=axes, keep_dims=True), shape=x.shape))
    if not scaled:
        return centered
    variance = reduce_mean(mul(centered, centered), axes=axes, keep_dims=True)
    small = scalar_like(variance, epsilon)
    divisor = add(sqrt(variance), small) if outside else sqrt(add(variance, small))
    # A root is 0 or far from subnormal: its reciprocal does not overflow, and 0 times infinity is what 0 / 0 is.
    return mul(centered, broadcast(reciprocal(divisor), shape=x.shape))


@op
def l2_normalize(x: Value, *, axes: tuple[int, ...], epsilon: float, floor: bool) -> TensorType:
    """`x` divided by its Euclidean norm over `axes` (ONNX LpNormalization, SSD Normalize).

    x: any floating tensor; the divisor is sqrt(sum + epsilon) (SSD, normalize_layer.cpp), or with `floor`
    max(sqrt(sum), epsilon) (PyTorch normalize); result: the shape of `x`.
    """
    require_floating(x)
    require_axes(x, axes)
    return x.tensor


@l2_normalize.reference
def _l2_normalize_reference(x: Array, *, axes: tuple[int, ...], epsilon: float, floor: bool) -> Array:
    data = widened(x)
    total = (data * data).sum(axis=axes, keepdims=True)
    small = data.dtype.type(epsilon)
    return narrowed(data / (np.maximum(np.sqrt(total), small) if floor else np.sqrt(total + small)), x)


@l2_normalize.decompose
def _l2_normalize_decompose(x: Value, *, axes: tuple[int, ...], epsilon: float, floor: bool) -> Value:
    data = wide(x)
    total = reduce_sum(mul(data, data), axes=axes, keep_dims=True)
    small = scalar_like(total, epsilon)
    divisor = maximum(sqrt(total), small) if floor else sqrt(add(total, small))
    return narrow(div(data, broadcast(divisor, shape=x.shape)), x.dtype)


@op
def instance_norm(x: Value, scale: Value, shift: Value, *, epsilon: float) -> TensorType:
    """Each plane with mean 0 and variance 1, times `scale` plus `shift` (ONNX InstanceNormalization).

    x: [N, C, spatial...], floating; scale, shift: [C]; the divisor is sqrt(variance + epsilon); result: the shape of
    `x`. (Ulyanov et al. 2016)
    """
    require_rank_at_least(x, 3)
    _require_channels(x, scale, shift)
    return x.tensor


@instance_norm.reference
def _instance_norm_reference(x: Array, scale: Array, shift: Array, *, epsilon: float) -> Array:
    data = _standardized(widened(x), tuple(range(2, x.ndim)), True, epsilon, False)
    return narrowed(data * _column(scale, x.ndim) + _column(shift, x.ndim), x)


@instance_norm.decompose
def _instance_norm_decompose(x: Value, scale: Value, shift: Value, *, epsilon: float) -> Value:
    data = _standardize(wide(x), tuple(range(2, x.rank)), True, epsilon, False)
    return narrow(_affine(data, scale, shift), x.dtype)


def _affine(x: Value, scale: Value, shift: Value) -> Value:
    """`x: [N, C, ...]` times `scale: [C]` plus `shift: [C]`."""
    return add(mul(x, channelwise(wide(scale), x)), channelwise(wide(shift), x))


@op
def layer_norm(
    x: Value, scale: Value | None = None, shift: Value | None = None, *, axis: int, epsilon: float
) -> TensorType:
    """Mean 0 and variance 1 over the axes from `axis` on, times `scale` plus `shift` (ONNX LayerNormalization).

    x: any floating tensor; scale, shift: the shape of those axes; the divisor is sqrt(variance + epsilon); result:
    the shape of `x`. (Ba et al. 2016)
    """
    require_floating(x)
    require_axis(x, axis)
    for parameter in (scale, shift):
        if parameter is not None:
            require_same_dtype(x, parameter)
            require_same_shape(parameter.shape, x.shape[axis:])
    return x.tensor


@layer_norm.reference
def _layer_norm_reference(x: Array, scale: Array | None, shift: Array | None, *, axis: int, epsilon: float) -> Array:
    data = _standardized(widened(x), tuple(range(axis, x.ndim)), True, epsilon, False)
    if scale is not None:
        data = data * widened(scale)
    if shift is not None:
        data = data + widened(shift)
    return narrowed(data, x)


@layer_norm.decompose
def _layer_norm_decompose(
    x: Value, scale: Value | None = None, shift: Value | None = None, *, axis: int, epsilon: float
) -> Value:
    data = _standardize(wide(x), tuple(range(axis, x.rank)), True, epsilon, False)
    if scale is not None:
        data = mul(data, broadcast(wide(scale), shape=x.shape))
    if shift is not None:
        data = add(data, broadcast(wide(shift), shape=x.shape))
    return narrow(data, x.dtype)


@op
def group_norm(x: Value, scale: Value, shift: Value, *, groups: int, epsilon: float) -> TensorType:
    """Mean 0 and variance 1 over each group of channels, times `scale` plus `shift` (ONNX GroupNormalization).

    x: [N, C, spatial...], floating, `groups` divides C; scale, shift: [C] (ONNX 21); the divisor is
    sqrt(variance + epsilon); result: the shape of `x`. (Wu & He 2018)
    """
    _require_channels(x, scale, shift)
    channels = x.shape[1]
    if groups < 1 or (isinstance(channels, int) and channels % groups):
        raise InvalidModelError(f"the number of channels must be divisible by {groups}, got {channels!r}")
    return x.tensor


@group_norm.reference
def _group_norm_reference(x: Array, scale: Array, shift: Array, *, groups: int, epsilon: float) -> Array:
    n, c, *spatial = x.shape
    grouped = widened(x).reshape(n, groups, c // groups, *spatial)
    data = _standardized(grouped, tuple(range(2, x.ndim + 1)), True, epsilon, False).reshape(x.shape)
    return narrowed(data * _column(scale, x.ndim) + _column(shift, x.ndim), x)


@group_norm.decompose
def _group_norm_decompose(x: Value, scale: Value, shift: Value, *, groups: int, epsilon: float) -> Value:
    n, channels, *spatial = x.shape
    grouped = reshape(wide(x), shape=(n, groups, channels // groups, *spatial))
    data = _standardize(grouped, tuple(range(2, x.rank + 1)), True, epsilon, False)
    return narrow(_affine(reshape(data, shape=x.shape), scale, shift), x.dtype)


@op
def softmax(x: Value, *, axis: int) -> TensorType:
    """`exp(x) / sum(exp(x))` along `axis` (ONNX Softmax from opset 13, Caffe Softmax).

    x: any floating tensor; result: the shape of `x`. The maximum is subtracted first, so nothing overflows.
    """
    require_floating(x)
    require_axis(x, axis)
    return x.tensor


@softmax.reference
def _softmax_reference(x: Array, *, axis: int) -> Array:
    data = widened(x)
    powers = np.exp(data - data.max(axis=axis, keepdims=True, initial=-np.inf))
    return narrowed(powers / powers.sum(axis=axis, keepdims=True), x)


@softmax.decompose
def _softmax_decompose(x: Value, *, axis: int) -> Value:
    powers = exp(_shifted(wide(x), axis))
    total = reduce_sum(powers, axes=(axis,), keep_dims=True)  # at least 1, so its reciprocal is a normal number
    return narrow(mul(powers, broadcast(reciprocal(total), shape=x.shape)), x.dtype)


def _shifted(x: Value, axis: int) -> Value:
    return sub(x, broadcast(reduce_max(x, axes=(axis,), keep_dims=True), shape=x.shape))


@softmax.gradient
def _softmax_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    axis = cast("int", node.attributes["axis"])
    y = node.outputs[0]
    total = reduce_sum(mul(dy, y), axes=(axis,), keep_dims=True)
    return (mul(y, sub(dy, broadcast(total, shape=dy.shape))),)


@op
def log_softmax(x: Value, *, axis: int) -> TensorType:
    """`x - log(sum(exp(x)))` along `axis` (ONNX LogSoftmax from opset 13).

    x: any floating tensor; result: the shape of `x`. The maximum is subtracted first, so nothing overflows.
    """
    require_floating(x)
    require_axis(x, axis)
    return x.tensor


@log_softmax.reference
def _log_softmax_reference(x: Array, *, axis: int) -> Array:
    data = widened(x)
    shifted = data - data.max(axis=axis, keepdims=True, initial=-np.inf)
    return narrowed(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)), x)


@log_softmax.decompose
def _log_softmax_decompose(x: Value, *, axis: int) -> Value:
    shifted = _shifted(wide(x), axis)
    total = log(reduce_sum(exp(shifted), axes=(axis,), keep_dims=True))
    return narrow(sub(shifted, broadcast(total, shape=x.shape)), x.dtype)


@log_softmax.gradient
def _log_softmax_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    axis = cast("int", node.attributes["axis"])
    total = reduce_sum(dy, axes=(axis,), keep_dims=True)
    return (sub(dy, mul(exp(node.outputs[0]), broadcast(total, shape=dy.shape))),)
