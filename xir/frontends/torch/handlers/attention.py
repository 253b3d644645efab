"""Attention (aten/src/ATen/native/transformers/attention.cpp)."""

from __future__ import annotations

from dataclasses import dataclass, replace

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


@dataclass(frozen=True, slots=True)
class _Scores:
    """How the weights of an attention are made of its scores, in PyTorch's words.

    Attributes:
        dropout_p: the share of the weights that training leaves out.
        is_causal: whether a query sees no key behind its own place.
        scale: of the products; None: one over the root of their length.
        attn_mask: what is added to the scores, or, of bool, which keys are seen.
        dropout_mask: which weights are left out.
        enable_gqa: whether several heads of queries share one of keys and values.
    """

    dropout_p: float
    is_causal: bool
    scale: float | None
    attn_mask: Value | None = None
    dropout_mask: Value | None = None
    enable_gqa: bool = False


def _attended(call: Call, q: Value, k: Value, v: Value, given: _Scores, *, biased: bool = False) -> tuple[Value, Value]:
    """The result, and the weights; the scores that they are made of, with the mask, where `biased`."""
    if given.dropout_p or given.dropout_mask is not None:
        call.refuse("dropout in attention", "put the model in eval mode")
    if given.is_causal and given.attn_mask is not None:
        call.invalid("is_causal is given beside a mask")
    lead = q.shape[:-2]
    y, scores = attention(
        _four(q),
        _four(k),
        _four(v),
        None if given.attn_mask is None else _mask(call, given.attn_mask, q, k),
        scale=given.scale,
        softcap=0.0,
        causal=given.is_causal,
        left=None,
        right=None,
        precision=None,
        shown="biased" if biased else "weights",
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
    " float dropout_p=0., bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor",
    records=(_Scores,),
)
def scaled_dot_product(call: Call, q: Value, k: Value, v: Value, scores: _Scores) -> Value:
    """`softmax(q k^T * scale + mask) v`; with enable_gqa several heads of q share one of k and v."""
    if not scores.enable_gqa:
        q, k, v = _batched(call, q, k, v)
    return _attended(call, q, k, v, scores)[0]


def _batched(call: Call, q: Value, k: Value, v: Value) -> tuple[Value, Value, Value]:
    """The operands with equal leading axes."""
    lead = join([each.shape[:-2] for each in (q, k, v)])
    whole = [call.repeated(each, (*lead, *each.shape[-2:])) for each in (q, k, v)]
    return whole[0], whole[1], whole[2]


@operators.op(
    "_scaled_dot_product_attention_math(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None,"
    " float dropout_p=0., bool is_causal=False, Tensor? dropout_mask=None, *, float? scale=None,"
    " bool enable_gqa=False) -> (Tensor, Tensor)",
    records=(_Scores,),
)
def scaled_dot_product_math(call: Call, q: Value, k: Value, v: Value, scores: _Scores) -> tuple[Value, Value]:
    """The result and the weights."""
    return _attended(call, q, k, v, scores)


@operators.op(
    "_scaled_dot_product_flash_attention_for_cpu(Tensor query, Tensor key, Tensor value, float dropout_p=0.,"
    " bool is_causal=False, *, Tensor? attn_mask=None, float? scale=None) -> (Tensor output, Tensor logsumexp)",
    records=(_Scores,),
)
def flash(call: Call, q: Value, k: Value, v: Value, scores: _Scores) -> tuple[Value, Value]:
    """The result, and the logarithm of the sum of exponentials of each row, for the derivative."""
    y, biased = _attended(call, q, k, v, scores, biased=True)
    wide = call.cast(biased, DType.FLOAT32) if biased.dtype in (DType.FLOAT16, DType.BFLOAT16) else biased
    return y, reduce_log_sum_exp(wide, axes=(wide.rank - 1,), keep_dims=False)


_ON_A_DEVICE = (
    "(Tensor output, Tensor logsumexp, Tensor cum_seq_q, Tensor cum_seq_k, SymInt max_q, SymInt max_k,"
    " Tensor {}, Tensor {}, Tensor debug_attn_mask)"
)


@operators.op(
    "_scaled_dot_product_flash_attention(Tensor query, Tensor key, Tensor value, float dropout_p=0.,"
    f" bool is_causal=False, bool return_debug_mask=False, *, float? scale=None) -> "
    f"{_ON_A_DEVICE.format('rng_state', 'unused')}",
    records=(_Scores,),
    unused=("return_debug_mask",),
)
def flash_on_a_device(call: Call, q: Value, k: Value, v: Value, scores: _Scores) -> tuple[object, ...]:
    """What a program exported on a GPU calls: the result and the logarithms, then what training alone reads."""
    y, sums = flash(call, q, k, v, scores)
    none = call.filled(0, DType.INT64, ())
    return y, sums, none, none, q.shape[-2], k.shape[-2], none, none, call.filled(0, y.dtype, (0,))


@operators.op(
    "_scaled_dot_product_cudnn_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_bias,"
    " bool compute_log_sumexp, float dropout_p=0., bool is_causal=False, bool return_debug_mask=False, *,"
    f" float? scale=None) -> {_ON_A_DEVICE.format('philox_seed', 'philox_offset')}",
    records=(_Scores,),
    unused=("compute_log_sumexp", "return_debug_mask"),
)
def cudnn_attention(
    call: Call, q: Value, k: Value, v: Value, mask: Value | None, scores: _Scores
) -> tuple[object, ...]:
    """The same with a mask."""
    return flash_on_a_device(call, q, k, v, replace(scores, attn_mask=mask))


@operators.op(
    "_scaled_dot_product_efficient_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_bias,"
    " bool compute_log_sumexp, float dropout_p=0., bool is_causal=False, *, float? scale=None)"
    " -> (Tensor output, Tensor log_sumexp, Tensor philox_seed, Tensor philox_offset)",
    records=(_Scores,),
    unused=("compute_log_sumexp",),
)
def efficient_attention(
    call: Call, q: Value, k: Value, v: Value, mask: Value | None, scores: _Scores
) -> tuple[Value, Value, Value, Value]:
    """The same."""
    y, sums = flash(call, q, k, v, replace(scores, attn_mask=mask))
    none = call.filled(0, DType.INT64, ())
    return y, sums, none, none
