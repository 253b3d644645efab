"""Choosing elements by whole numbers."""

from __future__ import annotations

from typing import Literal

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._build import channelwise
from xir.ops._checks import (
    require_axis,
    require_dtype,
    require_rank,
    require_rank_at_least,
    require_same_dtype,
    require_same_shape,
    require_size,
)
from xir.ops._define import op
from xir.ops.elementwise import add


def _require_indices(indices: Value) -> None:
    require_dtype(indices, DType.INT32, DType.INT64)


def _checked(indices: Array, size: int) -> Array:
    """Indices counted from the front.

    Raises:
        InvalidModelError: if one lies outside [-size, size).
    """
    if indices.size and (indices.min() < -size or indices.max() >= size):
        raise InvalidModelError(f"indices reach from {indices.min()} to {indices.max()}, the axis has {size} elements")
    return np.where(indices < 0, indices + size, indices)


@op
def gather(x: Value, indices: Value, *, axis: int) -> TensorType:
    """Slices of `x` along an axis (ONNX Gather, Caffe BatchReindex).

    x: any tensor [..., S, ...]; indices: i32 or i64 of any shape, in [-S, S); result: the indices' shape in the place
    of the axis.
    """
    _require_indices(indices)
    require_axis(x, axis)
    return x.tensor.with_shape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


@gather.reference
def _gather_reference(x: Array, indices: Array, *, axis: int) -> Array:
    return np.take(x, _checked(indices, x.shape[axis]), axis=axis)


@op
def gather_elements(x: Value, indices: Value, *, axis: int) -> TensorType:
    """One element for each index, the other coordinates being the index's own (ONNX GatherElements).

    x: any tensor; indices: i32 or i64 with as many axes, no larger than x except along `axis`; result: their shape.
    """
    _require_indices(indices)
    require_axis(x, axis)
    require_rank(indices, x.rank)
    return x.tensor.with_shape(indices.shape)


@gather_elements.reference
def _gather_elements_reference(x: Array, indices: Array, *, axis: int) -> Array:
    window = tuple(slice(None) if at == axis else slice(0, size) for at, size in enumerate(indices.shape))
    return np.take_along_axis(x[window], _checked(indices, x.shape[axis]), axis=axis)


@op
def scatter_elements(
    x: Value,
    indices: Value,
    updates: Value,
    *,
    axis: int,
    reduction: Literal["none", "add", "mul", "max", "min"],
) -> TensorType:
    """`x` with elements replaced by, or joined with, `updates` (ONNX ScatterElements).

    x: any tensor; indices: i32 or i64 with as many axes; updates: the element type of x, the shape of the indices;
    result: the type of x. Of several updates of one element the last one stays where nothing is joined.
    """
    _require_indices(indices)
    require_axis(x, axis)
    require_rank(indices, x.rank)
    require_same_dtype(x, updates)
    require_same_shape(indices.shape, updates.shape)
    return x.tensor


@scatter_elements.reference
def _scatter_elements_reference(x: Array, indices: Array, updates: Array, *, axis: int, reduction: str) -> Array:
    y = x.copy()
    places: list[Array] = [np.asarray(grid) for grid in np.indices(indices.shape, sparse=True)]
    places[axis] = _checked(indices, x.shape[axis])
    if reduction == "none":
        y[tuple(places)] = updates
    else:
        join = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}[reduction]
        join.at(y, tuple(places), updates)
    return y


@op
def gather_nd(x: Value, indices: Value, *, batch_axes: int = 0) -> TensorType:
    """Slices of `x`, each named by its first coordinates (ONNX GatherND).

    x: [B..., S1...Sr, ...]; indices: i64 [B..., P..., r]; result: [B..., P..., ...]. The first `batch_axes` axes agree.
    """
    require_dtype(indices, DType.INT64)
    require_rank_at_least(indices, batch_axes + 1)
    depth = indices.shape[-1]
    if not isinstance(depth, int) or batch_axes + depth > x.rank:
        raise InvalidModelError(f"indices {indices.type!r} name {depth!r} axes of {x.type!r}, which has too few")
    require_same_shape(x.shape[:batch_axes], indices.shape[:batch_axes])
    return x.tensor.with_shape((*indices.shape[:-1], *x.shape[batch_axes + depth :]))


