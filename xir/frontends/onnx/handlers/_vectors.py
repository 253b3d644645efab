"""Operands that are vectors of numbers, known before the run or not."""

from __future__ import annotations

from xir.frontends.onnx._site import Site
from xir.ir.dims import Shape, Symbol
from xir.ir.node import Value
from xir.ir.types import DType
from xir.limits import check_rank
from xir.ops.elementwise import cast


def length(operand: Value) -> int | None:
    """How many numbers a vector operand holds, or None where only the run tells."""
    size = operand.shape[0] if operand.rank == 1 else None
    return size if isinstance(size, int) else None


def unknown(count: int) -> Shape:
    """Sizes that only the run tells."""
    check_rank(count, what="a tensor that is described at run time")
    return tuple(Symbol() for _ in range(count))


def numbers(site: Site, operand: Value) -> tuple[int, ...] | None:
    """The elements of an operand when all of them are known numbers, else None."""
    found = site.sizes(operand)
    known = () if found is None else tuple(size for size in found if isinstance(size, int))
    return None if found is None or len(known) != len(found) else known


def whole(operand: Value) -> Value:
    """The operand in i64."""
    return operand if operand.dtype is DType.INT64 else cast(operand, dtype=DType.INT64)
