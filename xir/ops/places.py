"""What picks and places by index in ways of its own: whole coordinates, and sequences turned round."""

from __future__ import annotations

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import product
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._build import scalar_like
from xir.ops._checks import (
    require_dtype,
    require_rank,
    require_rank_at_least,
    require_same_dtype,
    require_same_shape,
    require_size,
)
from xir.ops._define import op
from xir.ops._windows import Numbers, narrowed, widened
from xir.ops.compare import less
from xir.ops.elementwise import cast, select, sub
from xir.ops.index import (
    Reduction,
    depth_of,
    gather_elements,
    indices_from_front,
    require_combinable,
    require_indices,
    row_major,
    scatter_elements,
)
from xir.ops.shape import broadcast, iota, reshape


@op
def scatter_nd(x: Value, indices: Value, updates: Value, *, reduction: Reduction) -> TensorType:
    """`x` with slices put at, or combined with what stands at, the coordinates of `indices` (ONNX ScatterND).

    x: [D_1 ... D_k, rest...], of numbers unless `reduction` is "none"; indices: i32 or i64 [places..., k], each within
    [-D, D); updates: x's dtype, [places..., rest...]; result: the type of `x`. With "none" a place that is named twice
    keeps the last update (ONNX leaves that open).
    """
    require_indices(indices)
    require_rank_at_least(indices, 1)
    depth = depth_of(indices)
    if depth > x.rank:
        raise InvalidModelError(f"{depth} coordinates are too many for {x.type!r}")
    require_same_dtype(x, updates)
    require_same_shape(updates.shape, (*indices.shape[:-1], *x.shape[depth:]))
    require_combinable(x, reduction)
    return x.tensor


@scatter_nd.reference
def _scatter_nd_reference(x: Array, indices: Array, updates: Array, *, reduction: Reduction) -> Array:
    coordinates = tuple(indices_from_front(indices[..., at], x.shape[at]) for at in range(indices.shape[-1]))
    if reduction == "none":
        copy = x.copy()
        if coordinates:
            copy[coordinates] = updates
        for update in () if coordinates else updates.reshape(-1, *x.shape)[-1:]:
            copy = update.copy()
        return copy
    result: Numbers = widened(x).copy()
    combine = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}[reduction]
    if coordinates:
        combine.at(result, coordinates, widened(updates))
    else:
        for update in widened(updates).reshape(-1, *x.shape):
            result = combine(result, update)
    return narrowed(result, x)


@scatter_nd.decompose
def _scatter_nd_decompose(x: Value, indices: Value, updates: Value, *, reduction: Reduction) -> Value:
    """One index over the coordinates in row-major order, then one element-wise scatter."""
    depth = depth_of(indices)
    count, places, width = product(x.shape[:depth]), product(indices.shape[:-1]), product(x.shape[depth:])
    rows = reshape(row_major(x, indices, 0), shape=(places, 1))
    placed = scatter_elements(
        reshape(x, shape=(count, width)),
        broadcast(rows, shape=(places, width)),
        reshape(updates, shape=(places, width)),
        axis=0,
        reduction=reduction,
    )
    return reshape(placed, shape=x.shape)


@op
def reverse_sequence(x: Value, lengths: Value, *, batch_axis: int, time_axis: int) -> TensorType:
    """The first lengths[i] elements of sequence i in the opposite order, the others as they are (ONNX ReverseSequence).

    x: any tensor with sequences along `time_axis`, T long, and the different ones, N, along `batch_axis`; these are
    the first two axes in either order; lengths: i64 or i32 [N], within [0, T]; result: the type of `x`.
    """
    require_rank_at_least(x, 2)
    if {batch_axis, time_axis} != {0, 1}:
        raise InvalidModelError(f"batch and time are axes 0 and 1, got {batch_axis} and {time_axis}")
    require_dtype(lengths, DType.INT32, DType.INT64)
    require_rank(lengths, 1)
    require_size(lengths.shape[0], x.shape[batch_axis], "the number of sequences")
    return x.tensor


@reverse_sequence.reference
def _reverse_sequence_reference(x: Array, lengths: Array, *, batch_axis: int, time_axis: int) -> Array:
    result = x.copy()
    old, new = (np.swapaxes(each, 0, 1) if batch_axis else each for each in (x, result))
    for row, length in enumerate(lengths.tolist()):
        if not 0 <= int(length) <= x.shape[time_axis]:
            raise InvalidModelError(f"a sequence of {length} in an axis of {x.shape[time_axis]}")
        new[row, : int(length)] = old[row, : int(length)][::-1]
    return result


@reverse_sequence.decompose
def _reverse_sequence_decompose(x: Value, lengths: Value, *, batch_axis: int, time_axis: int) -> Value:
    """Element t comes from place length - 1 - t where that is before the end of the sequence, else from its own."""
    sizes = x.shape[:2]
    ends = reshape(cast(lengths, dtype=DType.INT64), shape=(sizes[0], 1) if batch_axis == 0 else (1, sizes[1]))
    ends = broadcast(ends, shape=sizes)
    times = iota(shape=sizes, axis=time_axis, dtype=DType.INT64)
    turned = sub(sub(ends, scalar_like(ends, 1)), times)
    places = select(less(times, ends), turned, times)
    if x.rank > 2:
        places = broadcast(reshape(places, shape=(*sizes, *(1,) * (x.rank - 2))), shape=x.shape)
    return gather_elements(x, places, axis=time_axis)
