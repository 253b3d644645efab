"""GroupQueryAttention of onnxruntime: a cache that may be a buffer of fixed size, each batch element with its own end.

What it computes is told by docs/ContribOperators.md and contrib_ops/cpu/bert/gqa_attention_base.h of onnxruntime.
"""

from __future__ import annotations

from dataclasses import dataclass

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.handlers._heads import apart, together
from xir.frontends.onnx.handlers.microsoft_activation import MICROSOFT
from xir.ir.dims import Dim, Symbol, equal, maximum
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops._sizes import size_of
from xir.ops._wide import scalar
from xir.ops.attention import attention
from xir.ops.cache_update import cache_update
from xir.ops.elementwise import add, cast, select, sub
from xir.ops.norm_length import rms_norm
from xir.ops.rotary import rotary_embedding
from xir.ops.shape import broadcast, concat, iota, pad, reshape, split

handlers: Handlers[Handler] = Handlers("onnx")


@dataclass(frozen=True, slots=True)
class _Step:
    """The operands of one call, heads apart.

    Attributes:
        site: the node.
        q: [B, N, S, D].
        k: [B, H, S, D], the new keys.
        v: the new values.
        counts: i64[B], the keys of each batch element, new ones among them.
        total: i64[], the largest of them.
        most: the same as a size, if it is known.
    """

    site: Site
    q: Value
    k: Value
    v: Value
    counts: Value
    total: Value
    most: Dim | None


@handlers.layer(*versions("GroupQueryAttention", 1, domain=MICROSOFT))
def grouped(site: Site, query: Value, *given: Value | None) -> tuple[Value, ...]:
    """GroupQueryAttention without quantized or window-sized caches."""
    key, value, past_k, past_v, ends, total, cosines, sines, places, extra, sink, *rest = (*given, *(None,) * 15)[:15]
    if ends is None or total is None:
        site.invalid("seqlens_k and total_sequence_length are needed")
    _refuse_others(site, rest[0] is not None or rest[1] is not None)
    q, k, v = _operands(site, query, key, value, rest[2], rest[3])
    batch = q.shape[0]
    counts = add(_long(reshape(ends, shape=(batch,))), broadcast(scalar(DType.INT64, 1), shape=(batch,)))
    known = site.sizes(total)
    step = _Step(site, q, k, v, counts, _long(reshape(total, shape=())), known[0] if known else None)
    before = _before(step, past_k)
    length = q.shape[2]
    line = iota(shape=(batch, length), axis=1, dtype=DType.INT64)
    spots = add(line, broadcast(reshape(before, shape=(batch, 1)), shape=(batch, length)))
    if site.flag("do_rotary", False):
        q, k = _turned(site, q, k, cosines, sines, spots if places is None else places)
    keys, values = (_present(step, past, new, before) for past, new in ((past_k, k), (past_v, v)))
    mask = _mask(step, spots, keys.shape[2], extra)
    y = _attended(site, q, keys, values, mask, sink)
    return together(y), keys, values


def _long(x: Value) -> Value:
    return x if x.dtype is DType.INT64 else cast(x, dtype=DType.INT64)


def _refuse_others(site: Site, scaled: bool) -> None:
    site.ignore("kv_cache_bit_width")
    words = [site.text(name, "NONE") for name in ("k_quant_type", "v_quant_type")]
    if scaled or words != ["NONE", "NONE"]:
        site.refuse("a quantized cache of keys and values")
    if site.flag("sliding_window_cache", False):
        site.refuse("a cache of keys and values that is only as long as the window")
    if site.integer("qk_output", 0) != 0:
        site.refuse("the products of queries and keys as a result")


def _operands(
    site: Site,
    query: Value,
    key: Value | None,
    value: Value | None,
    q_weight: Value | None,
    k_weight: Value | None,
) -> tuple[Value, Value, Value]:
    """Queries, keys and values with heads apart, normalized on request."""
    heads, shared = site.integer("num_heads"), site.integer("kv_num_heads")
    if key is None or value is None:
        size = query.shape[2] // (heads + 2 * shared)
        query, key, value = split(query, axis=2, sizes=(size * heads, size * shared, size * shared))
    q = apart(site, query, heads, "the queries")
    k, v = apart(site, key, shared, "the keys"), apart(site, value, shared, "the values")
    epsilon = site.real("qk_norm_epsilon", 9.999999974752427e-07)
    if q_weight is not None and k_weight is not None:
        q, k = rms_norm(q, q_weight, axis=3, epsilon=epsilon), rms_norm(k, k_weight, axis=3, epsilon=epsilon)
    return q, k, v


