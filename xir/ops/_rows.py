"""Graphs of tables of rows whose number only the run tells: columns, rows that are picked, the row for "nothing".

The number of rows is a symbol of its own for each application of an operator, so these graphs avoid attributes that
mention it: they slice, gather and concatenate, and let ONNX find sizes by itself.
"""

from __future__ import annotations

import numpy as np

from xir.ir.constant import constant_of
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._build import scalar_like
from xir.ops.compare import equal, greater_equal
from xir.ops.constant import constant
from xir.ops.elementwise import abs_, add, cast, floor, mul, select, sign, sub
from xir.ops.index import compress, gather, gather_nd
from xir.ops.shape import broadcast, concat, iota, reshape, shape_of, slice_


def part(x: Value, axis: int, start: Dim, stop: Dim) -> Value:
    """The elements from `start` up to, not with, `stop` along `axis`."""
    return slice_(x, axes=(axis,), starts=(start,), stops=(stop,), steps=(1,))


def column(table: Value, index: int) -> Value:
    """Column `index` of `table: [K, C]`, [K]."""
    return gather(table, constant(value=constant_of(np.array(index, np.int64))), axis=1)


def scaled(x: Value, factor: float) -> Value:
    """`x * factor`."""
    return mul(x, scalar_like(x, factor))


def shifted(x: Value, amount: float) -> Value:
    """`x + amount`."""
    return add(x, scalar_like(x, amount))


def widened_value(x: Value) -> Value:
    """`x`, in f32 when its own floats are narrower: the type in which references take sums."""
    return cast(x, dtype=DType.FLOAT32) if x.dtype.is_floating and x.dtype.bits < 32 else x


def narrowed_value(x: Value, like: Value) -> Value:
    """`x` in the element type of `like`."""
    return x if x.dtype is like.dtype else cast(x, dtype=like.dtype)


def rounded_half_away(x: Value) -> Value:
    """The nearest whole number, halves away from zero: C's `round`."""
    size = abs_(x)
    whole = floor(size)
    up = greater_equal(sub(size, whole), scalar_like(x, 0.5))
    return mul(select(up, shifted(whole, 1), whole), sign(x))


def picked(table: Value, indices: Value) -> Value:
    """Rows of `table` [P, ...] by their number, [K, ...]."""
    return gather(table, indices, axis=0)


def picked_nd(table: Value, rows: Value) -> Value:
    """Elements (or rows) of `table` by their coordinates, rows of `rows: i64[K, C]`."""
    return gather_nd(table, rows)


def number_vector(values: list[float], dtype: DType) -> Value:
    """A literal vector."""
    return constant(value=constant_of(np.array(values).astype(dtype.dtype)))


def rows_or_none(rows: Value, images: Dim) -> Value:
    """`rows: [K, 7]` as [1, 1, K, 7]; when K is 0, one row (image, -1, -1, -1, -1, -1, -1) for each of `images`.

    (detection_output_layer.cpp: "Generate fake results per image")
    """
    dtype = rows.dtype
    nothing = broadcast(number_vector([-1.0], dtype), shape=(images, 6))
    spare = concat(iota(shape=(images, 1), axis=0, dtype=dtype), nothing, axis=1)
    count = part(shape_of(rows), 0, 0, 1)
    empty = equal(count, scalar_like(count, 0))
    every = concat(rows, compress(spare, broadcast(empty, shape=(images,)), axis=0), axis=0)
    target = constant(value=constant_of(np.array([1, 1, -1, 7], np.int64)))
    return reshape(every, target, shape=(1, 1, *every.shape))
