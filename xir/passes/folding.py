"""Constant folding: what depends on weights and literals alone is computed now, by the reference."""

from __future__ import annotations

from collections.abc import Sequence

from xir.ir.constant import Array, Constant, constant_of
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, rewrite
from xir.ir.types import DType, TensorType
from xir.limits import MAX_FOLDED_BYTES
from xir.ops.constant import constant
from xir.passes._pipeline import Pass, Trace
from xir.reference.execute import run_node

SMALL_BYTES = 64 * 1024
"""A result up to this size is folded even where it is larger than its operands."""

_REPEATING = frozenset({"broadcast", "tile"})
"""Operators that only repeat their operand: every target does that while it computes, so the operand is kept."""

_INLINE_ELEMENTS = 64
"""A result up to this size is a literal; larger ones are weights with a name."""


def fold_constants(graph: Graph, trace: Trace) -> Graph:
    """The graph with every node whose operands are all known replaced by its result.

    Nothing is folded that would be larger than its operands (a broadcast stays a node), takes more than 64 MiB, or has
    a size that is not known yet. A reshaped weight stays in its file.
    """

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        known = _known(node, rewriter)
        if known is None:
            return None
        results = _reshaped(node, known) or tuple(constant_of(array) for array in _compute(node, known))
        trace.fire("fold_constants")
        return tuple(
            _placed(result, value, node, rewriter) for result, value in zip(results, node.outputs, strict=True)
        )

    return rewrite(graph, replace)


def _known(node: Node, rewriter: Rewriter) -> list[Constant | None] | None:
    """The operands' elements, or None when the node is not to be folded."""
    if node.op.name == "constant" or node.op.has_effect:
        return None
    result = 0
    for value in node.outputs:
        size = _bytes(value)
        if size is None:
            return None
        result += size
    operands = [None if value is None else rewriter.constant_of(value) for value in node.inputs]
    if any(value is not None and held is None for value, held in zip(node.inputs, operands, strict=True)):
        return None
    given = sum(held.nbytes for held in operands if held is not None)
    if node.op.name == "reshape":
        return operands
    if node.op.name in _REPEATING and result > given:
        return None
    return operands if max(result, given) <= MAX_FOLDED_BYTES and result <= max(given, SMALL_BYTES) else None


def _bytes(value: Value) -> int | None:
    """The bytes of a tensor whose size is known; None for everything else."""
    type = value.type
    if not isinstance(type, TensorType) or type.static_shape is None or type.dtype is DType.STRING:
        return None
    elements = 1
    for size in type.static_shape:
        elements *= size
    return elements * type.dtype.dtype.itemsize


def _reshaped(node: Node, known: Sequence[Constant | None]) -> tuple[Constant, ...] | None:
    shape = node.outputs[0].tensor.static_shape
    held = known[0] if known else None
    return (held.reshaped(shape),) if node.op.name == "reshape" and held is not None and shape is not None else None


def _compute(node: Node, known: Sequence[Constant | None]) -> tuple[Array, ...]:
    return run_node(node, [None if held is None else held.array() for held in known])


def _placed(result: Constant, value: Value, node: Node, rewriter: Rewriter) -> Value:
    names = [rewriter.name_of(operand) for operand in node.inputs if operand is not None]
    name = next((found for found in names if found is not None), None)
    if name is None and result.elements <= _INLINE_ELEMENTS:
        return constant(value=result)
    return rewriter.parameter(result, name or f"{node.op.name}_folded")


PASS = Pass("fold_constants", "what depends on weights and literals alone is computed once", fold_constants)
