"""Sizes that only the run finds out, as operands of the nodes that need them.

`zeros_like(x[x > 0])` has a size of `x[x > 0]` in its attribute `shape`, but reads no element of it. So nothing would
keep the node alive that finds the size out. Such a node gets the size as an operand.
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

_WITH_SIZES = 2
"""An operator with an attribute `shape` and so many operands has the sizes as one of them."""


def with_size_operands(graph: Graph, scope: Scope) -> Graph:
    """The graph in which nodes get as operands those sizes of their attributes that tensors of `scope` have."""
    undefined = _undefined(graph, scope)
    if not undefined:
        return graph
    call = Call("size", scope)

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        shape = node.attributes.get("shape")
        if not isinstance(shape, tuple) or not undefined.intersection(_run_time_sizes(node.outputs[0])):
            return None
        return _with_operand(call, node, node.outputs[0].shape)

    return rewrite(graph, replace)


def _run_time_sizes(value: Value) -> set[Symbol]:
    """The sizes of a tensor that only the run finds out: symbols without names."""
    shape = value.shape if isinstance(value.type, TensorType) else ()
    return {symbol for size in shape for symbol in symbols_of(size) if symbol.name is None}


def _undefined(graph: Graph, scope: Scope) -> set[Symbol]:
    """The sizes that attributes name and no node of the graph finds out, though tensors of `scope` have them."""
    defined: set[Symbol] = set()
    named: set[Symbol] = set()
    for value in (*graph.inputs, *(parameter.value for parameter in graph.parameters)):
        defined |= _run_time_sizes(value)
    for node in graph.nodes:
        had = {symbol for value in node.inputs if value is not None for symbol in _run_time_sizes(value)}
        made = {symbol for value in node.outputs for symbol in _run_time_sizes(value)} - had
        operands = sum(value is not None for value in node.inputs)
        is_by_attribute = isinstance(node.attributes.get("shape"), tuple) and operands < _WITH_SIZES
        (named if is_by_attribute else defined).update(made)
    return {symbol for symbol in named - defined if symbol in scope.axes or symbol in scope.sizes}


def _with_operand(call: Call, node: Node, shape: Shape) -> Sequence[Value] | None:
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
