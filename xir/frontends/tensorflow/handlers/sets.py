"""Sets in the rows of tensors, dense or sparse: tensorflow/core/kernels/set_kernels.cc.

A set is what differs among the elements along the last axis; what stands before that axis tells the sets apart.
Elements are numbered in their order, so that numbers and strings are handled alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers._sizes import whole
from xir.frontends.tensorflow.handlers.sparse import strides
from xir.ir.constant import constant_of
from xir.ir.dims import product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare
from xir.ops._build import scalar_like
from xir.ops.constant import constant
from xir.ops.elementwise import add, div, maximum, mod, mul, sub
from xir.ops.finding import nonzero, unique
from xir.ops.index import gather
from xir.ops.places import scatter_nd
from xir.ops.reduce import reduce_max, reduce_sum
from xir.ops.shape import broadcast, concat, iota, pad, reshape, shape_of, slice_

handlers: Handlers[Handler] = Handlers("tensorflow")


def _without(a: Value, b: Value) -> Value:
    return compare.logical_and(a, compare.logical_not(b))


_OPERATIONS: dict[str, Callable[[Value, Value], Value]] = {
    "a-b": _without,
    "b-a": lambda a, b: _without(b, a),
    "intersection": compare.logical_and,
    "union": compare.logical_or,
}
"""{name: which elements are kept, of whether they are in the first and in the second set}."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Elements with their sets.

    Attributes:
        values: the elements, [N].
        sets: the number of each one's set, i64 [N].
        sizes: the axes that tell the sets apart, i64 [axes].
        axes: how many these are.
    """

    values: Value
    sets: Value
    sizes: Value
    axes: int


def _dense(site: Site, x: Value) -> _Rows:
    if x.rank < 2:
        site.invalid(f"{x.type!r} has no rows of sets: two axes or more are needed")
    axes = x.rank - 1
    count = product(x.shape[:-1])
    line = reshape(iota(shape=(count,), axis=0, dtype=DType.INT64), shape=(count, 1))
    every = reshape(broadcast(line, shape=(count, x.shape[-1])), shape=(count * x.shape[-1],))
    return _Rows(reshape(x, shape=every.shape), every, _front(shape_of(x), axes), axes)


def _sparse(site: Site, places: Value, values: Value, sizes: Value) -> _Rows:
    width = places.shape[1]
    if not isinstance(width, int) or width < 2:
        site.invalid(f"{places.type!r} are no places of rows of sets: two axes or more are needed")
    front = _front(sizes, width - 1)
    own = slice_(places, axes=(1,), starts=(0,), stops=(width - 1,), steps=(1,))
    steps = broadcast(reshape(strides(front), shape=(1, width - 1)), shape=own.shape)
    return _Rows(values, reduce_sum(mul(own, steps), axes=(1,), keep_dims=False), front, width - 1)


def _front(sizes: Value, count: int) -> Value:
    return slice_(sizes, axes=(0,), starts=(0,), stops=(count,), steps=(1,))


@handlers.layer("DenseToDenseSetOperation")
def of_dense(site: Site, a: Value, b: Value) -> Sequence[Value]:
    """What two tensors' sets make: places, values and sizes of a sparse tensor."""
    return _operated(site, _dense(site, a), _dense(site, b))


@handlers.layer("DenseToSparseSetOperation")
def of_dense_and_sparse(site: Site, a: Value, places: Value, values: Value, sizes: Value) -> Sequence[Value]:
    """The same of a tensor and a sparse one."""
    return _operated(site, _dense(site, a), _sparse(site, places, values, sizes))


@handlers.layer("SparseToSparseSetOperation")
def of_sparse(site: Site, *parts: Value) -> Sequence[Value]:
    """The same of two sparse ones."""
    return _operated(site, _sparse(site, *parts[:3]), _sparse(site, *parts[3:]))


def _operated(site: Site, a: _Rows, b: _Rows) -> Sequence[Value]:
    site.ignore("validate_indices")
    operation = site.text("set_operation").lower()
    if operation not in _OPERATIONS or a.axes != b.axes:
        site.invalid(f"the operation {operation[:40]!r} of sets of {a.axes} and {b.axes} axes")
    dtype, every = a.values.dtype, concat(a.values, b.values, axis=0)
    wide = every if dtype is DType.STRING else whole(site, every)
    words, _, numbers, _ = unique(wide, axis=None, sorted=True)
    count = maximum(reshape(shape_of(words), shape=()), _number(1))
    owners = concat(a.sets, b.sets, axis=0)
    keys, _, place, _ = unique(add(mul(owners, _spread(count, owners)), numbers), axis=None, sorted=True)
    border = a.values.shape[0]
    first = slice_(place, axes=(0,), starts=(0,), stops=(border,), steps=(1,))
    second = slice_(place, axes=(0,), starts=(border,), stops=(place.shape[0],), steps=(1,))
    kept = nonzero(_OPERATIONS[operation](_marked(keys, first), _marked(keys, second)))
    found = gather(keys, reshape(kept, shape=kept.shape[1:]), axis=0)
    width = _spread(count, found)
    values = gather(words, mod(found, width, floored=True), axis=0)
    return _placed(a, div(found, width), values if dtype is DType.STRING else site.cast(values, dtype))


def _marked(keys: Value, places: Value) -> Value:
    """Which of the keys stand at these places of them."""
    zeros = mul(keys, scalar_like(keys, 0))
    ones = scalar_like(places, 1)
    held = scatter_nd(zeros, reshape(places, shape=(*places.shape, 1)), ones, reduction="none")
    return compare.equal(held, scalar_like(held, 1))


def _placed(like: _Rows, sets: Value, values: Value) -> Sequence[Value]:
    """A sparse tensor of sets that stand one behind another, as wide as the largest of them."""
    _, starts, own, counts = unique(sets, axis=None, sorted=True)
    inside = sub(iota(shape=sets.shape, axis=0, dtype=DType.INT64), gather(starts, own, axis=0))
    shape = (sets.shape[0], like.axes)
    number = broadcast(reshape(sets, shape=(sets.shape[0], 1)), shape=shape)
    steps = broadcast(reshape(strides(like.sizes), shape=(1, like.axes)), shape=shape)
    limits = broadcast(reshape(like.sizes, shape=(1, like.axes)), shape=shape)
    outer = mod(div(number, steps), limits, floored=True)
    most = reduce_max(pad(counts, padding=((0, 1),)), axes=(0,), keep_dims=True)
    places = concat(outer, reshape(inside, shape=(sets.shape[0], 1)), axis=1)
    return places, values, concat(like.sizes, most, axis=0)


def _number(value: int) -> Value:
    return constant(value=constant_of(np.asarray(value, np.int64)))


def _spread(number: Value, like: Value) -> Value:
    return broadcast(reshape(number, shape=(1,)), shape=like.shape)
