"""Looking values up in tables: labels of classes, categories, vocabularies."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from xir.errors import InvalidModelError
from xir.ir.constant import Array, Constant
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._checks import require_dtype
from xir.ops._define import op

_HOST = "a table is searched, and keys may be text"
_NO_GRADIENT = "what is looked up is no function of numbers that could have a slope"


def positions(keys: Array, x: Array) -> NDArray[np.int64]:
    """Where each element of `x` stands in `keys`, the last of equal ones; -1 where it does not.

    NaN finds NaN, and -0 finds 0.
    """
    if keys.dtype == object:
        table = {key: index for index, key in enumerate(keys.tolist())}
        found = [table.get(item, -1) for item in x.reshape(-1).tolist()]
        return np.asarray(found, np.int64).reshape(x.shape)
    known, last = np.unique(keys[::-1], return_index=True)
    if not known.size:
        return np.full(x.shape, -1, np.int64)
    flat = x.reshape(-1)
    near = np.minimum(np.searchsorted(known, flat), known.size - 1)
    hit = known[near] == flat
    if known.dtype.kind == "f":
        hit |= np.isnan(cast("NDArray[np.float64]", known[near])) & np.isnan(cast("NDArray[np.float64]", flat))
    return np.where(hit, keys.size - 1 - last[near], -1).reshape(x.shape)


def _require_vector(table: Constant, what: str, *dtypes: DType) -> int:
    """Checks that a table is a vector of one of the element types; its length."""
    if len(table.shape) != 1 or table.dtype not in dtypes:
        raise InvalidModelError(f"{what} must be a vector of {' or '.join(map(str, dtypes))}, got {table.type!r}")
    return table.shape[0]


_LOOKED_UP = (DType.STRING, DType.FLOAT32, DType.FLOAT64, DType.INT64, DType.INT32, DType.INT16)


@op
def lookup(x: Value, *, keys: Constant, values: Constant, default: Constant) -> TensorType:
    """The entry of `values` whose place is that of the element in `keys`, or `default` (ONNX LabelEncoder).

    x: text, f32, f64, i64, i32 or i16 of any shape, the element type of `keys`; result: the shape of `x`, the element
    type of `values`. keys, values: [K]; default: one element. NaN finds NaN; of equal keys the last counts.
    """
    count = _require_vector(keys, "keys", *_LOOKED_UP)
    require_dtype(x, keys.dtype)
    if _require_vector(values, "values", *_LOOKED_UP) != count or default.dtype is not values.dtype:
        raise InvalidModelError(f"{count} keys, {values.type!r} values, a default {default.type!r}: they do not fit")
    if default.elements != 1:
        raise InvalidModelError(f"one default is needed, got {default.type!r}")
    return x.tensor.with_dtype(values.dtype)


@lookup.reference
def _lookup_reference(x: Array, *, keys: Constant, values: Constant, default: Constant) -> Array:
    table = np.concatenate((values.array(), default.array().reshape(1)))
    return np.asarray(table[positions(keys.array(), x)])


lookup.host(_HOST)
lookup.no_gradient(_NO_GRADIENT)


@op
def one_hot_categories(x: Value, *, categories: Constant, allow_unknown: bool) -> TensorType:
    """1 in the place of the element among `categories` and 0 elsewhere, along a new last axis (ONNX OneHotEncoder).

    x: text or i64 of any shape, the element type of `categories`; categories: [C]; result: f32, the shape of `x` and
    C. An element that is no category gets zeros or, without `allow_unknown`, is an error.
    """
    count = _require_vector(categories, "categories", DType.STRING, DType.INT64)
    require_dtype(x, categories.dtype)
    return TensorType(DType.FLOAT32, (*x.shape, count))


@one_hot_categories.reference
def _one_hot_categories_reference(x: Array, *, categories: Constant, allow_unknown: bool) -> Array:
    places = positions(categories.array(), x)
    if not allow_unknown and (places < 0).any():
        unknown = x.reshape(-1)[int(np.flatnonzero(places.reshape(-1) < 0)[0])]
        raise InvalidModelError(f"{unknown!r} is none of the {categories.elements} categories")
    return np.equal(places[..., None], np.arange(categories.elements)).astype(np.float32)


one_hot_categories.host(_HOST)
one_hot_categories.no_gradient(_NO_GRADIENT)
