"""Ragged tensors: values one row behind another, and where each row begins and ends; strings cut into pieces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers._sizes import unknown, whole
from xir.ir.constant import constant_of
from xir.ir.dims import Shape, product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare
from xir.ops._build import scalar_like
from xir.ops._targets import size_value
from xir.ops.constant import constant
from xir.ops.elementwise import add, cast, div, maximum, mul, sign, sub
from xir.ops.finding import nonzero
from xir.ops.index import gather, gather_nd
from xir.ops.letters import string_pieces
from xir.ops.places import scatter_nd
from xir.ops.reduce import reduce_max, reduce_sum
from xir.ops.running import cumsum
from xir.ops.shape import broadcast, concat, iota, pad, range_, reshape, shape_of, slice_, transpose
from xir.ops.strings import string_split

handlers: Handlers[Handler] = Handlers("tensorflow")


def _number(value: int) -> Value:
    return constant(value=constant_of(np.asarray(value, np.int64)))


def _cut(x: Value, start: int, stop: int) -> Value:
    """The elements of a vector from a place on, up to one counted from the end."""
    return slice_(x, axes=(0,), starts=(start,), stops=(x.shape[0] + stop,), steps=(1,))


def _row_of(splits: Value, count: Value) -> Value:
    """The row of each of `count` values: how many rows have ended before it."""
    ends, line = _cut(splits, 1, 0), range_(_number(0), count, _number(1))
    shape = (*line.shape, *ends.shape)
    limits = broadcast(reshape(ends, shape=(1, *ends.shape)), shape=shape)
    ended = compare.less_equal(limits, broadcast(reshape(line, shape=(*line.shape, 1)), shape=shape))
    return reduce_sum(cast(ended, dtype=DType.INT64), axes=(1,), keep_dims=False)


def _last(splits: Value) -> Value:
    """Where the last row ends: how many values there are."""
    count = splits.shape[0]
    return reshape(slice_(splits, axes=(0,), starts=(count - 1,), stops=(count,), steps=(1,)), shape=())


@handlers.layer("RaggedRange")
def ranges(site: Site, starts: Value, limits: Value, deltas: Value) -> Sequence[Value]:
    """Rows of numbers start, start + delta ... below the limit (ragged_range_op.cc)."""
    if not starts.dtype.is_integer:
        site.refuse("ragged ranges of real numbers")
    rank = max(starts.rank, limits.rank, deltas.rank)
    first, end, step = site.aligned(*(whole(site, each) for each in (starts, limits, deltas)))
    if rank == 0:
        first, end, step = (reshape(each, shape=(1,)) for each in (first, end, step))
    size = div(add(sub(end, first), sub(step, sign(step))), step)
    size = maximum(size, scalar_like(size, 0))
    splits = pad(cumsum(size, axis=0), padding=((1, 0),))
    row = _row_of(splits, _last(splits))
    place = sub(iota(shape=row.shape, axis=0, dtype=DType.INT64), gather(splits, row, axis=0))
    made = add(gather(first, row, axis=0), mul(place, gather(step, row, axis=0)))
    return site.cast(splits, site.dtype("Tsplits")), site.cast(made, starts.dtype)


def _places(site: Site, splits: Sequence[Value], values: Value) -> tuple[Value, Value]:
    """(the place [N, axes] of each value, how long each axis is) of a ragged tensor whose rows end at `splits`."""
    size = values.shape[0]
    row = iota(shape=(size,), axis=0, dtype=DType.INT64)
    columns: list[Value] = []
    longest: list[Value] = []
    for each in reversed(splits):
        own = _row_of(each, _last(each))
        inside = sub(iota(shape=own.shape, axis=0, dtype=DType.INT64), gather(each, own, axis=0))
        columns.insert(0, gather(inside, row, axis=0))
        lengths = pad(sub(_cut(each, 1, 0), _cut(each, 0, -1)), padding=((0, 1),))
        longest.insert(0, reshape(reduce_max(lengths, axes=(0,), keep_dims=True), shape=(1,)))
        row = gather(own, row, axis=0)
    columns.insert(0, row)
    rows = reshape(size_value(splits[0].shape[0] - 1, DType.INT64), shape=(1,))
    stacked = concat(*(reshape(each, shape=(size, 1)) for each in columns), axis=1)
    return stacked, concat(rows, *longest, axis=0)


@handlers.layer("RaggedGather")
def picked(site: Site, *operands: Value) -> Sequence[Value]:
    """Rows of a ragged tensor, each with all that is in it (ragged_gather_op.cc)."""
    *splits, values, indices = operands
    made = [even_splits(indices.shape, axis) for axis in range(1, indices.rank)]
    rows = reshape(whole(site, indices), shape=(product(indices.shape),))
    for each in (whole(site, each) for each in splits):
        starts = gather(each, rows, axis=0)
        ends = gather(each, add(rows, scalar_like(rows, 1)), axis=0)
        own = pad(cumsum(sub(ends, starts), axis=0), padding=((1, 0),))
        made.append(own)
        row = _row_of(own, _last(own))
        inside = sub(iota(shape=row.shape, axis=0, dtype=DType.INT64), gather(own, row, axis=0))
        rows = add(gather(starts, row, axis=0), inside)
    return *(site.cast(each, site.dtype("Tsplits")) for each in made), gather(values, rows, axis=0)


def even_splits(shape: Shape, axis: int) -> Value:
    """Where rows end that are all as long as this axis of indices."""
    line = iota(shape=(product(shape[:axis]) + 1,), axis=0, dtype=DType.INT64)
    return mul(line, broadcast(size_value(shape[axis], DType.INT64), shape=line.shape))


@handlers.layer("RaggedTensorToSparse")
def to_sparse(site: Site, *operands: Value) -> Sequence[Value]:
    """Places, values and sizes of a ragged tensor."""
    splits, values = [whole(site, each) for each in operands[:-1]], operands[-1]
    if values.rank != 1:
        site.refuse("ragged tensors with axes of one size behind the ragged ones")
    places, sizes = _places(site, splits, values)
    return places, values, sizes


@handlers.layer("RaggedTensorToTensor")
def to_dense(site: Site, shape: Value, values: Value, default: Value, *partitions: Value) -> Value:
    """A tensor as long as the longest row, the default where a row has ended (ragged_tensor_to_tensor_op.cc)."""
    kinds = site.strings("row_partition_types")
    if set(kinds) != {"ROW_SPLITS"}:
        site.refuse(f"rows that are told by {', '.join(kinds)[:80]}")
    known = site.sizes(shape)
    if default.rank or (known is not None and any(size != -1 for size in known)):
        site.refuse("ragged tensors of a shape that is told, or with a default that has axes")
    places, sizes = _places(site, [whole(site, each) for each in partitions], values)
    tail = shape_of(values)
    inner = values.shape[1:]
    if inner:
        sizes = concat(sizes, _cut(tail, 1, 0), axis=0)
    made = broadcast(default, sizes, shape=(*unknown(len(partitions) + 1), *inner))
    return scatter_nd(made, places, values, reduction="none")


@handlers.layer("StringSplitV2")
def cut(site: Site, x: Value, separator: Value) -> Sequence[Value]:
    """The pieces of strings [N] between separators, or between white space (string_split_op.cc)."""
    found, most = site.array(separator, "a separator"), site.integer("maxsplit")
    delimiter = str(found.reshape(-1)[0]) if found.size else ""
    if most == 0:
        site.refuse("strings that are cut into no pieces (maxsplit = 0)")
    limit = most if most > 0 else None
    if delimiter:
        return _sparse(*string_split(x, delimiter=delimiter, limit=limit))
    return _sparse(*string_pieces(x, at="spaces", signs="", keep_empty=True, limit=limit))


@handlers.layer("StringSplit")
def cut_at_signs(site: Site, x: Value, signs: Value) -> Sequence[Value]:
    """The pieces of strings [N] between any of some characters."""
    found = str(site.array(signs, "separators").reshape(-1)[0])
    if not found or not found.isascii():
        site.refuse("strings that are cut into single bytes")
    return _sparse(*string_pieces(x, at="signs", signs=found, keep_empty=not site.flag("skip_empty"), limit=None))


def _sparse(pieces: Value, counts: Value) -> Sequence[Value]:
    """Places, values and sizes of pieces [N, most pieces] of which `counts` [N] are there."""
    line = iota(shape=pieces.shape, axis=1, dtype=DType.INT64)
    is_there = compare.less(line, broadcast(reshape(counts, shape=(*counts.shape, 1)), shape=pieces.shape))
    places = transpose(nonzero(is_there), perm=(1, 0))
    return places, gather_nd(pieces, places), shape_of(pieces)
