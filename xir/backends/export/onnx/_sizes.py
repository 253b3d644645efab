"""Where the sizes that are not known before the run can be read: which axis of which value."""

from __future__ import annotations

from dataclasses import dataclass, field

from xir.ir.dims import Dim, Polynomial, Symbol, symbols_of
from xir.ir.node import Value
from xir.ir.types import TensorType


@dataclass(slots=True)
class Definitions:
    """Sizes that some axis of some value has, the first one found for each.

    Attributes:
        computed: whether formulas that results have are read from them; else they are computed from their symbols.
    """

    computed: bool = False
    _places: dict[Dim, tuple[Value, int]] = field(default_factory=dict[Dim, tuple[Value, int]])
    _solutions: dict[Symbol, Dim] = field(default_factory=dict[Symbol, Dim])

    def learn(self, value: Value) -> None:
        """Notes the unknown sizes of a value that is there from now on."""
        if not isinstance(value.type, TensorType):
            return
        for axis, size in enumerate(value.type.shape):
            if isinstance(size, int) or size in self._places:
                continue
            if isinstance(size, Symbol) or value.node is None or self.computed:
                self._places[size] = (value, axis)
                self._note_linear(size)

    def find(self, size: Dim) -> tuple[Value, int] | None:
        """A value and its axis of this size, or None."""
        return self._places.get(size)

    def solve(self, symbol: Symbol) -> Dim | None:
        """The symbol in terms of a size that can be read (`n` from an axis of `2*n + 1`), or None."""
        return self._solutions.get(symbol)

    def _note_linear(self, size: Dim) -> None:
        """From `a * n + b` follows `n = (size - b) / a`."""
        symbols = list(symbols_of(size))
        if not isinstance(size, Polynomial) or len(symbols) != 1:
            return
        (symbol,) = symbols
        factor = size.terms.get(frozenset({(symbol, 1)}))
        offset = next((count for monomial, count in size.terms.items() if not monomial), 0)
        if factor is None or len(size.terms) > (2 if offset else 1):
            return
        read = _Read(size)
        self._solutions.setdefault(symbol, read.solved(factor, offset))
        self._places.setdefault(read.symbol, self._places[size])


@dataclass(slots=True)
class _Read:
    """A size that is read as it stands: a nameless symbol in its place keeps it from being simplified away."""

    size: Polynomial
    symbol: Symbol = field(default_factory=Symbol)

    def solved(self, factor: int, offset: int) -> Dim:
        return (self.symbol - offset) // factor
