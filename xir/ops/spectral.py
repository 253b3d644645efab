"""Eigenvalues of symmetric matrices, and singular values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array
from xir.ir.dims import Dim, minimum
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import _jacobi
from xir.ops._checks import require_floating, require_rank_at_least, require_size
from xir.ops._define import op
from xir.ops._wide import narrow
from xir.ops.elementwise import add
from xir.ops.shape import reshape, slice_
from xir.ops.triangle import trilu

_HOST = "sizes that only the run knows have no fixed rounds of rotations; else it comes apart"
_NO_GRADIENT = "vectors of equal values are any that span the same space"


@op
def symmetric_eigen(x: Value) -> tuple[TensorType, TensorType]:
    """The eigenvalues, in ascending order, and orthonormal eigenvectors of each symmetric matrix (LAPACK's syevd).

    x: [..., N, N], floating, of which the lower triangle is read; results: [..., N], and [..., N, N] whose columns are
    the vectors: the first of the largest elements of each is positive.
    """
    require_floating(x)
    require_rank_at_least(x, 2)
    require_size(x.shape[-1], x.shape[-2], "the number of columns of a symmetric matrix")
    return x.tensor.with_shape(x.shape[:-1]), x.tensor


def _signs(v: NDArray[np.float64]) -> NDArray[np.float64]:
    """As `_jacobi.signed`, for arrays; `[..., 1, columns]`."""
    size = np.abs(v)
    place = (size >= _jacobi.NEARLY * size.max(-2, keepdims=True)).argmax(-2)
    first = np.take_along_axis(v, place[..., None, :], -2)
    return np.where(first < 0, -1.0, 1.0)


def _finite(x: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matrices of f64 that LAPACK takes, and `[..., 1, 1]` NaN for those that hold what is no number, 0 for others."""
    data = x.astype(np.float64)
    known = np.isfinite(data).all((-1, -2), keepdims=True)
    return np.where(known, data, 0.0), np.where(known, 0.0, np.nan)


@symmetric_eigen.reference
def _symmetric_eigen_reference(x: Array) -> tuple[Array, Array]:
    if x.shape[-1] != x.shape[-2]:
        raise InvalidModelError(f"square matrices are needed, got {list(x.shape)}")
    data, none = _finite(x)
    values, vectors = np.linalg.eigh(data, "L")
    vectors = vectors * _signs(vectors) if vectors.size else vectors
    return (values + none[..., 0]).astype(x.dtype), (vectors + none).astype(x.dtype)


symmetric_eigen.host(_HOST)
symmetric_eigen.no_gradient(_NO_GRADIENT)


def _known(size: Dim) -> int:
    if not isinstance(size, int):
        raise UnsupportedError(
            f"eigenvalues and singular values come apart for known sizes alone, got {size!r}", hint="fix the sizes"
        )
    return size


@symmetric_eigen.decompose
def _symmetric_eigen_decompose(x: Value) -> tuple[Value, Value]:
    """Jacobi's rotations, in f64."""
    size, _ = _known(x.shape[-1]), _known(x.shape[-2])
    data = narrow(x, DType.FLOAT64)
    if not size:
        return reshape(x, shape=x.shape[:-1]), x
    below = trilu(data, diagonal=-1, upper=False)
    values, vectors = _jacobi.eigen(add(trilu(data, diagonal=0, upper=False), _jacobi.turned(below)), size)
    return narrow(values, x.dtype), narrow(vectors, x.dtype)


@op
def svd(x: Value, *, full: bool) -> tuple[TensorType, TensorType, TensorType]:
    """Orthonormal columns u, singular values s from large to small, orthonormal rows vh: x is u diag(s) vh (gesdd).

    x: [..., M, N], floating; results, with K = min(M, N): [..., M, K], [..., K] and [..., K, N]; where `full` is set u
    is [..., M, M] and vh [..., N, N]. Of the vectors on the smaller side (of vh if M = N) the first of the largest
    elements is positive.
    """
    require_floating(x)
    require_rank_at_least(x, 2)
    *lead, rows, columns = x.shape
    least = minimum(rows, columns)
    u, vh = ((rows, rows), (columns, columns)) if full else ((rows, least), (least, columns))
    type = x.tensor
    return type.with_shape((*lead, *u)), type.with_shape((*lead, least)), type.with_shape((*lead, *vh))


@svd.reference
def _svd_reference(x: Array, *, full: bool) -> tuple[Array, Array, Array]:
    data, none = _finite(x)
    u, s, vh = np.linalg.svd(data, full_matrices=full)
    least = s.shape[-1]
    if least:
        rows = np.swapaxes(vh[..., :least, :], -1, -2)
        signs = _signs(rows if x.shape[-2] >= x.shape[-1] else u[..., :least])
        u[..., :least] *= signs
        vh[..., :least, :] *= np.swapaxes(signs, -1, -2)
        u[..., least:] *= _signs(u[..., least:])
        vh[..., least:, :] *= np.swapaxes(_signs(np.swapaxes(vh[..., least:, :], -1, -2)), -1, -2)
    return (u + none).astype(x.dtype), (s + none[..., 0]).astype(x.dtype), (vh + none).astype(x.dtype)


svd.host(_HOST)
svd.no_gradient(_NO_GRADIENT)


@svd.decompose
def _svd_decompose(x: Value, *, full: bool) -> tuple[Value, Value, Value]:
    """Jacobi's rotations of columns, in f64; of rows where there are fewer of them."""
    rows, columns = _known(x.shape[-2]), _known(x.shape[-1])
    if not rows or not columns:
        raise UnsupportedError(f"matrices without elements do not come apart, got {x.type!r}")
    data = narrow(x, DType.FLOAT64)
    if rows < columns:
        made, lengths, small = _jacobi.singular(_jacobi.turned(data), rows)
        large = _jacobi.turned(_jacobi.basis(made, lengths, columns))
        found = small, lengths, large if full else _first(large, -2, rows)
    else:
        made, lengths, small = _jacobi.singular(data, columns)
        large = _jacobi.basis(made, lengths, rows)
        found = large if full else _first(large, -1, columns), lengths, _jacobi.turned(small)
    u, s, vh = (narrow(each, x.dtype) for each in found)
    return u, s, vh


def _first(x: Value, axis: int, count: int) -> Value:
    return slice_(x, axes=(x.rank + axis,), starts=(0,), stops=(count,), steps=(1,))
