"""Padding that a convolution can do itself; bit-exact."""

from __future__ import annotations

from typing import cast

from xir.ir.builder import apply
from xir.ir.node import Node, Value
from xir.ops.conv import conv
from xir.ops.shape import pad
from xir.passes._pattern import Match, either, rule

Padding = tuple[tuple[int, int], ...]


@rule
def padding_into_conv(x: Value, w: Value, b: Value, p: Padding) -> Value:
    """conv(pad(x, p), padding=q) == conv(x, padding=p + q) where p adds zeros to spatial axes"""
    padded = pad(x, padding=p)
    return either(conv.pattern(padded, w), conv.pattern(padded, w, b))


@padding_into_conv.condition
def _(match: Match) -> str | None:
    node, p = match.nodes[0], match.attributes["p"]
    if not isinstance(p, tuple) or p[:2] != ((0, 0), (0, 0)):
        return "channels or pictures are padded too"
    dilation = node.attributes["input_dilation"]
    if not isinstance(dilation, tuple) or any(step != 1 for step in dilation):
        return "conv puts gaps between the padded elements"
    if any(not isinstance(size, int) or size < 0 for pair in (*p, *_own_padding(node)) for size in _sizes(pair)):
        return "the padding cuts off, or is not known"
    return None


def _own_padding(node: Node) -> tuple[object, ...]:
    padding = node.attributes["padding"]
    return padding if isinstance(padding, tuple) else ()


def _sizes(pair: object) -> tuple[object, ...]:
    return cast("tuple[object, ...]", pair) if isinstance(pair, tuple) else (None,)


@padding_into_conv.build
def _(x: Value, p: Padding, match: Match, **_weights: Value) -> Value:
    node = match.nodes[0]
    own = [(first, last) for first, last in map(_sizes, _own_padding(node))]
    joined = tuple(
        (before + first, after + last)
        for (before, after), (first, last) in zip(p[2:], own, strict=True)
        if isinstance(first, int) and isinstance(last, int)
    )
    (made,) = apply(node.op, (x, *node.inputs[1:]), {**node.attributes, "padding": joined}).outputs
    return made


RULES = (padding_into_conv,)
