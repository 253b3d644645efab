"""Attention, by one head or many (keras/src/layers/attention)."""

from __future__ import annotations

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.keras.handlers._einsum import projected
from xir.frontends.keras.site import Handler, Site
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import activation, compare, elementwise, norm
from xir.ops._build import scalar_like
from xir.ops.attention import attention
from xir.ops.constant import constant
from xir.ops.matmul import matmul
from xir.ops.reduce import reduce_sum
from xir.ops.shape import iota, reshape, transpose

handlers: Handlers[Handler] = Handlers("keras")

_MASKED = {DType.FLOAT16: 65504.0}
"""What `Attention` takes off the scores of keys that do not count (attention.py, `_apply_scores`); else 1e9."""

_FAR = {DType.FLOAT16: -0.7 * 65500.0}
"""Scores of keys that do not count (keras/src/backend/tensorflow/nn.py, `_get_large_negative`); else -0.7 * 3.38e38."""


def _causal(x: Value, y: Value) -> Value:
    """Which keys of [N, S, ...] each query of [N, T, ...] sees: bool [1, T, S]."""
    shape = (1, x.shape[1], y.shape[1])
    rows, columns = (iota(shape=shape, axis=axis, dtype=DType.INT64) for axis in (1, 2))
    return compare.greater_equal(rows, columns)


def _near(x: Value, y: Value, window: int) -> Value:
    """Which keys stand less than `window` steps from each query: bool [1, T, S]."""
    shape = (1, x.shape[1], y.shape[1])
    rows, columns = (iota(shape=shape, axis=axis, dtype=DType.INT64) for axis in (1, 2))
    apart = elementwise.abs_(elementwise.sub(rows, columns))
    return compare.less(apart, scalar_like(apart, window))


def _both(site: Site, first: Value | None, second: Value | None) -> Value | None:
    if first is None or second is None:
        return second if first is None else first
    return compare.logical_and(*site.aligned(first, second))


def _masks(site: Site, count: int) -> list[Value | None]:
    """The masks of the operands, as the call or the layers before say them."""
    held = [*site.masks, *(None,) * count][:count]
    return [site.tensor(f"mask {place}") or mask for place, mask in enumerate(held)]


@handlers.layer("Attention", "AdditiveAttention")
def scored(site: Site, query: Value, value: Value, key: Value | None = None) -> tuple[Value, ...]:
    """Attention (Luong et al. 2015) and AdditiveAttention (Bahdanau et al. 2015): query [N, T, D], value [N, S, E]."""
    site.config.ignore("dropout", "seed", "causal")
    key = value if key is None else key
    scores = _scores(site, query, key)
    query_mask, value_mask, *_ = _masks(site, 3)
    kept = None if value_mask is None else reshape(value_mask, shape=(value_mask.shape[0], 1, value_mask.shape[1]))
    if site.argument("use_causal_mask") or site.config.flag("causal"):
        kept = _both(site, kept, _causal(query, key))
    if kept is not None:
        far = elementwise.sub(scores, scalar_like(scores, _MASKED.get(scores.dtype, 1e9)))
        scores = elementwise.select(site.repeated(kept, scores.shape), scores, far)
    weights = norm.softmax(scores, axis=2)
    result = matmul(weights, value)
    if query_mask is not None:
        wide = site.repeated(reshape(query_mask, shape=(*query_mask.shape, 1)), result.shape)
        result = elementwise.select(wide, result, scalar_like(result, 0.0))
        site.result_mask = query_mask
    return (result, weights) if site.argument("return_attention_scores") else (result,)


def _scores(site: Site, query: Value, key: Value) -> Value:
    """How much each query has to do with each key: [N, T, S]."""
    additive = site.layer.kind == "AdditiveAttention"
    mode = "concat" if additive else site.config.word("score_mode", "dot", "dot", "concat")
    has_scale = site.config.flag("use_scale", additive)
    scale = site.weight("scale", (query.shape[-1],) if additive else ()) if has_scale else None
    if mode == "dot":
        scores = matmul(query, transpose(key, perm=(0, 2, 1)))
        return scores if scale is None else elementwise.mul(scores, site.repeated(scale, scores.shape))
    first = reshape(query, shape=(query.shape[0], query.shape[1], 1, query.shape[2]))
    second = reshape(key, shape=(key.shape[0], 1, key.shape[1], key.shape[2]))
    total = elementwise.add(*site.aligned(first, second))
    if scale is not None and not additive:
        total = elementwise.mul(total, site.repeated(scale, total.shape))
    curved = activation.tanh(total)
    if scale is not None and additive:
        curved = elementwise.mul(curved, site.repeated(scale, curved.shape))
    scores = reduce_sum(curved, axes=(3,), keep_dims=False)
    if additive:
        return scores
    return elementwise.mul(scores, site.repeated(site.weight("concat_score_weight", ()), scores.shape))


