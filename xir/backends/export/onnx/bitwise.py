"""ONNX forms of the operations on bits (opset 18; shifts of integers with a sign, opset 28)."""

from __future__ import annotations

from xir.backends.export.onnx._form import Answer, Call, Form, Forms, Refusal, helping_opset, operand, problem_at
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops import bitwise
from xir.ops._build import scalar_like
from xir.ops.compare import greater_equal, less, logical_or
from xir.ops.elementwise import cast, select, sub

forms = Forms()

for _op, _kind in (
    (bitwise.bitwise_and, "BitwiseAnd"),
    (bitwise.bitwise_or, "BitwiseOr"),
    (bitwise.bitwise_xor, "BitwiseXor"),
):
    forms.same(_op, _kind, broadcasting="all")
forms.same(bitwise.bitwise_not, "BitwiseNot")


def _shift(direction: str) -> Form:
    def form(node: Node, opset: int) -> Answer:
        """BitShift; with a sign before opset 28 by the integers without one, which it takes."""
        x, y = operand(node), operand(node, 1)
        call = Call("BitShift", (x, y), {"direction": direction}, broadcasting="all")
        problem = problem_at(call, opset)
        if problem is None:
            return call
        if not x.dtype.is_signed:
            return Refusal(problem, helping_opset(call, opset))
        return _signed(x, y, left=direction == "LEFT")

    return form


def _signed(x: Value, y: Value, left: bool) -> Value:
    """The shift of integers with a sign, by that of the integers of as many bits that have none.

    A negative number moves right as its complement does: -1 - x is not negative. What is shifted by a negative number
    or by all bits is set by itself, for the older wording says nothing of it.
    """
    plain = DType[f"U{x.dtype.name}"]
    zero, minus = scalar_like(x, 0), scalar_like(x, -1)
    outside = logical_or(less(y, zero), greater_equal(y, scalar_like(y, x.dtype.bits)))
    count = cast(select(outside, zero, y), dtype=plain)
    if left:
        moved = cast(bitwise.shift_left(cast(x, dtype=plain), count), dtype=x.dtype)
        return select(outside, zero, moved)
    negative = less(x, zero)
    magnitude = select(negative, sub(minus, x), x)
    down = cast(bitwise.shift_right(cast(magnitude, dtype=plain), count), dtype=x.dtype)
    kept = select(outside, zero, down)
    return select(negative, sub(minus, kept), kept)


forms.of(bitwise.shift_left)(_shift("LEFT"))
forms.of(bitwise.shift_right)(_shift("RIGHT"))
