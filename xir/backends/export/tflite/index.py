"""Forms of what picks elements at places; TFLite counts places from the front alone."""

from __future__ import annotations

import numpy as np

from xir.backends.export.tflite._form import Answer, Call, Forms, Refusal, bare, literal_of, operand, whole
from xir.backends.export.tflite.elementwise import like
from xir.ir.constant import constant_of
from xir.ir.node import Node, Value
from xir.ops import elementwise
from xir.ops import index as ops
from xir.ops.compare import less
from xir.ops.constant import constant
from xir.ops.shape import iota, reshape

forms = Forms()


def from_front(indices: Value) -> bool:
    """Whether no index is negative, as far as can be seen."""
    literal = literal_of(indices)
    if literal is not None:
        return not (literal.array().astype(np.int64) < 0).any()
    node = indices.node
    if node is None:
        return False
    match node.op.name:
        case "arg_max" | "arg_min" | "iota" | "nonzero" | "top_k":
            return True
        case "clip":
            least = node.attributes["minimum"]
            return isinstance(least, float) and least >= 0
        case "maximum":
            return any(
                literal_of(value) is not None and from_front(value)
                for value in map(bare, (operand(node), operand(node, 1)))
            )
        case "cast":
            return operand(node).dtype.is_integer and not operand(node).dtype.is_signed
        case "reshape" | "broadcast" | "transpose" | "slice":
            return from_front(operand(node))
        case "select":
            test = operand(node).node
            return test is not None and test.op.name == "less" and test.inputs[0] is node.inputs[2]
        case _:
            return False


def counted(indices: Value, size: Value) -> Value:
    """Indices from the front."""
    return elementwise.select(less(indices, like(indices, 0.0)), elementwise.add(indices, size), indices)


@forms.of(ops.gather)
def _gather(node: Node) -> Answer:
    """GATHER."""
    x, indices, axis = operand(node), operand(node, 1), whole(node, "axis")
    if from_front(indices):
        return Call("GATHER", (x, indices), ("GatherOptions", {"axis": axis}))
    size = x.shape[axis]
    literal = literal_of(indices)
    if not isinstance(size, int):
        return Refusal("indices along an axis whose size is not known before the run")
    if literal is not None:
        numbers = literal.array().astype(np.int64)
        return ops.gather(x, constant(value=constant_of(numbers % max(size, 1), indices.dtype)), axis=axis)
    return ops.gather(x, counted(indices, like(indices, size)), axis=axis)


@forms.of(ops.gather_elements)
def _gather_elements(node: Node) -> Answer:
    """Picked from all elements in a row, each at its row-major place."""
    x, indices, axis = operand(node), operand(node, 1), whole(node, "axis")
    shape, wanted = x.tensor.static_shape, indices.tensor.static_shape
    if shape is None or wanted is None:
        return Refusal("picking elements of sizes that are not known before the run")
    places = counted(indices, like(indices, shape[axis]))
    total: Value | None = None
    for each in range(x.rank):
        stride = int(np.prod(shape[each + 1 :], dtype=np.int64))
        own = places if each == axis else iota(shape=wanted, axis=each, dtype=indices.dtype)
        step = elementwise.mul(own, like(own, stride))
        total = step if total is None else elementwise.add(total, step)
    if total is None:
        return x
    # Behind a select that changes nothing, which says that no place is negative.
    sure = elementwise.select(less(total, like(total, 0.0)), like(total, 0.0), total)
    return ops.gather(reshape(x, shape=(int(np.prod(shape, dtype=np.int64)),)), sure, axis=0)
