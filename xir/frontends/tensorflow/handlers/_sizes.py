"""Operands of sizes and axes, known before the run or not; the ends of element types."""

from __future__ import annotations

import numpy as np

from xir.frontends.tensorflow._site import Site
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, Shape, Symbol
from xir.ir.node import Value
from xir.ir.types import DType
from xir.limits import check_rank
from xir.ops.constant import constant
from xir.ops.shape import reshape, slice_


def numbers(site: Site, operand: Value) -> tuple[int, ...] | None:
    """The elements of an operand when all of them are known numbers, else None."""
    found = site.sizes(operand)
    known = () if found is None else tuple(size for size in found if isinstance(size, int))
    return None if found is None or len(known) != len(found) else known


def axis_of(site: Site, operand: Value, rank: int) -> int:
    """An axis that an operand says, counted from the front."""
    found = site.numbers(operand, "an axis")
    if len(found) != 1:
        site.invalid(f"{len(found)} axes are given, expected one")
    return site.axis(found[0], rank)


def whole(site: Site, operand: Value) -> Value:
    """The operand in i64."""
    return site.cast(operand, DType.INT64)


def unknown(count: int) -> Shape:
    """Sizes that only the run tells."""
    check_rank(count, what="a tensor that is described at run time")
    return tuple(Symbol() for _ in range(count))


def entries(site: Site, operand: Value, count: int) -> tuple[Dim | None, ...]:
    """The elements of a vector operand one by one, None for those that only the run tells.

    A vector that is packed of scalars is known as far as these are.
    """
    known = site.sizes(operand)
    if known is not None:
        return known
    node = operand.node
    pieces = node.inputs if node is not None and node.op.name == "concat" else ()
    found = [site.sizes(piece) if piece is not None and piece.shape == (1,) else None for piece in pieces]
    if len(found) != count:
        return (None,) * count
    return tuple(None if each is None else each[0] for each in found)


def length(site: Site, operand: Value) -> int:
    """How many numbers a vector operand holds; it is refused where only the run tells."""
    size = operand.shape[0] if operand.rank == 1 else None
    if not isinstance(size, int):
        site.refuse("a shape of which not even the number of axes is known before the run", "type the inputs: --input")
    return size


def head(x: Value, count: Value, size: Dim) -> Value:
    """The first `count` (i64, no axes) rows; `size` is their number as far as it is known."""
    if isinstance(size, int):
        return slice_(x, axes=(0,), starts=(0,), stops=(size,), steps=(1,))
    zero = constant(value=constant_of(np.zeros(1, np.int64)))
    return slice_(x, zero, reshape(count, shape=(1,)), axes=(0,), starts=(0,), stops=(size,), steps=(1,))


def limits(dtype: DType) -> tuple[float, float]:
    """The least and the greatest number of an element type."""
    if dtype.is_integer:
        whole_numbers = np.iinfo(dtype.dtype.name)
        return whole_numbers.min, whole_numbers.max
    wide = {"float16": 65504.0, "bfloat16": 3.3895313892515355e38}
    greatest = wide.get(dtype.dtype.name) or float(np.finfo(np.float32 if dtype is DType.FLOAT32 else np.float64).max)
    return -greatest, greatest
