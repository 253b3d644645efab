"""Where temporary buffers lie in one block of memory: buffers that live at different times share a place.

First fit by decreasing size, as in Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference"
(2020), section 5.2 ("greedy by size").
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xir.ir.constant import Array
from xir.ir.dims import Dim, Shape, Symbol, evaluate

ALIGNMENT = 64
"""Bytes of a cache line, and of the widest vector register."""


@dataclass(frozen=True, slots=True)
class Life:
    """A buffer's bytes, and the first and last step that touches it."""

    bytes: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Places in one block: {slot: offset}, and the size of the block in bytes."""

    offsets: Mapping[int, int]
    bytes: int


def in_use(moments: Iterable[Iterable[int]]) -> dict[int, tuple[int, int]]:
    """{slot: the first and the last moment that touches it}, of the slots that each moment touches."""
    spans: dict[int, tuple[int, int]] = {}
    for place, moment in enumerate(moments):
        for slot in moment:
            spans[slot] = (spans.get(slot, (place, place))[0], place)
    return spans


def plan(lives: Mapping[int, Life]) -> Plan:
    """Offsets for buffers such that those that live at the same time do not overlap."""
    placed: list[tuple[int, int, Life]] = []
    offsets: dict[int, int] = {}
    total = 0
    for slot, life in sorted(lives.items(), key=lambda item: (-item[1].bytes, item[0])):
        size = -(-max(life.bytes, 1) // ALIGNMENT) * ALIGNMENT
        start = 0
        for begin, end, other in placed:
            together = life.first <= other.last and other.first <= life.last
            if together and begin < start + size and start < end:
                start = end
        offsets[slot] = start
        placed.append((start, start + size, life))
        placed.sort(key=lambda each: each[0])
        total = max(total, start + size)
    return Plan(offsets, total)


def numbers_of(shape: Shape, known: Mapping[Symbol, Dim]) -> tuple[int, ...] | None:
    """The sizes as numbers, if they are known."""
    numbers = [dim if isinstance(dim, int) else evaluate(dim, known) for dim in shape]
    whole = tuple(dim for dim in numbers if isinstance(dim, int))
    return whole if len(whole) == len(numbers) else None


def byte_count(dtype: np.dtype[np.generic], shape: Sequence[int]) -> int:
    """The bytes of an array."""
    count = dtype.itemsize
    for size in shape:
        count *= size
    return count


_DATA = object.__basicsize__
"""Bytes into an array's object: where the address of its elements stands, first of the fields after those of every
object (NumPy C-API, `PyArrayObject_fields`; a part of its binary interface)."""


def address_of(array: Array) -> int:
    """Where the elements of an array begin; `array.ctypes.data` takes longer than the rest of a small call."""
    if sys.implementation.name != "cpython":  # elsewhere `id` is no address
        return array.ctypes.data
    return ctypes.c_size_t.from_address(id(array) + _DATA).value
