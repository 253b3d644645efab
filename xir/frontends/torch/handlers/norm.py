"""Normalizations (aten/src/ATen/native/Normalization.cpp, layer_norm.cpp, group_norm.cpp)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Affine:
    """What a normalization does beside its statistics.

    Attributes:
        eps: is added to the variance.
        weight: scales the result, or None.
        bias: shifts the result, or None.
    """

    eps: float
    weight: Value | None = None
    bias: Value | None = None

    def vectors(self, call: Call, count: Dim, dtype: DType) -> tuple[Value, Value]:
        """A weight and a bias for each of `count` channels: 1 and 0 where there are none."""
        weight, bias = (
            call.cast(given, dtype) if given is not None else broadcast(call.literal(number, dtype), shape=(count,))
            for given, number in ((self.weight, 1), (self.bias, 0))
        )
        return weight, bias

    def dtype_of(self, x: Value) -> DType:
        """The type to compute in: narrow floats may have weights of f32 (ATen/native/cpu/mixed_data_type.h)."""
        wide = any(each is not None and each.dtype is DType.FLOAT32 for each in (self.weight, self.bias))
        return DType.FLOAT32 if wide and x.dtype in _NARROW else x.dtype

    def dtype_of_statistics(self, x: Value) -> DType:
        """The type of means and deviations that are results: that of the weights (Normalization.cpp, param_type)."""
        return next((each.dtype for each in (self.weight, self.bias) if each is not None), x.dtype)


@dataclass(frozen=True, slots=True)
class _Running:
    """The running statistics of a batch normalization, and the part of them that a batch replaces."""

    running_mean: Tensor | None
    running_var: Tensor | None
    momentum: float


def _wide(call: Call, x: Value) -> Value:
    """Statistics of narrow floats are taken in f32."""
    return call.cast(x, DType.FLOAT32) if x.dtype in _NARROW else x


def _normalized(call: Call, x: Value, affine: Affine, mean: Value, variance: Value) -> Value:
    """By the statistics given; narrow floats are computed in the type of the statistics."""
    dtype = mean.dtype
    weight, bias = affine.vectors(call, x.shape[1], dtype)
    y = norm.batch_norm(call.cast(x, dtype), weight, bias, mean, variance, epsilon=affine.eps)
    return call.cast(y, x.dtype)


class _Statistics:
    """Mean and population variance of each channel over the batch, and the number of elements."""

    def __init__(self, call: Call, x: Value) -> None:
        data = _wide(call, x)
        axes = (0, *range(2, x.rank))
        self.mean = reduce_mean(data, axes=axes, keep_dims=False)
        centred = sub(data, channelwise(self.mean, data))
        self.variance = reduce_mean(mul(centred, centred), axes=axes, keep_dims=False)
        self.count: Dim = product(tuple(x.shape[axis] for axis in axes))


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


def _trained(call: Call, x: Value, affine: Affine, running: _Running) -> tuple[Value, Value, Value]:
    """The batch by its own statistics, which the running ones take in; with the mean and the inverse deviation."""
    found = _Statistics(call, x)
    y = _normalized(call, x, affine, found.mean, found.variance)
    _update(call, running.running_mean, found.mean, running.momentum)
    if running.running_var is not None:
        count = call.scalar(found.count, found.variance.dtype)
        one = call.literal(1, count.dtype)
        unbiased = mul(found.variance, call.repeated(div(count, sub(count, one)), found.variance.shape))
        _update(call, running.running_var, unbiased, running.momentum)
    told = affine.dtype_of_statistics(x)
    return y, call.cast(found.mean, told), call.cast(_inverse(call, found.variance, affine.eps), told)


@operators.op(
    "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var,"
    " bool training, float momentum, float eps, bool cudnn_enabled) -> Tensor",
    places=("running_mean", "running_var"),
    records=(Affine, _Running),
)
def batch_norm(call: Call, x: Value, affine: Affine, running: _Running, training: bool) -> Value:
    """By the running statistics, or in training by those of the batch."""
    return native_batch_norm(call, x, affine, running, training)[0]


@operators.op(
    "_native_batch_norm_legit(Tensor input, Tensor? weight, Tensor? bias, Tensor(a!) running_mean,"
    " Tensor(b!) running_var, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)",
    "native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var,"
    " bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)",
    places=("running_mean", "running_var"),
    records=(Affine, _Running),
)
def native_batch_norm(
    call: Call, x: Value, affine: Affine, running: _Running, training: bool
) -> tuple[Value, Value, Value]:
    """The result, the mean and the inverse deviation of the batch (empty in inference)."""
    mean, variance = running.running_mean, running.running_var
    if training or mean is None or variance is None:
        return _trained(call, x, affine, running)
    nothing = call.literal(np.zeros(0), mean.value.dtype)
    return _normalized(call, x, affine, mean.value, variance.value), nothing, nothing


@operators.op(
    "_native_batch_norm_legit_no_training(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean,"
    " Tensor running_var, float momentum, float eps) -> (Tensor, Tensor, Tensor)",
    places=("running_mean", "running_var"),
    records=(Affine, _Running),
)
def batch_norm_inference(call: Call, x: Value, affine: Affine, running: _Running) -> tuple[Value, Value, Value]:
    """By the running statistics."""
    return native_batch_norm(call, x, affine, running, False)


@operators.op(
    "_native_batch_norm_legit.no_stats(Tensor input, Tensor? weight, Tensor? bias, bool training, float momentum,"
    " float eps) -> (Tensor, Tensor, Tensor)",
    records=(Affine,),
    unused=("training", "momentum"),
)
def batch_norm_of_batch(call: Call, x: Value, affine: Affine) -> tuple[Value, Value, Value]:
    """By the statistics of the batch."""
    return _trained(call, x, affine, _Running(None, None, 0))


@operators.op(
    "_native_batch_norm_legit_functional(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean,"
    " Tensor running_var, bool training, float momentum, float eps)"
    " -> (Tensor, Tensor, Tensor, Tensor running_mean_out, Tensor running_var_out)",
    records=(Affine,),
)
def batch_norm_functional(
    call: Call, x: Value, affine: Affine, mean: Value, variance: Value, training: bool, momentum: float
) -> tuple[Value, ...]:
    """`native_batch_norm` with the new running statistics as results."""
    new_mean, new_variance = Tensor(mean), Tensor(variance)
    made = native_batch_norm(call, x, affine, _Running(new_mean, new_variance, momentum), training)
    return *made, new_mean.value, new_variance.value


@dataclass(frozen=True, slots=True)
class _Basis:
    """By which statistics a batch was normalized, in PyTorch's words: the running ones, in training its own."""

    running_mean: Value | None
    running_var: Value | None
    train: bool

    @property
    def running(self) -> tuple[Value, ...]:
        """The running mean and variance; nothing where the batch had its own."""
        mean, variance = self.running_mean, self.running_var
        return () if self.train or mean is None or variance is None else (mean, variance)


