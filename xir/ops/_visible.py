"""Which keys a query sees: masks, causal order, windows and padding, as one bias that is added to the products."""

from __future__ import annotations

import numpy as np

from xir.ir.constant import Array
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._wide import scalar, wide
from xir.ops._windows import Numbers, widened
from xir.ops.compare import equal, less, less_equal, logical_and
from xir.ops.elementwise import add, select, sub
from xir.ops.padding import pad
from xir.ops.reduce import reduce_max
from xir.ops.shape import broadcast, iota, reshape, reverse, slice_


def may_hide_rows(mask: Value | None, valid: Value | None, left: int | None, right: int | None) -> bool:
    """Whether a query may see no key at all; causal order alone always leaves the first one."""
    return any(each is not None for each in (mask, valid, left, right))


def numeric_bias(
    scores: Numbers,
    mask: Array | None,
    past: int,
    valid: Array | None,
    causal: bool,
    left: int | None,
    right: int | None,
) -> Numbers | None:
    """The bias of `scores: [B, H, L, T]`: the mask, -inf where a key is not seen; None where all are."""
    length, total = scores.shape[2:]
    bias: Numbers | None = None if mask is None else _of_mask(mask, total, scores.dtype)
    query = np.arange(length, dtype=np.int64).reshape(length, 1)
    key = np.arange(total, dtype=np.int64)
    counts = None if valid is None else valid.reshape(-1, 1, 1, 1).astype(np.int64)
    place = query + past if counts is None else query + (counts - length)
    tests = [
        key <= place if causal else None,
        place - key <= left if left is not None else None,
        key - place <= right if right is not None else None,
        key < counts if counts is not None else None,
    ]
    for seen in tests:
        if seen is not None:
            bias = np.where(seen, np.zeros((), scores.dtype) if bias is None else bias, scores.dtype.type(-np.inf))
    return bias if bias is None or bias.ndim == 4 else bias.reshape(1, 1, *bias.shape)


def _of_mask(mask: Array, total: int, dtype: np.dtype[np.float64]) -> Numbers:
    bias = np.where(mask, 0, -np.inf) if mask.dtype == np.bool_ else widened(mask)
    more = ((0, 0), (0, 0), (0, 0), (0, total - mask.shape[3]))
    return np.pad(bias, more, constant_values=-np.inf).astype(dtype)


def built_bias(
    scores: Value,
    mask: Value | None,
    past: Dim,
    valid: Value | None,
    causal: bool,
    left: int | None,
    right: int | None,
) -> Value | None:
    """`numeric_bias` as a graph, in the shape of `scores`."""
    seen = _built_seen(scores, past, valid, causal, left, right)
    if mask is None and seen is None:
        return None
    nothing = broadcast(scalar(scores.dtype, 0.0), shape=scores.shape)
    never = broadcast(scalar(scores.dtype, -np.inf), shape=scores.shape)
    bias = nothing if mask is None else _built_of_mask(mask, scores)
    return bias if seen is None else select(broadcast(seen, shape=scores.shape), bias, never)


def _built_of_mask(mask: Value, scores: Value) -> Value:
    if mask.dtype is DType.BOOL:
        taken, left_out = (broadcast(scalar(scores.dtype, each), shape=mask.shape) for each in (0.0, -np.inf))
        mask = select(mask, taken, left_out)
    bias, total = wide(mask), scores.shape[3]
    if mask.shape[3] != total:
        bias = pad(bias, padding=((0, 0), (0, 0), (0, 0), (0, total - mask.shape[3])), value=-np.inf)
    return broadcast(bias, shape=scores.shape)


def _built_seen(
    scores: Value, past: Dim, valid: Value | None, causal: bool, left: int | None, right: int | None
) -> Value | None:
    """Whether each key is seen, bool [B or 1, 1, L, T]; None where all are."""
    batch, _, length, total = scores.shape
    batch = 1 if valid is None else batch
    grid = (batch, 1, length, total)
    key = broadcast(iota(shape=(total,), axis=0, dtype=DType.INT64), shape=grid)
    place = broadcast(_built_places(length, past, valid), shape=grid)
    tests: list[Value] = []
    if causal:
        tests.append(less_equal(key, place))
    if left is not None:
        tests.append(less_equal(sub(place, key), _number(left, place)))
    if right is not None:
        tests.append(less_equal(sub(key, place), _number(right, place)))
    if valid is not None:
        tests.append(less(key, broadcast(reshape(valid, shape=(batch, 1, 1, 1)), shape=grid)))
    found: Value | None = None
    for test in tests:
        found = test if found is None else logical_and(found, test)
    return found


def _number(number: int, like: Value) -> Value:
    return broadcast(scalar(like.dtype, number), shape=like.shape)


def _built_places(length: Dim, past: Dim, valid: Value | None) -> Value:
    """The position of each query, i64 [B or 1, 1, L, 1]."""
    if valid is None:
        line = iota(shape=(past + length,), axis=0, dtype=DType.INT64)
        if past != 0:
            line = slice_(line, axes=(0,), starts=(past,), stops=(past + length,), steps=(1,))
        return reshape(line, shape=(1, 1, length, 1))
    back = reverse(iota(shape=(length,), axis=0, dtype=DType.INT64), axes=(0,))
    shape = (valid.shape[0], 1, length, 1)
    behind = broadcast(reshape(add(back, _number(1, back)), shape=(1, 1, length, 1)), shape=shape)
    return sub(broadcast(reshape(valid, shape=(valid.shape[0], 1, 1, 1)), shape=shape), behind)


def hidden_rows(bias: Value) -> Value:
    """Whether a query sees no key of `bias: [B, H, L, T]`, bool [B, H, L, 1]."""
    most = reduce_max(bias, axes=(3,), keep_dims=True)
    never = broadcast(scalar(bias.dtype, -np.inf), shape=most.shape)
    return equal(most, never)
