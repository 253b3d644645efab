"""Text in onnxruntime's own operator set (its docs/ContribOperators.md)."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.node import Value
from xir.ops.strings import tokenize

handlers: Handlers[Handler] = Handlers("onnx")


@handlers.layer(*versions("Tokenizer", 1, domain="com.microsoft"))
def tokens(site: Site, x: Value) -> Value:
    """Tokenizer: by separators where they are given, whatever `tokenexp` says (contrib_ops/cpu/tokenizer.cc)."""
    separators, token = site.strings("separators"), site.text("tokenexp", "")
    if not (token if separators is None else separators):
        site.invalid("one of separators and tokenexp must be given, and not be empty")
    return tokenize(
        x,
        separators=separators or (),
        token=token if separators is None else "",
        shortest=site.integer("mincharnum"),
        marked=bool(site.integer("mark")),
        fill=site.text("pad_value"),
    )
