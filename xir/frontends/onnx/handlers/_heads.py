"""Heads that stand side by side in the last axis, and heads on an axis of their own."""

from __future__ import annotations

from xir.frontends.onnx._site import Site
from xir.ir.node import Value
from xir.ops.shape import reshape, transpose


def apart(site: Site, x: Value, heads: int, what: str) -> Value:
    """`x: [B, L, H * D]` as [B, H, L, D]."""
    if x.rank != 3:
        site.invalid(f"{what} should have three axes, got {x.type!r}")
    if heads < 1 or (isinstance(x.shape[2], int) and x.shape[2] % heads):
        site.invalid(f"{heads} heads do not fit into {what}: {x.type!r}")
    batch, length, width = x.shape
    return transpose(reshape(x, shape=(batch, length, heads, width // heads)), perm=(0, 2, 1, 3))


def together(x: Value) -> Value:
    """`x: [B, H, L, D]` as [B, L, H * D]."""
    batch, heads, length, size = x.shape
    return reshape(transpose(x, perm=(0, 2, 1, 3)), shape=(batch, length, heads * size))
