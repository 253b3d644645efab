"""Forms of picking elements, of bits and of products of whole numbers, which Keras takes further than TFLite."""

from __future__ import annotations

import numpy as np

from xir.backends.export.forms import Table
from xir.backends.export.keras._form import Form, each, operation
from xir.backends.export.tflite import index
from xir.backends.export.tflite._form import Answer, Refusal, operand, whole
from xir.ir.constant import constant_of
from xir.ir.dims import equal, product
from xir.ir.node import Node
from xir.ops import bitwise
from xir.ops.constant import constant
from xir.ops.index import gather_elements
from xir.ops.matmul import matmul
from xir.ops.places import scatter_nd
from xir.ops.shape import broadcast, reshape

forms = Table[Form]()
bits = Table[Form]()
"""Operators that take whole numbers of every width."""

wide = Table[Form]()
"""Operators that take i32 and i64 besides real numbers."""

for _operator, _kind in (
    (bitwise.bitwise_and, "BitwiseAnd"),
    (bitwise.bitwise_or, "BitwiseOr"),
    (bitwise.bitwise_xor, "BitwiseXor"),
):
    bits.of(_operator)(each(_kind))


@wide.of(matmul)
def _whole_matmul(node: Node) -> Answer:
    """Matmul."""
    return operation("Matmul", [operand(node), operand(node, 1)], None)


@forms.of(gather_elements)
def _gather_elements(node: Node) -> Answer:
    """TakeAlongAxis where the other axes have the same sizes; else as TFLite picks."""
    x, indices, axis = operand(node), operand(node, 1), whole(node, "axis")
    others = [place for place in range(x.rank) if place != axis]
    picks = index.forms.get("gather_elements")
    if picks is not None and any(equal(x.shape[place], indices.shape[place]) is not True for place in others):
        return picks(node)
    return operation("TakeAlongAxis", [x, indices], None, axis=axis)


@forms.of(scatter_nd)
def _scatter_nd(node: Node) -> Answer:
    """ScatterUpdate, whose places count from the front and are those of rows where it multiplies (ops/core.py)."""
    x, places, updates = operand(node), operand(node, 1), operand(node, 2)
    depth, sizes, reduction = places.shape[-1], x.tensor.static_shape, index.reduction_of(node)
    if not isinstance(depth, int) or not depth:
        return Refusal("places without coordinates, or with as many as only the run tells")
    if not index.from_front(places):
        if sizes is None:
            return Refusal("places in sizes that are not known before the run")
        extents = constant(value=constant_of(np.array(sizes[:depth], places.dtype.dtype)))
        front = index.counted(places, broadcast(extents, shape=places.shape))
        return scatter_nd(x, front, updates, reduction=reduction)
    if reduction == "mul" and places.rank != 2:
        count = product(places.shape[:-1])
        rows = reshape(places, shape=(count, depth)), reshape(updates, shape=(count, *x.shape[depth:]))
        return scatter_nd(x, *rows, reduction=reduction)
    told = {} if reduction == "none" else {"reduction": reduction}
    return operation("ScatterUpdate", [x, places, updates], None, **told)