@operators.op(
    "native_batch_norm_backward(Tensor grad_out, Tensor input, Tensor? weight, Tensor? running_mean,"
    " Tensor? running_var, Tensor? save_mean, Tensor? save_invstd, bool train, float eps, bool[3] output_mask)"
    " -> (Tensor, Tensor, Tensor)",
    records=(Affine, _Basis),
    unused=("save_mean", "save_invstd"),
)
def batch_norm_backward(
    call: Call, dy: Value, x: Value, affine: Affine, basis: _Basis, wanted: Sequence[bool]
) -> tuple[Value | None, ...]:
    """The derivatives by the input, the scale and the shift; None for those that are not wanted."""

    def build(data: Value, weight: Value, bias: Value, *statistics: Value) -> Value:
        given = Affine(affine.eps, weight, bias)
        if statistics:
            return _normalized(call, data, given, *statistics)
        return _trained(call, data, given, _Running(None, None, 0))[0]

    found = pullback(build, (x, *affine.vectors(call, x.shape[1], x.dtype), *basis.running), dy)
    return tuple(each if want else None for each, want in zip(found[:3], wanted, strict=True))


@operators.op(
    "instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var,"
    " bool use_input_stats, float momentum, float eps, bool cudnn_enabled) -> Tensor",
    places=("running_mean", "running_var"),
    records=(Affine, _Running),
)
def instance_norm(call: Call, x: Value, affine: Affine, running: _Running, own: bool) -> Value:
    """Each plane by its own statistics, or by running ones."""
    mean, variance = running.running_mean, running.running_var
    if not own and mean is not None and variance is not None:
        return _normalized(call, x, affine, mean.value, variance.value)
    if mean is not None or variance is not None:
        call.refuse("instance_norm that takes in running statistics", "put the model in eval mode")
    dtype = affine.dtype_of(x)
    y = norm.instance_norm(call.cast(x, dtype), *affine.vectors(call, x.shape[1], dtype), epsilon=affine.eps)
    return call.cast(y, x.dtype)


