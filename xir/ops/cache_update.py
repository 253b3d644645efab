"""Writing new entries into a cache of fixed size, at a place of its own for each batch element."""

from __future__ import annotations

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._checks import require_axis, require_dtype, require_same_dtype, require_same_shape
from xir.ops._define import op
from xir.ops._sizes import size_of
from xir.ops._windows import Numbers
from xir.ops.arithmetic import mod
from xir.ops.elementwise import add
from xir.ops.index import scatter_elements
from xir.ops.shape import broadcast, iota, reshape


@op
def cache_update(cache: Value, update: Value, places: Value | None = None, *, axis: int, circular: bool) -> TensorType:
    """`cache` with `update` written along `axis` from places[b] on, for each batch element b (ONNX TensorScatter).

    cache: any tensor [B, ..., T, ...], T on `axis` > 0; update: its dtype and shape but for S <= T on `axis`; places:
    i64[B], 0 where absent. `circular`: behind the end it goes on at the front; else all of it must fit. Result: the
    type of `cache`.
    """
    require_same_dtype(cache, update)
    require_axis(cache, axis)
    if axis == 0:
        raise InvalidModelError("axis 0 is that of the batch, and nothing is appended along it")
    sizes = (*cache.shape[:axis], update.shape[axis] if axis < update.rank else 0, *cache.shape[axis + 1 :])
    require_same_shape(update.shape, sizes)
    have, new = cache.shape[axis], update.shape[axis]
    if isinstance(have, int) and isinstance(new, int) and new > have:
        raise InvalidModelError(f"{new} entries do not fit into a cache of {have}")
    if places is not None:
        require_dtype(places, DType.INT64)
        require_same_shape(places.shape, (cache.shape[0],))
    return cache.tensor


@cache_update.reference
def _cache_update_reference(cache: Array, update: Array, places: Array | None, *, axis: int, circular: bool) -> Array:
    result, size, count = cache.copy(), cache.shape[axis], update.shape[axis]
    starts: list[int] = [0] * cache.shape[0] if places is None else [int(place) for place in _items(places)]
    for batch, start in enumerate(starts):
        rows = np.arange(start, start + count)
        if circular:
            rows = rows % max(size, 1)
        elif start < 0 or start + count > size:
            raise InvalidModelError(f"{count} entries from place {start} on do not fit into a cache of {size}")
        result[batch][(slice(None),) * (axis - 1) + (rows,)] = update[batch]
    return result


def _items(places: Numbers | Array) -> list[int]:
    return [int(item) for item in places.astype(np.int64).tolist()]


@cache_update.decompose
def _cache_update_decompose(
    cache: Value, update: Value, places: Value | None = None, *, axis: int, circular: bool
) -> Value:
    rows = iota(shape=update.shape, axis=axis, dtype=DType.INT64)
    if places is not None:
        first = reshape(places, shape=(cache.shape[0], *(1,) * (cache.rank - 1)))
        rows = add(rows, broadcast(first, shape=update.shape))
    if circular:
        rows = mod(rows, broadcast(size_of(cache, axis), shape=rows.shape), floored=True)
    return scatter_elements(cache, rows, update, axis=axis, reduction="none")
