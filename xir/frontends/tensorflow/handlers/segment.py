"""Sums and the like over rows with the same number, and counts of numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends._operands import product_of
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers._sizes import head, limits, unknown, whole
from xir.ir.constant import constant_of
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare
from xir.ops._build import scalar_like
from xir.ops._targets import size_value
from xir.ops.constant import constant, identity
from xir.ops.elementwise import add, clip, div, floor, maximum, minimum, mul, select, sqrt, sub
from xir.ops.index import Reduction, gather
from xir.ops.places import scatter_nd
from xir.ops.reduce import reduce_max, reduce_sum
from xir.ops.shape import broadcast, concat, reshape, slice_

handlers: Handlers[Handler] = Handlers("tensorflow")


def _start(kind: str, dtype: DType) -> float:
    """What a reduction begins with."""
    return {"add": 0.0, "mul": 1.0, "max": limits(dtype)[0], "min": limits(dtype)[1]}[kind]


def _rows(site: Site, x: Value, numbers: Value) -> tuple[Value, Value]:
    """The rows, and the number of each, in i64."""
    flat = reshape(whole(site, numbers), shape=(product_of(numbers.shape),))
    return reshape(x, shape=(*flat.shape, *x.shape[numbers.rank :])), flat


def _full(value: float, dtype: DType, count: Value | None, known: Dim, rest: Sequence[Dim]) -> Value:
    """A value [count, *rest]."""
    literal = constant(value=constant_of(np.asarray(value).astype(dtype.dtype)))
    if count is None:
        return broadcast(literal, shape=(known, *rest))
    sizes = [reshape(count, shape=(1,)), *(reshape(size_value(size, DType.INT64), shape=(1,)) for size in rest)]
    return broadcast(literal, concat(*sizes, axis=0) if rest else sizes[0], shape=(known, *rest))


def _reduced(rows: Value, numbers: Value, kind: Reduction, start: float, count: Value | None, known: Dim) -> Value:
    """Rows with one number together; numbers that are none go to a row of their own, which is cut off."""
    empty = _full(start, rows.dtype, count, known, rows.shape[1:])
    column = reshape(numbers, shape=(*numbers.shape, 1))
    return scatter_nd(empty, column, rows, reduction=kind)


def _segments(kind: Reduction, when_empty: float | None) -> Handler:
    def handler(site: Site, x: Value, numbers: Value) -> Value:
        """Rows with ascending numbers; a number that no row has makes 0 (of a product 1)."""
        rows, flat = _rows(site, x, numbers)
        count, known = _highest(site, flat)
        made = _reduced(rows, flat, kind, _start(kind, x.dtype), count, known)
        if when_empty is None:
            return made
        ones = _reduced(scalar_like(rows, 1), flat, "add", 0.0, count, known)
        is_empty = compare.equal(ones, scalar_like(ones, 0))
        return select(is_empty, scalar_like(made, when_empty), made)

    return handler


def _highest(site: Site, flat: Value) -> tuple[Value | None, Dim]:
    """One more than the highest number: as a value where only the run tells."""
    known = site.known(flat)
    if known is not None:
        return None, int(np.asarray(known, np.int64).max(initial=-1)) + 1
    top = reduce_max(flat, axes=(0,), keep_dims=False)
    return add(top, scalar_like(top, 1)), unknown(1)[0]


handlers.add("SegmentSum", _segments("add", None))
handlers.add("SegmentProd", _segments("mul", None))
handlers.add("SegmentMax", _segments("max", 0.0))
handlers.add("SegmentMin", _segments("min", 0.0))


@handlers.layer("SegmentMean")
def mean(site: Site, x: Value, numbers: Value) -> Value:
    """The mean of the rows with one number; 0 for one that no row has."""
    rows, flat = _rows(site, x, numbers)
    count, known = _highest(site, flat)
    total = _reduced(rows, flat, "add", 0.0, count, known)
    ones = _reduced(scalar_like(rows, 1), flat, "add", 0.0, count, known)
    return div(total, maximum(ones, scalar_like(ones, 1)))


def _sparse(average: Callable[[Value], Value] | None) -> Handler:
    def handler(site: Site, x: Value, indices: Value, numbers: Value, limit: Value | None = None) -> Value:
        """Rows at places, those with one number together (segment_reduction_ops.h, SparseSegmentReductionOpBase)."""
        site.ignore("sparse_gradient")
        rows, flat = gather(x, whole(site, indices), axis=0), whole(site, numbers)
        if limit is None:
            count, known = _highest(site, flat)
        else:
            sizes = site.sizes(limit)
            count = reshape(whole(site, limit), shape=()) if sizes is None else None
            known = unknown(1)[0] if sizes is None else sizes[0]
        total = _reduced(rows, flat, "add", 0.0, count, known)
        if average is None:
            return total
        ones = _reduced(scalar_like(rows, 1), flat, "add", 0.0, count, known)
        return div(total, average(maximum(ones, scalar_like(ones, 1))))

    return handler


for _suffix in ("", "WithNumSegments"):
    handlers.add(f"SparseSegmentSum{_suffix}", _sparse(None))
    handlers.add(f"SparseSegmentMean{_suffix}", _sparse(identity))
    handlers.add(f"SparseSegmentSqrtN{_suffix}", _sparse(sqrt))


def _unsorted(kind: Reduction) -> Handler:
    def handler(site: Site, x: Value, numbers: Value, limit: Value) -> Value:
        """Rows with any numbers below the limit; negative ones do not count (segment_reduction_ops.cc)."""
        site.ignore("bad_indices_policy")
        rows, flat = _rows(site, x, numbers)
        sizes = site.sizes(limit)
        top = reshape(whole(site, limit), shape=())
        one = scalar_like(top, 1)
        spare = broadcast(top, shape=flat.shape)
        place = select(compare.less(flat, scalar_like(flat, 0)), spare, flat)
        count = None if sizes is not None else add(top, one)
        known = unknown(1)[0] if sizes is None else sizes[0] + 1
        made = _reduced(rows, place, kind, _start(kind, x.dtype), count, known)
        return head(made, top, unknown(1)[0] if sizes is None else sizes[0])

    return handler


handlers.add("UnsortedSegmentSum", _unsorted("add"))
handlers.add("UnsortedSegmentProd", _unsorted("mul"))
handlers.add("UnsortedSegmentMax", _unsorted("max"))
handlers.add("UnsortedSegmentMin", _unsorted("min"))


def _counts(site: Site, places: Value, weights: Value, size: Dim) -> Value:
    """Weights added up at their places [N] below `size`; others do not count."""
    spare = broadcast(size_value(size, DType.INT64), shape=places.shape)
    place = minimum(maximum(places, scalar_like(places, 0)), spare)
    place = select(compare.less(places, scalar_like(places, 0)), spare, place)
    made = _reduced(weights, place, "add", 0.0, None, size + 1)
    return slice_(made, axes=(0,), starts=(0,), stops=(size,), steps=(1,))


@handlers.layer("Bincount", "DenseBincount")
def counted(site: Site, x: Value, size: Value, weights: Value) -> Value:
    """How often each number below `size` is there, or the sum of its weights."""
    if site.node.kind == "DenseBincount" and (site.flag("binary_output") or x.rank > 1):
        site.refuse("counts of rows, or of whether a number is there at all")
    known = site.sizes(size)
    if known is None:
        site.refuse("a number of bins that is computed at run time")
    flat = reshape(whole(site, x), shape=(product_of(x.shape),))
    has_weights = weights.shape != (0,) and weights.tensor.elements != 0
    ones = broadcast(constant(value=constant_of(np.ones((), weights.dtype.dtype))), shape=flat.shape)
    return _counts(site, flat, reshape(weights, shape=flat.shape) if has_weights else ones, known[0])


@handlers.layer("HistogramFixedWidth")
def histogram(site: Site, x: Value, bounds: Value, bins: Value) -> Value:
    """How many elements are in each of equal bins; those outside count in the first or last one."""
    (count,) = site.numbers(bins, "a number of bins")
    flat = reshape(x, shape=(product_of(x.shape),))
    low, high = (
        broadcast(slice_(bounds, axes=(0,), starts=(at,), stops=(at + 1,), steps=(1,)), shape=flat.shape)
        for at in (0, 1)
    )
    wide = DType.FLOAT64
    part = div(site.cast(sub(flat, low), wide), site.cast(sub(high, low), wide))
    place = clip(floor(mul(part, scalar_like(part, count))), minimum=0.0, maximum=float(count - 1))
    ones = broadcast(constant(value=constant_of(np.ones((), np.int64))), shape=flat.shape)
    return site.cast(_counts(site, site.cast(place, DType.INT64), ones, count), site.dtype("dtype"))


@handlers.layer("Bucketize")
def bucketed(site: Site, x: Value) -> Value:
    """How many of the ascending boundaries are not above each element (bucketize_op.cc)."""
    bounds = site.reals("boundaries")
    wide = x if x.dtype is DType.FLOAT64 else site.cast(x, DType.FLOAT32)
    shape = (*x.shape, len(bounds))
    line = constant(value=constant_of(np.asarray(bounds, np.float32).astype(wide.dtype.dtype)))
    column = broadcast(reshape(wide, shape=(*x.shape, 1)), shape=shape)
    is_above = compare.greater_equal(column, broadcast(line, shape=shape))
    return reduce_sum(site.cast(is_above, DType.INT32), axes=(x.rank,), keep_dims=False)
