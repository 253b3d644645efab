"""Forms of what picks elements at places; TFLite counts places from the front alone."""

from __future__ import annotations

import numpy as np

from xir.backends.export.tflite._form import Answer, Call, Forms, Refusal, Sizes, bare, literal_of, operand, whole
from xir.backends.export.tflite.elementwise import like
from xir.ir.constant import constant_of
from xir.ir.dims import Shape
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops import elementwise
from xir.ops import index as ops
from xir.ops.compare import equal, less, logical_and
from xir.ops.constant import constant
from xir.ops.index import Reduction
from xir.ops.places import scatter_nd
from xir.ops.reduce import reduce_sum
from xir.ops.shape import broadcast, concat, iota, reshape

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


_MAX_WRITTEN = 4096
"""Places that are compared with each other, to see which one is written last."""


@forms.of(ops.scatter_elements)
def _scatter_elements(node: Node) -> Answer:
    """Each element at its coordinates."""
    x, indices, updates = operand(node), operand(node, 1), operand(node, 2)
    shape, axis = indices.shape, whole(node, "axis")
    own = [
        indices if each == axis else iota(shape=shape, axis=each, dtype=indices.dtype) for each in range(indices.rank)
    ]
    coordinates = concat(*(reshape(each, shape=(*shape, 1)) for each in own), axis=indices.rank)
    return scatter_nd(x, coordinates, updates, reduction=reduction_of(node))


def reduction_of(node: Node) -> Reduction:
    """How a node combines what falls on one place."""
    held = node.attributes["reduction"]
    return next(each for each in ("none", "add", "mul", "max", "min") if each == held)


def _is_zero(value: Value) -> bool:
    """Whether a value is nothing but zeros, as far as can be seen."""
    node = value.node
    if node is not None and node.op.name in ("broadcast", "reshape"):
        return _is_zero(operand(node))
    literal = literal_of(value)
    return literal is not None and not literal.array().any()


@forms.of(scatter_nd)
def _scatter_nd(node: Node) -> Answer:
    """SCATTER_ND, which sums what falls on one place, from zeros on (scatter_nd.cc); its places are i32 from the front.

    What only replaces leaves out all but the last update of a place: each place is compared with those after it.
    """
    x, indices, updates = operand(node), operand(node, 1), operand(node, 2)
    reduction, depth = reduction_of(node), indices.shape[-1]
    shape, places = x.tensor.static_shape, indices.tensor.static_shape
    if reduction not in ("none", "add"):
        return Refusal(f"TFLite scatters no {reduction}")
    if reduction == "add" and _is_zero(x) and indices.dtype is DType.INT32 and from_front(indices):
        return Call("SCATTER_ND", (indices, updates, Sizes(x.shape)), ("ScatterNdOptions", {}))
    if shape is None or places is None or not isinstance(depth, int) or not depth:
        return Refusal("places in sizes that are not known before the run")
    small = elementwise.cast(indices, dtype=DType.INT32)
    extents = constant(value=constant_of(np.array(shape[:depth], np.int32)))
    front = counted(small, broadcast(extents, shape=small.shape))
    if reduction == "add":
        return elementwise.add(x, _summed(front, updates, x.shape))
    count = int(np.prod(places[:-1], dtype=np.int64))
    if count > _MAX_WRITTEN:
        return Refusal(f"{count} places that are replaced: more than {_MAX_WRITTEN}")
    last = _last(front, shape[:depth], count)
    rest = (1,) * (x.rank - depth)
    wide = broadcast(reshape(last, shape=(*places[:-1], *rest)), shape=updates.shape)
    kept = elementwise.select(wide, updates, like(updates, 0.0))
    hits = _summed(front, elementwise.cast(reshape(last, shape=places[:-1]), dtype=DType.INT32), shape[:depth])
    is_hit = broadcast(reshape(less(like(hits, 0.0), hits), shape=(*shape[:depth], *rest)), shape=x.shape)
    return elementwise.select(is_hit, _summed(front, kept, x.shape), x)


def _summed(places: Value, updates: Value, shape: Shape) -> Value:
    """The updates added to zeros."""
    zeros = broadcast(constant(value=constant_of(np.zeros((), updates.dtype.dtype))), shape=shape)
    return scatter_nd(zeros, places, updates, reduction="add")


def _last(places: Value, shape: tuple[int, ...], count: int) -> Value:
    """Of each update whether no later one falls on its place, in axes of this shape: bool [count]."""
    steps = np.array([np.prod(shape[each + 1 :], dtype=np.int64) for each in range(len(shape))])
    weights = broadcast(constant(value=constant_of(steps.astype(np.int32))), shape=places.shape)
    flat = reduce_sum(elementwise.mul(places, weights), axes=(places.rank - 1,), keep_dims=False)
    rows, columns = (broadcast(reshape(flat, shape=each), shape=(count, count)) for each in ((count, 1), (1, count)))
    later = constant(value=constant_of(np.triu(np.ones((count, count), bool), 1)))
    again = elementwise.cast(logical_and(equal(rows, columns), later), dtype=DType.INT32)
    repeats = reduce_sum(again, axes=(1,), keep_dims=False)
    return less(repeats, like(repeats, 1.0))