def _seen(site: Site, query: Value, value: Value, key: Value) -> Value | None:
    """Which keys each query sees, bool [N or 1, T or 1, S], or None where it sees all but what is causal."""
    operands = {"query_mask": query, "value_mask": value, "key_mask": key}
    masks = [site.tensor(name) or site.scope.masks.get(operand) for name, operand in operands.items()]
    seen: Value | None = None
    for place, mask in enumerate(masks):
        if mask is not None:
            shape = (*mask.shape, 1) if place == 0 else (mask.shape[0], 1, mask.shape[1])
            seen = _both(site, seen, reshape(mask, shape=shape))
    site.result_mask = masks[0]
    window = site.config.optional_integer("sliding_window")
    if window is not None:
        seen = _both(site, seen, _near(query, value, window))
    given = site.tensor("attention_mask")
    if given is not None and given.dtype != DType.BOOL:
        given = compare.not_equal(given, scalar_like(given, 0))
    seen = _both(site, given, seen)
    return None if seen is None else site.repeated(seen, (*seen.shape[:2], value.shape[1]))


def _added(site: Site, seen: Value) -> Value:
    """0 for keys that are seen, a huge negative number for others: queries that see nothing see all alike."""
    numbers = (0.0, _FAR.get(site.dtype, -0.7 * 3.38e38))
    zero, far = (constant(value=constant_of(np.asarray(number, site.dtype.dtype))) for number in numbers)
    return elementwise.select(seen, site.repeated(zero, seen.shape), site.repeated(far, seen.shape))


@handlers.layer("MultiHeadAttention", "GroupedQueryAttention", "GroupQueryAttention")
def heads(site: Site, query: Value, value: Value | None = None, key: Value | None = None) -> tuple[Value, ...]:
    """MultiHeadAttention (Vaswani et al. 2017), GroupedQueryAttention (Ainslie et al. 2023): [N, T, D], [N, S, E]."""
    config = site.config
    value = site.tensor("value") if value is None else value
    if value is None:
        site.invalid("it is called without a value")
    key = site.tensor("key") if key is None else key
    key = value if key is None else key
    if any(each.rank != 3 for each in (query, value, key)) or config.raw("attention_axes") not in (None, [1]):
        site.refuse("attention along several axes")
    if config.raw("output_shape") is not None and len(config.listed("output_shape")) != 1:
        site.refuse("attention with an output of several axes")
    config.ignore("value_dim", "seed", "output_shape", "num_heads", "num_query_heads", "num_key_value_heads")
    config.ignore("dropout", "softmax_robust_masking", "key_dim", "head_dim", "query_shape", "key_shape", "value_shape")
    causal = bool(site.argument("use_causal_mask"))
    shows = bool(site.argument("return_attention_scores"))
    seen = _seen(site, query, value, key)
    if causal and seen is not None:
        seen, causal = _both(site, seen, _causal(query, value)), False
    biased = config.flag("use_bias", True)
    q = projected(site, "query", query, "abc,cde->abde", "de" if biased else "")
    k = projected(site, "key", key, "abc,cde->abde", "de" if biased else "")
    gate = projected(site, "gate", query, "abc,cde->abde", "de" if biased else "") if config.flag("use_gate") else None
    v = projected(site, "value", value, "abc,cde->abde", "de" if biased else "")
    zero_rows = site.generation == 3 and (config.number("dropout", 0.0) > 0 or shows)
    mask = None if seen is None else reshape(seen, shape=(seen.shape[0], 1, *seen.shape[1:]))
    first, second, third = (transpose(each, perm=(0, 2, 1, 3)) for each in (q, k, v))
    made, weights = attention(
        first,
        second,
        third,
        mask if mask is None or zero_rows else _added(site, mask),
        scale=None,
        softcap=0.0,
        causal=causal,
        left=None,
        right=None,
        precision=None,
        shown="weights",
    )
    result = transpose(made, perm=(0, 2, 1, 3))
    if gate is not None:
        result = elementwise.mul(result, activation.sigmoid(gate))
    result = projected(site, "output", result, "abde,dec->abc", "c" if biased else "")
    return (result, weights) if shows else (result,)
