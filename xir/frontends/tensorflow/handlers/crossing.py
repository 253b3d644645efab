"""Features of rows that are crossed: each of one column with each of the others (sparse_cross_op.cc)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from xir.frontends._crossing import crossed
from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.ir.constant import constant_of
from xir.ir.dims import product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._targets import size_value
from xir.ops.cast import number_to_text
from xir.ops.constant import constant
from xir.ops.shape import broadcast, concat, iota, reshape
from xir.ops.strings import string_concat

handlers: Handlers[Handler] = Handlers("tensorflow")


@handlers.layer("SparseCross")
def crossed_columns(site: Site, *columns: Value) -> Sequence[Value]:
    """Buckets, or texts with `_X_` between them, of features of dense columns: a sparse tensor without gaps."""
    spread = _spread(site, columns)
    key, buckets = site.integer("hash_key"), site.integer("num_buckets")
    if site.flag("hashed_output"):
        return _sparse(crossed(spread, key=key % (1 << 64), buckets=buckets))
    return _sparse(_joined(spread, "_X_"))


@handlers.layer("SparseCrossV2")
def crossed_texts(site: Site, *operands: Value) -> Sequence[Value]:
    """Texts of the same with a separator that is an operand."""
    *columns, separator = operands
    return _sparse(_joined(_spread(site, columns), str(site.array(separator, "a separator").reshape(-1)[0])))


def _spread(site: Site, columns: Sequence[Value]) -> list[Value]:
    """Columns [N, F...] as tensors [N, F, G ...] of all features, those of the last column changing first."""
    if site.integer("N") or not columns:
        site.refuse("columns of sparse features", "make them dense before they are crossed")
    if any(column.rank != 2 for column in columns):
        site.invalid(f"{[column.type for column in columns]} are crossed, expected rows of features")
    shape = (columns[0].shape[0], *(column.shape[1] for column in columns))
    made: list[Value] = []
    for place, column in enumerate(columns):
        own = (column.shape[0], *(column.shape[1] if each == place else 1 for each in range(len(columns))))
        made.append(broadcast(reshape(column, shape=own), shape=shape))
    return made


def _joined(columns: Sequence[Value], separator: str) -> Value:
    texts = [each if each.dtype is DType.STRING else number_to_text(each) for each in columns]
    between = broadcast(constant(value=constant_of(np.asarray(separator, object))), shape=texts[0].shape)
    return reduce(lambda made, each: string_concat(string_concat(made, between), each), texts)


def _sparse(x: Value) -> Sequence[Value]:
    """Places, values and sizes of what is crossed [N, F ...], a row for each example."""
    rows, count = x.shape[0], product(x.shape[1:])
    places = (
        reshape(iota(shape=(rows, count), axis=axis, dtype=DType.INT64), shape=(rows * count, 1)) for axis in range(2)
    )
    sizes = (reshape(size_value(size, DType.INT64), shape=(1,)) for size in (rows, count))
    return concat(*places, axis=1), reshape(x, shape=(rows * count,)), concat(*sizes, axis=0)
