"""Picking and placing elements by their indices; a negative index counts from the end, as in ONNX."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from xir.errors import InvalidModelError
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Dim, Shape, Symbol, bounds, equal, product
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops._checks import (
    only_element,
    require_axis,
    require_dtype,
    require_floating,
    require_rank,
    require_rank_at_least,
    require_same_dtype,
    require_same_shape,
    require_scalar,
    require_size,
)
from xir.ops._define import op
from xir.ops._picking import gather_elements_nest, gather_nest, scatter_elements_nest
from xir.ops._windows import Numbers, narrowed, widened
from xir.ops.constant import constant
from xir.ops.reduce import cumsum, reduce_prod, reduce_sum
from xir.ops.shape import broadcast, concat, iota, pad, range_, reshape, shape_of, slice_

NOWHERE = -(2**56)
"""A term of a flat index that no other terms make up for: no tensor has as many elements."""

Reduction = Literal["none", "add", "mul", "max", "min"]
Integers = NDArray[np.int64]


def require_indices(indices: Value) -> None:
    """Checks that the operand holds indices."""
    require_dtype(indices, DType.INT32, DType.INT64)


def indices_from_front(indices: Array, size: int) -> Integers:
    """The indices counted from the front.

    Raises:
        InvalidModelError: if one lies outside [-size, size).
    """
    whole: Integers = indices.astype(np.int64)
    wrong: Integers = whole[(whole < -size) | (whole >= size)]
    if wrong.size:
        raise InvalidModelError(f"index {int(wrong[0])} does not exist on an axis of {size}")
    return np.where(whole < 0, whole + size, whole)


def _axis(node: Node) -> int:
    return cast("int", node.attributes["axis"])


@op
def gather(x: Value, indices: Value, *, axis: int) -> TensorType:
    """The slices of `x` along `axis` that `indices` names (ONNX Gather; Caffe BatchReindex, on axis 0).

    x: any tensor; indices: i32 or i64 of any shape, within [-size, size) of the axis; result: x's dtype, the axes of
    `indices` in the place of the axis.
    """
    require_indices(indices)
    require_axis(x, axis)
    return x.tensor.with_shape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


@gather.reference
def _gather_reference(x: Array, indices: Array, *, axis: int) -> Array:
    return np.take(x, indices_from_front(indices, x.shape[axis]), axis=axis)


@gather.gradient
def _gather_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    """The slices of `dy`, added where they came from."""
    x, indices = elementwise.operands(node)
    axis = _axis(node)
    count, after = product(indices.shape), x.shape[axis + 1 :]
    flat = (*x.shape[:axis], count, *after)
    places = broadcast(reshape(indices, shape=(count, *(1,) * len(after))), shape=flat)
    return _placed(x, places, reshape(dy, shape=flat), axis), None


gather.lower(gather_nest)


def _placed(x: Value, indices: Value, updates: Value, axis: int) -> Value:
    """Zeros like `x` with `updates` added at `indices`."""
    return scatter_elements(scalar_like(x, 0.0), indices, updates, axis=axis, reduction="add")


def _require_elements(x: Value, indices: Value, axis: int) -> None:
    """Checks the operands of an element-wise gather or scatter."""
    require_indices(indices)
    require_axis(x, axis)
    require_rank(indices, x.rank)
    for at, (size, count) in enumerate(zip(x.shape, indices.shape, strict=True)):
        if at != axis and _is_more(count, size):
            raise InvalidModelError(f"indices {indices.type!r} reach beyond {x.type!r} on axis {at}")


def _is_more(a: Dim, b: Dim) -> bool:
    """Whether a > b for sure."""
    low = bounds(a - b)[0]
    return low is not None and low > 0


def _places(indices: Array, x: Array, axis: int) -> tuple[Integers, ...]:
    """The coordinates in `x` that element-wise `indices` along `axis` stand for."""
    for at, (count, size) in enumerate(zip(indices.shape, x.shape, strict=True)):
        if at != axis and count > size:
            raise InvalidModelError(f"indices {list(indices.shape)} reach beyond {list(x.shape)} on axis {at}")
    coordinates: list[Integers] = list(np.ix_(*(np.arange(size) for size in indices.shape)))
    coordinates[axis] = indices_from_front(indices, x.shape[axis])
    return tuple(coordinates)


@op
def gather_elements(x: Value, indices: Value, *, axis: int) -> TensorType:
    """`x` at the places of `indices`, but for the coordinate on `axis`, which it holds (ONNX GatherElements).

    x: any tensor of rank >= 1; indices: i32 or i64 of the same rank, within [-size, size) of the axis, on the other
    axes no longer than `x`; result: x's dtype, the shape of `indices`.
    """
    _require_elements(x, indices, axis)
    return x.tensor.with_shape(indices.shape)


@gather_elements.reference
def _gather_elements_reference(x: Array, indices: Array, *, axis: int) -> Array:
    return x[_places(indices, x, axis)]


@gather_elements.gradient
def _gather_elements_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    x, indices = elementwise.operands(node)
    return _placed(x, indices, dy, _axis(node)), None


gather_elements.lower(gather_elements_nest)


@op
def scatter_elements(x: Value, indices: Value, updates: Value, *, axis: int, reduction: Reduction) -> TensorType:
    """`x` with `updates` put at, or combined with what stands at, the places of `indices` (ONNX ScatterElements).

    x: any tensor of rank >= 1, of numbers unless `reduction` is "none"; indices: i32 or i64 of the same rank, within
    [-size, size) of the axis, on the other axes no longer than `x`; updates: x's dtype, the shape of `indices`;
    result: the type of `x`. With "none" a place that is named twice keeps the last update (ONNX leaves that open).
    """
    _require_elements(x, indices, axis)
    require_same_dtype(x, updates)
    require_same_shape(updates.shape, indices.shape)
    require_combinable(x, reduction)
    return x.tensor


def require_combinable(x: Value, reduction: Reduction) -> None:
    """Checks that what is scattered can be combined with what stands there."""
    if reduction != "none" and not (x.dtype.is_floating or x.dtype.is_integer):
        raise InvalidModelError(f"reduction {reduction!r} needs numbers, got {x.type!r}")


@scatter_elements.reference
def _scatter_elements_reference(x: Array, indices: Array, updates: Array, *, axis: int, reduction: Reduction) -> Array:
    places = _places(indices, x, axis)
    if reduction == "none":
        copy = x.copy()
        copy[places] = updates
        return copy
    result: Numbers = widened(x).copy()
    combine = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}[reduction]
    combine.at(result, places, widened(updates))
    return narrowed(result, x)


@scatter_elements.gradient
def _scatter_elements_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    x, indices, updates = elementwise.operands(node)
    axis = _axis(node)
    taken = gather_elements(dy, indices, axis=axis)
    match node.attributes["reduction"]:
        case "none":
            kept = scatter_elements(dy, indices, scalar_like(updates, 0.0), axis=axis, reduction="none")
            return kept, None, taken
        case "add":
            return dy, None, taken
        case "mul":
            factors = scatter_elements(scalar_like(x, 1.0), indices, updates, axis=axis, reduction="mul")
            whole = gather_elements(node.outputs[0], indices, axis=axis)
            return elementwise.mul(dy, factors), None, elementwise.div(elementwise.mul(taken, whole), updates)
        case _:
            return _extremum_gradient(node, dy, axis)


scatter_elements.lower(scatter_elements_nest)


def _extremum_gradient(node: Node, dy: Value, axis: int) -> tuple[Value | None, ...]:
    """The gradient of a maximum or minimum, in equal parts to all elements that reach it."""
    x, indices, updates = elementwise.operands(node)
    y = node.outputs[0]
    kept = elementwise.cast(compare.equal(x, y), dtype=x.dtype)
    reached = elementwise.cast(compare.equal(updates, gather_elements(y, indices, axis=axis)), dtype=x.dtype)
    winners = scatter_elements(kept, indices, reached, axis=axis, reduction="add")
    part = elementwise.div(dy, winners)
    return elementwise.mul(kept, part), None, elementwise.mul(reached, gather_elements(part, indices, axis=axis))


@op
def gather_nd(x: Value, indices: Value, *, batch_axes: int = 0) -> TensorType:
    """The slices of `x` at the coordinates that stand along the last axis of `indices` (ONNX GatherND).

    x: [batch..., D_1 ... D_k, rest...]; indices: i32 or i64 [batch..., places..., k], each within [-D, D);
    result: x's dtype, [batch..., places..., rest...]. The first `batch_axes` axes go together.
    """
    require_indices(indices)
    require_rank_at_least(indices, batch_axes + 1)
    depth = depth_of(indices)
    if batch_axes < 0 or batch_axes + depth > x.rank:
        raise InvalidModelError(f"{batch_axes} batch axes and {depth} coordinates are too many for {x.type!r}")
    require_same_shape(x.shape[:batch_axes], indices.shape[:batch_axes])
    return x.tensor.with_shape((*indices.shape[:-1], *x.shape[batch_axes + depth :]))


def depth_of(indices: Value) -> int:
    """The number of coordinates of a place.

    Raises:
        InvalidModelError: it is not known.
    """
    depth = indices.shape[-1]
    if not isinstance(depth, int):
        raise InvalidModelError(f"the number of coordinates must be known, got {indices.type!r}")
    return depth


@gather_nd.reference
def _gather_nd_reference(x: Array, indices: Array, *, batch_axes: int) -> Array:
    places = indices.shape[:-1]
    batch: tuple[Integers, ...] = tuple(np.indices(places)[:batch_axes])
    inner = (indices_from_front(indices[..., at], x.shape[batch_axes + at]) for at in range(indices.shape[-1]))
    coordinates: tuple[Integers, ...] = (*batch, *inner)
    if coordinates:
        return x[coordinates]
    return np.broadcast_to(x, (*places, *x.shape))


@gather_nd.decompose
def _gather_nd_decompose(x: Value, indices: Value, *, batch_axes: int = 0) -> Value:
    """One index over the coordinates in row-major order, then one element-wise gather; no coordinates: all of `x`."""
    if depth_of(indices) == 0:
        ones = (1,) * (indices.rank - 1 - batch_axes)
        table = reshape(x, shape=(*x.shape[:batch_axes], *ones, *x.shape[batch_axes:]))
        return broadcast(table, shape=(*indices.shape[:-1], *x.shape[batch_axes:]))
    inner, rest = x.shape[batch_axes : batch_axes + depth_of(indices)], x.shape[batch_axes + depth_of(indices) :]
    groups, places, width = product(x.shape[:batch_axes]), product(indices.shape[batch_axes:-1]), product(rest)
    table = reshape(x, shape=(groups, product(inner), width))
    rows = reshape(row_major(x, indices, batch_axes), shape=(groups, places, 1))
    picked = gather_elements(table, broadcast(rows, shape=(groups, places, width)), axis=1)
    return reshape(picked, shape=(*indices.shape[:-1], *rest))


def row_major(x: Value, indices: Value, first: int) -> Value:
    """Coordinates [places..., k] over the k axes of `x` from `first` on, as one index each: i64 [places...].

    Where a coordinate does not exist, the index does not either: it never is that of another element.
    """
    whole = elementwise.cast(indices, dtype=DType.INT64)
    last = first + depth_of(indices)
    extents = broadcast(_sizes(x, first, last), shape=whole.shape)
    negative = compare.less(whole, scalar_like(whole, 0))
    front = elementwise.select(negative, elementwise.add(whole, extents), whole)
    # One step on an axis passes over all elements of the axes after it.
    steps = [reduce_prod(_sizes(x, at + 1, last), axes=(0,), keep_dims=True) for at in range(first, last)]
    weights = broadcast(concat(*steps, axis=0), shape=whole.shape) if steps else whole
    inside = compare.logical_and(compare.less(front, extents), compare.greater_equal(front, scalar_like(front, 0)))
    terms = elementwise.select(inside, elementwise.mul(front, weights), scalar_like(front, NOWHERE))
    return reduce_sum(terms, axes=(whole.rank - 1,), keep_dims=False)


def _sizes(x: Value, first: int, last: int) -> Value:
    """The sizes of axes [first, last) of `x` as an i64 vector: a literal when all are known."""
    known = [size for size in x.shape[first:last] if isinstance(size, int)]
    if len(known) == last - first:
        return constant(value=constant_of(np.asarray(known, np.int64)))
    return slice_(shape_of(x), axes=(0,), starts=(first,), stops=(last,), steps=(1,))


@op
def one_hot(indices: Value, count: Value | None = None, *, depth: Dim, axis: int, dtype: DType) -> TensorType:
    """1 where the coordinate on the new axis `axis` is the index, 0 elsewhere (ONNX OneHot with the values 0 and 1).

    indices: i32 or i64 of any shape; one outside [-depth, depth) gives zeros alone; result: `dtype`, the shape of
    `indices` with an axis of `depth` put in at `axis`. `count`: an integer, gives the depth at run time.
    """
    require_indices(indices)
    require_scalar(count)
    if not 0 <= axis <= indices.rank:
        raise InvalidModelError(f"the new axis must lie in [0, {indices.rank}], got {axis}")
    if dtype is DType.STRING:
        raise InvalidModelError("numbers or bools are needed, got str")
    return TensorType(dtype, _with_axis(indices.shape, axis, depth))


def _with_axis(shape: Shape, axis: int, size: Dim) -> Shape:
    return (*shape[:axis], size, *shape[axis:])


@one_hot.reference
def _one_hot_reference(indices: Array, count: Array | None, *, depth: int, axis: int, dtype: DType) -> Array:
    depth = depth if count is None else int(only_element(count))
    whole: Integers = indices.astype(np.int64)
    front = np.expand_dims(np.where(whole < 0, whole + depth, whole), axis)
    line = np.arange(depth).reshape((depth, *(1,) * (indices.ndim - axis)))
    hits: NDArray[np.bool_] = front == line
    return hits.astype(dtype.dtype)


@one_hot.decompose
def _one_hot_decompose(indices: Value, count: Value | None = None, *, depth: Dim, axis: int, dtype: DType) -> Value:
    if count is not None:
        return _one_hot_at_run_time(indices, count, depth, axis, dtype)
    sizes = _with_axis(indices.shape, axis, depth)
    whole = elementwise.cast(indices, dtype=DType.INT64)
    index = broadcast(reshape(whole, shape=_with_axis(indices.shape, axis, 1)), shape=sizes)
    line = iota(shape=sizes, axis=axis, dtype=DType.INT64)
    shifted = elementwise.add(index, _filled(depth, index))
    front = elementwise.select(compare.less(index, scalar_like(index, 0)), shifted, index)
    return elementwise.cast(compare.equal(front, line), dtype=dtype)


def _one_hot_at_run_time(indices: Value, count: Value, depth: Dim, axis: int, dtype: DType) -> Value:
    """The same where the depth, and with it the shape, is a value: the index is counted from the front first."""
    number = reshape(elementwise.cast(count, dtype=DType.INT64), shape=())
    zero, one = (constant(value=constant_of(np.asarray(item, np.int64))) for item in (0, 1))
    whole = elementwise.cast(indices, dtype=DType.INT64)
    every = broadcast(number, shape=whole.shape) if whole.rank else number
    front = elementwise.select(compare.less(whole, scalar_like(whole, 0)), elementwise.add(whole, every), whole)
    line = range_(zero, number, one)
    sizes, place = _with_axis(indices.shape, axis, depth), reshape(number, shape=(1,))
    parts = (_sizes(whole, 0, axis), place, _sizes(whole, axis, whole.rank))
    target = concat(*(part for part in parts if part.shape != (0,)), axis=0)
    column = reshape(line, shape=(*line.shape, *(1,) * (whole.rank - axis)))
    index = broadcast(reshape(front, shape=_with_axis(indices.shape, axis, 1)), target, shape=sizes)
    return elementwise.cast(compare.equal(index, broadcast(column, target, shape=sizes)), dtype=dtype)


def _filled(size: Dim, like: Value) -> Value:
    """`size` everywhere in an i64 tensor of the shape of `like`."""
    if isinstance(size, int):
        return scalar_like(like, size)
    line = broadcast(constant(value=constant_of(np.asarray(False))), shape=(size,))
    return broadcast(shape_of(line), shape=like.shape)


one_hot.no_gradient("the result is a step function of whole numbers")


@op
def compress(x: Value, condition: Value, *, axis: int) -> TensorType:
    """The slices of `x` along `axis` for which `condition` holds, in order (ONNX Compress, Caffe Filter).

    x: any tensor; condition: bool [n], n at most the size of the axis: the slices behind it are left out; result: x's
    dtype and shape, with a size on `axis` that only the run tells.
    """
    require_dtype(condition, DType.BOOL)
    require_rank(condition, 1)
    require_axis(x, axis)
    count = condition.shape[0]
    if _is_more(count, x.shape[axis]):
        raise InvalidModelError(f"a condition of {count!r} is longer than axis {axis} of {x.type!r}")
    return x.tensor.with_shape((*x.shape[:axis], Symbol(maximum=bounds(count)[1]), *x.shape[axis + 1 :]))


@compress.reference
def _compress_reference(x: Array, condition: Array, *, axis: int) -> Array:
    if condition.size > x.shape[axis]:
        raise InvalidModelError(f"a condition of {condition.size} is longer than axis {axis} of {list(x.shape)}")
    return np.take(x, np.flatnonzero(condition), axis=axis)


@compress.gradient
def _compress_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    """A slice that was kept is the slice of [zeros, dy] as far on as slices were kept so far; others read the zeros."""
    x, condition = elementwise.operands(node)
    axis = _axis(node)
    kept = elementwise.cast(condition, dtype=DType.INT64)
    rows = elementwise.mul(cumsum(kept, axis=0), kept)
    behind = x.shape[axis] - condition.shape[0]
    if equal(behind, 0) is not True:
        rows = pad(rows, padding=((0, behind),))
    zero = constant(value=constant_of(np.zeros((), x.dtype.dtype)))
    zeros = broadcast(zero, shape=(*x.shape[:axis], 1, *x.shape[axis + 1 :]))
    return gather(concat(zeros, dy, axis=axis), rows, axis=axis), None


compress.host("the size of the result depends on the data")


@op
def embedding(indices: Value, weight: Value, bias: Value | None = None) -> TensorType:
    """The row of `weight` for each index, plus `bias` (Caffe Embed, embed_layer.cpp).

    indices: i32 or i64 of any shape, within [-K, K) (Caffe checks [0, K), in debug builds alone); weight: [K, D],
    floating; bias: [D]; result: weight's dtype, the axes of `indices` and D.
    """
    require_indices(indices)
    require_floating(weight)
    require_rank(weight, 2)
    if bias is not None:
        require_same_dtype(weight, bias)
        require_rank(bias, 1)
        require_size(bias.shape[0], weight.shape[1], "the size of the bias")
    return weight.tensor.with_shape((*indices.shape, weight.shape[1]))


@embedding.reference
def _embedding_reference(indices: Array, weight: Array, bias: Array | None) -> Array:
    rows = np.take(weight, indices_from_front(indices, weight.shape[0]), axis=0)
    return rows if bias is None else narrowed(widened(rows) + widened(bias), weight)


@embedding.decompose
def _embedding_decompose(indices: Value, weight: Value, bias: Value | None = None) -> Value:
    rows = gather(weight, indices, axis=0)
    return rows if bias is None else elementwise.add(rows, broadcast(bias, shape=rows.shape))
