"""Elements put at places: scatter, index_put and the like, each as a new tensor."""

from __future__ import annotations

import math
from typing import Literal

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers._numbers import quotient
from xir.frontends.torch.handlers.index import Indexed, Indices, spread
from xir.frontends.torch.handlers.views import permuted
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number
from xir.ir.dims import product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops.index import gather, scatter_elements
from xir.ops.places import scatter_nd
from xir.ops.running import cumsum
from xir.ops.shape import broadcast, reshape, slice_

operators = Operators("aten")
Reduction = Literal["none", "add", "mul", "min", "max"]
_REDUCTIONS: dict[str, Reduction] = {
    "add": "add", "sum": "add", "multiply": "mul", "prod": "mul", "amin": "min", "amax": "max", "mean": "add",
}  # fmt: skip


@operators.op(
    "index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor",
    "_index_put_impl(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False, bool unsafe=False) -> "
    "Tensor",
    "_unsafe_index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor",
    "index_put.hacked_twin(Tensor self, Tensor[] indices, Tensor values, bool accumulate=False) -> Tensor",
    "_unsafe_index_put.hacked_twin(Tensor self, Tensor[] indices, Tensor values, bool accumulate=False) -> Tensor",
    unused=("unsafe",),
)
def index_put(call: Call, x: Value, indices: Indices, values: Value, accumulate: bool) -> Value:
    """`x` with values put at, or added to, the places that index tensors name."""
    values = call.cast(values, x.dtype)
    mask = _only_mask(indices)
    if mask is not None and values.tensor.elements == 1 and not accumulate:
        wide = reshape(mask, shape=(*mask.shape, *(1,) * (x.rank - mask.rank)))
        number = call.repeated(reshape(values, shape=()), x.shape)
        return elementwise.select(call.repeated(wide, x.shape), number, x)
    spreaded = spread(call, x, indices)
    if all(each is None for each in spreaded):
        made = call.repeated(values, x.shape)
        return elementwise.add(x, made) if accumulate else made
    found = Indexed(call, x, spreaded)
    whole = permuted(x, found.front)
    rest = whole.shape[len(found.axes) :]
    order = found.order(len(found.places) + len(rest))
    parts = (*found.places, *rest)
    wide = call.repeated(values, tuple(parts[axis] for axis in order))
    updates = permuted(wide, [order.index(axis) for axis in range(len(order))])
    return _restored(call, whole, found, updates, accumulate)


def _restored(call: Call, whole: Value, found: Indexed, updates: Value, accumulate: bool) -> Value:
    as_bool = whole.dtype is DType.BOOL and accumulate
    whole, updates = (call.cast(each, DType.UINT8) if as_bool else each for each in (whole, updates))
    made = scatter_nd(whole, found.coordinates, updates, reduction="add" if accumulate else "none")
    made = call.cast(made, DType.BOOL) if as_bool else made
    return permuted(made, [found.front.index(axis) for axis in range(made.rank)])


def _only_mask(indices: Indices) -> Value | None:
    """The mask that is the only index, over the first axes of what is indexed, or None."""
    if len(indices) != 1 or indices[0] is None or indices[0].dtype is not DType.BOOL:
        return None
    return indices[0]


def _scattered(call: Call, x: Value, axis: int, indices: Value, source: Value, reduction: Reduction) -> Value:
    """`source` at, or combined with what stands at, places along an axis; of the source what has an index counts."""
    axis = call.axis(axis, x.rank)
    line = [each if each.rank else reshape(each, shape=(1,)) for each in (x, indices, source)]
    whole, places, updates = line
    if places.rank != whole.rank:
        call.invalid(f"indices {indices.type!r} do not have the axes of {x.type!r}")
    if updates.shape != places.shape:
        ends = places.shape
        axes = tuple(range(places.rank))
        updates = slice_(updates, axes=axes, starts=(0,) * len(axes), stops=ends, steps=(1,) * len(axes))
    as_bool = x.dtype is DType.BOOL and reduction != "none"
    if as_bool:
        whole, updates = call.cast(whole, DType.UINT8), call.cast(updates, DType.UINT8)
    made = scatter_elements(whole, places, updates, axis=axis, reduction=reduction)
    return call.flat_to(call.cast(made, x.dtype), x.shape)


