"""The weights of a model, wherever they stand: its parameters, literals of some size, and those of its bodies."""

from __future__ import annotations

from collections.abc import Iterator

from xir.ir.constant import Constant
from xir.ir.graph import Graph
from xir.ir.node import Node
from xir.ir.walk import all_graphs, bodies


def weights_of(graph: Graph) -> tuple[Constant, ...]:
    """Every weight of a graph and its bodies once.

    Exporters of PaddlePaddle and PyTorch write weights as Constant nodes, and models with a branch for each rate keep
    all of theirs in bodies. A literal counts where it is floating-point and holds more than one number: shapes, axes
    and factors are no weights.
    """
    found = (constant for each in all_graphs(graph) for constant in _own(each))
    return tuple({id(constant): constant for constant in found}.values())


def weights_in(node: Node) -> tuple[Constant, ...]:
    """The weights in the bodies of a node."""
    found = (constant for _, body in bodies(node) for constant in weights_of(body))
    return tuple({id(constant): constant for constant in found}.values())


def is_weight(constant: Constant) -> bool:
    """Whether a literal is a weight."""
    return constant.dtype.is_floating and constant.elements > 1


def _own(graph: Graph) -> Iterator[Constant]:
    for parameter in graph.parameters:
        yield parameter.constant
    for node in graph.nodes:
        held = graph.constant_of(node.outputs[0]) if node.op.name == "constant" else None
        if held is not None and is_weight(held):
            yield held


def bytes_in_file(constant: Constant) -> int:
    """The bytes of a weight in a file, where two numbers of 4 bits share one."""
    return (constant.elements * constant.dtype.bits + 7) // 8
