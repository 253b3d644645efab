"""Attention (aten/src/ATen/native/transformers/attention.cpp)."""

from __future__ import annotations

from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.ir.broadcasting import join
from xir.ir.dims import product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.attention import attention
from xir.ops.reduce import reduce_log_sum_exp
from xir.ops.shape import reshape

operators = Operators("aten")


def attended(
    call: Call,
    q: Value,
    k: Value,
    v: Value,
    mask: Value | None,
    dropout: float,
    causal: bool,
    scale: float | None,
    shown: bool = False,
) -> tuple[Value, Value]:
    """The result, and the scaled products with the mask where they are `shown`, else the weights' place."""
    if dropout:
        call.refuse("dropout in attention", "put the model in eval mode")
    if causal and mask is not None:
        call.invalid("is_causal is given beside a mask")
    lead = q.shape[:-2]
    queries, keys, values = (_four(each) for each in (q, k, v))
    given = None if mask is None else _mask(call, mask, q, k)
    y, scores = attention(
        queries,
        keys,
        values,
        given,
        scale=scale,
        softcap=0.0,
        causal=causal,
        left=None,
        right=None,
        precision=None,
        shown="biased" if shown else "weights",
    )
    return reshape(y, shape=(*lead, *y.shape[2:])), reshape(scores, shape=(*lead, *scores.shape[2:]))


def _four(x: Value) -> Value:
    """[B, H, L, D] of any number of leading axes."""
    if x.rank == 4:
        return x
    lead = x.shape[:-2]
    return reshape(x, shape=(product(lead[:-1]), lead[-1] if lead else 1, *x.shape[-2:]))


def _mask(call: Call, mask: Value, q: Value, k: Value) -> Value:
    """A mask with the axes of the products."""
    if mask.dtype is not DType.BOOL:
        mask = call.cast(mask, q.dtype)
    if mask.rank > q.rank:
        call.invalid(f"a mask {mask.type!r} does not go with {q.type!r}")
    mask = reshape(mask, shape=((1,) * (q.rank - mask.rank) + mask.shape))
    if q.rank != 4:
        return _four(call.repeated(mask, (*q.shape[:-1], k.shape[-2])))
    return call.repeated(mask, (*mask.shape[:3], k.shape[-2])) if mask.shape[3] == 1 else mask


@operators.op(
    "scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None,"
    " float dropout_p=0., bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor"
)
def scaled_dot_product(
    call: Call,
    q: Value,
    k: Value,
    v: Value,
    mask: Value | None,
    dropout: float,
    causal: bool,
    scale: float | None,
    grouped: bool,
) -> Value:
    """`softmax(q k^T * scale + mask) v`; with enable_gqa several heads of q share one of k and v."""
    if not grouped:
        q, k, v = _batched(call, q, k, v)
    return attended(call, q, k, v, mask, dropout, causal, scale)[0]


def _batched(call: Call, q: Value, k: Value, v: Value) -> tuple[Value, Value, Value]:
    """The operands with equal leading axes."""
    lead = join([each.shape[:-2] for each in (q, k, v)])
    whole = [call.repeated(each, (*lead, *each.shape[-2:])) for each in (q, k, v)]
    return whole[0], whole[1], whole[2]


@operators.op(
    "_scaled_dot_product_attention_math(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None,"
    " float dropout_p=0., bool is_causal=False, Tensor? dropout_mask=None, *, float? scale=None,"
    " bool enable_gqa=False) -> (Tensor, Tensor)"
)
def scaled_dot_product_math(
    call: Call,
    q: Value,
    k: Value,
    v: Value,
    mask: Value | None,
    dropout: float,
    causal: bool,
    dropped: Value | None,
    scale: float | None,
    grouped: bool,
) -> tuple[Value, Value]:
    """The result and the weights."""
    if dropped is not None:
        call.refuse("dropout in attention", "put the model in eval mode")
    return attended(call, q, k, v, mask, dropout, causal, scale)


@operators.op(
    "_scaled_dot_product_flash_attention_for_cpu(Tensor query, Tensor key, Tensor value, float dropout_p=0.,"
    " bool is_causal=False, *, Tensor? attn_mask=None, float? scale=None) -> (Tensor output, Tensor logsumexp)"
)
def flash(
    call: Call,
    q: Value,
    k: Value,
    v: Value,
    dropout: float,
    causal: bool,
    mask: Value | None,
    scale: float | None,
) -> tuple[Value, Value]:
    """The result, and the logarithm of the sum of exponentials of each row, for the derivative."""
    y, scores = attended(call, q, k, v, mask, dropout, causal, scale, shown=True)
    wide = call.cast(scores, DType.FLOAT32) if scores.dtype in (DType.FLOAT16, DType.BFLOAT16) else scores
    return y, reduce_log_sum_exp(wide, axes=(wide.rank - 1,), keep_dims=False)


_ON_A_DEVICE = (
    "(Tensor output, Tensor logsumexp, Tensor cum_seq_q, Tensor cum_seq_k, SymInt max_q, SymInt max_k,"
    " Tensor {}, Tensor {}, Tensor debug_attn_mask)"
)


@operators.op(
    "_scaled_dot_product_flash_attention(Tensor query, Tensor key, Tensor value, float dropout_p=0.,"
    f" bool is_causal=False, bool return_debug_mask=False, *, float? scale=None) -> "
    f"{_ON_A_DEVICE.format('rng_state', 'unused')}"
)
def flash_on_a_device(
    call: Call, q: Value, k: Value, v: Value, dropout: float, causal: bool, shown: bool, scale: float | None
) -> tuple[object, ...]:
    """What a program exported on a GPU calls: the result and the logarithms, then what training alone reads."""
    y, sums = flash(call, q, k, v, dropout, causal, None, scale)
    none = call.filled(0, DType.INT64, ())
    return y, sums, none, none, q.shape[-2], k.shape[-2], none, none, call.filled(0, y.dtype, (0,))


@operators.op(
    "_scaled_dot_product_cudnn_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_bias,"
    " bool compute_log_sumexp, float dropout_p=0., bool is_causal=False, bool return_debug_mask=False, *,"
    f" float? scale=None) -> {_ON_A_DEVICE.format('philox_seed', 'philox_offset')}"
)
def cudnn_attention(
    call: Call,
    q: Value,
    k: Value,
    v: Value,
    mask: Value | None,
    summed: bool,
    dropout: float,
    causal: bool,
    shown: bool,
    scale: float | None,
) -> tuple[object, ...]:
    """The same with a mask."""
    y, sums = flash(call, q, k, v, dropout, causal, mask, scale)
    return y, sums, *flash_on_a_device(call, q, k, v, dropout, causal, shown, scale)[2:]


@operators.op(
    "_scaled_dot_product_efficient_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_bias,"
    " bool compute_log_sumexp, float dropout_p=0., bool is_causal=False, *, float? scale=None)"
    " -> (Tensor output, Tensor log_sumexp, Tensor philox_seed, Tensor philox_offset)"
)
def efficient_attention(
    call: Call,
    q: Value,
    k: Value,
    v: Value,
    mask: Value | None,
    summed: bool,
    dropout: float,
    causal: bool,
    scale: float | None,
) -> tuple[Value, Value, Value, Value]:
    """The same."""
    y, sums = flash(call, q, k, v, dropout, causal, mask, scale)
    none = call.filled(0, DType.INT64, ())
    return y, sums, none, none
