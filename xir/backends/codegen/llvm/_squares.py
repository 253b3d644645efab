"""Squares of a vector by a vector, turned in registers: rows become columns.

Of each pair of rows that are 1, 2, 4, ... apart, lanes that are as far apart change places: what was the bit of a row's
number is one of a lane's then. A square of 16 takes 64 instructions, where lane by lane it would be 240.
(Eklundh 1972, "A Fast Computer Method for Matrix Transposing")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xir.backends.codegen.llvm.types import Function, Operand, wide
from xir.kernel.grammar import For, Load, Store
from xir.kernel.strides import turned_loads


def square_of(loop: For, width: int) -> tuple[For, Store, tuple[Load, ...]] | None:
    """The vector loop, the store and the loads of a square that is read along another axis than it is stored."""
    inner = loop.body[0] if len(loop.body) == 1 else None
    if loop.extent != width or not isinstance(inner, For) or inner.kind != "vector" or inner.extent != width:
        return None
    store = inner.body[0] if len(inner.body) == 1 else None
    if not isinstance(store, Store):
        return None
    found = turned_loads(store, inner.axis.name, loop.axis.name)
    return (inner, store, found) if found else None


def transposed(out: Function, rows: Sequence[Operand]) -> list[Operand]:
    """The columns of a square of rows; as many as lanes, a power of two."""
    lanes, made, step = len(rows), list(rows), 1
    while step < lanes:
        for first in (row for row in range(lanes) if not row & step):
            pair = made[first], made[first + step]
            low = [lane - step + lanes if lane & step else lane for lane in range(lanes)]
            made[first], made[first + step] = (
                _chosen(out, *pair, [lane + shift for lane in low]) for shift in (0, step)
            )
        step *= 2
    return made


def _chosen(out: Function, first: Operand, second: Operand, lanes: Sequence[int]) -> Operand:
    """Lanes of both, those of the second counted on from those of the first."""
    mask = ", ".join(f"i32 {lane}" for lane in lanes)
    text = out.let(f"shufflevector {first.typed}, {second.typed}, {wide('i32', len(lanes))} <{mask}>")
    return replace(first, text=text)
