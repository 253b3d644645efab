"""Attention and rotary embedding; heads that stand side by side in one axis are taken apart by reshapes."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.handlers._heads import apart, together
from xir.frontends.onnx.tensors import DTYPES
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.attention import Shown, attention
from xir.ops.elementwise import cast
from xir.ops.rotary import rotary_embedding
from xir.ops.shape import reshape

handlers: Handlers[Handler] = Handlers("onnx")

_SHOWN: tuple[Shown, ...] = ("products", "capped", "biased", "weights")
"""What `qk_matmul_output_mode` 0 to 3 asks for."""


@handlers.layer(*versions("Attention", 23, 24, 25))
def attend(
    site: Site,
    q: Value,
    k: Value,
    v: Value,
    mask: Value | None = None,
    past_k: Value | None = None,
    past_v: Value | None = None,
    valid: Value | None = None,
) -> tuple[Value, ...]:
    """Attention; `nonpad_kv_seqlen` came with opset 24, windows with 25."""
    flat = q.rank == 3
    q, k, v = _with_heads(site, q, k, v)
    y, *cache, scores = attention(
        q,
        k,
        v,
        None if mask is None else _aligned_mask(site, mask, q.dtype),
        past_k,
        past_v,
        valid,
        scale=site.real("scale") if site.has("scale") else None,
        softcap=site.real("softcap", 0.0),
        causal=site.flag("is_causal", False),
        left=_window(site, "left_window_size"),
        right=_window(site, "right_window_size"),
        precision=_precision(site),
        shown=_shown(site),
    )
    keys, values = cache or (k, v)
    return together(y) if flat else y, keys, values, scores


def _with_heads(site: Site, q: Value, k: Value, v: Value) -> tuple[Value, Value, Value]:
    """Queries, keys and values as [B, H, L, D]."""
    if {q.rank, k.rank, v.rank} not in ({3}, {4}):
        site.invalid(f"queries, keys and values of 3 or of 4 axes are needed, got {q.type!r}, {k.type!r}, {v.type!r}")
    if q.rank == 3:
        heads, shared = site.integer("q_num_heads"), site.integer("kv_num_heads")
        return (
            apart(site, q, heads, "the queries"),
            apart(site, k, shared, "the keys"),
            apart(site, v, shared, "the values"),
        )
    for name, value in (("q_num_heads", q), ("kv_num_heads", k)):
        if site.has(name) and isinstance(value.shape[1], int) and site.integer(name) != value.shape[1]:
            site.invalid(f"{name} is {site.integer(name)}, the operand is {value.type!r}")
    return q, k, v


def _aligned_mask(site: Site, mask: Value, dtype: DType) -> Value:
    """The mask with four axes; one of numbers has the type of the queries."""
    if not 1 <= mask.rank <= 4:
        site.invalid(f"a mask of 1 to 4 axes is needed, got {mask.type!r}")
    if mask.rank < 4:
        mask = reshape(mask, shape=(1,) * (4 - mask.rank) + mask.shape)
    return mask if mask.dtype in (DType.BOOL, dtype) else cast(mask, dtype=dtype)


def _window(site: Site, name: str) -> int | None:
    size = site.integer(name, -1)
    if size < -1:
        site.invalid(f"{name} is {size}, expected -1 or more")
    return None if size == -1 else size


def _precision(site: Site) -> DType | None:
    if not site.has("softmax_precision"):
        return None
    number = site.integer("softmax_precision")
    if number not in DTYPES:
        site.invalid(f"softmax_precision is {number}, expected 1, 10, 11 or 16")
    return DTYPES[number]


def _shown(site: Site) -> Shown:
    mode = site.integer("qk_matmul_output_mode", 0)
    if not 0 <= mode < len(_SHOWN):
        site.invalid(f"qk_matmul_output_mode is {mode}, expected 0 to 3")
    return _SHOWN[mode]


@handlers.layer(*versions("RotaryEmbedding", 23))
def rotate(site: Site, x: Value, cosines: Value, sines: Value, positions: Value | None = None) -> Value:
    """RotaryEmbedding; a `rotary_embedding_dim` of 0 turns whole heads."""
    if x.rank not in (3, 4):
        site.invalid(f"3 or 4 axes are needed, got {x.type!r}")
    flat = x.rank == 3
    heads = site.integer("num_heads", 0)
    data = apart(site, x, heads, "the numbers") if flat else x
    size = site.integer("rotary_embedding_dim", 0) or data.shape[3]
    if not isinstance(size, int):
        site.refuse("rotary embedding of heads of an unknown size", "give the model's input sizes with --input")
    if positions is None:
        wanted = (data.shape[0], data.shape[2], size // 2)
        cosines, sines = site.repeated(cosines, wanted), site.repeated(sines, wanted)
    y = rotary_embedding(data, cosines, sines, positions, size=size, interleaved=site.flag("interleaved", False))
    return together(y) if flat else y
