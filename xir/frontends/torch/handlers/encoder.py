"""Whole layers of transformers, which PyTorch calls at once where nothing is trained (aten/.../transformers)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers.activation import gelu
from xir.frontends.torch.handlers.norm import Affine, layer_norm
from xir.frontends.torch.handlers.product import linear, matmul
from xir.frontends.torch.operators import Operators
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.activation import relu
from xir.ops.arithmetic import select
from xir.ops.compare import logical_not
from xir.ops.elementwise import add, mul
from xir.ops.norm import softmax
from xir.ops.reduce import reduce_mean
from xir.ops.shape import reshape, slice_, transpose

operators = Operators("aten")


@dataclass(frozen=True, slots=True)
class _Attention:
    """The weights of an attention with projections, in PyTorch's words.

    Attributes:
        embed_dim: E, of queries, keys and values.
        qkv_weight: projects queries, keys and values, [3 * E, E].
        qkv_bias: [3 * E].
        proj_weight: projects the result, [E, E].
        proj_bias: [E].
        mask: where nothing is attended to, or None.
        mask_type: what the mask is of: 0 [L, S] of all, 1 [B, S] of keys, 2 of each score.
    """

    embed_dim: int
    qkv_weight: Value
    qkv_bias: Value
    proj_weight: Value
    proj_bias: Value
    mask: Value | None
    mask_type: int | None


@dataclass(frozen=True, slots=True)
class _Layer:
    """What a layer has beside its attention, in PyTorch's words; `norm_first`: each part normalises what it reads."""

    use_gelu: bool
    norm_first: bool
    eps: float
    norm_weight_1: Value
    norm_bias_1: Value
    norm_weight_2: Value
    norm_bias_2: Value
    ffn_weight_1: Value
    ffn_bias_1: Value
    ffn_weight_2: Value
    ffn_bias_2: Value


def _part(x: Value, place: int, width: int) -> Value:
    """A third of the rows of weights that stand one below the other."""
    return slice_(x, axes=(0,), starts=(place * width,), stops=((place + 1) * width,), steps=(1,))


def _heads(x: Value, heads: int) -> Value:
    """[B, L, E] as [B, H, L, E / H]."""
    batch, length, width = x.shape
    return transpose(reshape(x, shape=(batch, length, heads, width // heads)), perm=(0, 2, 1, 3))


def _hidden(call: Call, mask: Value, kind: int | None, scores: Value) -> Value:
    """Where a place is not attended to, as bool of the shape of the scores (attention.cpp, `masked_softmax`)."""
    where = call.cast(mask, DType.BOOL)
    if kind == 0:
        where = reshape(where, shape=(1, 1, *where.shape))
    elif kind == 1:
        where = reshape(where, shape=(where.shape[0], 1, 1, where.shape[1]))
    elif kind != 2 or where.rank != 4:
        call.refuse(f"a mask {mask.type!r} of kind {kind}")
    return call.repeated(where, scores.shape)


@operators.op(
    "_native_multi_head_attention(Tensor query, Tensor key, Tensor value, int embed_dim, int num_head, Tensor "
    "qkv_weight, Tensor qkv_bias, Tensor proj_weight, Tensor proj_bias, Tensor? mask=None, bool need_weights=True, "
    "bool average_attn_weights=True, int? mask_type=None) -> (Tensor, Tensor)",
    records=(_Attention,),
    unused=("need_weights",),
)
def multi_head_attention(
    call: Call, query: Value, key: Value, value: Value, given: _Attention, heads: int, averages: bool
) -> tuple[Value, Value]:
    """Projected queries, keys and values [B, L, E] attend in heads; the result is projected. The weights, too."""
    width = given.embed_dim
    if heads < 1 or width % heads or any(each.rank != 3 for each in (query, key, value)):
        call.invalid(f"{heads} heads do not divide {width}, or queries {query.type!r} are no sequences")
    q, k, v = (
        _heads(linear(call, each, _part(given.qkv_weight, place, width), _part(given.qkv_bias, place, width)), heads)
        for place, each in enumerate((query, key, value))
    )
    scaled = mul(q, call.filled(1 / sqrt(width // heads), q.dtype, q.shape))
    scores = matmul(call, scaled, transpose(k, perm=(0, 1, 3, 2)))
    if given.mask is not None:
        nothing = call.filled(float("-inf"), scores.dtype, scores.shape)
        scores = select(_hidden(call, given.mask, given.mask_type, scores), nothing, scores)
    weights = softmax(scores, axis=3)
    joined = transpose(matmul(call, weights, v), perm=(0, 2, 1, 3))
    made = linear(call, reshape(joined, shape=query.shape), given.proj_weight, given.proj_bias)
    return made, reduce_mean(weights, axes=(1,), keep_dims=False) if averages else weights


@operators.op(
    "_transformer_encoder_layer_fwd(Tensor src, int embed_dim, int num_heads, Tensor qkv_weight, Tensor qkv_bias, "
    "Tensor proj_weight, Tensor proj_bias, bool use_gelu, bool norm_first, float eps, Tensor norm_weight_1, Tensor "
    "norm_bias_1, Tensor norm_weight_2, Tensor norm_bias_2, Tensor ffn_weight_1, Tensor ffn_bias_1, Tensor "
    "ffn_weight_2, Tensor ffn_bias_2, Tensor? mask=None, int? mask_type=None) -> Tensor",
    records=(_Attention, _Layer),
)
def encoder_layer(call: Call, x: Value, attention: _Attention, heads: int, layer: _Layer) -> Value:
    """Attention and two linear layers, each added to its input and normalised before or after (transformer.cpp)."""
    kept = call.scope.ragged.get(x)
    if kept is not None and attention.mask is None:
        attention = replace(attention, mask=logical_not(kept), mask_type=1)

    def normed(value: Value, weight: Value, bias: Value) -> Value:
        return layer_norm(call, value, (attention.embed_dim,), Affine(layer.eps, weight, bias))

    def attended(value: Value) -> Value:
        return multi_head_attention(call, value, value, value, attention, heads, True)[0]

    def forward(value: Value) -> Value:
        inner = linear(call, value, layer.ffn_weight_1, layer.ffn_bias_1)
        active = gelu(call, inner, "none") if layer.use_gelu else relu(inner)
        return linear(call, active, layer.ffn_weight_2, layer.ffn_bias_2)

    first, second = (layer.norm_weight_1, layer.norm_bias_1), (layer.norm_weight_2, layer.norm_bias_2)
    if layer.norm_first:
        x = add(x, attended(normed(x, *first)))
        made = add(x, forward(normed(x, *second)))
    else:
        x = normed(add(x, attended(x)), *first)
        made = normed(add(x, forward(x)), *second)
    if kept is not None:
        call.scope.ragged[made] = kept
    return made
