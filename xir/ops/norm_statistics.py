"""Normalizations that also answer their statistics: of a batch while training, of layers."""

from __future__ import annotations

import numpy as np

from xir.ir.constant import Array
from xir.ir.dims import Shape
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._build import channelwise, scalar_like
from xir.ops._checks import (
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
from xir.ops.elementwise import add, mul, reciprocal, sqrt, sub
from xir.ops.reduce import reduce_mean
from xir.ops.shape import broadcast


@op
def batch_norm_train(
    x: Value, scale: Value, shift: Value, mean: Value, variance: Value, *, epsilon: float, momentum: float
) -> tuple[TensorType, TensorType, TensorType]:
    """Each channel with mean 0 and variance 1 over the batch, and the running statistics (ONNX BatchNormalization).

    x: [N, C, ...], floating; scale, shift, mean, variance: [C] of the type of `x`. Results: `(x - m) / sqrt(v +
    epsilon) * scale + shift` with the mean m and the population variance v of each channel of `x`, and `mean` and
    `variance` times `momentum` plus m and v times 1 - momentum, each [C]. (Ioffe and Szegedy 2015)
    """
    require_floating(x)
    require_rank_at_least(x, 2)
    require_same_dtype(x, scale, shift, mean, variance)
    for parameter in (scale, shift, mean, variance):
        require_rank(parameter, 1)
        require_size(parameter.shape[0], x.shape[1], "the size of each parameter")
    running = x.tensor.with_shape((x.shape[1],))
    return x.tensor, running, running


@batch_norm_train.reference
def _batch_norm_train_reference(
    x: Array, scale: Array, shift: Array, mean: Array, variance: Array, *, epsilon: float, momentum: float
) -> tuple[Array, Array, Array]:
    data = widened(x)
    column = (-1, *(1,) * (x.ndim - 2))
    axes = (0, *range(2, x.ndim))
    m: Numbers = data.mean(axis=axes)
    centered = data - m.reshape(column)
    v: Numbers = (centered * centered).mean(axis=axes)
    number = data.dtype.type
    factor = widened(scale) / np.sqrt(v + number(epsilon))
    y = centered * factor.reshape(column) + widened(shift).reshape(column)
    kept, new = number(momentum), number(1 - momentum)
    return (
        narrowed(y, x),
        narrowed(widened(mean) * kept + m * new, x),
        narrowed(widened(variance) * kept + v * new, x),
    )


@batch_norm_train.decompose
def _batch_norm_train_decompose(
    x: Value, scale: Value, shift: Value, mean: Value, variance: Value, *, epsilon: float, momentum: float
) -> tuple[Value, Value, Value]:
    data = wide(x)
    m, v = channel_statistics(x)
    centered = sub(data, channelwise(m, data))
    factor = mul(wide(scale), reciprocal(sqrt(add(v, scalar_like(v, epsilon)))))
    y = add(mul(centered, channelwise(factor, data)), channelwise(wide(shift), data))
    results = [narrow(y, x.dtype)]
    for held, current in ((mean, m), (variance, v)):
        kept = mul(wide(held), scalar_like(current, momentum))
        results.append(narrow(add(kept, mul(current, scalar_like(current, 1 - momentum))), x.dtype))
    return results[0], results[1], results[2]


def channel_statistics(x: Value) -> tuple[Value, Value]:
    """The mean and the population variance of each channel of `x: [N, C, ...]`, in f32 if `x` is narrower."""
    data, axes = wide(x), (0, *range(2, x.rank))
    mean = reduce_mean(data, axes=axes, keep_dims=False)
    centered = sub(data, channelwise(mean, data))
    return mean, reduce_mean(mul(centered, centered), axes=axes, keep_dims=False)


@op
def layer_norm_with_statistics(
    x: Value, scale: Value | None = None, shift: Value | None = None, *, axis: int, epsilon: float
) -> tuple[TensorType, TensorType, TensorType]:
    """`layer_norm`, with the mean and the inverse of the standard deviation (ONNX LayerNormalization, all results).

    x: any floating tensor; scale, shift: the type of `x`, the shape of the axes from `axis` on. Results: that of
    `layer_norm`; the mean and 1 / sqrt(variance + epsilon), those axes of size 1, in the type of `x`, or f32 if that
    is narrower. (Ba et al. 2016)
    """
    require_floating(x)
    require_axis(x, axis)
    for parameter in (scale, shift):
        if parameter is not None:
            require_same_dtype(x, parameter)
            require_same_shape(parameter.shape, x.shape[axis:])
    statistic = TensorType(_wide_type(x.dtype), _statistic_shape(x, axis))
    return x.tensor, statistic, statistic


def _wide_type(dtype: DType) -> DType:
    return dtype if dtype.bits >= 32 else DType.FLOAT32


def _statistic_shape(x: Value, axis: int) -> Shape:
    return (*x.shape[:axis], *(1,) * (x.rank - axis))


@layer_norm_with_statistics.reference
def _layer_norm_with_statistics_reference(
    x: Array, scale: Array | None, shift: Array | None, *, axis: int, epsilon: float
) -> tuple[Array, Array, Array]:
    data, axes = widened(x), tuple(range(axis, x.ndim))
    mean: Numbers = data.mean(axis=axes, keepdims=True)
    centered = data - mean
    variance: Numbers = (centered * centered).mean(axis=axes, keepdims=True)
    inverse: Numbers = 1 / np.sqrt(variance + data.dtype.type(epsilon))
    y = centered * inverse
    if scale is not None:
        y = y * widened(scale)
    if shift is not None:
        y = y + widened(shift)
    return narrowed(y, x), mean, inverse


@layer_norm_with_statistics.decompose
def _layer_norm_with_statistics_decompose(
    x: Value, scale: Value | None = None, shift: Value | None = None, *, axis: int, epsilon: float
) -> tuple[Value, Value, Value]:
    data, axes = wide(x), tuple(range(axis, x.rank))
    mean = reduce_mean(data, axes=axes, keep_dims=True)
    centered = sub(data, broadcast(mean, shape=x.shape))
    variance = reduce_mean(mul(centered, centered), axes=axes, keep_dims=True)
    inverse = reciprocal(sqrt(add(variance, scalar_like(variance, epsilon))))
    y = mul(centered, broadcast(inverse, shape=x.shape))
    if scale is not None:
        y = mul(y, broadcast(wide(scale), shape=x.shape))
    if shift is not None:
        y = add(y, broadcast(wide(shift), shape=x.shape))
    return narrow(y, x.dtype), mean, inverse
