"""Sparse tensors: places [N, axes], values [N] and sizes [axes]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers._sizes import unknown
from xir.frontends.tensorflow.handlers.index import zeros
from xir.ir.constant import constant_of
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare
from xir.ops._build import scalar_like
from xir.ops._targets import size_value
from xir.ops.constant import constant
from xir.ops.elementwise import add, div, maximum, mod, mul, neg, select
from xir.ops.finding import nonzero
from xir.ops.index import gather, gather_nd
from xir.ops.matmul import matmul
from xir.ops.places import scatter_nd
from xir.ops.reduce import arg_max, reduce_max, reduce_prod, reduce_sum, top_k
from xir.ops.running import cumprod, cumsum
from xir.ops.shape import broadcast, concat, iota, pad, reshape, slice_, transpose

handlers: Handlers[Handler] = Handlers("tensorflow")


def column(x: Value, place: int) -> Value:
    """A column of a matrix, as a vector."""
    return reshape(slice_(x, axes=(1,), starts=(place,), stops=(place + 1,), steps=(1,)), shape=x.shape[:1])


def strides(sizes: Value) -> Value:
    """How many elements lie between neighbours along each axis."""
    return cumprod(sizes, axis=0, exclusive=True, reverse=True)


@handlers.layer("SparseReshape")
def reshaped(site: Site, places: Value, sizes: Value, target: Value) -> Sequence[Value]:
    """The places of the same elements in another shape; one size of it may be -1 (sparse_reshape_op.cc)."""
    total = reduce_prod(sizes, axes=(0,), keep_dims=True)
    is_open = compare.equal(target, scalar_like(target, -1))
    rest = reduce_prod(select(is_open, scalar_like(target, 1), target), axes=(0,), keep_dims=True)
    new = select(is_open, broadcast(div(total, rest), shape=target.shape), target)
    steps = strides(sizes)
    flat = reduce_sum(mul(places, broadcast(steps, shape=places.shape)), axes=(1,), keep_dims=True)
    shape = (places.shape[0], target.shape[0])
    number = broadcast(flat, shape=shape)
    turns = div(number, broadcast(strides(new), shape=shape))
    return mod(turns, broadcast(new, shape=shape), floored=True), new


@handlers.layer("SparseTensorDenseMatMul")
def product(site: Site, places: Value, values: Value, sizes: Value, other: Value) -> Value:
    """The product of a sparse matrix and another one."""
    known = site.sizes(sizes)
    a = zeros(site, values.dtype, sizes) if known is None else zeros_like_sizes(values.dtype, known)
    a = scatter_nd(a, site.cast(places, DType.INT64), values, reduction="add")
    if site.flag("adjoint_a"):
        a = transpose(a, perm=(1, 0))
    return matmul(a, transpose(other, perm=(1, 0)) if site.flag("adjoint_b") else other)


def zeros_like_sizes(dtype: DType, sizes: Sequence[Dim]) -> Value:
    """Zeros of known sizes."""
    return broadcast(constant(value=constant_of(np.zeros((), dtype.dtype))), shape=tuple(sizes))


@handlers.layer("SparseFillEmptyRows")
def filled(site: Site, places: Value, values: Value, sizes: Value, default: Value) -> Sequence[Value]:
    """Rows without elements get the default at their first place; all come in the order of rows."""
    row = column(places, 0)
    known = site.sizes(sizes)
    rows: Dim = unknown(1)[0] if known is None else known[0]
    count = slice_(sizes, axes=(0,), starts=(0,), stops=(1,), steps=(1,))
    none = broadcast(constant(value=constant_of(np.zeros((), np.int64))), count, shape=(rows,))
    held = scatter_nd(none, reshape(row, shape=(*row.shape, 1)), scalar_like(row, 1), reduction="add")
    is_empty = compare.equal(held, scalar_like(held, 0))
    before = cumsum(site.cast(is_empty, DType.INT64), axis=0, exclusive=True)
    place = add(_order(row), gather(before, row, axis=0))
    found = nonzero(is_empty)
    missing = reshape(found, shape=found.shape[1:])
    taken = cumsum(held, axis=0, exclusive=True)
    spare = add(gather(taken, missing, axis=0), gather(before, missing, axis=0))
    target = concat(place, spare, axis=0)
    new = _rows_of(missing, places)
    column_of_target = reshape(target, shape=(*target.shape, 1))
    every = concat(places, new, axis=0)
    words = concat(values, broadcast(default, shape=missing.shape), axis=0)
    index = scatter_nd(every, column_of_target, every, reduction="none")
    return index, scatter_nd(words, column_of_target, words, reduction="none"), is_empty, place


def _order(row: Value) -> Value:
    """The place of each element among all that are sorted by their rows, those of one row in their order."""
    _, first = top_k(row, k=row.shape[0], axis=0, largest=False)
    line = iota(shape=row.shape, axis=0, dtype=DType.INT64)
    return scatter_nd(line, reshape(first, shape=(*first.shape, 1)), line, reduction="none")


def _rows_of(rows: Value, places: Value) -> Value:
    """Places [N, axes] at the start of rows."""
    head = reshape(rows, shape=(*rows.shape, 1))
    rest = places.shape[1] - 1
    zero = constant(value=constant_of(np.zeros((), np.int64)))
    return concat(head, broadcast(zero, shape=(rows.shape[0], rest)), axis=1) if rest != 0 else head


@handlers.layer("CTCGreedyDecoder")
def decoded(site: Site, x: Value, lengths: Value) -> Sequence[Value]:
    """The likeliest class of each step [T, N, C], without blanks and repetitions: sparse [N, most], and -sum of scores.

    (tensorflow/core/util/ctc/ctc_decoder.h, CTCGreedyDecoder)
    """
    steps, rows, classes = x.shape
    if not isinstance(classes, int):
        site.refuse("classes whose number only the run tells", "type the inputs: --input")
    given = site.integer("blank_index")
    blank = given if given >= 0 else classes + given
    scores = transpose(x, perm=(1, 0, 2))
    best = arg_max(scores, axis=2, keep_dims=False)
    line = iota(shape=(rows, steps), axis=1, dtype=DType.INT64)
    ends = reshape(site.cast(lengths, DType.INT64), shape=(rows, 1))
    is_heard = compare.less(line, broadcast(ends, shape=best.shape))
    is_kept = compare.logical_and(is_heard, compare.not_equal(best, scalar_like(best, blank)))
    if site.flag("merge_repeated"):
        before = pad(slice_(best, axes=(1,), starts=(0,), stops=(steps - 1,), steps=(1,)), padding=((0, 0), (1, 0)))
        is_new = compare.not_equal(best, before)
        is_first = compare.equal(line, scalar_like(line, 0))
        is_kept = compare.logical_and(is_kept, compare.logical_or(is_new, is_first))
    counted = site.cast(is_kept, DType.INT64)
    found = transpose(nonzero(is_kept), perm=(1, 0))
    order = gather_nd(cumsum(counted, axis=1, exclusive=True), found)
    row = reshape(column(found, 0), shape=(found.shape[0], 1))
    places = concat(row, reshape(order, shape=(found.shape[0], 1)), axis=1)
    most = reduce_max(reduce_sum(counted, axes=(1,), keep_dims=False), axes=(0,), keep_dims=True)
    sizes = concat(reshape(size_value(rows, DType.INT64), shape=(1,)), maximum(most, scalar_like(most, 0)), axis=0)
    highest = reduce_max(scores, axes=(2,), keep_dims=False)
    total = reduce_sum(select(is_heard, highest, scalar_like(highest, 0)), axes=(1,), keep_dims=True)
    return places, gather_nd(best, found), sizes, neg(total)
