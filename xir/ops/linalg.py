"""Linear algebra beyond products: determinants."""

from __future__ import annotations

import numpy as np

from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array, constant_of
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.ops._build import scalar_like
from xir.ops._checks import require_floating, require_rank_at_least, require_size
from xir.ops._define import op
from xir.ops._wide import narrow, wide
from xir.ops.constant import constant
from xir.ops.elementwise import add, mul, neg, sub
from xir.ops.matmul import matmul
from xir.ops.reduce import cumsum, reduce_sum
from xir.ops.shape import broadcast, reshape, slice_

MAX_EXPANDED = 16
"""The largest matrix whose determinant comes apart into products: their rounding errors grow with its size."""


@op
def determinant(x: Value) -> TensorType:
    """The determinant of each matrix (ONNX Det).

    x: [..., M, M], floating; result: [...], x's dtype; 1 where M is 0.
    """
    require_floating(x)
    require_rank_at_least(x, 2)
    require_size(x.shape[-1], x.shape[-2], "the number of columns of a square matrix")
    return x.tensor.with_shape(x.shape[:-2])


@determinant.reference
def _determinant_reference(x: Array) -> Array:
    if x.shape[-1] != x.shape[-2]:
        raise InvalidModelError(f"square matrices are needed, got {list(x.shape)}")
    return np.asarray(np.linalg.det(x.astype(np.float64))).astype(x.dtype)


determinant.host("large matrices and those of unknown size need pivots, which are data; else it comes apart")


@determinant.decompose
def _determinant_decompose(x: Value) -> Value:
    """Products alone, without a division (Bird 2011, A simple division-free algorithm for computing determinants).

    With mu(X) the part of X above the diagonal, and on the diagonal minus the sum of the later diagonal elements, the
    first element of `A -> mu(A) A`, taken M - 1 times, is the determinant but for the sign.

    Raises:
        UnsupportedError: if the size of the matrices is not known, or above MAX_EXPANDED.
    """
    size = x.shape[-1]
    if not isinstance(size, int) or size > MAX_EXPANDED:
        raise UnsupportedError(
            f"a determinant becomes products only for a known size up to {MAX_EXPANDED}, got {x.type!r}",
            hint="export to a target that has Det",
        )
    if size == 0:
        return broadcast(constant(value=constant_of(np.ones((), x.dtype.dtype))), shape=x.shape[:-2])
    data = wide(x)
    above = _mask(np.triu(np.ones((size, size)), 1), data)
    diagonal = _mask(np.eye(size), data)
    power = data
    for _ in range(size - 1):
        own = reduce_sum(mul(power, diagonal), axes=(x.rank - 1,), keep_dims=True)
        later = sub(cumsum(own, axis=x.rank - 2, reverse=True), own)
        kept = add(mul(power, above), mul(broadcast(neg(later), shape=x.shape), diagonal))
        power = matmul(kept, data)
    axes = (x.rank - 2, x.rank - 1)
    first = reshape(slice_(power, axes=axes, starts=(0, 0), stops=(1, 1), steps=(1, 1)), shape=x.shape[:-2])
    return narrow(first if size % 2 else mul(first, scalar_like(first, -1.0)), x.dtype)


def _mask(table: Array, like: Value) -> Value:
    return broadcast(constant(value=constant_of(table, like.dtype)), shape=like.shape)
