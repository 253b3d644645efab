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
        left = direction == "LEFT"
        if problem is not None:
            return _signed(x, y, left) if x.dtype.is_signed else Refusal(problem, helping_opset(call, opset))
        if x.dtype is DType.UINT16 and opset < 28:
            # Admitted, but onnxruntime has no kernel for 16 bits: in 32 the low bits come out the same.
            wide = cast(x, dtype=DType.UINT32), cast(y, dtype=DType.UINT32)
            outside = greater_equal(wide[1], scalar_like(wide[1], 16))
            moved = (bitwise.shift_left if left else bitwise.shift_right)(*wide)
            return cast(select(outside, scalar_like(moved, 0), moved), dtype=x.dtype)
        return call

    return form


def _signed(x: Value, y: Value, left: bool) -> Value:
    """The shift of integers with a sign, by that of integers of 32 or 64 bits that have none.

    A negative number moves right as its complement does: -1 - x is not negative. What is shifted by a negative number
    or by all bits is set by itself, for the older wording says nothing of it.
    """
    bits = x.dtype.bits
    kept, plain = (DType.INT64, DType.UINT64) if bits == 64 else (DType.INT32, DType.UINT32)
    number, count = (value if value.dtype is kept else cast(value, dtype=kept) for value in (x, y))
    zero, minus = scalar_like(number, 0), scalar_like(number, -1)
    outside = logical_or(less(count, zero), greater_equal(count, scalar_like(count, bits)))
    places = cast(select(outside, zero, count), dtype=plain)
    if left:
        moved = cast(bitwise.shift_left(cast(number, dtype=plain), places), dtype=kept)
        result = select(outside, zero, moved)
    else:
        negative = less(number, zero)
        magnitude = cast(select(negative, sub(minus, number), number), dtype=plain)
        down = select(outside, zero, cast(bitwise.shift_right(magnitude, places), dtype=kept))
        result = select(negative, sub(minus, down), down)
    return result if kept is x.dtype else cast(result, dtype=x.dtype)


forms.of(bitwise.shift_left)(_shift("LEFT"))
forms.of(bitwise.shift_right)(_shift("RIGHT"))
