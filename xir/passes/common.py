"""Common subexpressions: equal operators with equal operands and attributes are computed once."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from xir.ir.constant import Constant
from xir.ir.graph import Graph
from xir.ir.node import Attribute, Node, Value
from xir.ir.rewrite import Rewriter, rewrite
from xir.ir.source import unite
from xir.passes._pipeline import Pass, Trace

DIGEST_BYTES = 64 * 1024
"""Literals up to this size are equal when their bytes are; larger ones only when they are the same object."""


class _Classes:
    """Which nodes of one graph compute the same, found by numbering values from the leaves on (hash-consing)."""

    def __init__(self, graph: Graph) -> None:
        self.order: Iterator[Node] = iter(graph.nodes)
        self.first: dict[Node, Node] = {}
        self.members: dict[Node, list[Node]] = {}
        same: dict[Value, Value] = {}
        seen: dict[Hashable, Node] = {}
        for node in graph.nodes:
            if node.op.has_effect:
                continue
            operands = tuple(None if value is None else same.get(value, value) for value in node.inputs)
            attributes = tuple((name, _key(value)) for name, value in node.attributes.items())
            first = seen.setdefault((node.op.name, operands, attributes), node)
            self.first[node] = first
            self.members.setdefault(first, []).append(node)
            same.update(zip(node.outputs, first.outputs, strict=True))


def share_common(graph: Graph, trace: Trace) -> Graph:
    """The graph with each of several equal nodes replaced by the first, which then stands for the layers of all."""
    known: dict[Rewriter, _Classes] = {}

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        if rewriter not in known:
            known[rewriter] = _Classes(rewriter.graph)
        classes = known[rewriter]
        old = next(classes.order)
        first = classes.first.get(old, old)
        if first is not old:
            trace.fire("share_common")
            return tuple(rewriter.new[value] for value in first.outputs)
        members = classes.members.get(old, [])
        if len(members) < 2 or node.op.name == "constant":
            return None
        types = tuple(value.type for value in node.outputs)
        return Node(node.op, node.inputs, node.attributes, types, unite(each.source for each in members)).outputs

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
