"""Sizes at run time: formulas of the symbols that the caller gives, in 64-bit integers, with every overflow noticed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from xir.backends.codegen.ahead._body import Body
from xir.ir.constraints import Constraint
from xir.ir.dims import Dim, Extremum, Polynomial, Quotient, Shape, Symbol, symbols_of
from xir.ir.graph import Graph
from xir.ir.types import TensorType

MAX_BYTES = 1 << 46
"""Bytes of a buffer: no processor of today reaches more memory, and no sum of buffers passes 64 bits."""


def symbols_in(graph: Graph) -> tuple[Symbol, ...]:
    """The symbols of a graph's inputs, in the order in which they appear."""
    shapes = [value.type.shape for value in graph.inputs if isinstance(value.type, TensorType)]
    return tuple(dict.fromkeys(symbol for shape in shapes for dim in shape for symbol in symbols_of(dim)))


class Measure:
    """Writes formulas into a function that was given an array of the symbols' sizes, `%given`."""

    def __init__(self, body: Body, symbols: Sequence[Symbol]) -> None:
        """Reads the symbols; `body` is what is written."""
        self.body = body
        self.wrong = "false"
        """Whether anything so far cannot be."""
        self._known: dict[Dim, str] = {
            symbol: body.read("i64", "%given", number) for number, symbol in enumerate(symbols)
        }

    def refuse(self, condition: str) -> None:
        """Notes that something cannot be."""
        self.wrong = self.body.let(f"or i1 {self.wrong}, {condition}")

    def check(self, symbols: Iterable[Symbol], constraints: Iterable[Constraint]) -> None:
        """Notes symbols that are out of their range, and constraints that do not hold."""
        for symbol in symbols:
            size = self.size(symbol)
            self.refuse(self.body.let(f"icmp slt i64 {size}, {symbol.minimum}"))
            if symbol.maximum is not None:
                self.refuse(self.body.let(f"icmp sgt i64 {size}, {symbol.maximum}"))
            if symbol.divisor > 1:
                rest = self.body.let(f"srem i64 {size}, {symbol.divisor}")
                self.refuse(self.body.let(f"icmp ne i64 {rest}, 0"))
        for constraint in constraints:
            left, right = self.size(constraint.left), self.size(constraint.right)
            self.refuse(self.body.let(f"icmp ne i64 {left}, {right}"))

    def extent(self, dim: Dim) -> str:
        """The size of an axis, which is not negative."""
        size = self.size(dim)
        if not isinstance(dim, int | Symbol):
            self.refuse(self.body.let(f"icmp slt i64 {size}, 0"))
        return size

    def bytes(self, item: int, shape: Shape) -> str:
        """The bytes of a buffer."""
        total = str(item)
        for dim in shape:
            total = self._checked("mul", total, self.extent(dim))
        if any(not isinstance(dim, int) for dim in shape):
            self.refuse(self.body.let(f"icmp ugt i64 {total}, {MAX_BYTES}"))
        return total

    def size(self, dim: Dim) -> str:
        """A formula's value; each is computed once."""
        if isinstance(dim, int):
            return str(dim)
        found = self._known.get(dim)
        if found is None:
            found = self._known[dim] = self._formula(dim)
        return found

    def _formula(self, dim: Symbol | Quotient | Extremum | Polynomial) -> str:
        match dim:
            case Symbol():
                raise KeyError(dim)
            case Quotient(numerator, denominator):
                return self._quotient(self.size(numerator), self.size(denominator))
            case Extremum(kind, operands):
                first, *rest = [self.size(operand) for operand in operands]
                for other in rest:
                    chosen = self.body.let(f"icmp {'slt' if kind == 'min' else 'sgt'} i64 {first}, {other}")
                    first = self.body.let(f"select i1 {chosen}, i64 {first}, i64 {other}")
                return first
            case Polynomial():
                total = "0"
                for monomial, count in dim.terms.items():
                    term = str(count)
                    for atom in (atom for atom, power in monomial for _ in range(power)):
                        term = self._checked("mul", term, self.size(atom))
                    total = self._checked("add", total, term)
                return total

    def _checked(self, operation: str, left: str, right: str) -> str:
        if left == {"mul": "1", "add": "0"}[operation]:
            return right
        call = f"@llvm.s{operation}.with.overflow.i64(i64 {left}, i64 {right})"
        both = self.body.let(f"call {{ i64, i1 }} {call}")
        self.refuse(self.body.let(f"extractvalue {{ i64, i1 }} {both}, 1"))
        return self.body.let(f"extractvalue {{ i64, i1 }} {both}, 0")

    def _quotient(self, numerator: str, denominator: str) -> str:
        """Rounded down; there is none by 0 or less."""
        low = self.body.let(f"icmp slt i64 {denominator}, 1")
        self.refuse(low)
        by = self.body.let(f"select i1 {low}, i64 1, i64 {denominator}")
        quotient = self.body.let(f"sdiv i64 {numerator}, {by}")
        rest = self.body.let(f"srem i64 {numerator}, {by}")
        below = self.body.let(f"ashr i64 {rest}, 63")
        return self.body.let(f"add i64 {quotient}, {below}")
