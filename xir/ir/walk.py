"""Walks over graphs: all iterative, all in an order that depends on the graph alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from xir.ir.node import Attribute, Node, Value

if TYPE_CHECKING:
    from xir.ir.graph import Graph


def toposort(outputs: Iterable[Value]) -> tuple[Node, ...]:
    """The nodes that `outputs` need, each after those that it needs; operands are visited from first to last."""
    order: list[Node] = []
    finished: set[Node] = set()
    for output in outputs:
        stack: list[tuple[Node, bool]] = [] if output.node is None else [(output.node, False)]
        while stack:
            node, expanded = stack.pop()
            if node in finished:
                continue
            if expanded:
                finished.add(node)
                order.append(node)
                continue
            stack.append((node, True))
            for value in reversed(node.inputs):
                if value is not None and value.node is not None and value.node not in finished:
                    stack.append((value.node, False))
    return tuple(order)


def users(graph: Graph) -> dict[Value, list[tuple[Node, int]]]:
    """For each value the (node, operand index) pairs that read it, in topological order."""
    found: dict[Value, list[tuple[Node, int]]] = {}
    for node in graph.nodes:
        for index, value in enumerate(node.inputs):
            if value is not None:
                found.setdefault(value, []).append((node, index))
    return found


def bodies(node: Node) -> Iterator[tuple[str, Graph]]:
    """The (attribute name, graph) pairs of a node's bodies."""
    from xir.ir.graph import Graph

    for name, attribute in node.attributes.items():
        pending: list[Attribute] = [attribute]
        while pending:
            item = pending.pop()
            if isinstance(item, Graph):
                yield name, item
            elif isinstance(item, tuple):
                pending += reversed(item)


def all_graphs(graph: Graph) -> Iterator[Graph]:
    """The graph and every body in it, at any depth, outermost first; a body that stands twice comes once."""
    pending, seen = [graph], {graph}
    while pending:
        current = pending.pop()
        yield current
        inner = [body for node in current.nodes for _, body in bodies(node)]
        for body in reversed(inner):
            if body not in seen:
                seen.add(body)
                pending.append(body)
