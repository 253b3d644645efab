"""Whole layers of transformers, which PyTorch calls at once where nothing is trained (aten/.../transformers)."""

from __future__ import annotations

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


def _part(x: Value, place: int, width: int) -> Value:
    """A third of the rows of weights that stand one below the other."""
    return slice_(x, axes=(0,), starts=(place * width,), stops=((place + 1) * width,), steps=(1,))


def _heads(x: Value, heads: int) -> Value:
    """[B, L, E] as [B, H, L, E / H]."""
    batch, length, width = x.shape
    return transpose(reshape(x, shape=(batch, length, heads, width // heads)), perm=(0, 2, 1, 3))


def _hidden(call: Call, mask: Value, kind: int | None, scores: Value) -> Value:
    """Where a place is not attended to, as bool of the shape of the products (attention.cpp, `masked_softmax`).

    kind 0: a mask [L, S] of all; 1: [B, S] of keys; 2: of the whole.
    """
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
    "bool average_attn_weights=True, int? mask_type=None) -> (Tensor, Tensor)"
)
def multi_head_attention(
    call: Call,
    query: Value,
    key: Value,
    value: Value,
    width: int,
    heads: int,
    weight: Value,
    bias: Value,
    last_weight: Value,
    last_bias: Value,
    mask: Value | None,
    needs_weights: bool,
    averages: bool,
    kind: int | None,
) -> tuple[Value, Value]:
    """Projected queries, keys and values [B, L, E] attend in heads; the result is projected. The weights, too."""
    if heads < 1 or width % heads or any(each.rank != 3 for each in (query, key, value)):
        call.invalid(f"{heads} heads do not divide {width}, or queries {query.type!r} are no sequences")
    q, k, v = (
        _heads(linear(call, each, _part(weight, place, width), _part(bias, place, width)), heads)
        for place, each in enumerate((query, key, value))
    )
    scaled = mul(q, call.filled(1 / sqrt(width // heads), q.dtype, q.shape))
    scores = matmul(call, scaled, transpose(k, perm=(0, 1, 3, 2)))
    if mask is not None:
        nothing = call.filled(float("-inf"), scores.dtype, scores.shape)
        scores = select(_hidden(call, mask, kind, scores), nothing, scores)
    weights = softmax(scores, axis=3)
    joined = transpose(matmul(call, weights, v), perm=(0, 2, 1, 3))
    made = linear(call, reshape(joined, shape=query.shape), last_weight, last_bias)
    return made, reduce_mean(weights, axes=(1,), keep_dims=False) if averages else weights


@operators.op(
    "_transformer_encoder_layer_fwd(Tensor src, int embed_dim, int num_heads, Tensor qkv_weight, Tensor qkv_bias, "
    "Tensor proj_weight, Tensor proj_bias, bool use_gelu, bool norm_first, float eps, Tensor norm_weight_1, Tensor "
    "norm_bias_1, Tensor norm_weight_2, Tensor norm_bias_2, Tensor ffn_weight_1, Tensor ffn_bias_1, Tensor "
    "ffn_weight_2, Tensor ffn_bias_2, Tensor? mask=None, int? mask_type=None) -> Tensor"
)
def encoder_layer(
    call: Call,
    x: Value,
    width: int,
    heads: int,
    weight: Value,
    bias: Value,
    last_weight: Value,
    last_bias: Value,
    uses_gelu: bool,
    norm_first: bool,
    epsilon: float,
    *rest: Value | int | None,
) -> Value:
    """Attention and two linear layers, each added to its input and normalised before or after (transformer.cpp)."""
    tensors = [each for each in rest[:8] if isinstance(each, Value)]
    mask, kind = rest[8], rest[9]
    kept = call.scope.ragged.get(x)
    if kept is not None and mask is None:
        mask, kind = logical_not(kept), 1
    if len(tensors) != 8 or isinstance(mask, int) or isinstance(kind, Value):
        call.invalid("eight weights are needed")

    def normed(value: Value, place: int) -> Value:
        scale, shift = tensors[2 * place : 2 * place + 2]
        return layer_norm(call, value, (width,), Affine(epsilon, scale, shift))

    def attended(value: Value) -> Value:
        weights = weight, bias, last_weight, last_bias
        return multi_head_attention(call, value, value, value, width, heads, *weights, mask, False, True, kind)[0]

    def forward(value: Value) -> Value:
        inner = linear(call, value, tensors[4], tensors[5])
        return linear(call, gelu(call, inner, "none") if uses_gelu else relu(inner), tensors[6], tensors[7])

    if norm_first:
        x = add(x, attended(normed(x, 0)))
        made = add(x, forward(normed(x, 1)))
    else:
        x = normed(add(x, attended(x)), 0)
        made = normed(add(x, forward(x)), 1)
    if kept is not None:
        call.scope.ragged[made] = kept
    return made
