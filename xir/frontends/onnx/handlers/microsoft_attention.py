"""Attention as onnxruntime's optimizer writes it (its docs/ContribOperators.md): projections and masks in one operator.

Masked products get `mask_filter_value` (-10000) instead of -inf there (contrib_ops/cpu/bert/attention_helper.h).
"""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.handlers._heads import apart, together
from xir.frontends.onnx.handlers.microsoft_activation import MICROSOFT
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._build import scalar_like
from xir.ops._wide import scalar
from xir.ops.attention import attention
from xir.ops.compare import greater, greater_equal, less, logical_and
from xir.ops.elementwise import add, select
from xir.ops.matmul import matmul
from xir.ops.rotary import rotary_embedding
from xir.ops.shape import broadcast, concat, iota, reshape, slice_, split, transpose

handlers: Handlers[Handler] = Handlers("onnx")

_FILTER = -10000.0


def _scale(site: Site) -> float | None:
    return site.real("scale") if site.has("scale") and site.real("scale") != 0 else None


def _biased(site: Site, x: Value, bias: Value | None) -> Value:
    return x if bias is None else add(x, site.repeated(bias, x.shape))


def _part(x: Value, index: int, axis: int = 0) -> Value:
    """One slice of `x` along an axis, which is gone."""
    cut = slice_(x, axes=(axis,), starts=(index,), stops=(index + 1,), steps=(1,))
    return reshape(cut, shape=(*x.shape[:axis], *x.shape[axis + 1 :]))


def _attended(
    site: Site,
    q: Value,
    k: Value,
    v: Value,
    mask: Value | None,
    past: tuple[Value, Value] | None,
    scale: float | None,
) -> tuple[Value, ...]:
    """Attention with heads apart: y, the products with the mask, all keys, all values."""
    past_k, past_v = past or (None, None)
    y, *cache, scores = attention(
        q,
        k,
        v,
        mask,
        past_k,
        past_v,
        scale=scale,
        softcap=0.0,
        causal=site.flag("unidirectional", False),
        left=None,
        right=None,
        precision=None,
        shown="biased",
    )
    keys, values = cache or (k, v)
    return y, scores, keys, values


def _filtered(seen: Value, dtype: DType, number: float) -> Value:
    """0 where `seen` holds, `number` elsewhere."""
    zero, low = (broadcast(scalar(dtype, each), shape=seen.shape) for each in (0.0, number))
    return select(seen, zero, low)


def _mask(site: Site, mask: Value, q: Value, total: Dim) -> Value:
    """A mask of integers as numbers [B, 1, 1 or L, T] to add to the products."""
    batch, dtype = q.shape[0], q.dtype
    number = site.real("mask_filter_value", _FILTER)
    match mask.rank:
        case 1:
            seen = _ends(site, mask, batch, total)
        case 2 | 3:
            rows = mask.shape[1] if mask.rank == 3 else 1
            size = mask.shape[mask.rank - 1]
            if isinstance(size, int) and isinstance(total, int) and size != total:
                site.refuse(f"a mask of {size} keys where there are {total}")
            cells = reshape(mask, shape=(mask.shape[0], 1, rows, size))
            seen = greater(cells, scalar_like(cells, 0))
        case _:
            site.refuse(f"a mask of the type {mask.type!r}", "use a mask of 1 to 3 axes")
    return _filtered(seen, dtype, number)


def _ends(site: Site, mask: Value, batch: Dim, total: Dim) -> Value:
    """Where keys count: up to an end [B] of each batch element, or between ends and starts [2 * B] (left padding)."""
    key = broadcast(iota(shape=(total,), axis=0, dtype=mask.dtype), shape=(batch, 1, 1, total))

    def spread(vector: Value) -> Value:
        return broadcast(reshape(vector, shape=(batch, 1, 1, 1)), shape=key.shape)

    if mask.shape == (batch,):
        return less(key, spread(mask))
    if mask.shape != (batch * 2,):
        site.refuse(f"a mask of the type {mask.type!r}", "one end, or one end and one start a batch element are read")
    ends, starts = split(mask, axis=0, sizes=(batch, batch))
    return logical_and(less(key, spread(ends)), greater_equal(key, spread(starts)))


def _joined(site: Site, mask: Value | None, bias: Value | None, shape: tuple[Dim, Dim, Dim, Dim]) -> Value | None:
    """The mask and the bias together; a bias alone may repeat along its first axes."""
    if mask is None or bias is None:
        return mask if bias is None else bias
    return add(site.repeated(mask, shape), site.repeated(bias, shape))


