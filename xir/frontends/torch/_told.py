"""Sizes that only the run finds out, told to the nodes that need them.

`zeros_like(x[x > 0])` needs a size of a tensor of which it reads no element, so no node of the graph makes that tensor:
what depends on the size gets it as an operand, and with it the tensor.
"""

from __future__ import annotations

from collections.abc import Sequence

from xir.frontends.torch.call import Call, Scope
from xir.ir.builder import apply
from xir.ir.dims import Shape, Symbol, symbols_of
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, rewrite
from xir.ir.types import DType, TensorType
from xir.ops.elementwise import sub
from xir.ops.reduce import cumsum
from xir.ops.shape import broadcast, concat, reshape

_LIKE = frozenset(("random_uniform", "random_normal"))
"""Operators whose operand says the shape of their result."""

_SIZED = 2
"""An operator of so many operands has one that brings the sizes at run time."""


def with_told_sizes(graph: Graph, scope: Scope) -> Graph:
    """The graph in which every size that some tensor of `scope` tells is told."""
    untold = _untold(graph, scope)
    if not untold:
        return graph
    call = Call("size", scope)

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        shape = node.attributes.get("shape")
        if not isinstance(shape, tuple) or not untold.intersection(_nameless(node.outputs[0])):
            return None
        return _told(call, node, node.outputs[0].shape)

    return rewrite(graph, replace)


def _nameless(value: Value) -> set[Symbol]:
    """The sizes of a tensor that only the run finds out."""
    shape = value.shape if isinstance(value.type, TensorType) else ()
    return {symbol for size in shape for symbol in symbols_of(size) if symbol.name is None}


def _untold(graph: Graph, scope: Scope) -> set[Symbol]:
    """The sizes that nodes have of their attributes alone."""
    told: set[Symbol] = set()
    needed: set[Symbol] = set()
    for value in (*graph.inputs, *(parameter.value for parameter in graph.parameters)):
        told |= _nameless(value)
    for node in graph.nodes:
        had = {symbol for value in node.inputs if value is not None for symbol in _nameless(value)}
        made = {symbol for value in node.outputs for symbol in _nameless(value)} - had
        is_said = (
            isinstance(node.attributes.get("shape"), tuple) and sum(value is not None for value in node.inputs) < 2
        )
        if is_said:
            needed |= made
        else:
            told |= made
    return {symbol for symbol in needed - told if symbol in scope.axes or symbol in scope.sizes}


def _told(call: Call, node: Node, shape: Shape) -> Sequence[Value] | None:
    """The node with the sizes of its result as an operand; None where it takes none."""

    def target() -> Value:
        return concat(*(reshape(call.scalar(size, DType.INT64), shape=(1,)) for size in shape), axis=0)

    def filled(number: int, dtype: DType) -> Value:
        return broadcast(call.scalar(number, dtype), target(), shape=shape)

    name = node.op.name
    if name == "iota":
        axis, ones = node.attributes["axis"], filled(1, node.outputs[0].dtype)
        return (sub(cumsum(ones, axis=axis), ones),) if isinstance(axis, int) else None
    if name in _LIKE:
        return apply(node.op, (filled(0, node.outputs[0].dtype),), node.attributes).outputs
    if name == "broadcast" and node.inputs[0] is not None:
        return (broadcast(node.inputs[0], target(), shape=shape),)
    return None
