"""Names of what is left of a model: foreign files name values that nothing needs."""

from __future__ import annotations

from xir.ir.graph import Graph
from xir.ir.node import Value


def with_live_names(graph: Graph, *, once: bool = False) -> Graph:
    """The graph with the names of values that it still has.

    Args:
        graph: a graph that names others too.
        once: takes a name from all but the first of several values; else they keep it, which is an error later.
    """
    live = {*graph.inputs, *(parameter.value for parameter in graph.parameters)}
    live.update(value for node in graph.nodes for value in node.outputs)
    names: dict[Value, str] = {}
    taken: set[str] = set()
    for value, name in graph.names.items():
        if value in live and not (once and name in taken):
            names[value] = name
            taken.add(name)
    return graph.with_weights(graph.parameters, names)
