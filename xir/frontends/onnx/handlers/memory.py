"""Operators that carry a state from one call to the next: linear attention, causal convolution, caches."""

from __future__ import annotations

from typing import cast

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.node import Value
from xir.ops.cache_update import cache_update
from xir.ops.causal_conv import causal_conv
from xir.ops.linear_attention import Rule, linear_attention

handlers: Handlers[Handler] = Handlers("onnx")


@handlers.layer(*versions("LinearAttention", 27))
def linear(
    site: Site,
    q: Value,
    k: Value,
    v: Value,
    past: Value | None = None,
    decay: Value | None = None,
    beta: Value | None = None,
) -> tuple[Value, ...]:
    """LinearAttention; `chunk_size` is a hint on how to compute it."""
    site.ignore("chunk_size")
    rule = site.choice("update_rule", ("linear", "gated", "delta", "gated_delta"), "gated_delta")
    return linear_attention(
        q,
        k,
        v,
        past,
        decay,
        beta,
        heads=site.integer("q_num_heads"),
        shared_heads=site.integer("kv_num_heads"),
        scale=site.real("scale", 0.0) or None,
        rule=cast("Rule", rule),
    )


@handlers.layer(*versions("CausalConvWithState", 27))
def causal(
    site: Site, x: Value, weight: Value, bias: Value | None = None, past: Value | None = None
) -> tuple[Value, ...]:
    """CausalConvWithState; swish is another name of silu."""
    activation = site.choice("activation", ("none", "silu", "swish"), "none")
    return causal_conv(x, weight, bias, past, activation="none" if activation == "none" else "silu")


@handlers.layer(*versions("TensorScatter", 24))
def scatter(site: Site, cache: Value, update: Value, places: Value | None = None) -> Value:
    """TensorScatter."""
    axis = site.axis(site.integer("axis", -2), cache.rank)
    circular = site.choice("mode", ("linear", "circular"), "linear") == "circular"
    return cache_update(cache, update, places, axis=axis, circular=circular)