@handlers.layer(*versions("Attention", 1, domain=MICROSOFT))
def self_attention(
    site: Site,
    x: Value,
    weights: Value,
    bias: Value | None = None,
    mask: Value | None = None,
    past: Value | None = None,
    extra: Value | None = None,
    past_length: Value | None = None,
) -> tuple[Value, ...]:
    """Attention of x to itself: one projection makes queries, keys and values."""
    if past_length is not None or site.flag("past_present_share_buffer", False):
        site.refuse("attention whose past and present share a buffer")
    if site.flag("do_rotary", False):
        site.refuse("attention that turns its operands itself")
    site.ignore("rotary_embedding_dim", "past_present_share_buffer")
    heads, width = site.integer("num_heads"), weights.shape[1]
    third = width // 3
    sizes = site.integers("qkv_hidden_sizes") if site.has("qkv_hidden_sizes") else (third, third, third)
    batch, length, inner = x.shape
    flat = matmul(reshape(x, shape=(batch * length, inner)), weights)
    data = _biased(site, reshape(flat, shape=(batch, length, width)), bias)
    q, k, v = (apart(site, each, heads, "the projection") for each in split(data, axis=2, sizes=sizes))
    cache = None if past is None else (_part(past, 0), _part(past, 1))
    total = length if cache is None else length + cache[0].shape[2]
    made = None if mask is None else _mask(site, mask, q, total)
    joined = _joined(site, made, extra, (batch, heads, length, total))
    site.ignore("mask_filter_value")
    y, _, keys, values = _attended(site, q, k, v, joined, cache, _scale(site))
    if len(site.node.outputs) < 2:
        return (together(y),)
    present = concat(*(reshape(each, shape=(1, *each.shape)) for each in (keys, values)), axis=0)
    return together(y), present


@handlers.layer(*versions("MultiHeadAttention", 1, domain=MICROSOFT))
def multi_head(
    site: Site,
    query: Value,
    key: Value | None = None,
    value: Value | None = None,
    bias: Value | None = None,
    mask: Value | None = None,
    extra: Value | None = None,
    past_k: Value | None = None,
    past_v: Value | None = None,
    past_length: Value | None = None,
    beams: Value | None = None,
) -> tuple[Value, ...]:
    """MultiHeadAttention; keys and values may be packed together, or be those of an earlier call, heads apart."""
    if past_length is not None or beams is not None:
        site.refuse("attention whose past and present share a buffer")
    heads = site.integer("num_heads")
    q, k, v = _projected(site, heads, query, key, value, bias)
    cache = None if past_k is None or past_v is None else (past_k, past_v)
    total = k.shape[2] if cache is None else k.shape[2] + cache[0].shape[2]
    made = None if mask is None else _mask(site, mask, q, total)
    joined = _joined(site, made, extra, (q.shape[0], heads, q.shape[2], total))
    site.ignore("mask_filter_value")
    y, scores, keys, values = _attended(site, q, k, v, joined, cache, _scale(site))
    return together(y), keys, values, scores


def _unpacked(x: Value, index: int) -> Value:
    """One of the operands that stand side by side in `x: [B, L, H, operands, D]`, as [B, H, L, D]."""
    return transpose(_part(x, index, 3), perm=(0, 2, 1, 3))


def _projected(
    site: Site, heads: int, query: Value, key: Value | None, value: Value | None, bias: Value | None
) -> tuple[Value, Value, Value]:
    """Queries, keys and values with heads apart."""
    if query.rank == 5 or (key is not None and key.rank == 5):
        if bias is not None:
            site.refuse("a bias for operands that are packed together")
        if key is None:
            return _unpacked(query, 0), _unpacked(query, 1), _unpacked(query, 2)
        return apart(site, query, heads, "the queries"), _unpacked(key, 0), _unpacked(key, 1)
    if key is None or value is None:
        site.invalid("keys and values are missing")
    if key.rank == 4:
        cut = None if bias is None else slice_(bias, axes=(0,), starts=(0,), stops=(query.shape[2],), steps=(1,))
        return apart(site, _biased(site, query, cut), heads, "the queries"), key, value
    parts3 = [query, key, value]
    if bias is not None:
        cuts = split(bias, axis=0, sizes=tuple(each.shape[2] for each in parts3))
        parts3 = [_biased(site, each, cut) for each, cut in zip(parts3, cuts, strict=True)]
    q, k, v = (apart(site, each, heads, "the operands") for each in parts3)
    return q, k, v


@handlers.layer(*versions("RotaryEmbedding", 1, domain=MICROSOFT))
def rotate(site: Site, x: Value, positions: Value, cosines: Value, sines: Value) -> Value:
    """RotaryEmbedding: one position [1] is that of the first element, from which the others count."""
    if site.flag("is_packed_batching", False):
        site.refuse("rotary embedding of packed batches")
    if site.real("scale", 1.0) != 1.0:
        site.refuse("rotary embedding with a scale")
    half = cosines.shape[1]
    size = site.integer("rotary_embedding_dim", 0) or half * 2
    if not isinstance(size, int):
        site.refuse("rotary embedding of an unknown size", "give the model's input sizes with --input")
    if size < 1:
        site.invalid(f"{size} numbers of each head cannot be turned")
    flat = x.rank == 3
    heads = site.integer("num_heads", 0)
    if flat and heads == 0:
        width = x.shape[2]
        if not isinstance(width, int):
            site.refuse("rotary embedding of an unknown number of heads", "give the model's input sizes with --input")
        heads = width // size
    data = apart(site, x, heads, "the numbers") if flat else x
    batch, _, length, _ = data.shape
    if positions.rank == 1:
        line = iota(shape=(batch, length), axis=1, dtype=positions.dtype)
        positions = add(line, broadcast(reshape(positions, shape=(1, 1)), shape=(batch, length)))
    y = rotary_embedding(data, cosines, sines, positions, size=size, interleaved=site.flag("interleaved", False))
    return together(y) if flat else y