@operators.op(
    "scatter.src(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
    "scatter.value(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
)
def scatter(call: Call, x: Value, axis: int, indices: Value, source: Value | Number) -> Value:
    """`x` with the source at places along an axis."""
    updates = source if isinstance(source, Value) else call.filled(source, x.dtype, indices.shape)
    return _scattered(call, x, axis, indices, updates, "none")


@operators.op(
    "scatter.reduce(Tensor self, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor",
    "scatter.value_reduce(Tensor self, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor",
)
def scatter_with(call: Call, x: Value, axis: int, indices: Value, source: Value | Number, reduce: str) -> Value:
    """`x` with the source added to, or multiplied with, what stands at places along an axis."""
    updates = source if isinstance(source, Value) else call.filled(source, x.dtype, indices.shape)
    return _scattered(call, x, axis, indices, updates, _reduction(call, reduce))


@operators.op(
    "scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
)
def scatter_add(call: Call, x: Value, axis: int, indices: Value, source: Value) -> Value:
    """`x` with the source added at places along an axis."""
    return _scattered(call, x, axis, indices, source, "add")


def _reduction(call: Call, reduce: str) -> Reduction:
    if reduce not in _REDUCTIONS:
        call.invalid(f"reduce={reduce!r}, expected one of {', '.join(_REDUCTIONS)}")
    return _REDUCTIONS[reduce]


def _neutral(x: Value, reduction: Reduction) -> Value:
    """What a reduction leaves as it is, everywhere in a tensor like `x`."""
    match reduction:
        case "mul":
            return scalar_like(x, 1)
        case "min" | "max":
            sign = 1 if reduction == "min" else -1
            if x.dtype.is_floating:
                return scalar_like(x, sign * math.inf)
            low = -(1 << (x.dtype.bits - 1)) if x.dtype.is_signed else 0
            return scalar_like(x, low if sign < 0 else low + (1 << x.dtype.bits) - 1)
        case _:
            return scalar_like(x, 0)


@operators.op(
    "scatter_reduce.two(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) "
    "-> Tensor",
)
def scatter_reduce(
    call: Call, x: Value, axis: int, indices: Value, source: Value, reduce: str, include_self: bool
) -> Value:
    """`x` with the source combined with what stands at places along an axis, or without that."""
    reduction = _reduction(call, reduce)
    if not include_self:
        reached = call.filled(False, DType.BOOL, x.shape)
        everywhere = call.filled(True, DType.BOOL, indices.shape)
        reached = _scattered(call, reached, axis, indices, everywhere, "none")
        start = elementwise.select(reached, _neutral(x, reduction), x)
    else:
        start = x
    made = _scattered(call, start, axis, indices, source, reduction)
    if reduce != "mean":
        return made
    ones = call.filled(1, DType.INT64, indices.shape)
    zeros = call.filled(0, DType.INT64, x.shape)
    count = _scattered(call, zeros, axis, indices, ones, "add")
    least = scalar_like(count, 1)
    count = elementwise.add(count, least) if include_self else elementwise.maximum(count, least)
    return _quotient(made, call.cast(count, x.dtype))


def _quotient(x: Value, count: Value) -> Value:
    """A sum divided by a number of summands; of integers rounded down."""
    return elementwise.div(x, count) if x.dtype.is_floating else quotient(x, count)


def _along(call: Call, x: Value, axis: int, indices: Value, source: Value) -> tuple[Value, Value]:
    """A vector of places on an axis as the places of every element of the source, and the source in the type of `x`."""
    shape = (*x.shape[:axis], indices.tensor.elements, *x.shape[axis + 1 :])
    line = reshape(indices, shape=(*(1,) * axis, indices.tensor.elements, *(1,) * (x.rank - axis - 1)))
    return broadcast(line, shape=shape), call.repeated(call.cast(source, x.dtype), shape)


def _indexed(call: Call, x: Value, axis: int, indices: Value, source: Value, reduction: Reduction) -> Value:
    if not x.rank:
        flat = (indices.tensor.elements,)
        made = _indexed(call, reshape(x, shape=(1,)), 0, indices, call.repeated(source, flat), reduction)
        return reshape(made, shape=())
    axis = call.axis(axis, x.rank)
    places, updates = _along(call, x, axis, indices, source)
    return _scattered(call, x, axis, places, updates, reduction)


@operators.op(
    "index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor",
)
def index_add(call: Call, x: Value, axis: int, indices: Value, source: Value, alpha: Number) -> Value:
    """`x` with slices, times alpha, added at places of an axis."""
    source = call.cast(source, x.dtype)
    if alpha != 1:
        combine = compare.logical_and if x.dtype is DType.BOOL else elementwise.mul
        source = combine(source, call.filled(alpha, x.dtype, source.shape))
    return _indexed(call, x, axis, indices, source, "add")


