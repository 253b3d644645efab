"""Memory for large results: what a caller has let go of holds the next ones.

Fresh pages cost more than many kernels: the system hands them out one by one and clears each (a result of 64 MiB takes
8 ms to appear). So the memory of a large result goes back to the model when the last array that shows it is gone, and
the next call writes there again. It begins at a cache line, so that no vector that is stored lies in two of them.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from math import prod

import numpy as np

from xir.ir.constant import Array
from xir.runtime.memory import ALIGNMENT, address_of

LARGE = 1 << 16
"""Bytes from which on a result is large: smaller ones the C library finds pages for that are in use."""

Spare = MutableMapping[int, "_Memory"]
"""{slot: memory that holds no result}, one piece a slot."""


class _Memory:
    """Bytes that begin at a cache line.

    Attributes:
        bytes: how many.
        shown: what NumPy asks for to show them (`__array_interface__`), written once: it takes longer than the rest.
    """

    __slots__ = ("_held", "bytes", "shown")

    def __init__(self, bytes: int) -> None:
        self.bytes = bytes
        self._held = np.empty(bytes + ALIGNMENT, np.uint8)
        start = address_of(self._held)
        place = start + -start % ALIGNMENT
        self.shown: dict[str, object] = {"shape": (bytes,), "typestr": "|u1", "data": (place, False), "version": 3}


class _Lease:
    """Memory of one result; with the last array that shows it, it goes back."""

    __slots__ = ("__array_interface__", "_home", "_memory", "_slot")

    def __init__(self, memory: _Memory, home: Spare, slot: int) -> None:
        self._memory, self._home, self._slot = memory, home, slot
        self.__array_interface__ = memory.shown

    def __del__(self) -> None:
        self._home[self._slot] = self._memory


def result(shape: tuple[int, ...], dtype: np.dtype[np.generic], spare: Spare, slot: int) -> Array:
    """An array for a result, its elements undefined.

    Args:
        shape: its shape.
        dtype: its element type.
        spare: memory to use; gets it back.
        slot: whose result it is.
    """
    size = prod(shape) * dtype.itemsize
    if size < LARGE:
        return np.empty(shape, dtype)
    memory = spare.pop(slot, None)
    if memory is None or memory.bytes != size:
        memory = _Memory(size)
    made: Array = np.ndarray(shape, dtype, np.asarray(_Lease(memory, spare, slot)))
    return made