@gather_nd.reference
def _gather_nd_reference(x: Array, indices: Array, *, batch_axes: int) -> Array:
    depth, batch = indices.shape[-1], indices.shape[:batch_axes]
    grid = np.indices(batch, sparse=True)
    tail = (1,) * (indices.ndim - 1 - batch_axes)
    places: list[Array] = [np.asarray(axis).reshape((*axis.shape, *tail)) for axis in grid]
    places += [_checked(indices[..., at], x.shape[batch_axes + at]) for at in range(depth)]
    return np.asarray(x[tuple(places)]) if places else np.broadcast_to(x, (*indices.shape[:-1], *x.shape)).copy()


@op
def one_hot(indices: Value, *, depth: Dim, axis: int, dtype: DType) -> TensorType:
    """1 where the coordinate along a new axis is the index, else 0; indices outside give zeros (ONNX OneHot).

    indices: i32 or i64 of any shape, negative ones counting from the end; result: `dtype`, a new axis of size `depth`.
    """
    _require_indices(indices)
    if not 0 <= axis <= indices.rank:
        raise InvalidModelError(f"a new axis cannot stand at {axis} of {indices.type!r}")
    return TensorType(dtype, (*indices.shape[:axis], depth, *indices.shape[axis:]))


@one_hot.reference
def _one_hot_reference(indices: Array, *, depth: int, axis: int, dtype: DType) -> Array:
    counted = np.expand_dims(np.where(indices < 0, indices + depth, indices), axis)
    line = np.arange(depth).reshape((depth, *((1,) * (indices.ndim - axis))))
    return np.asarray(counted == line).astype(dtype.dtype)


one_hot.no_gradient("the operand is a place, not a number")


@op
def compress(x: Value, condition: Value, *, axis: int) -> TensorType:
    """The slices of `x` along an axis for which the condition holds (ONNX Compress, Caffe Filter).

    x: any tensor [..., S, ...]; condition: bool [S]; result: [..., K, ...], K known only when it has run.
    """
    require_dtype(condition, DType.BOOL)
    require_axis(x, axis)
    require_rank(condition, 1)
    require_size(condition.shape[0], x.shape[axis], "the length of the condition")
    size = x.shape[axis]
    kept = Symbol(maximum=size if isinstance(size, int) else None)
    return x.tensor.with_shape((*x.shape[:axis], kept, *x.shape[axis + 1 :]))


@compress.reference
def _compress_reference(x: Array, condition: Array, *, axis: int) -> Array:
    return np.compress(condition, x, axis=axis)


compress.host("the size of the result depends on the data")


@op
def embedding(indices: Value, weight: Value, bias: Value | None = None) -> TensorType:
    """Rows of a table, plus a bias (Caffe Embed, embed_layer.cpp).

    indices: i32 or i64 of any shape [...]; weight: [R, D]; bias: [D]; result: [..., D].
    """
    _require_indices(indices)
    require_rank(weight, 2)
    if bias is not None:
        require_rank(bias, 1)
        require_same_dtype(weight, bias)
        require_size(bias.shape[0], weight.shape[1], "the length of the bias")
    return weight.tensor.with_shape((*indices.shape, weight.shape[1]))


@embedding.reference
def _embedding_reference(indices: Array, weight: Array, bias: Array | None) -> Array:
    rows = np.take(weight, _checked(indices, weight.shape[0]), axis=0)
    return rows if bias is None else np.asarray(rows + bias)


@embedding.decompose
def _embedding_decompose(indices: Value, weight: Value, bias: Value | None = None) -> Value:
    rows = gather(weight, indices, axis=0)
    return rows if bias is None else add(rows, channelwise(bias, rows, axis=rows.rank - 1))
