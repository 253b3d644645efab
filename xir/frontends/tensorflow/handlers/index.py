"""Elements taken from places and put into places."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends._operands import product_of
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers._sizes import axis_of, length, unknown, whole
from xir.ir.constant import constant_of
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare
from xir.ops._build import scalar_like
from xir.ops._targets import size_value
from xir.ops.constant import constant
from xir.ops.elementwise import add, div, neg
from xir.ops.finding import nonzero, unique
from xir.ops.index import Reduction, compress, gather, gather_nd
from xir.ops.places import reverse_sequence, scatter_nd
from xir.ops.reduce import reduce_max, reduce_sum, top_k
from xir.ops.shape import broadcast, concat, reshape, slice_, transpose

handlers: Handlers[Handler] = Handlers("tensorflow")


@handlers.layer("Gather", "GatherV2")
def gathered(site: Site, x: Value, indices: Value, axis: Value | None = None) -> Value:
    """Gather along an axis; the first `batch_dims` axes of both go together."""
    if axis is None:
        site.ignore("validate_indices")
        return gather(x, indices, axis=0)
    place, batch = axis_of(site, axis, x.rank), site.integer("batch_dims")
    batch = batch + indices.rank if batch < 0 else batch
    if not batch:
        return gather(x, indices, axis=place)
    front = (*range(batch), place, *(each for each in range(batch, x.rank) if each != place))
    rows = transpose(x, perm=front)
    made = gather_nd(rows, reshape(indices, shape=(*indices.shape, 1)), batch_axes=batch)
    between, found = place - batch, indices.rank - batch
    back = (
        *range(batch),
        *range(indices.rank, indices.rank + between),
        *range(batch, batch + found),
        *range(indices.rank + between, made.rank),
    )
    return transpose(made, perm=back)


@handlers.layer("GatherNd")
def gathered_at(site: Site, x: Value, indices: Value) -> Value:
    """GatherNd: the last axis of the indices is a place in the first axes."""
    site.ignore("bad_indices_policy")
    return gather_nd(x, whole(site, indices))


Change = Callable[[Site, Value, Value, Value], Value]
"""(site, what is changed, places, with what) -> the result."""


def _changed(reduction: Reduction) -> Change:
    def change(site: Site, x: Value, places: Value, updates: Value) -> Value:
        """One reduction of what was there and what comes."""
        return scatter_nd(x, places, updates, reduction=reduction)

    return change


def _subtracted(site: Site, x: Value, places: Value, updates: Value) -> Value:
    """Subtraction adds the negative."""
    return scatter_nd(x, places, neg(updates), reduction="add")


def _divided(site: Site, x: Value, places: Value, updates: Value) -> Value:
    """Division by the product of all that comes to a place."""
    return div(x, scatter_nd(scalar_like(x, 1), places, updates, reduction="mul"))


_CHANGES: tuple[tuple[str, Change], ...] = (
    ("Update", _changed("none")),
    ("Add", _changed("add")),
    ("Sub", _subtracted),
    ("Mul", _changed("mul")),
    ("Div", _divided),
    ("Max", _changed("max")),
    ("Min", _changed("min")),
)


def _of_rows(change: Change) -> Change:
    def handler(site: Site, x: Value, indices: Value, updates: Value) -> Value:
        """Rows of a variable are changed; the result is the variable as it is then."""
        site.ignore("use_locking")
        places = reshape(whole(site, indices), shape=(*indices.shape, 1))
        return change(site, x, places, site.repeated(updates, (*indices.shape, *x.shape[1:])))

    return handler


def _of_places(change: Change) -> Change:
    def handler(site: Site, x: Value, indices: Value, updates: Value) -> Value:
        """Slices at places of several axes are changed."""
        site.ignore("use_locking", "bad_indices_policy")
        return change(site, x, whole(site, indices), updates)

    return handler


_BOTH = tuple(name for name, _ in _CHANGES if name not in ("Mul", "Div"))
"""Changes of which there are forms for places of several axes."""

RESOURCE_CHANGES: tuple[tuple[str, Change], ...] = (
    *((f"Scatter{name}", _of_rows(change)) for name, change in _CHANGES),
    *((f"ScatterNd{name}", _of_places(change)) for name, change in _CHANGES if name in _BOTH),
)
"""(name, change of a variable's elements)."""

for _name, _change in RESOURCE_CHANGES:
    handlers.add(_name, _change)
for _name, _change in _CHANGES:
    if _name in _BOTH:
        handlers.add(f"TensorScatter{_name}", _of_places(_change))


@handlers.layer("ScatterNdNonAliasingAdd")
def added_at(site: Site, x: Value, indices: Value, updates: Value) -> Value:
    """ScatterNdAdd of a value."""
    site.ignore("bad_indices_policy")
    return scatter_nd(x, whole(site, indices), updates, reduction="add")


@handlers.layer("ScatterNd")
def scattered(site: Site, indices: Value, updates: Value, sizes: Value) -> Value:
    """ScatterNd: what comes to one place is added up, elsewhere is 0."""
    site.ignore("bad_indices_policy")
    return scatter_nd(zeros(site, updates.dtype, sizes), whole(site, indices), updates, reduction="add")


def zeros(site: Site, dtype: DType, sizes: Value) -> Value:
    """Zeros of a shape that an operand says."""
    zero = constant(value=constant_of(np.zeros((), dtype.dtype)))
    known = site.sizes(sizes)
    if known is not None:
        return broadcast(zero, shape=known)
    return broadcast(zero, whole(site, sizes), shape=unknown(length(site, sizes)))


@handlers.layer("Where")
def true_places(site: Site, x: Value) -> Value:
    """Where: the places [count, axes] of what is true, or not 0."""
    return transpose(nonzero(x), perm=(1, 0))


@handlers.layer("TopK", "TopKV2")
def largest(site: Site, x: Value, count: Value | None = None) -> Sequence[Value]:
    """TopK along the last axis; of equal elements the first ones count."""
    in_order = site.flag("sorted")
    if count is None:
        values, places = top_k(x, k=site.integer("k"), axis=x.rank - 1, sorted=in_order)
        return values, site.cast(places, DType.INT32)
    known = site.sizes(count)
    dtype = site.dtype("index_type")
    if known is None:
        count = reshape(whole(site, count), shape=(1,))
        values, places = top_k(x, count, k=unknown(1)[0], axis=x.rank - 1, sorted=in_order)
    else:
        values, places = top_k(x, k=known[0], axis=x.rank - 1, sorted=in_order)
    return values, site.cast(places, dtype)


@handlers.layer("NthElement")
def nth(site: Site, x: Value, place: Value) -> Value:
    """The n-th smallest (`reverse`: largest) element along the last axis."""
    (number,) = site.numbers(place, "a place")
    axis = x.rank - 1
    values, _ = top_k(x, k=number + 1, axis=axis, largest=site.flag("reverse"))
    last = slice_(values, axes=(axis,), starts=(number,), stops=(number + 1,), steps=(1,))
    return reshape(last, shape=x.shape[:-1])


@handlers.layer("InTopK", "InTopKV2")
def in_largest(site: Site, x: Value, targets: Value, count: Value | None = None) -> Value:
    """Whether fewer than k scores [N, C] are above that of the target (in_topk_op.h)."""
    limit = site.integer("k") if count is None else site.numbers(count, "a count")[0]
    places = reshape(whole(site, targets), shape=(*targets.shape, 1))
    score = reshape(gather_nd(x, places, batch_axes=1), shape=(*targets.shape, 1))
    above = site.cast(compare.greater(x, broadcast(score, shape=x.shape)), DType.INT32)
    better = reduce_sum(above, axes=(1,), keep_dims=False)
    return compare.less(better, scalar_like(better, limit))


@handlers.layer("Unique", "UniqueWithCounts")
def distinct(site: Site, x: Value) -> Sequence[Value]:
    """The different elements in the order in which they come, and the place of each element among them."""
    dtype = site.dtype("out_idx")
    values, _, places, counts = unique(x, axis=None, sorted=False)
    found = (values, site.cast(places, dtype), site.cast(counts, dtype))
    return found[: site.count()]


@handlers.layer("DynamicPartition")
def partitioned(site: Site, x: Value, parts: Value) -> Sequence[Value]:
    """Each element goes to the part that its number says."""
    flat = reshape(parts, shape=(product_of(parts.shape),))
    rows = reshape(x, shape=(*flat.shape, *x.shape[parts.rank :]))
    return [
        compress(rows, compare.equal(flat, scalar_like(flat, number)), axis=0)
        for number in range(site.integer("num_partitions"))
    ]


@handlers.layer("DynamicStitch", "ParallelDynamicStitch")
def stitched(site: Site, *operands: Value) -> Value:
    """Rows come to the places that the indices say; of several the last one counts."""
    count = site.integer("N")
    indices, data = operands[:count], operands[count:]
    rest = data[0].shape[indices[0].rank :]
    places = [reshape(each, shape=(product_of(each.shape),)) for each in indices]
    rows = [reshape(each, shape=(*place.shape, *rest)) for each, place in zip(data, places, strict=True)]
    place = concat(*places, axis=0) if count > 1 else places[0]
    row = concat(*rows, axis=0) if count > 1 else rows[0]
    known = site.known(place)
    if known is None:
        limit = add(reduce_max(whole(site, place), axes=(0,), keep_dims=True), constant(value=constant_of([1])))
        tail = [reshape(size_value(size, DType.INT64), shape=(1,)) for size in rest]
        sizes = concat(limit, *tail, axis=0) if tail else limit
        zero = constant(value=constant_of(np.zeros((), row.dtype.dtype)))
        empty = broadcast(zero, sizes, shape=(unknown(1)[0], *rest))
    else:
        size = int(np.asarray(known, np.int64).max()) + 1 if known.size else 0
        empty = broadcast(constant(value=constant_of(np.zeros((), row.dtype.dtype))), shape=(size, *rest))
    column = reshape(whole(site, place), shape=(*place.shape, 1))
    return scatter_nd(empty, column, row, reduction="none")


@handlers.layer("ReverseSequence")
def reversed_parts(site: Site, x: Value, lengths: Value) -> Value:
    """The first elements of each sequence, turned round."""
    batch, time = (site.axis(site.integer(name), x.rank) for name in ("batch_dim", "seq_dim"))
    if {batch, time} == {0, 1}:
        return reverse_sequence(x, whole(site, lengths), batch_axis=batch, time_axis=time)
    front = (batch, time, *(axis for axis in range(x.rank) if axis not in (batch, time)))
    made = reverse_sequence(transpose(x, perm=front), whole(site, lengths), batch_axis=0, time_axis=1)
    return transpose(made, perm=tuple(int(axis) for axis in np.argsort(front)))


@handlers.layer("SparseTensorDenseAdd")
def sparse_added(site: Site, places: Value, values: Value, sizes: Value, y: Value) -> Value:
    """A sparse tensor added to a dense one."""
    return scatter_nd(y, whole(site, places), values, reduction="add")


@handlers.layer("SparseToDense")
def dense(site: Site, places: Value, sizes: Value, values: Value, default: Value) -> Value:
    """A dense tensor with the values at the places, the default elsewhere."""
    site.ignore("validate_indices")
    known = site.sizes(sizes)
    if known is None:
        site.refuse("a shape that is computed at run time")
    count = product_of(places.shape[:-1]) if places.rank > 1 else _count(places)
    column = reshape(whole(site, places), shape=(count, len(known)))
    rows = site.repeated(values, column.shape[:1])
    return scatter_nd(broadcast(default, shape=known), column, rows, reduction="none")


def _count(places: Value) -> Dim:
    return places.shape[0] if places.rank else 1
