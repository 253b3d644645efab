"""Rows of ragged tensors: one taken out of a list, one put into it."""

from __future__ import annotations

import numpy as np

from xir.frontends.tensorflow._arrays import without_values
from xir.frontends.tensorflow._handles import Operand, Ragged, RaggedList
from xir.frontends.tensorflow._site import Site
from xir.frontends.tensorflow.handlers._sizes import whole
from xir.ir.constant import constant_of
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare
from xir.ops._targets import size_value
from xir.ops.constant import constant
from xir.ops.elementwise import add, select, sub
from xir.ops.index import gather
from xir.ops.shape import broadcast, concat, iota, reshape, shape_of, slice_


def row_of(site: Site, held: RaggedList, index: Value) -> Ragged:
    """An element of a list."""
    if held.rows is None:
        site.refuse("a list that is read before anything is written into it")
    place = reshape(whole(site, index), shape=())
    (outer, *inner), values = held.rows.splits, held.rows.values
    start, stop = _at(outer, place), _at(outer, add(place, _one()))
    own: list[Value] = []
    for splits in inner:
        first = _at(splits, start)
        own.append(_moved(_between(splits, start, add(stop, _one())), sub(_zero(), first)))
        start, stop = first, _at(splits, stop)
    return Ragged(tuple(own), _between(values, start, stop))


def with_row(site: Site, held: RaggedList, index: Value, item: Operand) -> RaggedList:
    """A list with another element, whatever stood there."""
    if not isinstance(item, Ragged):
        site.refuse("a list of what are no ragged tensors")
    place = reshape(whole(site, index), shape=())
    rows = held.rows or without_values(held.size, len(item.splits) + 1, item.values)
    if len(rows.splits) != len(item.splits) + 1:
        site.invalid(f"an element with {len(item.splits)} ragged axes among those with {len(rows.splits) - 1}")
    outer, *inner = rows.splits
    start, stop = _at(outer, place), _at(outer, add(place, _one()))
    line = iota(shape=outer.shape, axis=0, dtype=DType.INT64)
    count = sub(_count(item.splits[0]), _one()) if item.splits else _count(item.values)
    more = sub(count, sub(stop, start))
    is_behind = compare.greater(line, broadcast(place, shape=line.shape))
    made = [select(is_behind, _moved(outer, more), outer)]
    for splits, own in zip(inner, item.splits, strict=True):
        first, last = _at(splits, start), _at(splits, stop)
        before = _between(splits, _zero(), add(start, _one()))
        ends = _at(own, sub(_count(own), _one()))
        after = _moved(_between(splits, add(stop, _one()), _count(splits)), sub(add(ends, first), last))
        made.append(concat(before, _moved(_behind(own), first), after, axis=0))
        start, stop = first, last
    parts = (_between(rows.values, _zero(), start), item.values, _between(rows.values, stop, _count(rows.values)))
    return RaggedList(held.size, Ragged(tuple(made), concat(*parts, axis=0)))


def _count(x: Value) -> Value:
    """How many rows there are; of what a slice makes nothing but its shape tells."""
    size = x.shape[0]
    return size_value(size, DType.INT64) if isinstance(size, int) else _at(shape_of(x), _zero())


def _zero() -> Value:
    return constant(value=constant_of(np.zeros((), np.int64)))


def _one() -> Value:
    return constant(value=constant_of(np.ones((), np.int64)))


def _at(splits: Value, place: Value) -> Value:
    return gather(splits, place, axis=0)


def _moved(splits: Value, by: Value) -> Value:
    return add(splits, broadcast(by, shape=splits.shape))


def _behind(splits: Value) -> Value:
    """All but the first."""
    return slice_(splits, axes=(0,), starts=(1,), stops=(splits.shape[0],), steps=(1,))


def _between(x: Value, start: Value, stop: Value) -> Value:
    """The rows from one place up to another, both i64 without axes."""
    ends = (reshape(start, shape=(1,)), reshape(stop, shape=(1,)))
    return slice_(x, *ends, axes=(0,), starts=(0,), stops=(Symbol(),), steps=(1,))
