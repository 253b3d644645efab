"""Common subexpressions: equal operators with equal operands and attributes are computed once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from xir.ir.constant import Constant
from xir.ir.graph import Graph
from xir.ir.node import Attribute, Node, Value
from xir.ir.rewrite import Rewriter, rewrite
from xir.passes._pipeline import Pass, Trace

DIGEST_BYTES = 64 * 1024
"""Literals up to this size are equal when their bytes are; larger ones only when they are the same object."""


def share_common(graph: Graph, trace: Trace) -> Graph:
    """The graph with each of several equal nodes replaced by the first one."""
    seen: dict[Hashable, Node] = {}

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        if node.op.has_effect:
            return None
        attributes = tuple((name, _key(value)) for name, value in node.attributes.items())
        first = seen.setdefault((node.op.name, node.inputs, attributes), node)
        if first is node:
            return None
        trace.fire("share_common")
        return first.outputs

    return rewrite(graph, replace)


def _key(attribute: Attribute) -> Hashable:
    match attribute:
        case Constant() if attribute.nbytes <= DIGEST_BYTES:
            return ("constant", attribute.type, attribute.digest())
        case float():
            return ("float", attribute.hex())
        case bool():
            return ("bool", attribute)
        case tuple():
            return tuple(_key(item) for item in attribute)
        case _:
            return attribute


PASS = Pass("share_common", "equal operators with equal operands are computed once", share_common)
