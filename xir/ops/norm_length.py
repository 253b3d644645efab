"""Normalizations without a mean: by the root of the mean square, by the length of a vector."""

from __future__ import annotations

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.ops._build import scalar_like
from xir.ops._checks import require_axis, require_floating, require_same_dtype, require_same_shape
from xir.ops._define import op
from xir.ops._wide import narrow, wide
from xir.ops._windows import Numbers, narrowed, widened
from xir.ops.compare import equal
from xir.ops.elementwise import add, div, mul, select, sqrt
from xir.ops.reduce import reduce_l1, reduce_l2, reduce_mean
from xir.ops.shape import broadcast


@op
def rms_norm(x: Value, scale: Value | None = None, *, axis: int, epsilon: float) -> TensorType:
    """`x / sqrt(mean(x^2) + epsilon)` over the axes from `axis` on, times `scale` (ONNX RMSNormalization).

    x: any floating tensor; scale: the type of `x`, the shape of those axes; result: the type of `x`. (Zhang and
    Sennrich 2019)
    """
    require_floating(x)
    require_axis(x, axis)
    if scale is not None:
        require_same_dtype(x, scale)
        require_same_shape(scale.shape, x.shape[axis:])
    return x.tensor


@rms_norm.reference
def _rms_norm_reference(x: Array, scale: Array | None, *, axis: int, epsilon: float) -> Array:
    data = widened(x)
    mean = (data * data).mean(axis=tuple(range(axis, x.ndim)), keepdims=True)
    data = data / np.sqrt(mean + data.dtype.type(epsilon))
    return narrowed(data if scale is None else data * widened(scale), x)


@rms_norm.decompose
def _rms_norm_decompose(x: Value, scale: Value | None = None, *, axis: int, epsilon: float) -> Value:
    data = wide(x)
    mean = reduce_mean(mul(data, data), axes=tuple(range(axis, x.rank)), keep_dims=True)
    root = sqrt(add(mean, scalar_like(mean, epsilon)))
    data = div(data, broadcast(root, shape=x.shape))
    if scale is not None:
        data = mul(data, broadcast(wide(scale), shape=x.shape))
    return narrow(data, x.dtype)


@op
def lp_normalize(x: Value, *, axis: int, p: int) -> TensorType:
    """`x` divided by its length along `axis`, 0 where that is 0 (ONNX LpNormalization).

    x: any floating tensor; p: 1 (the sum of magnitudes) or 2 (the root of the sum of squares); result: the type of `x`.
    """
    require_floating(x)
    require_axis(x, axis)
    if p not in (1, 2):
        raise InvalidModelError(f"p is {p}, expected 1 or 2")
    return x.tensor


@lp_normalize.reference
def _lp_normalize_reference(x: Array, *, axis: int, p: int) -> Array:
    data = widened(x)
    length: Numbers = np.abs(data).sum(axis=axis, keepdims=True)
    if p == 2:
        length = np.sqrt((data * data).sum(axis=axis, keepdims=True))
    return narrowed(data / np.where(length == 0, 1, length), x)


@lp_normalize.decompose
def _lp_normalize_decompose(x: Value, *, axis: int, p: int) -> Value:
    data = wide(x)
    length = (reduce_l1 if p == 1 else reduce_l2)(data, axes=(axis,), keep_dims=True)
    safe = select(equal(length, scalar_like(length, 0.0)), scalar_like(length, 1.0), length)
    return narrow(div(data, broadcast(safe, shape=x.shape)), x.dtype)