def _before(step: _Step, past: Value | None) -> Value:
    """How many keys each batch element had before, i64[B]: none in the first call, which brings all there are."""
    length, batch = step.q.shape[2], step.q.shape[0]
    none = broadcast(scalar(DType.INT64, 0), shape=(batch,))
    if past is None or past.shape[2] == 0 or (step.most is not None and equal(step.most, length) is True):
        return none
    size = size_of(step.q, 2)
    old = sub(step.counts, broadcast(size, shape=(batch,)))
    first = compare.equal(step.total, size)
    return select(broadcast(first, shape=(batch,)), none, old)


def _turned(
    site: Site, q: Value, k: Value, cosines: Value | None, sines: Value | None, places: Value
) -> tuple[Value, Value]:
    if cosines is None or sines is None:
        site.invalid("do_rotary needs cos_cache and sin_cache")
    half, interleaved = cosines.shape[1], site.flag("rotary_interleaved", False)
    if not isinstance(half, int):
        site.refuse("rotary embedding of an unknown size", "give the model's input sizes with --input")
    turned = [rotary_embedding(each, cosines, sines, places, size=2 * half, interleaved=interleaved) for each in (q, k)]
    return turned[0], turned[1]


def _present(step: _Step, past: Value | None, new: Value, before: Value) -> Value:
    """The cache with the new entries; it grows where they do not fit."""
    if past is None:
        return new
    held = past.shape[2]
    none = (0, 0)
    if step.most is not None:
        size = maximum(held, step.most)
        base = past if equal(size, held) is True else pad(past, padding=(none, none, (0, size - held), none))
    else:
        size = Symbol()
        have = size_of(past, 2)
        more = reshape(sub(elementwise.maximum(step.total, have), have), shape=(1,))
        zeros = broadcast(scalar(DType.INT64, 0), shape=(6,))
        amounts = concat(zeros, more, broadcast(scalar(DType.INT64, 0), shape=(1,)), axis=0)
        base = pad(past, amounts, padding=(none, none, (0, size - held), none))
    return cache_update(base, new, before, axis=2, circular=False)


def _mask(step: _Step, spots: Value, total: Dim, extra: Value | None) -> Value:
    """What each query sees of the `total` places of the cache, bool or, with a bias, numbers to add."""
    site, q = step.site, step.q
    grid = (q.shape[0], 1, q.shape[2], total)
    key = broadcast(iota(shape=(total,), axis=0, dtype=DType.INT64), shape=grid)
    place = broadcast(reshape(spots, shape=(*grid[:3], 1)), shape=grid)
    window = site.integer("local_window_size", -1)
    if site.flag("causal", True):
        seen = compare.less_equal(key, place)
    else:
        seen = compare.less(key, broadcast(reshape(step.counts, shape=(grid[0], 1, 1, 1)), shape=grid))
    if window > 0:
        oldest = sub(place, broadcast(scalar(DType.INT64, window), shape=grid))
        seen = compare.logical_and(seen, compare.greater(key, oldest))
    if extra is None:
        return seen
    bias = extra
    if extra.shape[3] != total:
        bias = pad(extra, padding=((0, 0), (0, 0), (0, 0), (0, total - extra.shape[3])))
    full = (grid[0], bias.shape[1], *grid[2:])
    never = broadcast(scalar(extra.dtype, -float("inf")), shape=full)
    return select(broadcast(seen, shape=full), site.repeated(bias, full), never)


def _attended(site: Site, q: Value, keys: Value, values: Value, mask: Value, sink: Value | None) -> Value:
    """Attention; a sink is one more key of product 0 and value 0, with a bias of its own for each head."""
    if sink is None and site.integer("smooth_softmax", -1) == 1:
        sink = broadcast(scalar(q.dtype, 0.0), shape=(q.shape[1],))
    if sink is not None:
        keys, values = (pad(each, padding=((0, 0), (0, 0), (0, 1), (0, 0))) for each in (keys, values))
        mask = _with_sink(q, mask, sink)
    scale = site.real("scale", 0.0)
    made = attention(
        q,
        keys,
        values,
        mask,
        scale=scale or None,
        softcap=site.real("softcap", 0.0),
        causal=False,
        left=None,
        right=None,
        precision=None,
        shown="products",
    )
    return made[0]


def _with_sink(q: Value, mask: Value, sink: Value) -> Value:
    """The mask as numbers, with the sinks [N] as a last column."""
    if mask.dtype is DType.BOOL:
        zero, never = (broadcast(scalar(q.dtype, each), shape=mask.shape) for each in (0.0, -float("inf")))
        mask = select(mask, zero, never)
    rows = (*q.shape[:3], 1)
    column = broadcast(reshape(sink, shape=(1, q.shape[1], 1, 1)), shape=rows)
    return concat(broadcast(mask, shape=(*rows[:3], mask.shape[3])), column, axis=3)
