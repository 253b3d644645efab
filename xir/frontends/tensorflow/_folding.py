"""The elements of values that depend on constants alone: models compute permutations and sizes in the graph."""

from __future__ import annotations

from xir.errors import XirError
from xir.frontends._operands import Knowledge
from xir.ir.constant import Constant, constant_of
from xir.ir.dims import product
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.ops import definition
from xir.ops.random import DRAWING
from xir.reference.execute import run

MAX_NODES = 5_000
"""Nodes that lead to one value that is folded."""

MAX_ELEMENTS = 1 << 22
"""Elements of any value on the way."""


def folded(knowledge: Knowledge, value: Value) -> Constant | None:
    """The elements of `value`; None where inputs of the model decide them, or they are too many to compute now."""
    held = knowledge.constant_of(value)
    if held is not None or value.node is None:
        return held
    leaves = _leaves(knowledge, value)
    if leaves is None:
        return None
    result, held_leaves = _rebuilt(value, leaves)
    parameters = tuple(Parameter(leaf, constant, False) for leaf, constant in held_leaves.items())
    try:
        (array,) = run(Graph("folded", (), (result,), ("y",), parameters), {}).values()
        found = constant_of(array) if value.dtype is DType.STRING else constant_of(array, value.dtype)
    except XirError:
        return None
    knowledge.constants[value] = found
    return found


def _leaves(knowledge: Knowledge, value: Value) -> dict[Value, Constant] | None:
    """The constants from which `value` is computed; None where there is something else."""
    leaves: dict[Value, Constant] = {}
    seen: set[Node] = set()
    pending = [value]
    while pending:
        current = pending.pop()
        if current in leaves:
            continue
        constant = knowledge.constant_of(current) or _sized(knowledge, current)
        if constant is not None and current is not value:
            leaves[current] = constant
            continue
        node = current.node
        if node is None or node in seen:
            if node is None:
                return None
            continue
        if len(seen) > MAX_NODES or not _is_computable(node):
            return None
        seen.add(node)
        pending += [operand for operand in node.inputs if operand is not None]
    return leaves


def _sized(knowledge: Knowledge, value: Value) -> Constant | None:
    """What is known of sizes, where all of them are numbers."""
    if value.node is None or value.node.op.name != "shape_of":
        return None
    sizes = knowledge.contents.of(value)
    known = () if sizes is None else [size for size in sizes if isinstance(size, int)]
    return constant_of(list(known), value.dtype) if sizes is not None and len(known) == len(sizes) else None


def _is_computable(node: Node) -> bool:
    if node.op.has_effect or node.op.name in DRAWING or definition(node).kept_reason is not None:
        return False
    for output in node.outputs:
        elements = product(output.shape) if isinstance(output.type, TensorType) else 0
        if not isinstance(elements, int) or elements > MAX_ELEMENTS:
            return isinstance(output.type, TensorType) and not isinstance(elements, int)
    return True


def _rebuilt(value: Value, leaves: dict[Value, Constant]) -> tuple[Value, dict[Value, Constant]]:
    """`value` on leaves of its own, cut from what computes them, and these with their elements."""
    new = {leaf: Value(leaf.type) for leaf in leaves}
    cut = {new[leaf]: constant for leaf, constant in leaves.items()}
    pending: list[tuple[Node, bool]] = [] if value.node is None else [(value.node, False)]
    while pending:
        node, is_ready = pending.pop()
        if all(output in new for output in node.outputs):
            continue
        operands = [operand for operand in node.inputs if operand is not None]
        missing = [operand for operand in operands if operand not in new]
        if missing and not is_ready:
            pending.append((node, True))
            pending += [(operand.node, False) for operand in missing if operand.node is not None]
            continue
        inputs = tuple(None if operand is None else new[operand] for operand in node.inputs)
        copy = Node(node.op, inputs, node.attributes, tuple(output.type for output in node.outputs), node.source)
        new.update(zip(node.outputs, copy.outputs, strict=True))
    return new[value], cut
