"""Forms of boxes of which the overlapping ones are suppressed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xir.backends.export.tflite._form import (
    Answer,
    Forms,
    Refusal,
    Steps,
    again,
    literal_of,
    operand,
    whole,
)
from xir.backends.export.tflite.elementwise import like
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, as_dim, minimum
from xir.ir.node import Attribute, Node, Value
from xir.ir.types import DType, TensorType
from xir.ops.constant import constant
from xir.ops.control import assume_shape
from xir.ops.detection import non_max_suppression
from xir.ops.elementwise import add, maximum, mul, sub
from xir.ops.shape import broadcast, concat, slice_, split

if TYPE_CHECKING:
    from xir.backends.export.tflite._plan import Plan

forms = Forms()

_I32 = DType.INT32

_MOST_KINDS = 512
"""Images and classes for which an operator each is written."""


@forms.of(non_max_suppression)
def _suppressed(node: Node) -> Answer:
    """NON_MAX_SUPPRESSION_V4 of each image and class, whose boxes are corners.

    The kernel takes scores above its limit alone: without one, those of minus infinity become the least number.
    """
    boxes, scores = operand(node), operand(node, 1)
    images, classes = scores.shape[:2]
    if not isinstance(images, int) or not isinstance(classes, int) or images * classes > _MOST_KINDS:
        return Refusal(f"boxes of {images!r} images and {classes!r} classes: {_MOST_KINDS} together at most")
    if any(value is not None and literal_of(value) is None for value in node.inputs[2:]):
        return Refusal("limits of boxes that are computed at run time")
    if whole(node, "center"):
        return again(node, (_corners(boxes), *node.inputs[1:]), center=False)
    if node.attributes["score_threshold"] is None and node.inputs[4] is None:
        counting = maximum(scores, like(scores, float(np.finfo(np.float32).min)))
        return again(node, (boxes, counting, *node.inputs[2:]), score_threshold=-np.inf)
    if images * classes == 1:
        return Steps(_write)
    rows = [
        _named(again(node, (_row(boxes, image), _row(_row(scores, image), kind, 1), *node.inputs[2:]))[0], image, kind)
        for image in range(images)
        for kind in range(classes)
    ]
    joined = concat(*rows, axis=0) if rows else constant(value=constant_of(np.zeros((0, 3), np.int64)))
    return assume_shape(joined, shape=node.outputs[0].shape)


def _row(x: Value, place: int, axis: int = 0) -> Value:
    if x.shape[axis] == 1:
        return x
    return slice_(x, axes=(axis,), starts=(place,), stops=(place + 1,), steps=(1,))


def _named(rows: Value, image: int, kind: int) -> Value:
    """Rows (0, 0, box) with the image and the class."""
    names = constant(value=constant_of(np.array([[image, kind, 0]], np.int64)))
    return add(rows, broadcast(names, shape=rows.shape))


def _corners(boxes: Value) -> Value:
    """Centres and sizes [N, B, 4] as two corners."""
    middle, size = split(boxes, axis=2, sizes=(2, 2))
    half = mul(size, like(size, 0.5))
    return concat(sub(middle, half), add(middle, half), axis=2)


def _limit(node: Node, index: int, known: Attribute) -> float:
    """A limit: that of the operand, else that of the attribute."""
    held = literal_of(node.inputs[index])
    if held is not None:
        return float(held.array().reshape(-1).astype(np.float64)[0])
    return known if isinstance(known, float) else -np.inf


def _write(plan: Plan, node: Node) -> None:
    """The places of the boxes that stay, cut to as many as there are, as rows (0, 0, box).

    The kernel drops what overlaps by the limit or more (non_max_suppression.h): its limit is the next number.
    """
    boxes, scores, result = operand(node), operand(node, 1), node.outputs[0]
    count, rows = boxes.shape[1], result.shape[0]
    least = _limit(node, 4, node.attributes["score_threshold"])
    overlap = np.nextafter(np.float32(_limit(node, 3, node.attributes["iou_threshold"])), np.float32(np.inf))
    operands = [
        plan.reshaped(plan.read(boxes), (count, 4), boxes.dtype),
        plan.reshaped(plan.read(scores), (count,), scores.dtype),
        plan.reshaped(plan.sizes((minimum(_most(node), count),)), (), _I32),
        *(plan.literal(constant_of(np.array(number, np.float32))) for number in (overlap, least)),
    ]
    found = (TensorType(_I32, (count,)), TensorType(_I32, ()))
    places, kept = plan.finish(node, "NON_MAX_SUPPRESSION_V4", operands, ("NonMaxSuppressionV4Options", {}), found)
    zero, one, columns = (
        plan.literal(constant_of(np.array(numbers, np.int32))) for numbers in ([0], [1], [[0, 0], [2, 0]])
    )
    bounds = [zero, plan.reshaped(kept, (1,), _I32), one]
    cut = plan.add("STRIDED_SLICE", [places, *bounds], (rows,), _I32, "StridedSliceOptions")
    wide = plan.add("PAD", [plan.reshaped(cut, (rows, 1), _I32), columns], (rows, 3), _I32, "PadOptions")
    plan.hold(result, plan.add("CAST", [wide], (rows, 3), result.dtype, "CastOptions"))


def _most(node: Node) -> Dim:
    """The most boxes of a class, within i32."""
    held, known = literal_of(node.inputs[2]), node.attributes["max_per_class"]
    number = as_dim(known) if held is None else max(int(held.array().reshape(-1)[0]), 0)
    return min(number, int(np.iinfo(np.int32).max)) if isinstance(number, int) else number
