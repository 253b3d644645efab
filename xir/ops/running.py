"""Sums and products that run along an axis."""

from __future__ import annotations

from typing import cast

import numpy as np

from xir.errors import UnsupportedError
from xir.ir.builder import apply
from xir.ir.constant import Array
from xir.ir.node import Node, Value
from xir.ir.types import TensorType
from xir.ops._carried import running_sum
from xir.ops._checks import only_element, require_axis, require_scalar
from xir.ops._define import op
from xir.ops._numeric import Numbers, require_number
from xir.ops._windows import widened
from xir.ops.shape import pad, reverse, slice_


def _type_of(x: Value, at: Value | None, axis: int) -> TensorType:
    require_number(x)
    require_scalar(at)
    require_axis(x, axis)
    return x.tensor


def axis_of(operand: Array | None, axis: int, rank: int) -> int:
    """The axis that an operand gives at run time, counted from the front; `axis` where there is none.

    Raises:
        IndexError: there is no such axis.
    """
    found = axis if operand is None else int(only_element(operand))
    if not -rank <= found < rank:
        raise IndexError(f"axis {found} does not exist among {rank}")
    return found % rank


@op
def cumsum(
    x: Value, at: Value | None = None, *, axis: int, exclusive: bool = False, reverse: bool = False
) -> TensorType:
    """Running sums along one axis, without the element itself where `exclusive` (ONNX CumSum).

    x: numbers; result: the same type. `reverse` sums from the end. `at`: an integer, gives the axis at run time
    (negative ones count from the end); `axis` then says nothing.
    """
    return _type_of(x, at, axis)


@cumsum.reference
def _cumsum_reference(x: Numbers, at: Array | None, *, axis: int, exclusive: bool, reverse: bool) -> Array:
    axis = axis_of(at, axis, x.ndim)
    line = np.flip(x, axis) if reverse else x
    total = np.cumsum(widened(line), axis=axis, dtype=widened(line).dtype)
    if exclusive:
        total = np.roll(total, 1, axis)
        total[(slice(None),) * axis + (slice(0, 1),)] = 0
    return np.asarray(np.flip(total, axis) if reverse else total).astype(x.dtype)


@cumsum.gradient
def _cumsum_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    attributes = dict(node.attributes)
    attributes["reverse"] = not attributes["reverse"]
    return (apply(node.op, (dy, *node.inputs[1:]), attributes).outputs[0], None)


cumsum.lower(running_sum)


@op
def cumprod(
    x: Value, at: Value | None = None, *, axis: int, exclusive: bool = False, reverse: bool = False
) -> TensorType:
    """Running products along one axis, without the element itself where `exclusive` (ONNX CumProd).

    x: numbers; result: the same type. `reverse` multiplies from the end. `at`: an integer, gives the axis at run time
    (negative ones count from the end); `axis` then says nothing.
    """
    return _type_of(x, at, axis)


@cumprod.reference
def _cumprod_reference(x: Numbers, at: Array | None, *, axis: int, exclusive: bool, reverse: bool) -> Array:
    axis = axis_of(at, axis, x.ndim)
    line = np.flip(x, axis) if reverse else x
    total = np.cumprod(widened(line), axis=axis, dtype=widened(line).dtype)
    if exclusive:
        total = np.roll(total, 1, axis)
        total[(slice(None),) * axis + (slice(0, 1),)] = 1
    return np.asarray(np.flip(total, axis) if reverse else total).astype(x.dtype)


cumprod.no_gradient(
    "where elements are 0 it takes time in the square of the length; nothing xir reads trains through it"
)
cumprod.host("an axis or a size that comes at run time is data; else it comes apart")


@cumprod.decompose
def _cumprod_decompose(
    x: Value, at: Value | None = None, *, axis: int, exclusive: bool = False, reverse: bool = False
) -> Value:
    """Products of 2, 4, 8 ... elements by shifted copies (Hillis and Steele 1986, 'Data Parallel Algorithms')."""
    from xir.ops._wide import narrow, wide  # they build on the operators of this room

    size = x.shape[axis]
    if at is not None or not isinstance(size, int):
        raise UnsupportedError(
            "running products along an axis, or over a size, that only the run tells",
            hint="fold the axis to a constant and give the model's input sizes with --input",
        )
    line = _turned(wide(x), axis, reverse)
    if exclusive:
        line = _shifted(line, axis, 1)
    step = 1
    while step < size:
        line = _product(line, _shifted(line, axis, step))
        step *= 2
    return narrow(_turned(line, axis, reverse), x.dtype)


def _product(x: Value, y: Value) -> Value:
    from xir.ops.elementwise import mul

    return mul(x, y)


def _turned(x: Value, axis: int, turn: bool) -> Value:
    return reverse(x, axes=(axis,)) if turn else x


def _shifted(x: Value, axis: int, step: int) -> Value:
    """`x` moved back along the axis, ones in front."""
    size = cast("int", x.shape[axis])
    step = min(step, size)
    kept = slice_(x, axes=(axis,), starts=(0,), stops=(size - step,), steps=(1,))
    return pad(kept, padding=tuple((step if each == axis else 0, 0) for each in range(x.rank)), value=1.0)
