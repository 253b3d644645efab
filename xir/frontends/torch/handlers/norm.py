"""Normalizations (aten/src/ATen/native/Normalization.cpp, layer_norm.cpp, group_norm.cpp)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xir.autodiff import pullback
from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Tensor
from xir.ir.dims import Dim, product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import norm
from xir.ops._build import channelwise
from xir.ops.elementwise import add, div, mul, reciprocal, sqrt, sub
from xir.ops.norm_length import rms_norm as rms_of
from xir.ops.norm_statistics import layer_norm_with_statistics
from xir.ops.reduce import reduce_mean, reduce_sum
from xir.ops.shape import broadcast, reshape

operators = Operators("aten")

_NARROW = (DType.FLOAT16, DType.BFLOAT16)


def _wide(call: Call, x: Value) -> Value:
    """Statistics of narrow floats are taken in f32."""
    return call.cast(x, DType.FLOAT32) if x.dtype in _NARROW else x


def _vector(call: Call, given: Value | None, count: Dim, number: float, dtype: DType) -> Value:
    """A weight, or `number` for each channel where there is none."""
    return call.cast(given, dtype) if given is not None else broadcast(call.literal(number, dtype), shape=(count,))


def _mixed(x: Value, *weights: Value | None) -> DType:
    """The type to compute in: narrow floats may have weights of f32 (aten/src/ATen/native/cpu/mixed_data_type.h)."""
    wide = x.dtype in _NARROW and any(each is not None and each.dtype is DType.FLOAT32 for each in weights)
    return DType.FLOAT32 if wide else x.dtype


def _normalized(
    call: Call, x: Value, scale: Value | None, shift: Value | None, mean: Value, variance: Value, epsilon: float
) -> Value:
    """By the statistics given; narrow floats are computed in the type of the statistics."""
    dtype = mean.dtype
    ones, zeros = (_vector(call, v, x.shape[1], n, dtype) for v, n in ((scale, 1.0), (shift, 0.0)))
    return call.cast(norm.batch_norm(call.cast(x, dtype), ones, zeros, mean, variance, epsilon=epsilon), x.dtype)


class _Statistics:
    """Mean and population variance of each channel over the batch, and the number of elements."""

    def __init__(self, call: Call, x: Value) -> None:
        data = _wide(call, x)
        axes = (0, *range(2, x.rank))
        self.mean = reduce_mean(data, axes=axes, keep_dims=False)
        centred = sub(data, channelwise(self.mean, data))
        self.variance = reduce_mean(mul(centred, centred), axes=axes, keep_dims=False)
        self.count: Dim = product(tuple(x.shape[axis] for axis in axes))

    def inverse(self, call: Call, epsilon: float) -> Value:
        """`1 / sqrt(variance + epsilon)`."""
        return _inverse(call, self.variance, epsilon)


def _inverse(call: Call, variance: Value, epsilon: float) -> Value:
    return reciprocal(sqrt(add(variance, call.repeated(call.literal(epsilon, variance.dtype), variance.shape))))


def _update(call: Call, running: Tensor | None, new: Value, momentum: float) -> None:
    """`running = (1 - momentum) * running + momentum * new`."""
    if running is None:
        return
    old = running.value
    factor = call.repeated(call.literal(momentum, old.dtype), old.shape)
    rest = call.repeated(call.literal(1 - momentum, old.dtype), old.shape)
    running.write(add(mul(old, rest), mul(call.cast(new, old.dtype), factor)))


def trained(
    call: Call,
    x: Value,
    scale: Value | None,
    shift: Value | None,
    running: tuple[Tensor | None, Tensor | None],
    momentum: float,
    epsilon: float,
) -> tuple[Value, Value, Value]:
    """The batch by its own statistics, which the running ones take in; with the mean and the inverse deviation."""
    found = _Statistics(call, x)
    y = _normalized(call, x, scale, shift, found.mean, found.variance, epsilon)
    _update(call, running[0], found.mean, momentum)
    if running[1] is not None:
        count = call.scalar(found.count, found.variance.dtype)
        one = call.literal(1, count.dtype)
        unbiased = mul(found.variance, call.repeated(div(count, sub(count, one)), found.variance.shape))
        _update(call, running[1], unbiased, momentum)
    told = next((each.dtype for each in (scale, shift) if each is not None), x.dtype)  # Normalization.cpp, param_type
    return y, call.cast(found.mean, told), call.cast(found.inverse(call, epsilon), told)


@operators.op(
    "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var,"
    " bool training, float momentum, float eps, bool cudnn_enabled) -> Tensor",
    places=("running_mean", "running_var"),
)
def batch_norm(
    call: Call,
    x: Value,
    scale: Value | None,
    shift: Value | None,
    mean: Tensor | None,
    variance: Tensor | None,
    training: bool,
    momentum: float,
    epsilon: float,
    *settings: bool,
) -> Value:
    """By the running statistics, or in training by those of the batch."""
    return _batch_norm(call, x, scale, shift, mean, variance, training, momentum, epsilon)[0]


def _batch_norm(
    call: Call,
    x: Value,
    scale: Value | None,
    shift: Value | None,
    mean: Tensor | None,
    variance: Tensor | None,
    training: bool,
    momentum: float,
    epsilon: float,
) -> tuple[Value, Value, Value]:
    """The result, and what the derivative needs: nothing in inference."""
    if training or mean is None or variance is None:
        return trained(call, x, scale, shift, (mean, variance), momentum, epsilon)
    nothing = call.literal(np.zeros(0), mean.value.dtype)
    return _normalized(call, x, scale, shift, mean.value, variance.value, epsilon), nothing, nothing


@operators.op(
    "_native_batch_norm_legit(Tensor input, Tensor? weight, Tensor? bias, Tensor(a!) running_mean,"
    " Tensor(b!) running_var, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)"
)
@operators.op(
    "native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var,"
    " bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)",
    places=("running_mean", "running_var"),
)
def native_batch_norm(
    call: Call,
    x: Value,
    scale: Value | None,
    shift: Value | None,
    mean: Tensor | None,
    variance: Tensor | None,
    training: bool,
    momentum: float,
    epsilon: float,
) -> tuple[Value, Value, Value]:
    """The result, the mean and the inverse deviation of the batch (empty in inference)."""
    return _batch_norm(call, x, scale, shift, mean, variance, training, momentum, epsilon)


@operators.op(
    "_native_batch_norm_legit_no_training(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean,"
    " Tensor running_var, float momentum, float eps) -> (Tensor, Tensor, Tensor)"
)
def batch_norm_inference(
    call: Call,
    x: Value,
    scale: Value | None,
    shift: Value | None,
    mean: Value,
    variance: Value,
    momentum: float,
    epsilon: float,
) -> tuple[Value, Value, Value]:
    """By the running statistics."""
    return _batch_norm(call, x, scale, shift, Tensor(mean), Tensor(variance), False, momentum, epsilon)


@operators.op(
    "_native_batch_norm_legit.no_stats(Tensor input, Tensor? weight, Tensor? bias, bool training, float momentum,"
    " float eps) -> (Tensor, Tensor, Tensor)"
)
def batch_norm_of_batch(
    call: Call, x: Value, scale: Value | None, shift: Value | None, training: bool, momentum: float, epsilon: float
) -> tuple[Value, Value, Value]:
    """By the statistics of the batch."""
    return trained(call, x, scale, shift, (None, None), momentum, epsilon)


@operators.op(
    "_native_batch_norm_legit_functional(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean,"
    " Tensor running_var, bool training, float momentum, float eps)"
    " -> (Tensor, Tensor, Tensor, Tensor running_mean_out, Tensor running_var_out)"
)
def batch_norm_functional(
    call: Call,
    x: Value,
    scale: Value | None,
    shift: Value | None,
    mean: Value,
    variance: Value,
    training: bool,
    momentum: float,
    epsilon: float,
) -> tuple[Value, ...]:
    """`native_batch_norm` with the new running statistics as results."""
    running = Tensor(mean), Tensor(variance)
    made = _batch_norm(call, x, scale, shift, *running, training, momentum, epsilon)
    return *made, running[0].value, running[1].value


@operators.op(
    "native_batch_norm_backward(Tensor grad_out, Tensor input, Tensor? weight, Tensor? running_mean,"
    " Tensor? running_var, Tensor? save_mean, Tensor? save_invstd, bool train, float eps, bool[3] output_mask)"
    " -> (Tensor, Tensor, Tensor)"
)
def batch_norm_backward(
    call: Call,
    dy: Value,
    x: Value,
    scale: Value | None,
    mean: Value | None,
    variance: Value | None,
    saved_mean: Value | None,
    saved_inverse: Value | None,
    training: bool,
    epsilon: float,
    wanted: Sequence[bool],
) -> tuple[Value | None, ...]:
    """The derivatives by the input, the scale and the shift; None for those that are not wanted."""
    weight, zeros = (_vector(call, v, x.shape[1], n, x.dtype) for v, n in ((scale, 1.0), (None, 0.0)))

    def build(data: Value, factor: Value, addend: Value, *statistics: Value) -> Value:
        if statistics:
            centre, spread = statistics
            return _normalized(call, data, factor, addend, centre, spread, epsilon)
        return trained(call, data, factor, addend, (None, None), 0.0, epsilon)[0]

    running = () if training or mean is None or variance is None else (mean, variance)
    found = pullback(build, (x, weight, zeros, *running), dy)
    return tuple(each if want else None for each, want in zip(found[:3], wanted, strict=True))


@operators.op(
    "instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var,"
    " bool use_input_stats, float momentum, float eps, bool cudnn_enabled) -> Tensor",
    places=("running_mean", "running_var"),
)
def instance_norm(
    call: Call,
    x: Value,
    scale: Value | None,
    shift: Value | None,
    mean: Tensor | None,
    variance: Tensor | None,
    own: bool,
    momentum: float,
    epsilon: float,
    *settings: bool,
) -> Value:
    """Each plane by its own statistics, or by running ones."""
    if not own and mean is not None and variance is not None:
        return _normalized(call, x, scale, shift, mean.value, variance.value, epsilon)
    if mean is not None or variance is not None:
        call.refuse("instance_norm that takes in running statistics", "put the model in eval mode")
    dtype = _mixed(x, scale, shift)
    ones, zeros = (_vector(call, v, x.shape[1], n, dtype) for v, n in ((scale, 1.0), (shift, 0.0)))
    return call.cast(norm.instance_norm(call.cast(x, dtype), ones, zeros, epsilon=epsilon), x.dtype)


@operators.op(
    "layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, Tensor? bias=None,"
    " float eps=1e-05, bool cudnn_enable=True) -> Tensor"
)
def layer_norm(
    call: Call,
    x: Value,
    sizes: Sequence[Dim],
    scale: Value | None,
    shift: Value | None,
    epsilon: float,
    *settings: bool,
) -> Value:
    """Mean 0 and variance 1 over the last axes."""
    axis, wide = _first_axis(call, x, sizes), call.cast(x, _mixed(x, scale, shift))
    if scale is None and shift is not None:
        return call.cast(add(norm.layer_norm(wide, axis=axis, epsilon=epsilon), call.repeated(shift, x.shape)), x.dtype)
    return call.cast(norm.layer_norm(wide, scale, shift, axis=axis, epsilon=epsilon), x.dtype)


def _first_axis(call: Call, x: Value, sizes: Sequence[Dim]) -> int:
    if not 0 < len(sizes) <= x.rank:
        call.invalid(f"normalized_shape {list(sizes)} does not go with {x.type!r}")
    return x.rank - len(sizes)


@operators.op(
    "native_layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, Tensor? bias, float eps)"
    " -> (Tensor, Tensor, Tensor)"
)
def native_layer_norm(
    call: Call, x: Value, sizes: Sequence[Dim], scale: Value | None, shift: Value | None, epsilon: float
) -> tuple[Value, ...]:
    """`layer_norm`, the mean and the inverse deviation of each row in the type of the weights (layer_norm.cpp)."""
    axis, wide = _first_axis(call, x, sizes), call.cast(x, _mixed(x, scale, shift))
    ones = (
        broadcast(call.literal(1, wide.dtype), shape=x.shape[axis:]) if scale is None and shift is not None else scale
    )
    y, *statistics = layer_norm_with_statistics(wide, ones, shift, axis=axis, epsilon=epsilon)
    told = next((each.dtype for each in (scale, shift) if each is not None), x.dtype)
    return call.cast(y, x.dtype), *(call.cast(each, told) for each in statistics)


@operators.op(
    "native_layer_norm_backward(Tensor grad_out, Tensor input, SymInt[] normalized_shape, Tensor mean, Tensor rstd,"
    " Tensor? weight, Tensor? bias, bool[3] output_mask) -> (Tensor, Tensor, Tensor)"
)
def layer_norm_backward(
    call: Call,
    dy: Value,
    x: Value,
    sizes: Sequence[Dim],
    mean: Value,
    inverse: Value,
    scale: Value | None,
    shift: Value | None,
    wanted: Sequence[bool],
) -> tuple[Value | None, ...]:
    """The derivatives by the input, the scale and the shift; None for those that are not wanted."""
    axis = _first_axis(call, x, sizes)
    wide_x, wide_dy = _wide(call, x), _wide(call, dy)
    mean, inverse = (call.cast(each, wide_x.dtype) for each in (mean, inverse))
    centred = mul(sub(wide_x, call.repeated(mean, x.shape)), call.repeated(inverse, x.shape))
    dx = _normalized_backward(call, wide_dy, centred, inverse, scale, tuple(range(axis, x.rank)))
    outer = tuple(range(axis))
    dscale = reduce_sum(mul(wide_dy, centred), axes=outer, keep_dims=False) if wanted[1] and scale is not None else None
    dshift = reduce_sum(wide_dy, axes=outer, keep_dims=False) if wanted[2] and shift is not None else None
    return tuple(
        None if each is None else call.cast(each, x.dtype) for each in (dx if wanted[0] else None, dscale, dshift)
    )


def _normalized_backward(
    call: Call, dy: Value, centred: Value, inverse: Value, scale: Value | None, axes: tuple[int, ...]
) -> Value:
    """`(g - mean(g) - y * mean(g * y)) * inverse` with g = dy * scale, y the normalized input (Ba et al. 2016)."""
    g = dy if scale is None else mul(dy, call.repeated(call.cast(scale, dy.dtype), dy.shape))
    first = call.repeated(reduce_mean(g, axes=axes, keep_dims=True), dy.shape)
    second = call.repeated(reduce_mean(mul(g, centred), axes=axes, keep_dims=True), dy.shape)
    return mul(sub(sub(g, first), mul(centred, second)), call.repeated(inverse, dy.shape))


@operators.op(
    "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05,"
    " bool cudnn_enabled=True) -> Tensor"
)
def group_norm(
    call: Call, x: Value, groups: int, scale: Value | None, shift: Value | None, epsilon: float, *settings: bool
) -> Value:
    """Mean 0 and variance 1 over each group of channels."""
    dtype = _mixed(x, scale, shift)
    ones, zeros = (_vector(call, v, x.shape[1], n, dtype) for v, n in ((scale, 1.0), (shift, 0.0)))
    return call.cast(norm.group_norm(call.cast(x, dtype), ones, zeros, groups=groups, epsilon=epsilon), x.dtype)


@operators.op(
    "native_group_norm(Tensor input, Tensor? weight, Tensor? bias, SymInt N, SymInt C, SymInt HxW, int group,"
    " float eps) -> (Tensor, Tensor, Tensor)"
)
def native_group_norm(
    call: Call,
    x: Value,
    scale: Value | None,
    shift: Value | None,
    n: Dim,
    channels: Dim,
    plane: Dim,
    groups: int,
    epsilon: float,
) -> tuple[Value, Value, Value]:
    """`group_norm`, the mean and the inverse deviation of each group, [N, groups]."""
    flat = _wide(call, reshape(x, shape=(x.shape[0], groups, product(x.shape[1:]) // groups)))
    mean = reduce_mean(flat, axes=(2,), keep_dims=True)
    centred = sub(flat, call.repeated(mean, flat.shape))
    inverse = _inverse(call, reduce_mean(mul(centred, centred), axes=(2,), keep_dims=False), epsilon)
    y = group_norm(call, x, groups, scale, shift, epsilon)
    means, inverses = (call.cast(reshape(each, shape=(x.shape[0], groups)), x.dtype) for each in (mean, inverse))
    return y, means, inverses


@operators.op(
    "native_group_norm_backward(Tensor grad_out, Tensor input, Tensor mean, Tensor rstd, Tensor? weight, SymInt N,"
    " SymInt C, SymInt HxW, int group, bool[3] output_mask) -> (Tensor, Tensor, Tensor)"
)
def group_norm_backward(
    call: Call,
    dy: Value,
    x: Value,
    mean: Value,
    inverse: Value,
    scale: Value | None,
    n: Dim,
    channels: Dim,
    plane: Dim,
    groups: int,
    wanted: Sequence[bool],
) -> tuple[Value | None, ...]:
    """The derivatives by the input, the scale and the shift; None for those that are not wanted."""
    batch, count = x.shape[0], x.shape[1]
    cut = (batch, groups, count // groups, product(x.shape[2:]))
    data, g = (_wide(call, reshape(each, shape=cut)) for each in (x, dy))
    columns = [call.cast(reshape(each, shape=(batch, groups, 1, 1)), data.dtype) for each in (mean, inverse)]
    centred = mul(sub(data, call.repeated(columns[0], cut)), call.repeated(columns[1], cut))
    weight = None if scale is None else reshape(scale, shape=(groups, count // groups, 1))
    dx = _normalized_backward(call, g, centred, columns[1], weight, (2, 3))
    sums = [reshape(reduce_sum(each, axes=(0, 3), keep_dims=False), shape=(count,)) for each in (mul(g, centred), g)]
    found = (reshape(dx, shape=x.shape), *sums)
    return tuple(call.cast(each, x.dtype) if want else None for each, want in zip(found, wanted, strict=True))


def _least(epsilon: float | None, x: Value) -> float:
    """The epsilon given, or that of the type that is computed in."""
    if epsilon is not None:
        return epsilon
    return float(np.finfo(np.float64).eps if x.dtype is DType.FLOAT64 else np.finfo(np.float32).eps)


@operators.op("rms_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor")
def rms_norm(call: Call, x: Value, sizes: Sequence[Dim], scale: Value | None, epsilon: float | None) -> Value:
    """`x / sqrt(mean(x^2) + eps)` over the last axes; without eps that of the type (torch.finfo)."""
    axis = _first_axis(call, x, sizes)
    return rms_of(x, scale, axis=axis, epsilon=_least(epsilon, x))


@operators.op("_fused_rms_norm(Tensor input, int[] normalized_shape, Tensor? weight, float? eps) -> (Tensor, Tensor)")
def fused_rms_norm(
    call: Call, x: Value, sizes: Sequence[int], scale: Value | None, epsilon: float | None
) -> tuple[Value, Value]:
    """`rms_norm`, and the inverse of the divisor of each row."""
    axis = _first_axis(call, x, sizes)
    data = _wide(call, x)
    squares = reduce_mean(mul(data, data), axes=tuple(range(axis, x.rank)), keep_dims=True)
    inverse = _inverse(call, squares, _least(epsilon, x))
    return rms_of(x, scale, axis=axis, epsilon=_least(epsilon, x)), inverse


@operators.op("_weight_norm(Tensor v, Tensor g, int dim=0) -> Tensor")
def weight_norm(call: Call, v: Value, g: Value, dim: int) -> Value:
    """`g * v / |v|`, the length over all axes but `dim` (Salimans and Kingma 2016)."""
    axes = tuple(axis for axis in range(v.rank) if axis != call.axis(dim, v.rank))
    length = sqrt(reduce_sum(mul(v, v), axes=axes, keep_dims=True))
    return mul(v, call.repeated(div(g, call.repeated(length, g.shape)), v.shape))
