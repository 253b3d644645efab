"""The next row asked for while a worker computes on this one.

Processors fetch ahead along lines of memory, but not past the end of a page (Intel optimization manual, "data
prefetching"), and a row of a softmax is often a page: each begins with a wait. The loop that reads a row for the last
time has it near, so memory is idle meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from xir.ir.dims import subtract
from xir.kernel import build
from xir.kernel._substitute import substitute
from xir.kernel.grammar import Apply, Axis, Const, For, Let, Load, Prefetch, Statement, Store
from xir.kernel.strides import unit_steps
from xir.kernel.walk import loads, scalars

PAGE = 4096
"""Bytes of the smallest page."""
LINE = 64
"""Bytes of a cache line."""


def with_next_row(row: For, body: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """What is done with one row, with the next one fetched in the last of several loops that read the row.

    Args:
        row: the loop over rows; the last of them fetches itself.
        body: what is in it, reductions in lanes.
    """
    made = list(body)
    readers: dict[str, list[int]] = {}
    for place, each in enumerate(body):
        for name in dict.fromkeys(load.buffer.name for load in _read(each)):
            readers.setdefault(name, []).append(place)
    for name, places in readers.items():
        last = made[places[-1]]
        if len(places) > 1 and isinstance(last, For):
            made[places[-1]] = _fetching(row, last, name)
    return tuple(made)


def _read(statement: Statement) -> Iterator[Load]:
    return (load for load in loads([statement]) if load.buffer.space == "global" and len(load.indices) == 1)


def _fetching(row: For, loop: For, name: str) -> For:
    """The loop over blocks of a row, which asks for the same block of the next row; as it is if it is no such loop."""
    lanes = next((each for each in loop.body if isinstance(each, For) and each.kind == "vector"), None)
    if lanes is None or loop.kind != "serial" or not all(isinstance(each, Let | Store) for each in lanes.body):
        return loop
    read = [load for load in _read(lanes) if load.buffer.name == name]
    if len(read) != 1 or not isinstance(lanes.extent, int) or not isinstance(loop.extent, int):
        return loop
    (load,) = read
    item = load.buffer.dtype.bits // 8
    if loop.extent * lanes.extent * item < PAGE or not item or not _goes_along(load, row, lanes):
        return loop
    after = Apply("add", (row.axis, build.index(1)))
    following = Apply("min", (after, build.index(subtract(row.extent, 1))))
    places = (
        substitute(load.indices[0], {row.axis.name: following, lanes.axis.name: build.index(start)})
        for start in range(0, lanes.extent, LINE // item)
    )
    return replace(loop, body=(*(Prefetch(load.buffer, (each,)) for each in places), *loop.body))


def _goes_along(load: Load, row: For, lanes: For) -> bool:
    """Whether lanes read neighbours, at a place that counters alone tell, each row its own."""
    parts = tuple(scalars(load.indices))
    told = all(isinstance(each, Axis | Const | Apply) for each in parts) and row.axis in parts and load.mask is None
    return told and lanes.axis in parts and unit_steps(lanes.body, lanes.axis.name) is not None
