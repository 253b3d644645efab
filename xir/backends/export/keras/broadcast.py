"""Repeating to shapes that only the run tells, or along many axes, for which `BroadcastTo` does not do."""

from __future__ import annotations

from xir.backends.export.keras._layers import Layers
from xir.backends.export.tflite._plan import Record
from xir.errors import UnsupportedError
from xir.ir.dims import Dim, Shape, equal
from xir.ir.types import DType, TensorType
from xir.keras_layout import Json

_EVERY: Json = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}
"""All places along an axis (keras/src/saving/serialization_lib.py)."""


AT_ONCE = 2
"""Axes along which TensorFlow's `BroadcastTo` repeats for certain (kernels/broadcast_to_op.cc: five runs of axes)."""


def grown_axes(layers: Layers, record: Record) -> list[int]:
    """The axes of the result along which the operand is repeated."""
    source, made = layers.tensor(record.inputs[0]).shape, layers.tensor(record.outputs[0]).shape
    shape: Shape = (*(1,) * (len(made) - len(source)), *source)
    return [axis for axis, size in enumerate(shape) if equal(size, made[axis]) is not True]


def write_repeated(layers: Layers, record: Record) -> None:
    """Known sizes are repeats of Tile; along others zeros are added that have the size of an input.

    Raises:
        UnsupportedError: no input has a size.
    """
    source, result = layers.tensor(record.inputs[0]), record.outputs[0]
    made = TensorType(layers.tensor(result).dtype, layers.tensor(result).shape)
    shape: Shape = (*(1,) * (made.rank - len(source.shape)), *source.shape)
    grown = grown_axes(layers, record)
    late = [[axis] for axis in grown if not isinstance(made.shape[axis], int)]
    steps = [axis for axis in grown if [axis] not in late]
    value = layers.called(record.inputs[0])
    stages = [steps, *late] if steps or not late else late
    for place, axes in enumerate(stages, 1):
        shape = tuple(made.shape[axis] if axis in axes else size for axis, size in enumerate(shape))
        target = result if place == len(stages) else made.with_shape(shape)
        if axes is steps:
            repeats: list[Json] = [
                size if axis in steps and isinstance(size, int) else 1 for axis, size in enumerate(shape)
            ]
            value = layers.operation("Tile", [value], target, repeats=repeats)
        else:
            operator = "LogicalOr" if made.dtype is DType.BOOL else "Add"
            value = layers.operation(operator, [value, _zeros(layers, made.shape[axes[0]], axes[0], made)], target)


def _zeros(layers: Layers, size: Dim, axis: int, like: TensorType) -> Json:
    """Zeros of `like`'s element type and rank, with `size` along an axis and 1 along the others."""
    for number in layers.plan.inputs:
        held = layers.tensor(number)
        at = next((at for at, each in enumerate(held.shape) if equal(each, size) is True), None)
        if at is None or 0 in held.shape:
            continue
        key: list[Json] = [_EVERY if place == at else 0 for place in range(len(held.shape))]
        row = layers.operation("GetItem", [layers.called(number), key], TensorType(held.dtype, (size,)))
        type = TensorType(like.dtype, (size,))
        zeros = layers.operation("ZerosLike", [row], type, dtype=like.dtype.dtype.name)
        shape = tuple(size if place == axis else 1 for place in range(like.rank))
        wanted: list[Json] = [-1 if place == axis else 1 for place in range(like.rank)]
        return layers.operation("Reshape", [zeros], type.with_shape(shape), newshape=wanted)
    raise UnsupportedError("sizes that are computed at run time")