@operators.op(
    "layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, Tensor? bias=None,"
    " float eps=1e-05, bool cudnn_enable=True) -> Tensor",
    records=(Affine,),
)
def layer_norm(call: Call, x: Value, sizes: Sequence[Dim], affine: Affine) -> Value:
    """Mean 0 and variance 1 over the last axes."""
    axis, wide = _first_axis(call, x, sizes), call.cast(x, affine.dtype_of(x))
    if affine.weight is None and affine.bias is not None:
        y = norm.layer_norm(wide, axis=axis, epsilon=affine.eps)
        return call.cast(add(y, call.repeated(affine.bias, x.shape)), x.dtype)
    return call.cast(norm.layer_norm(wide, affine.weight, affine.bias, axis=axis, epsilon=affine.eps), x.dtype)


def _first_axis(call: Call, x: Value, sizes: Sequence[Dim]) -> int:
    if not 0 < len(sizes) <= x.rank:
        call.invalid(f"normalized_shape {list(sizes)} does not go with {x.type!r}")
    return x.rank - len(sizes)


@operators.op(
    "native_layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, Tensor? bias, float eps)"
    " -> (Tensor, Tensor, Tensor)",
    records=(Affine,),
)
def native_layer_norm(call: Call, x: Value, sizes: Sequence[Dim], affine: Affine) -> tuple[Value, ...]:
    """`layer_norm`, the mean and the inverse deviation of each row in the type of the weights (layer_norm.cpp)."""
    axis, wide = _first_axis(call, x, sizes), call.cast(x, affine.dtype_of(x))
    weight, bias = affine.weight, affine.bias
    if weight is None and bias is not None:
        weight = broadcast(call.literal(1, wide.dtype), shape=x.shape[axis:])
    y, *statistics = layer_norm_with_statistics(wide, weight, bias, axis=axis, epsilon=affine.eps)
    told = affine.dtype_of_statistics(x)
    return call.cast(y, x.dtype), *(call.cast(each, told) for each in statistics)


@dataclass(frozen=True, slots=True)
class _Found:
    """What a normalization found and had, in PyTorch's words.

    Attributes:
        mean: of each row or group.
        rstd: the inverse of its deviation.
        weight: what scaled the result, or None.
        bias: what shifted it, or None.
    """

    mean: Value
    rstd: Value
    weight: Value | None
    bias: Value | None = None

    def statistics(self, call: Call, dtype: DType) -> tuple[Value, Value]:
        """The means and the inverse deviations in a type."""
        return call.cast(self.mean, dtype), call.cast(self.rstd, dtype)


