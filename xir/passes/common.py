"""Common subexpressions: equal operators on equal operands are computed once, and equal weights are there once."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from xir.ir.constant import Constant
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Attribute, Node, Value
from xir.ir.rewrite import Rewriter, changing_weights, rewrite
from xir.ir.source import unite
from xir.ir.types import Type
from xir.passes._bodies import with_each_graph
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
            attributes = tuple((name, attribute_key(value)) for name, value in node.attributes.items())
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


def share_weights(graph: Graph, trace: Trace) -> Graph:
    """The graph with each of several weights of equal type and elements replaced by the first; bodies by themselves.

    Two weights that are equal before training are not the same: see `keep_trainable` of `xir.passes.optimize`.
    """
    return with_each_graph(graph, lambda each: _with_shared_weights(each, trace))


def _with_shared_weights(graph: Graph, trace: Trace) -> Graph:
    alike: dict[Type, list[Parameter]] = {}
    changing = changing_weights(graph)
    for parameter in graph.parameters:
        if parameter.constant.nbytes <= DIGEST_BYTES and parameter.value not in changing:  # larger ones stay unread
            alike.setdefault(parameter.value.type, []).append(parameter)
    same: dict[Value, Value] = {}
    for group in alike.values():
        first: dict[Hashable, Value] = {}
        for parameter in group if len(group) > 1 else ():
            key = (parameter.constant.digest(), parameter.trainable)
            held = first.setdefault(key, parameter.value)
            if held is not parameter.value:
                same[parameter.value] = held
    if not same:
        return graph
    trace.fire("share_weights", len(same))
    made = Rewriter(graph).run(lambda node, rewriter: None, leaves=same)
    kept = {parameter.value: parameter for parameter in reversed(made.parameters)}
    parameters = tuple(kept[each.value] for each in graph.parameters if each.value not in same)
    names = {value: graph.names.get(value, name) for value, name in made.names.items()}
    return made.with_weights(parameters, names)


def attribute_key(attribute: Attribute) -> Hashable:
    """The same for equal attributes only: floats by their bits, constants by their elements."""
    match attribute:
        case Constant() if attribute.nbytes <= DIGEST_BYTES:
            return ("constant", attribute.type, attribute.digest())
        case float():
            return ("float", attribute.hex())
        case bool():
            return ("bool", attribute)
        case tuple():
            return tuple(attribute_key(item) for item in attribute)
        case _:
            return attribute


PASS = Pass("share_common", "equal operators with equal operands are computed once", share_common)

WEIGHTS = Pass("share_weights", "equal weights are there once", share_weights, level=2)
