"""Symbolic sizes at run time: learned from the arrays that arrive, then put into attributes."""

from __future__ import annotations

from collections.abc import Mapping

from xir.errors import UsageError
from xir.ir.constraints import check_symbol
from xir.ir.dims import Dim, Symbol, evaluate
from xir.ir.node import Attribute
from xir.ir.rewrite import evaluate_attribute
from xir.ir.types import TensorType


class Sizes:
    """What each symbol turned out to be; an attribute is evaluated only when every symbol in it is known."""

    def __init__(self) -> None:
        """Starts with nothing known."""
        self.known: dict[Symbol, Dim] = {}

    def learn(self, type: TensorType, shape: tuple[int, ...], what: str) -> None:
        """Matches an array's shape with its type, and learns the symbols that stand alone.

        Raises:
            UsageError: if the shape contradicts the type, or what was learned before.
        """
        if len(shape) != type.rank:
            raise UsageError(f"{what} has {len(shape)} axes {list(shape)}, expected {type!r}")
        for dim, size in zip(type.shape, shape, strict=True):
            if isinstance(dim, Symbol) and dim not in self.known:
                check_symbol(dim, size)
                self.known[dim] = size
        for axis, (dim, size) in enumerate(zip(type.shape, shape, strict=True)):
            expected = evaluate(dim, self.known)
            if isinstance(expected, int) and expected != size:
                raise UsageError(f"{what} has the shape {list(shape)}: axis {axis} must be {expected} ({type!r})")

    def fill(self, attributes: Mapping[str, Attribute]) -> Mapping[str, Attribute]:
        """The attributes with every known symbol replaced by its size."""
        if not self.known:
            return attributes
        return {name: evaluate_attribute(value, self.known) for name, value in attributes.items()}