@operators.op(
    "native_layer_norm_backward(Tensor grad_out, Tensor input, SymInt[] normalized_shape, Tensor mean, Tensor rstd,"
    " Tensor? weight, Tensor? bias, bool[3] output_mask) -> (Tensor, Tensor, Tensor)",
    records=(_Found,),
)
def layer_norm_backward(
    call: Call, dy: Value, x: Value, sizes: Sequence[Dim], found: _Found, wanted: Sequence[bool]
) -> tuple[Value | None, ...]:
    """The derivatives by the input, the scale and the shift; None for those that are not wanted."""
    axis, scale, shift = _first_axis(call, x, sizes), found.weight, found.bias
    wide_x, wide_dy = _wide(call, x), _wide(call, dy)
    mean, inverse = found.statistics(call, wide_x.dtype)
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
    " bool cudnn_enabled=True) -> Tensor",
    records=(Affine,),
)
def group_norm(call: Call, x: Value, groups: int, affine: Affine) -> Value:
    """Mean 0 and variance 1 over each group of channels."""
    dtype = affine.dtype_of(x)
    weight, bias = affine.vectors(call, x.shape[1], dtype)
    y = norm.group_norm(call.cast(x, dtype), weight, bias, groups=groups, epsilon=affine.eps)
    return call.cast(y, x.dtype)


@operators.op(
    "native_group_norm(Tensor input, Tensor? weight, Tensor? bias, SymInt N, SymInt C, SymInt HxW, int group,"
    " float eps) -> (Tensor, Tensor, Tensor)",
    records=(Affine,),
    unused=("N", "C", "HxW"),
)
def native_group_norm(call: Call, x: Value, affine: Affine, groups: int) -> tuple[Value, Value, Value]:
    """`group_norm`, the mean and the inverse deviation of each group, [N, groups]."""
    flat = _wide(call, reshape(x, shape=(x.shape[0], groups, product(x.shape[1:]) // groups)))
    mean = reduce_mean(flat, axes=(2,), keep_dims=True)
    centred = sub(flat, call.repeated(mean, flat.shape))
    inverse = _inverse(call, reduce_mean(mul(centred, centred), axes=(2,), keep_dims=False), affine.eps)
    y = group_norm(call, x, groups, affine)
    means, inverses = (call.cast(reshape(each, shape=(x.shape[0], groups)), x.dtype) for each in (mean, inverse))
    return y, means, inverses


@operators.op(
    "native_group_norm_backward(Tensor grad_out, Tensor input, Tensor mean, Tensor rstd, Tensor? weight, SymInt N,"
    " SymInt C, SymInt HxW, int group, bool[3] output_mask) -> (Tensor, Tensor, Tensor)",
    records=(_Found,),
    unused=("N", "C", "HxW"),
)
def group_norm_backward(
    call: Call, dy: Value, x: Value, found: _Found, groups: int, wanted: Sequence[bool]
) -> tuple[Value | None, ...]:
    """The derivatives by the input, the scale and the shift; None for those that are not wanted."""
    batch, count = x.shape[0], x.shape[1]
    cut = (batch, groups, count // groups, product(x.shape[2:]))
    data, g = (_wide(call, reshape(each, shape=cut)) for each in (x, dy))
    columns = [reshape(each, shape=(batch, groups, 1, 1)) for each in found.statistics(call, data.dtype)]
    centred = mul(sub(data, call.repeated(columns[0], cut)), call.repeated(columns[1], cut))
    weight = None if found.weight is None else reshape(found.weight, shape=(groups, count // groups, 1))
    dx = _normalized_backward(call, g, centred, columns[1], weight, (2, 3))
    sums = [reshape(reduce_sum(each, axes=(0, 3), keep_dims=False), shape=(count,)) for each in (mul(g, centred), g)]
    made = (reshape(dx, shape=x.shape), *sums)
    return tuple(call.cast(each, x.dtype) if want else None for each, want in zip(made, wanted, strict=True))


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