@operators.op(
    "index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor",
)
def index_copy(call: Call, x: Value, axis: int, indices: Value, source: Value) -> Value:
    """`x` with other slices at places of an axis."""
    return _indexed(call, x, axis, indices, source, "none")


@operators.op(
    "index_fill.int_Scalar(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
    "index_fill.int_Tensor(Tensor self, int dim, Tensor index, Tensor value) -> Tensor",
)
def index_fill(call: Call, x: Value, axis: int, indices: Value, value: Value | Number) -> Value:
    """`x` with a number at places of an axis."""
    return _indexed(call, x, axis, indices, call.tensor(value, x.dtype), "none")


@operators.op(
    "index_reduce(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True) -> Tensor",
)
def index_reduce(
    call: Call, x: Value, axis: int, indices: Value, source: Value, reduce: str, include_self: bool
) -> Value:
    """`x` with slices combined with what stands at places of an axis."""
    axis = call.axis(axis, x.rank)
    places, updates = _along(call, x, axis, indices, source)
    return scatter_reduce(call, x, axis, places, updates, reduce, include_self)


@operators.op(
    "put(Tensor self, Tensor index, Tensor source, bool accumulate=False) -> Tensor",
)
def put(call: Call, x: Value, indices: Value, source: Value, accumulate: bool) -> Value:
    """`x` with elements put at, or added to, places of all elements in row-major order."""
    count = (indices.tensor.elements,)
    flat = reshape(x, shape=(product(x.shape),))
    updates = reshape(call.cast(source, x.dtype), shape=count)
    made = _scattered(call, flat, 0, reshape(indices, shape=count), updates, "add" if accumulate else "none")
    return reshape(made, shape=x.shape)


@operators.op(
    "masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor",
)
def masked_scatter(call: Call, x: Value, mask: Value, source: Value) -> Value:
    """`x` with the next element of the source wherever the mask holds, in row-major order."""
    x, mask = call.aligned(x, call.cast(mask, DType.BOOL))
    count = (x.tensor.elements,)
    held = reshape(mask, shape=count)
    sources = call.cast(reshape(source, shape=(source.tensor.elements,)), x.dtype)
    if source.tensor.elements == 0:
        return x
    rank = cumsum(call.cast(held, DType.INT64), axis=0, exclusive=True)
    last = call.filled(source.tensor.elements - 1, DType.INT64, count)
    taken = gather(sources, elementwise.minimum(rank, last), axis=0)
    made = elementwise.select(held, taken, reshape(x, shape=count))
    return reshape(made, shape=x.shape)


@operators.op(
    "embedding_dense_backward(Tensor grad_output, Tensor indices, SymInt num_weights, SymInt padding_idx, bool "
    "scale_grad_by_freq) -> Tensor",
)
def embedding_gradient(call: Call, dy: Value, indices: Value, count: Number, padding: Number, scaled: bool) -> Value:
    """The gradient of a table of rows: each row's share summed; the padding row has none.

    `scaled` divides by how often a row is named; of integers PyTorch's quotient 1 / n is cut off first (Embedding.cpp).
    """
    (rows,) = call.known_shape((count,))
    named = (indices.tensor.elements,)
    flat = reshape(call.cast(indices, DType.INT64), shape=(*named, 1))
    shares = reshape(dy, shape=(*named, dy.shape[-1]))
    if dy.dtype is DType.BOOL:
        shares = call.cast(shares, DType.INT32)
    elif scaled:
        counts = call.filled(0, DType.INT64, (rows,))
        often = scatter_nd(counts, flat, call.filled(1, DType.INT64, named), reduction="add")
        share = elementwise.reciprocal(call.cast(gather(often, flat, axis=0), DType.FLOAT64))
        shares = elementwise.mul(shares, broadcast(call.cast(share, dy.dtype), shape=shares.shape))
    if isinstance(padding, int) and padding >= 0:
        kept = compare.not_equal(flat, scalar_like(flat, padding))
        shares = elementwise.select(broadcast(kept, shape=shares.shape), shares, scalar_like(shares, 0))
    table = call.filled(0, shares.dtype, (rows, shares.shape[1]))
    return call.cast(scatter_nd(table, flat, shares, reduction="add"), dy.dtype)
