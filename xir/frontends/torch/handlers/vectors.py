"""Products and norms of vectors and matrices, variance (aten/src/ATen/native/LinearAlgebra.cpp, Correlation.cpp)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers.linalg import spread, square
from xir.frontends.torch.handlers.product import matmul, turned
from xir.frontends.torch.handlers.reduce import norm_of
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise
from xir.ops._build import scalar_like
from xir.ops.elementwise import div, mul, sub
from xir.ops.index import gather
from xir.ops.reduce import reduce_l1, reduce_max, reduce_min, reduce_sum
from xir.ops.shape import reshape, transpose
from xir.ops.spectral import svd

operators = Operators("aten")


@operators.op("linalg_cross(Tensor self, Tensor other, *, int dim=-1) -> Tensor")
def cross_along(call: Call, x: Value, y: Value, axis: int) -> Value:
    """The cross product of vectors of three numbers along an axis."""
    x, y = call.promoted(x, y)
    at = call.axis(axis, x.rank)
    if x.shape[at] != 3:
        call.invalid(f"vectors of {x.shape[at]} numbers; a cross product takes three")
    turns = (call.literal(np.asarray(order), DType.INT64) for order in ((1, 2, 0), (2, 0, 1)))
    first, second = turns
    left = mul(gather(x, first, axis=at), gather(y, second, axis=at))
    return sub(left, mul(gather(x, second, axis=at), gather(y, first, axis=at)))


@operators.op("cross(Tensor self, Tensor other, int? dim=None) -> Tensor")
def cross(call: Call, x: Value, y: Value, axis: int | None) -> Value:
    """The same; along the first axis of three where none is named."""
    if axis is None:
        found = [place for place, size in enumerate(x.shape) if size == 3]
        axis = found[0] if found else call.invalid(f"no axis of three in {x.type!r}")
    return cross_along(call, x, y, axis)


@operators.op("linalg_vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor")
def vecdot(call: Call, x: Value, y: Value, axis: int) -> Value:
    """Sums of products along an axis."""
    made = mul(*call.promoted(x, y))
    return reduce_sum(made, axes=(call.axis(axis, made.rank),), keep_dims=False)


@operators.op("linalg_vander(Tensor x, *, SymInt? N=None) -> Tensor")
def vander(call: Call, x: Value, count: Number | None) -> Value:
    """The powers 0, 1, ... of each element along a last axis."""
    columns = call.known_integer(x.shape[-1] if count is None else count, "the number of powers")
    powers = call.literal(np.arange(columns), x.dtype)
    return elementwise.pow_(*call.promoted(reshape(x, shape=(*x.shape, 1)), powers))


def singular_values(x: Value) -> Value:
    """The singular values of each matrix, from large to small."""
    return svd(x, full=False)[1]


def _of_values(x: Value, order: object, rows: int, columns: int, keep: bool) -> Value:
    """A norm that singular values tell."""
    others = [axis for axis in range(x.rank) if axis not in (rows, columns)]
    values = singular_values(transpose(x, perm=(*others, rows, columns)))
    reducer = {2: reduce_max, -2: reduce_min}.get(order, reduce_sum) if isinstance(order, int) else reduce_sum
    made = reducer(values, axes=(values.rank - 1,), keep_dims=False)
    kept = tuple(1 if axis in (rows, columns) else size for axis, size in enumerate(x.shape))
    return reshape(made, shape=kept) if keep else made


def _matrix_norm(call: Call, x: Value, order: object, axes: Sequence[int], keep: bool) -> Value:
    """The root of the sum of squares ('fro'), or the largest or least sum of sizes of columns (1) or rows (inf).

    Of singular values the largest (2), the least (-2), or the sum ('nuc').
    """
    if len(axes) != 2:
        call.invalid(f"a norm of matrices goes over two axes, not {list(axes)}")
    rows, columns = (call.axis(axis, x.rank) for axis in axes)
    x = call.real(x)
    if order == "fro":
        return norm_of(call, x, 2, (rows, columns), keep)
    if order in (2, -2, "nuc"):
        return _of_values(x, order, rows, columns, keep)
    if not isinstance(order, int | float) or abs(order) not in (1, math.inf):
        call.invalid(f"the norm {order!r} of a matrix")
    summed, over = (rows, columns) if abs(order) == 1 else (columns, rows)
    sums = reduce_l1(x, axes=(summed,), keep_dims=True)
    made = (reduce_max if order > 0 else reduce_min)(sums, axes=(over,), keep_dims=True)
    kept = tuple(size for place, size in enumerate(made.shape) if place not in (rows, columns))
    return made if keep else reshape(made, shape=kept)


@operators.op(
    "linalg_matrix_norm(Tensor self, Scalar ord, int[] dim=[-2, -1], bool keepdim=False, *, ScalarType? dtype=None)"
    " -> Tensor",
    'linalg_matrix_norm.str_ord(Tensor self, str ord="fro", int[] dim=[-2, -1], bool keepdim=False, *,'
    " ScalarType? dtype=None) -> Tensor",
)
def matrix_norm(
    call: Call, x: Value, order: Number | str, axes: Sequence[int], keep: bool, dtype: DType | None
) -> Value:
    """A norm of each matrix."""
    return _matrix_norm(call, call.cast(x, dtype or x.dtype), order, axes, keep)


@operators.op(
    "linalg_norm(Tensor self, Scalar? ord=None, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None)"
    " -> Tensor",
    "linalg_norm.ord_str(Tensor self, str ord, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None)"
    " -> Tensor",
)
def any_norm(
    call: Call, x: Value, order: Number | str | None, axes: Sequence[int] | None, keep: bool, dtype: DType | None
) -> Value:
    """The norm of vectors, or of matrices where two axes, or none and an order, are named."""
    x = call.cast(x, dtype or x.dtype)
    is_matrix = order is not None and (len(axes) == 2 if axes else x.rank == 2)
    if is_matrix or isinstance(order, str):
        return _matrix_norm(call, x, order, axes or (-2, -1), keep)
    return norm_of(call, x, 2 if order is None else order, None if axes is None else tuple(axes), keep)


@operators.op("cov(Tensor self, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None) -> Tensor")
def covariance(call: Call, x: Value, correction: int, counts: Value | None, weights: Value | None) -> Value:
    """How the rows [variables, observations] vary together."""
    if counts is not None or weights is not None:
        call.refuse("weighted observations", "weight the products of deviations yourself")
    x = call.real(x)
    lines = reshape(x, shape=(1, x.tensor.elements)) if x.rank < 2 else x
    count = call.known_integer(lines.shape[1], "the number of observations")
    mean = reduce_sum(lines, axes=(1,), keep_dims=True)
    apart = sub(lines, call.repeated(div(mean, scalar_like(mean, count)), lines.shape))
    made = matmul(call, apart, turned(apart))
    made = div(made, scalar_like(made, max(count - correction, 0)))
    return reshape(made, shape=()) if x.rank < 2 else made


@operators.op("corrcoef(Tensor self) -> Tensor")
def correlation(call: Call, x: Value) -> Value:
    """The same divided by the deviations of both, kept within [-1, 1]."""
    made = covariance(call, x, 1, None, None)
    if not made.rank:
        return div(made, made)
    eye = call.literal(np.eye(square(call, made)), made.dtype)
    scale = elementwise.sqrt(reduce_sum(mul(made, eye), axes=(1,), keep_dims=False))
    made = div(div(made, spread(scale, made.shape, -1)), spread(scale, made.shape, -2))
    return elementwise.clip(made, minimum=-1.0, maximum=1.0)
