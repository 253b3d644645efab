"""Scaled dot-product attention with masks, a causal or sliding window, shared heads and a cache of keys and values."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._checks import (
    require_dtype,
    require_floating,
    require_rank,
    require_same_dtype,
    require_same_shape,
    require_size,
)
from xir.ops._define import op
from xir.ops._sizes import size_of
from xir.ops._visible import built_bias, hidden_rows, may_hide_rows, numeric_bias
from xir.ops._wide import narrow, scalar, wide
from xir.ops._windows import Numbers, narrowed, widened
from xir.ops.activation import tanh
from xir.ops.elementwise import add, cast, div, mul, pow_, select
from xir.ops.matmul import matmul
from xir.ops.norm import softmax
from xir.ops.shape import broadcast, concat, reshape, transpose

Shown = Literal["products", "capped", "biased", "weights"]
PRECISIONS = (DType.FLOAT32, DType.FLOAT16, DType.FLOAT64, DType.BFLOAT16)


@op
def attention(
    q: Value,
    k: Value,
    v: Value,
    mask: Value | None = None,
    past_k: Value | None = None,
    past_v: Value | None = None,
    valid: Value | None = None,
    *,
    scale: float | None,
    softcap: float,
    causal: bool,
    left: int | None,
    right: int | None,
    precision: DType | None,
    shown: Shown,
) -> tuple[TensorType, ...]:
    """`softmax(q k^T * scale + bias) v` for each head (ONNX Attention 23 to 25; Vaswani et al. 2017).

    q: [B, G * H, L, D], k: [B, H, S, D], v: [B, H, S, E], floating; each head of k and v serves G heads of q (Ainslie
    et al. 2023). mask: [B or 1, G * H or 1, L or 1, M], M <= T, bool (True takes part) or of the type of q (added);
    behind M nothing takes part. past_k: [B, H, P, D], past_v: [B, H, P, E] stand before k and v: T = P + S. valid:
    i64[B], how many of the T keys of each batch element count (then there is no past).

    Query i stands at position p = P + i (with `valid`: valid - L + i). `causal`: it sees keys up to p; `left`, `right`:
    from p - left, up to p + right. A query that sees nothing gives 0. scale: 1 / sqrt(D) where None; its root goes to q
    and to k. softcap > 0: products become softcap * tanh(products / softcap) before the bias. precision: the type of
    the softmax, that of q where None (or f32, if that is wider).

    Results, in the type of q: y [B, G * H, L, E]; with a past, all keys [B, H, T, D] and values [B, H, T, E]; and [B,
    G * H, L, T], the scaled products, those after the cap, with the bias, or the weights, as `shown` says.
    """
    _require_operands(q, k, v)
    total = _require_past(k, v, past_k, past_v, valid)
    batch, heads, length, _ = q.shape
    if mask is not None:
        _require_mask(mask, q, total)
    if precision is not None and precision not in PRECISIONS:
        raise InvalidModelError(f"a softmax in {precision} is not possible, expected one of {PRECISIONS}")
    if scale is None and q.shape[3] == 0:
        raise InvalidModelError(f"heads without numbers have no scale of their own: {q.type!r}")
    if scale is not None and not scale >= 0:
        raise InvalidModelError(f"the root of the scale goes to q and k, so it is positive, got {scale}")
    for window in (left, right):
        if window is not None and window < 0:
            raise InvalidModelError(f"windows reach 0 or more positions, got {window}")
    y, scores = (q.tensor.with_shape((batch, heads, length, size)) for size in (v.shape[3], total))
    if past_k is None:
        return y, scores
    return y, *(each.tensor.with_shape((*each.shape[:2], total, each.shape[3])) for each in (k, v)), scores


def _require_operands(q: Value, k: Value, v: Value) -> None:
    require_floating(q, k, v)
    require_same_dtype(q, k)
    for value in (q, k, v):
        require_rank(value, 4)
    require_same_shape(k.shape[:3], v.shape[:3])
    require_size(k.shape[0], q.shape[0], "the batch size of the keys")
    require_size(k.shape[3], q.shape[3], "the head size of the keys")
    heads, shared = q.shape[1], k.shape[1]
    if isinstance(heads, int) and isinstance(shared, int) and (shared < 1 or heads % shared):
        raise InvalidModelError(f"{heads} heads of queries cannot share {shared} heads of keys")


def _require_past(k: Value, v: Value, past_k: Value | None, past_v: Value | None, valid: Value | None) -> Dim:
    """Checks the cache; returns the number of keys."""
    if valid is not None:
        require_dtype(valid, DType.INT64)
        require_same_shape(valid.shape, (k.shape[0],))
    if past_k is None or past_v is None:
        if past_k is not past_v:
            raise InvalidModelError("past keys and past values go together, got only one of them")
        return k.shape[2]
    if valid is not None:
        raise InvalidModelError("there is either a past or a number of valid keys, got both")
    require_same_dtype(k, past_k)
    require_same_dtype(v, past_v)
    require_rank(past_k, 4)
    past = past_k.shape[2]
    require_same_shape(past_k.shape, (*k.shape[:2], past, k.shape[3]))
    require_same_shape(past_v.shape, (*v.shape[:2], past, v.shape[3]))
    return past + k.shape[2]


def _require_mask(mask: Value, q: Value, total: Dim) -> None:
    if mask.dtype is not DType.BOOL:
        require_same_dtype(q, mask)
    require_rank(mask, 4)
    for size, wanted in zip(mask.shape[:3], q.shape[:3], strict=True):
        if size != 1:
            require_size(size, wanted, "each size of the mask, where it is not 1,")
    if isinstance(mask.shape[3], int) and isinstance(total, int) and mask.shape[3] > total:
        raise InvalidModelError(f"a mask of {mask.shape[3]} keys is longer than there are keys: {total}")


@attention.reference
def _attention_reference(
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None,
    past_k: Array | None,
    past_v: Array | None,
    valid: Array | None,
    *,
    scale: float | None,
    softcap: float,
    causal: bool,
    left: int | None,
    right: int | None,
    precision: DType | None,
    shown: Shown,
) -> tuple[Array, ...]:
    keys = k if past_k is None else np.concatenate([past_k, k], axis=2)
    values = v if past_v is None else np.concatenate([past_v, v], axis=2)
    wide_q, wide_k = widened(q), widened(keys)
    root = wide_q.dtype.type(math.sqrt(1 / math.sqrt(max(q.shape[3], 1)) if scale is None else scale))
    groups = q.shape[1] // keys.shape[1]
    scores: Numbers = (wide_q * root) @ (np.repeat(wide_k, groups, axis=1) * root).swapaxes(2, 3)
    stages: dict[Shown, Numbers] = {"products": scores}
    if softcap > 0:
        scores = wide_q.dtype.type(softcap) * np.tanh(scores / wide_q.dtype.type(softcap))
    stages["capped"] = scores
    past = 0 if past_k is None else past_k.shape[2]
    bias = numeric_bias(scores, mask, past, valid, causal, left, right)
    if bias is not None:
        with np.errstate(invalid="ignore"):
            scores = scores + bias
    stages["biased"] = scores
    weights = _weights(scores, bias, precision)
    stages["weights"] = weights
    wide_v = np.repeat(widened(values), groups, axis=1).astype(weights.dtype, copy=False)
    y, seen = narrowed(weights @ wide_v, q), narrowed(stages[shown], q)
    return (y, seen) if past_k is None else (y, keys, values, seen)


def _weights(scores: Numbers, bias: Numbers | None, precision: DType | None) -> Numbers:
    """The softmax along the keys; 0 where a query sees nothing."""
    exact = scores if precision is None else scores.astype(precision.dtype)
    data = widened(exact)
    most: Numbers = np.zeros((1, 1, 1, 1)) if bias is None else bias.max(axis=3, keepdims=True, initial=-np.inf)
    hidden = np.isneginf(most)
    data = np.where(hidden, 0, data)
    powers = np.exp(data - data.max(axis=3, keepdims=True, initial=-np.inf))
    weights = np.where(hidden, 0, powers / powers.sum(axis=3, keepdims=True))
    return weights.astype(exact.dtype).astype(scores.dtype)


@attention.decompose
def _attention_decompose(
    q: Value,
    k: Value,
    v: Value,
    mask: Value | None = None,
    past_k: Value | None = None,
    past_v: Value | None = None,
    valid: Value | None = None,
    *,
    scale: float | None,
    softcap: float,
    causal: bool,
    left: int | None,
    right: int | None,
    precision: DType | None,
    shown: Shown,
) -> tuple[Value, ...]:
    keys = k if past_k is None else concat(past_k, k, axis=2)
    values = v if past_v is None else concat(past_v, v, axis=2)
    heads = q.shape[1]
    wide_q, wide_k = _scaled(wide(q), scale), _scaled(wide(keys), scale)
    scores = matmul(wide_q, transpose(repeated_heads(wide_k, heads), perm=(0, 1, 3, 2)))
    stages: dict[Shown, Value] = {"products": scores}
    if softcap > 0:
        bound = broadcast(scalar(scores.dtype, softcap), shape=scores.shape)
        scores = mul(tanh(div(scores, bound)), bound)
    stages["capped"] = scores
    past: Dim = 0 if past_k is None else past_k.shape[2]
    bias = built_bias(scores, mask, past, valid, causal, left, right)
    if bias is not None:
        scores = add(scores, bias)
    stages["biased"] = scores
    hidden = hidden_rows(bias) if bias is not None and may_hide_rows(mask, valid, left, right) else None
    weights = _built_weights(_without(hidden, scores), precision)
    stages["weights"] = _without(hidden, weights)
    y = _without(hidden, matmul(weights, repeated_heads(narrow(wide(values), weights.dtype), heads)))
    y, seen = narrow(y, q.dtype), narrow(stages[shown], q.dtype)
    return (y, seen) if past_k is None else (y, keys, values, seen)


def _scaled(x: Value, scale: float | None) -> Value:
    """`x: [B, H, L, D]` times the root of the scale."""
    if scale == 1:
        return x
    if scale is not None:
        root = scalar(x.dtype, math.sqrt(scale))
    elif isinstance(x.shape[3], int):
        root = scalar(x.dtype, x.shape[3] ** -0.25)
    else:
        root = pow_(cast(size_of(x, 3), dtype=x.dtype), scalar(x.dtype, -0.25))
    return mul(x, broadcast(root, shape=x.shape))


def repeated_heads(x: Value, heads: Dim) -> Value:
    """`x: [B, H, S, D]` with each head repeated, so that there are `heads` of them."""
    batch, shared, length, size = x.shape
    if shared == heads:
        return x
    apart = reshape(x, shape=(batch, shared, 1, length, size))
    return reshape(
        broadcast(apart, shape=(batch, shared, heads // shared, length, size)), shape=(batch, heads, length, size)
    )


def _without(hidden: Value | None, x: Value) -> Value:
    """`x: [B, H, L, D]` with 0 for the queries that see nothing; `hidden: [B, H, L, 1]`."""
    if hidden is None:
        return x
    return select(broadcast(hidden, shape=x.shape), broadcast(scalar(x.dtype, 0.0), shape=x.shape), x)


def _built_weights(scores: Value, precision: DType | None) -> Value:
    """`_weights` as a graph, of queries that see something."""
    exact = scores if precision is None else narrow(scores, precision)
    return narrow(softmax(exact, axis=3), scores.dtype)
