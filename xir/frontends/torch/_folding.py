"""What small tensors hold before the run: those that depend on literals and weights alone, as sizes often do."""

from __future__ import annotations

from collections.abc import Callable

from xir.errors import InvalidModelError
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import definition
from xir.reference.execute import run_node
from xir.reference.sizes import symbols_in

MAX_ELEMENTS = 1024
"""Elements of a tensor that is followed: numbers that decide how code goes on are few."""


def folded(
    value: Value, given: Callable[[Value], Constant | None], known: dict[Value, Constant | None]
) -> Constant | None:
    """The elements of a small tensor, or None where they depend on the run.

    Args:
        value: which.
        given: the elements of weights and literals.
        known: what was found before; what is found is added.
    """
    pending = [value]
    while pending:
        current = pending[-1]
        if current in known:
            pending.pop()
            continue
        held = given(current) if _is_small(current) else None
        operands = () if held is not None or not _is_followed(current) else _operands(current)
        missing = [operand for operand in operands if operand not in known]
        if missing:
            pending += missing
            continue
        pending.pop()
        if held is None and operands:
            _enter(current, operands, known)
        known.setdefault(current, held)
    return known[value]


def _is_small(value: Value) -> bool:
    size = value.type.elements if isinstance(value.type, TensorType) and value.type.dtype is not DType.STRING else None
    return isinstance(size, int) and size <= MAX_ELEMENTS


def _is_followed(value: Value) -> bool:
    """Whether the node may be computed: it has no body, no effect and no size that is not known."""
    node = value.node
    if node is None or not all(_is_small(each) for each in node.outputs) or node.op.has_effect:
        return False
    rule = definition(node)
    bodies = any(isinstance(attribute, Graph) for attribute in node.attributes.values())
    return rule.kept_reason is None and not bodies and next(symbols_in(node.attributes), None) is None


def _operands(value: Value) -> tuple[Value, ...]:
    node = value.node
    return () if node is None else tuple(operand for operand in node.inputs if operand is not None)


def _enter(value: Value, operands: tuple[Value, ...], known: dict[Value, Constant | None]) -> None:
    """Computes all results of the node that makes a value, where its operands are known."""
    node = value.node
    if node is None or any(known[operand] is None for operand in operands):
        return
    try:
        results = run_node(node, [_array(operand, known) for operand in node.inputs])
    except InvalidModelError:
        return  # the run says it, with the node's place
    for output, result in zip(node.outputs, results, strict=True):
        known[output] = constant_of(result)


def _array(operand: Value | None, known: dict[Value, Constant | None]) -> Array | None:
    held = None if operand is None else known[operand]
    return None if held is None else held.array()
