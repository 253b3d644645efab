"""Run-time operands as ONNX wants them: vectors in i64, numbers without axes.

A `Call` names values that the graph has already; an operand that must be cast or reshaped first makes the form answer
the same operator again, on the prepared operands.
"""

from __future__ import annotations

from xir.backends.export.onnx._form import again
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops.elementwise import cast
from xir.ops.shape import reshape


def in_i64(node: Node, *indices: int) -> tuple[Value, ...] | None:
    """The operator with the operands at `indices` cast to i64, or None where they are that or absent."""
    return _prepared(node, indices, True, False)


def scalars(node: Node, *indices: int, whole: bool = False) -> tuple[Value, ...] | None:
    """The operator with the operands at `indices` without axes (and, if `whole`, in i64), or None where they are."""
    return _prepared(node, indices, whole, True)


def _prepared(node: Node, indices: tuple[int, ...], whole: bool, scalar: bool) -> tuple[Value, ...] | None:
    inputs = list(node.inputs)
    for index in indices:
        value = inputs[index]
        if value is not None and whole and value.dtype is not DType.INT64:
            value = cast(value, dtype=DType.INT64)
        if value is not None and scalar and value.rank:
            value = reshape(value, shape=())
        inputs[index] = value
    same = all(new is old for new, old in zip(inputs, node.inputs, strict=True))
    return None if same else again(node, tuple(inputs))
