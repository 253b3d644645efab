"""Forms of what picks elements at places; TFLite counts places from the front alone."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from xir.backends.export.tflite._form import Answer, Call, Forms, Refusal, Sizes, Steps, literal_of, operand, whole
from xir.backends.export.tflite.elementwise import like, size_like
from xir.ir.constant import Constant, constant_of
from xir.ir.dims import Dim
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops import elementwise
from xir.ops import index as ops
from xir.ops.compare import less
from xir.ops.constant import constant
from xir.ops.index import Reduction
from xir.ops.places import scatter_nd
from xir.ops.reduce import reduce_sum
from xir.ops.shape import broadcast, concat, iota, reshape

if TYPE_CHECKING:
    from xir.backends.export.tflite._plan import Plan

forms = Forms()


def from_front(indices: Value) -> bool:
    """Whether no index is negative, as far as can be seen."""
    node = indices.node
    while node is not None and _keeps_signs(node):
        indices = operand(node)
        node = indices.node
    literal = literal_of(indices)
    if literal is not None:
        return not (literal.array().astype(np.int64) < 0).any()
    if node is None:
        return False
    match node.op.name:
        case "arg_max" | "arg_min" | "iota" | "nonzero" | "top_k":
            return True
        case "clip":
            least = node.attributes["minimum"]
            return isinstance(least, float) and least >= 0
        case "maximum":
            return any(_is_positive(operand(node, index)) for index in (0, 1))
        case "cast":
            return operand(node).dtype.is_integer and not operand(node).dtype.is_signed
        case "select":
            test = operand(node).node
            return test is not None and test.op.name == "less" and test.inputs[0] is node.inputs[2]
        case _:
            return False


def _keeps_signs(node: Node) -> bool:
    """Whether a result is nowhere negative where its first operand is not."""
    if node.op.name == "mul":
        return _is_positive(operand(node, 1))
    return node.op.name in ("reshape", "broadcast", "transpose", "slice", "reduce_sum")


def _is_positive(value: Value) -> bool:
    """Whether known numbers are repeated, none of them negative."""
    literal = _repeated(value)
    return literal is not None and not (literal.array().astype(np.float64) < 0).any()


def _repeated(value: Value) -> Constant | None:
    """The known numbers of which a value is made by repeating them alone, as far as can be seen."""
    while value.node is not None and value.node.op.name in ("broadcast", "reshape"):
        value = operand(value.node)
    return literal_of(value)


def counted(indices: Value, size: Value) -> Value:
    """Indices from the front."""
    return elementwise.select(less(indices, like(indices, 0.0)), elementwise.add(indices, size), indices)


@forms.of(ops.gather)
def _gather(node: Node) -> Answer:
    """GATHER."""
    x, indices, axis = operand(node), operand(node, 1), whole(node, "axis")
    if from_front(indices):
        return Call("GATHER", (x, indices), ("GatherOptions", {"axis": axis}))
    size, literal = x.shape[axis], literal_of(indices)
    if literal is not None and isinstance(size, int):
        numbers = literal.array().astype(np.int64)
        return ops.gather(x, constant(value=constant_of(numbers % max(size, 1), indices.dtype)), axis=axis)
    return ops.gather(x, counted(indices, size_like(indices, x, axis)), axis=axis)


@forms.of(ops.gather_elements)
def _gather_elements(node: Node) -> Answer:
    """Picked from all elements in a row, each at its row-major place."""
    x, indices, axis = operand(node), operand(node, 1), whole(node, "axis")
    places = counted(indices, size_like(indices, x, axis))
    total: Value | None = None
    for each in range(x.rank):
        own = places if each == axis else iota(shape=indices.shape, axis=each, dtype=indices.dtype)
        behind = range(each + 1, x.rank)
        known = [size for size in x.shape[each + 1 :] if isinstance(size, int)]
        strides = [
            like(own, prod(known)),
            *(size_like(own, x, at) for at in behind if not isinstance(x.shape[at], int)),
        ]
        for stride in strides:
            own = elementwise.mul(own, stride)
        total = own if total is None else elementwise.add(total, own)
    if total is None:
        return x
    # Behind a select that changes nothing, which says that no place is negative.
    sure = elementwise.select(less(total, like(total, 0.0)), like(total, 0.0), total)
    return ops.gather(reshape(x, shape=(prod(x.shape, start=1),)), sure, axis=0)


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


_SEGMENTS: Mapping[Reduction, str] = MappingProxyType(
    {"mul": "UNSORTED_SEGMENT_PROD", "max": "UNSORTED_SEGMENT_MAX", "min": "UNSORTED_SEGMENT_MIN"}
)


def _start(reduction: Reduction, dtype: DType) -> float:
    """What a segment without rows is (unsorted_segment.cc, kInitialValue)."""
    if reduction == "mul":
        return 1
    info = np.finfo(np.float32) if dtype.is_floating else np.iinfo(np.int32)
    return float(info.min if reduction == "max" else info.max)


def _begins(value: Value, start: float) -> bool:
    """Whether a value is nothing but a number, as far as can be seen."""
    literal = _repeated(value)
    return literal is not None and bool((literal.array() == start).all())


@forms.of(scatter_nd)
def _scatter_nd(node: Node) -> Answer:
    """SCATTER_ND, which sums what falls on one place, from zeros on (scatter_nd.cc); its places are i32 from the front.

    Products and the largest and smallest are those of UNSORTED_SEGMENT_* over places counted in a row. What only
    replaces takes, for each place, the largest of the numbers of the updates that fall on it.
    """
    x, indices, updates = operand(node), operand(node, 1), operand(node, 2)
    reduction, depth = reduction_of(node), indices.shape[-1]
    shape, places = x.tensor.static_shape, indices.tensor.static_shape
    counts = indices.dtype is DType.INT32 and from_front(indices)
    if reduction == "add" and _begins(x, 0) and counts:
        return Call("SCATTER_ND", (indices, updates, Sizes(x.shape)), ("ScatterNdOptions", {}))
    is_row = depth == 1 and indices.rank == 2 and counts
    if reduction in _SEGMENTS and is_row and _begins(x, _start(reduction, x.dtype)):
        return Steps(_write_segments)
    if shape is None or places is None or not isinstance(depth, int) or not depth:
        return Refusal("places in sizes that are not known before the run")
    small = elementwise.cast(indices, dtype=DType.INT32)
    extents = constant(value=constant_of(np.array(shape[:depth], np.int32)))
    front = counted(small, broadcast(extents, shape=small.shape))
    if reduction == "add":
        zeros = broadcast(constant(value=constant_of(np.zeros((), updates.dtype.dtype))), shape=x.shape)
        return elementwise.add(x, scatter_nd(zeros, front, updates, reduction="add"))
    if 0 in places:
        return x
    flat = _flat(front, shape[:depth])
    rows = reshape(updates, shape=(flat.shape[0], *shape[depth:]))
    held = reshape(x, shape=(int(np.prod(shape[:depth], dtype=np.int64)), *shape[depth:]))
    made = _last(held, flat, rows) if reduction == "none" else _combined(held, flat, rows, reduction)
    return reshape(made, shape=x.shape)


def _write_segments(plan: Plan, node: Node) -> None:
    """UNSORTED_SEGMENT_PROD, _MAX or _MIN: rows [U, ...] with their places [U, 1], from segments without rows on."""
    x, indices, updates = operand(node), operand(node, 1), operand(node, 2)
    kind = _SEGMENTS[reduction_of(node)]
    places = plan.reshaped(plan.read(indices), indices.shape[:1], indices.dtype)
    count = plan.reshaped(plan.sizes(x.shape[:1]), (), DType.INT32)
    name = "".join(word.capitalize() for word in kind.split("_"))
    plan.finish(node, kind, [plan.read(updates), places, count], (f"{name}Options", {}), node.outputs)


def _segments(places: Value, rows: Value, count: Dim, reduction: Reduction) -> Value:
    """The rows [U, ...] of each place, of so many, combined; places: i32[U, 1]."""
    start = constant(value=constant_of(np.array(_start(reduction, rows.dtype)), rows.dtype))
    return scatter_nd(broadcast(start, shape=(count, *rows.shape[1:])), places, rows, reduction=reduction)


def _combined(x: Value, places: Value, rows: Value, reduction: Reduction) -> Value:
    """Products, the largest or the smallest of rows and what was there; infinity that was there stays."""
    made = _segments(places, rows, x.shape[0], reduction)
    if reduction == "mul":
        return elementwise.mul(x, made)
    start = like(made, _start(reduction, made.dtype))
    if reduction == "max":
        return elementwise.select(less(start, made), elementwise.maximum(x, made), x)
    return elementwise.select(less(made, start), elementwise.minimum(x, made), x)


def _last(x: Value, places: Value, rows: Value) -> Value:
    """The last row that falls on each place, else what was there."""
    numbers = iota(shape=(rows.shape[0],), axis=0, dtype=DType.INT32)
    latest = _segments(places, numbers, x.shape[0], "max")
    found = ops.gather(rows, elementwise.clip(latest, minimum=0.0, maximum=None), axis=0)
    is_hit = reshape(less(like(latest, -1), latest), shape=(x.shape[0], *(1,) * (x.rank - 1)))
    return elementwise.select(broadcast(is_hit, shape=x.shape), found, x)


def _flat(places: Value, shape: tuple[int, ...]) -> Value:
    """Coordinates from the front, in axes of this shape, as row-major places: i32[U, 1]."""
    steps = np.array([np.prod(shape[each + 1 :], dtype=np.int64) for each in range(len(shape))])
    weights = broadcast(constant(value=constant_of(steps.astype(np.int32))), shape=places.shape)
    count = int(np.prod(places.tensor.static_shape or (), dtype=np.int64)) // len(shape)
    if len(shape) > 1:
        places = reduce_sum(elementwise.mul(places, weights), axes=(places.rank - 1,), keep_dims=False)
    return reshape(places, shape=(count, 1))
