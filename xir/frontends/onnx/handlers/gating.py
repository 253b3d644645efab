"""Shrink and SwiGLU."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.node import Value
from xir.ops import gating

handlers: Handlers[Handler] = Handlers("onnx")


@handlers.layer(*versions("Shrink", 9))
def shrink(site: Site, x: Value) -> Value:
    """Shrink."""
    return gating.shrink(x, threshold=site.real("lambd", 0.5), bias=site.real("bias", 0.0))


@handlers.layer(*versions("SwiGLU", 28))
def swiglu(site: Site, gate: Value, x: Value) -> Value:
    """SwiGLU."""
    return gating.swiglu(gate, x, alpha=site.real("alpha", 1.0))
