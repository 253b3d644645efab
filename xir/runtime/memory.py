"""Where temporary buffers lie in one block of memory: buffers that live at different times share a place.

First fit by decreasing size, as in Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference"
(2020), section 5.2 ("greedy by size").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
