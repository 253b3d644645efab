"""Memory for large results: what a caller has let go of holds the next ones.

Fresh pages cost more than many kernels: the system hands them out one by one and clears each (a result of 64 MiB takes
8 ms to appear). So the memory of a large result goes back to the model when the last array that shows it is gone, and
the next call writes there again. It begins at a cache line, so that no vector that is stored lies in two of them.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from math import prod

import numpy as np
from numpy.typing import NDArray

from xir.ir.constant import Array
from xir.runtime.memory import ALIGNMENT

LARGE = 1 << 16
"""Bytes from which on a result is large: smaller ones the C library finds pages for that are in use."""

Spare = MutableMapping[int, NDArray[np.uint8]]
"""{slot: memory that holds no result}, one piece a slot."""


class _Lease:
    """Memory of one result; with the last array that shows it, it goes back."""

    __slots__ = ("_home", "_memory", "_slot", "_start")

    def __init__(self, memory: NDArray[np.uint8], home: Spare, slot: int) -> None:
        self._memory, self._home, self._slot = memory, home, slot
        self._start = -memory.ctypes.data % ALIGNMENT

    @property
    def __array_interface__(self) -> dict[str, object]:
        place = self._memory.ctypes.data + self._start
        size = self._memory.size - ALIGNMENT
        return {"shape": (size,), "typestr": "|u1", "data": (place, False), "version": 3}

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
    if memory is None or memory.size != size + ALIGNMENT:
        memory = np.empty(size + ALIGNMENT, np.uint8)
    made: Array = np.asarray(_Lease(memory, spare, slot)).view(dtype).reshape(shape)
    return made
