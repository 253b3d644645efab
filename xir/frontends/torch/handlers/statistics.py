"""Modes, medians, histograms, segments (aten/src/ATen/native/Sorting.cpp, Histogram.cpp, SegmentReduce.cpp)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers.index import searchsorted
from xir.frontends.torch.handlers.sorting import Pair, ordered, running_most
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops.elementwise import add, div, maximum, minimum, mul, select, sub
from xir.ops.index import gather_elements, scatter_elements
from xir.ops.reduce import arg_max, reduce_max, reduce_min, reduce_prod, reduce_sum
from xir.ops.running import cumsum
from xir.ops.shape import broadcast, concat, iota, reshape, slice_

operators = Operators("aten")


def _cut(x: Value, axis: int, start: int, behind: int) -> Value:
    """An axis without its first and last elements."""
    return slice_(x, axes=(axis,), starts=(start,), stops=(x.shape[axis] - behind,), steps=(1,))


def _kept(x: Value, axis: int, keep: bool) -> Value:
    return x if keep else reshape(x, shape=(*x.shape[:axis], *x.shape[axis + 1 :]))


@operators.op("mode(Tensor self, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)")
def mode(call: Call, x: Value, axis: int, keep: bool) -> Pair:
    """What comes the most often along an axis, the least of several, and its last place."""
    at = call.axis(axis, x.rank)
    if not x.rank:
        return x, call.filled(0, DType.INT64, ())
    values, places = ordered(call, x, at, False)
    order = iota(shape=x.shape, axis=at, dtype=DType.INT64)
    differs = compare.not_equal(_cut(values, at, 1, 0), _cut(values, at, 0, 1))
    first = slice_(order, axes=(at,), starts=(0,), stops=(1,), steps=(1,))
    starts = concat(compare.equal(first, first), differs, axis=at)
    begun = running_most(call, select(starts, order, scalar_like(order, 0)), at)
    longest = arg_max(sub(order, begun), axis=at, keep_dims=True)
    found = (_kept(gather_elements(each, longest, axis=at), at, keep) for each in (values, places))
    return next(found), next(found)


@operators.op("nanmedian.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)")
def known_median_along(call: Call, x: Value, axis: int, keep: bool) -> Pair:
    """The lower median of what is a number along an axis, and its place."""
    at = call.axis(axis, x.rank)
    if not x.rank:
        return x, call.filled(0, DType.INT64, ())
    values, places = ordered(call, x, at, False)
    known = elementwise.cast(compare.equal(x, x), dtype=DType.INT64)
    count = reduce_sum(known, axes=(at,), keep_dims=True)
    one = scalar_like(count, 1)
    middle = div(maximum(sub(count, one), scalar_like(count, 0)), scalar_like(count, 2))
    found = (_kept(gather_elements(each, middle, axis=at), at, keep) for each in (values, places))
    return next(found), next(found)


@operators.op("nanmedian(Tensor self) -> Tensor")
def known_median(call: Call, x: Value) -> Value:
    """The lower median of all numbers."""
    return known_median_along(call, reshape(x, shape=(x.tensor.elements,)), 0, False)[0]


def _edges(call: Call, line: Value, count: int, ends: Sequence[float] | None) -> Value:
    """Where the equal parts of a range begin and end; of the elements' own range where none is given."""
    if ends is not None:
        low, high = (call.literal(end, line.dtype) for end in ends)
    else:
        low, high = (each(line, axes=(0,), keep_dims=False) for each in (reduce_min, reduce_max))
    none, half = compare.equal(low, high), scalar_like(low, 0.5)
    low, high = select(none, sub(low, half), low), select(none, add(high, half), high)
    step = div(sub(high, low), scalar_like(low, count))
    places = np.arange(count + 1)
    shape = (call.bounded(count + 1),)
    low, high, step = (broadcast(each, shape=shape) for each in (low, high, step))
    front = add(low, mul(step, call.literal(places, line.dtype)))
    back = sub(high, mul(step, call.literal(count - places, line.dtype)))
    return select(call.literal(places < (count + 1) // 2, DType.BOOL), front, back)


def _counted(call: Call, points: Value, edges: Sequence[Value], weight: Value | None, density: bool) -> Value:
    """How many points `[count, axes]`, or the sum of their weights, lie between the edges along each axis."""
    shape = tuple(call.known_integer(each.shape[0], "the number of edges") - 1 for each in edges)
    count = points.shape[0]
    place, inside = call.filled(0, DType.INT64, (count,)), call.filled(True, DType.BOOL, (count,))
    for axis, line in enumerate(edges):
        x = reshape(slice_(points, axes=(1,), starts=(axis,), stops=(axis + 1,), steps=(1,)), shape=(count,))
        first, last = (reshape(_cut(line, 0, *cut), shape=()) for cut in ((0, shape[axis]), (shape[axis], 0)))
        within = compare.logical_and(
            compare.greater_equal(x, broadcast(first, shape=x.shape)),
            compare.less_equal(x, broadcast(last, shape=x.shape)),
        )
        found = sub(searchsorted(call, line, x, False, True, None, None), scalar_like(place, 1))
        found = minimum(maximum(found, scalar_like(found, 0)), scalar_like(found, shape[axis] - 1))
        place, inside = add(mul(place, scalar_like(place, shape[axis])), found), compare.logical_and(inside, within)
    shares = call.cast(inside, points.dtype)
    if weight is not None:
        held = call.cast(reshape(weight, shape=(count,)), points.dtype)
        shares = select(inside, held, scalar_like(held, 0))
    zeros = call.filled(0, points.dtype, (call.bounded(math.prod(shape)),))
    made = scatter_elements(zeros, select(inside, place, scalar_like(place, 0)), shares, axis=0, reduction="add")
    made = reshape(made, shape=shape)
    return _density(made, edges) if density else made


def _density(counts: Value, edges: Sequence[Value]) -> Value:
    """Counts as shares of all, a unit of volume."""
    total = reduce_sum(counts, axes=tuple(range(counts.rank)), keep_dims=True)
    made = div(counts, broadcast(total, shape=counts.shape))
    for axis, line in enumerate(edges):
        width = sub(_cut(line, 0, 1, 0), _cut(line, 0, 0, 1))
        shape = tuple(counts.shape[axis] if place == axis else 1 for place in range(counts.rank))
        made = div(made, broadcast(reshape(width, shape=shape), shape=counts.shape))
    return made


@operators.op(
    "histogram.bin_ct(Tensor self, int bins=100, *, float[]? range=None, Tensor? weight=None, bool density=False)"
    " -> (Tensor hist, Tensor bin_edges)"
)
def histogram(
    call: Call, x: Value, count: int, ends: Sequence[float] | None, weight: Value | None, density: bool
) -> Pair:
    """How many elements lie in each of the equal parts of a range, and where these begin and end."""
    line = reshape(x, shape=(x.tensor.elements,))
    edges = _edges(call, line, count, ends)
    return _counted(call, reshape(line, shape=(line.shape[0], 1)), [edges], weight, density), edges


@operators.op(
    "histogram.bins_tensor(Tensor self, Tensor bins, *, Tensor? weight=None, bool density=False)"
    " -> (Tensor hist, Tensor bin_edges)"
)
def histogram_between(call: Call, x: Value, edges: Value, weight: Value | None, density: bool) -> Pair:
    """The same between edges that are given."""
    return _counted(call, reshape(x, shape=(x.tensor.elements, 1)), [edges], weight, density), edges


@operators.op(
    "histogramdd(Tensor self, int[] bins, float[]? range=None, Tensor? weight=None, bool density=False)"
    " -> (Tensor hist, Tensor[] bin_edges)",
    "histogramdd.int_bins(Tensor self, int bins, float[]? range=None, Tensor? weight=None, bool density=False)"
    " -> (Tensor hist, Tensor[] bin_edges)",
    "histogramdd.TensorList_bins(Tensor self, Tensor[] bins, float[]? range=None, Tensor? weight=None,"
    " bool density=False) -> (Tensor hist, Tensor[] bin_edges)",
)
def histogram_of_points(
    call: Call,
    x: Value,
    bins: int | Sequence[int | Value],
    ends: Sequence[float] | None,
    weight: Value | None,
    density: bool,
) -> tuple[Value, tuple[Value, ...]]:
    """How many points, whose coordinates stand along the last axis, lie in each cell of a grid, and its edges."""
    axes = call.known_integer(x.shape[-1], "the number of coordinates")
    count = reshape(x, shape=(x.tensor.elements,)).shape[0] // axes
    points = reshape(x, shape=(count, axes))
    edges: list[Value] = []
    for axis, told in enumerate((bins,) * axes if isinstance(bins, int) else bins):
        line = reshape(slice_(points, axes=(1,), starts=(axis,), stops=(axis + 1,), steps=(1,)), shape=(count,))
        given = None if ends is None else ends[2 * axis : 2 * axis + 2]
        edges.append(told if isinstance(told, Value) else _edges(call, line, told, given))
    return _counted(call, points, edges, weight, density), tuple(edges)


_NEUTRAL = {"sum": 0.0, "mean": 0.0, "max": -math.inf, "min": math.inf, "prod": 1.0}


@dataclass(frozen=True, slots=True)
class _Segments:
    """Runs of rows, in PyTorch's words: how long each is, or where each begins and the last one ends."""

    lengths: Value | None
    indices: Value | None
    offsets: Value | None
    axis: int

    def bounds(self, call: Call) -> Pair:
        """Where each begins and ends, i64 [runs].

        Raises:
            UnsupportedError: they are said in another way, or are runs of several axes.
        """
        lengths, given = self.lengths, self.offsets if self.lengths is None else self.lengths
        if self.axis or self.indices is not None or given is None or (lengths is not None and self.offsets is not None):
            call.refuse("segments not told by either lengths or offsets along the first axis", "give one of both")
        if given.rank != 1:
            call.refuse("segments of several axes")
        wide = call.cast(given, DType.INT64)
        if lengths is None:
            return _cut(wide, 0, 0, 1), _cut(wide, 0, 1, 0)
        ends = cumsum(wide, axis=0)
        return sub(ends, wide), ends


@operators.op(
    "segment_reduce(Tensor data, str reduce, *, Tensor? lengths=None, Tensor? indices=None, Tensor? offsets=None,"
    " int axis=0, bool unsafe=False, Scalar? initial=None) -> Tensor",
    records=(_Segments,),
    unused=("unsafe",),
)
def segments(call: Call, x: Value, kind: str, given: _Segments, initial: Number | None) -> Value:
    """What is made of each of several runs of rows, whose lengths or ends are given."""
    if kind not in _NEUTRAL:
        call.refuse(f"segments by {kind!r}")
    starts, ends = given.bounds(call)
    shape = (ends.shape[0], *x.shape)
    places = iota(shape=shape, axis=1, dtype=DType.INT64)
    low, high = (broadcast(reshape(each, shape=(shape[0], *(1,) * x.rank)), shape=shape) for each in (starts, ends))
    held = compare.logical_and(compare.greater_equal(places, low), compare.less(places, high))
    begun = call.scalar(_NEUTRAL[kind] if initial is None else initial, x.dtype)
    first = broadcast(begun, shape=(shape[0], 1, *x.shape[1:]))
    rows = select(
        held, broadcast(reshape(x, shape=(1, *x.shape)), shape=shape), call.filled(_NEUTRAL[kind], x.dtype, shape)
    )
    reducer = {"max": reduce_max, "min": reduce_min, "prod": reduce_prod}.get(kind, reduce_sum)
    made = reducer(concat(first, rows, axis=1), axes=(1,), keep_dims=False)
    if kind != "mean":
        return made
    count = broadcast(reshape(sub(ends, starts), shape=(shape[0], *(1,) * (x.rank - 1))), shape=made.shape)
    some = compare.greater(count, scalar_like(count, 0))
    divisor = call.cast(maximum(count, scalar_like(count, 1)), x.dtype)
    return select(some, div(made, divisor), scalar_like(made, math.nan) if initial is None else made)
