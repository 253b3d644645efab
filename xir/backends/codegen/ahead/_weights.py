"""The weights of a model that was compiled ahead of time: in its object, or in a file that is mapped.

The versions of a model's code share the weights that are not packed. In a file they follow a header: `MAGIC`, the
SHA-256 of what follows it, and zeros. Whoever maps the file compares the header, and adds up all that follows, in eight
lanes of 64-bit words (Fletcher, "An Arithmetic Checksum for Serial Transmissions", 1982, modulo 2**64): that notices
damage as fast as memory is read, where a cryptographic digest would take seconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from xir.backends.codegen.lowering.made import Made, Weight
from xir.files import FileSlice
from xir.runtime.memory import ALIGNMENT

MAGIC = b"xir-w\0\0\2"
"""What a file of weights begins with."""
HEADER_BYTES = 64
"""Bytes before the weights in a file of their own: what says that it is this model's."""
LANES = ALIGNMENT // 8
"""Words that are added up beside each other."""

_ROWS = 1 << 16
"""Rows of words that are added up at once."""


@dataclass(slots=True)
class Weights:
    """Weights, each once; those that are packed are made anew whenever they are read, a piece at a time.

    Attributes:
        size: bytes that they take, each beginning and all ending at a multiple of `ALIGNMENT`.
    """

    size: int = 0
    _held: list[Weight] = field(default_factory=list[Weight])
    _places: dict[int, int] = field(default_factory=dict[int, int])

    def place(self, weight: Weight) -> int:
        """Where a weight begins; it is added if it is not there yet. One without elements lies anywhere."""
        if not weight.nbytes:
            return 0
        if id(weight) not in self._places:
            self._places[id(weight)] = self.size
            self._held.append(weight)
            self.size += -(-weight.nbytes // ALIGNMENT) * ALIGNMENT
        return self._places[id(weight)]

    def parts(self) -> Iterator[memoryview | bytes]:
        """The bytes of the weights and of what lies between them."""
        for weight in self._held:
            yield from _parts(weight)
            yield bytes(-weight.nbytes % ALIGNMENT)

    def marks(self) -> tuple[bytes, bytes]:
        """The header of a file of them; the sums of each lane's words, then the sums of these sums as they grow."""
        digest = hashlib.sha256()
        sums = np.zeros((2, LANES), np.uint64)
        for rows in _rows(self.parts()):
            digest.update(rows.data)
            falling = np.arange(len(rows), 0, -1, dtype=np.uint64)[:, None]
            sums[1] += np.uint64(len(rows)) * sums[0] + (rows * falling).sum(0, np.uint64)
            sums[0] += rows.sum(0, np.uint64)
        return (MAGIC + digest.digest()).ljust(HEADER_BYTES, b"\0"), sums.tobytes()


def _parts(weight: Weight) -> Iterator[memoryview | bytes]:
    """The bytes of a weight; pages of a file that were read for them are given back."""
    for piece in weight.pieces() if isinstance(weight, Made) else (weight.array(),):
        yield np.ascontiguousarray(piece).reshape(-1).view(np.uint8).data if piece.size else b""
    if not isinstance(weight, Made) and isinstance(weight.data, FileSlice):
        weight.data.forget()


def _rows(parts: Iterable[memoryview | bytes]) -> Iterator[NDArray[np.uint64]]:
    """The words of parts, which together are whole rows."""
    rest = b""
    for part in parts:
        whole = rest + bytes(part) if rest else part
        end = len(whole) // ALIGNMENT * ALIGNMENT
        for start in range(0, end, _ROWS * ALIGNMENT):
            yield np.frombuffer(whole[start : min(start + _ROWS * ALIGNMENT, end)], "<u8").reshape(-1, LANES)
        rest = bytes(whole[end:])
