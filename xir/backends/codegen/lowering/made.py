"""Weights that are made from others when they are written: packed, or turned into other numbers.

Nothing is made while a program is lowered, and then one weight after another, a piece at a time, so that memory holds
each weight once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from xir.ir.constant import Array, Constant, constant_of
from xir.ir.types import TensorType


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Made:
    """A weight that does not exist yet.

    Attributes:
        type: its elements; every size is known.
        source: what it is made from.
        make: its elements in row-major order, in pieces, from the elements of the source.
    """

    type: TensorType
    source: Weight
    make: Callable[[Array], Iterable[Array]]

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        count = self.type.dtype.dtype.itemsize
        for size in self.type.static_shape or ():
            count *= size
        return count

    def pieces(self) -> Iterator[Array]:
        """The elements, in pieces."""
        yield from self.make(self.source.array())

    def array(self) -> Array:
        """The elements."""
        whole: Array = np.empty(self.type.static_shape or (), self.type.dtype.dtype)
        flat, end = whole.reshape(-1), 0
        for piece in self.pieces():
            flat[end : end + piece.size] = piece.reshape(-1)
            end += piece.size
        return whole


Weight: TypeAlias = Constant | Made
"""What lies ready before a program runs."""


def ready(weight: Weight) -> Constant:
    """The weight, made if it does not exist yet."""
    return constant_of(weight.array()) if isinstance(weight, Made) else weight
