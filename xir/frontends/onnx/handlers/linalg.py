"""Determinants and sums of products."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.node import Value
from xir.ops import einsum, linalg

handlers: Handlers[Handler] = Handlers("onnx")


@handlers.layer(*versions("Det", 11, 22))
def determinant(site: Site, x: Value) -> Value:
    """Det."""
    return linalg.determinant(x)


@handlers.layer(*versions("Einsum", 12, 28))
def summed_products(site: Site, *values: Value) -> Value:
    """Einsum; opset 28 took up bfloat16."""
    return einsum.einsum(*values, equation=site.text("equation"))
