"""ONNX forms of hardmax, shrink and SwiGLU."""

from __future__ import annotations

from xir.backends.export.onnx._form import Answer, Call, Forms, again, operand, whole
from xir.ir.node import Node
from xir.ops.gating import hardmax, shrink, swiglu
from xir.ops.shape import transpose

forms = Forms()
forms.same(shrink, "Shrink", lambd="threshold", bias="bias")
forms.same(swiglu, "SwiGLU", alpha="alpha")


@forms.of(hardmax)
def _hardmax(node: Node, opset: int) -> Answer:
    """Hardmax; before opset 13 it flattens from `axis` on: the same where `axis` is the last one."""
    x, axis = operand(node), whole(node, "axis")
    if opset >= 13 or axis == x.rank - 1:
        return Call("Hardmax", (x,), {"axis": axis})
    swap = list(range(x.rank))
    swap[axis], swap[-1] = swap[-1], swap[axis]
    (moved,) = again(node, (transpose(x, perm=tuple(swap)),), axis=x.rank - 1)
    return transpose(moved, perm=tuple(swap))
