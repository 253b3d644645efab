"""What is stored along one axis and read along another goes in squares of a vector by a vector.

Row by row, every element that is read would be alone, on a line of a cache of its own. A square is read as vectors of
one axis and stored as vectors of the other; in between it is turned in registers (`llvm._squares`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xir.ir.dims import Dim, ceil_divide, floor_divide
from xir.ir.types import DType
from xir.kernel import build
from xir.kernel._substitute import substitute
from xir.kernel.grammar import Apply, Axis, Const, For, If, Load, Scalar, Statement, Store
from xir.kernel.strides import turned_loads


def in_squares(loops: Sequence[For], body: Sequence[Statement], lanes: int) -> Statement | None:
    """The loops over squares; None if the body is no single store that is read along another axis than it is stored.

    Args:
        loops: parallel loops, outermost first.
        body: what is inside of all.
        lanes: elements of a vector.
    """
    store = body[0] if len(body) == 1 else None
    if not isinstance(store, Store) or store.mask is not None or len(loops) < 2:
        return None
    along = loops[-1]
    across = next((each for each in loops[:-1] if turned_loads(store, along.axis.name, each.axis.name)), None)
    if across is None or _is_short(along.extent, lanes) or _is_short(across.extent, lanes):
        return None
    full = [
        Apply("lt", (_block(loop), Const(floor_divide(loop.extent, lanes), DType.INT64)))
        for loop in (across, along)
        if not (isinstance(loop.extent, int) and loop.extent % lanes == 0)
    ]
    made: tuple[Statement, ...] = (_square(across, along, store, lanes, ""),)
    whole = build.every(*full)
    if whole is not None:
        made = (If(whole, made, (_square(across, along, _inside(store, across, along), lanes, "r"),)),)
    for loop in reversed(loops):
        extent = ceil_divide(loop.extent, lanes) if loop in (across, along) else loop.extent
        made = (replace(loop, axis=_block(loop) if loop in (across, along) else loop.axis, extent=extent, body=made),)
    return made[0]


def _is_short(extent: Dim, lanes: int) -> bool:
    """Whether squares would be half empty."""
    return isinstance(extent, int) and extent <= lanes // 2


def _block(loop: For) -> Axis:
    return Axis(f"{loop.axis.name}b")


def _inside(store: Store, *loops: For) -> Store:
    """The store, and what it reads, only where there is an element."""
    there = build.every(*(Apply("lt", (loop.axis, Const(loop.extent, DType.INT64))) for loop in loops))

    def read(load: Load) -> Scalar:
        return replace(load, mask=build.every(there, load.mask))

    return replace(store, value=substitute(store.value, {}, read), mask=there)


def _square(across: For, along: For, store: Store, lanes: int, mark: str) -> Statement:
    rows, columns = (Axis(f"{loop.axis.name}{mark}") for loop in (across, along))
    places: dict[str, Scalar] = {
        loop.axis.name: Apply("add", (Apply("mul", (_block(loop), build.index(lanes))), axis))
        for loop, axis in ((across, rows), (along, columns))
    }
    inner = For(columns, lanes, "vector", (substitute(store, places),))
    return For(rows, lanes, "unrolled", (inner,))
