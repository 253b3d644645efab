"""Parts of weights as weights: what loops capture lies ready when the program begins, and can be packed."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from xir.ir.constant import constant_of
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, rewrite
from xir.ir.types import TensorType
from xir.limits import MAX_FOLDED_BYTES
from xir.reference.execute import run_node

PARTS = frozenset({"reshape", "slice"})
"""Operators whose result has elements of the operand, each at most once; transposed ones are packed as they lie."""

CUTS = 2
"""How often a weight is cut into parts, and these again (both directions of a layer, then its gates)."""


def parted(graph: Graph) -> Graph:
    """The graph with weights that are cut or read with another shape as weights of their own.

    What nothing reads any more is not kept: a weight of which only parts are read, a part that is cut again. So all
    that is made may be `CUTS` times the weights.
    """
    room = CUTS * sum(parameter.constant.nbytes for parameter in graph.parameters)

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        nonlocal room
        given = [value for value in node.inputs if value is not None] if node.op.name in PARTS else []
        held = rewriter.constant_of(given[0]) if len(given) == 1 else None
        result = node.outputs[0].type
        if held is None or not isinstance(result, TensorType) or result.static_shape is None:
            return None
        if node.op.name == "reshape":
            return (rewriter.parameter(held.reshaped(result.static_shape), "part", trainable=False),)
        if max(result.dtype.bits // 8, 1) * prod(result.static_shape) > min(room, MAX_FOLDED_BYTES):
            return None
        (array,) = run_node(node, [None if value is None else held.array() for value in node.inputs])
        made = constant_of(array)
        room -= made.nbytes
        return (rewriter.parameter(made, "part", trainable=False),)

    return rewrite(graph, replace)
