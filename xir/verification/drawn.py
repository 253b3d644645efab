"""What of a graph depends on random numbers: every runtime draws others."""

from __future__ import annotations

from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.walk import all_graphs, bodies
from xir.ops.random import DRAWING


def drawn_values(graph: Graph) -> frozenset[Value]:
    """The values that random numbers decide, those drawn in bodies too; their sizes are known all the same."""
    found: set[Value] = set()
    for node in graph.nodes:
        if _draws(node) or any(operand in found for operand in node.inputs if operand is not None):
            found.update(node.outputs)
    return frozenset(found)


def _draws(node: Node) -> bool:
    inner = (each for _, body in bodies(node) for held in all_graphs(body) for each in held.nodes)
    return any(each.op.name in DRAWING for each in (node, *inner))


def drawn_outputs(graph: Graph) -> frozenset[str]:
    """The names of the outputs that random numbers decide."""
    drawn = drawn_values(graph)
    return frozenset(name for name, value in zip(graph.output_names, graph.outputs, strict=True) if value in drawn)
