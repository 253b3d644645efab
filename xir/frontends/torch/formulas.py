"""Formulas of sizes as torch writes them: sympy's text, `srepr` or `str`, read by a small parser of our own.

    Add(Mul(Integer(2), Symbol('s0', positive=True, integer=True)), Integer(1))      2*s0 + 1      (s0//2)

Names of functions are sympy's and those of torch/utils/_sympy/functions.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

from xir.errors import InvalidModelError
from xir.ir.dims import (
    Dim,
    Symbol,
    add,
    ceil_divide,
    divides,
    floor_divide,
    maximum,
    minimum,
    multiply,
)
from xir.limits import MAX_NESTING, check_nesting, check_size

MAX_FORMULA_BYTES = 16_384
"""Characters of one formula; those of real models have some hundred."""

_TOKEN = re.compile(
    r"\s*(?:(\d+\.\d*(?:e[+-]?\d+)?|\d+)|([A-Za-z_][\w.]*)|('[^'\\]*'|\"[^\"\\]*\")|(\*\*|//|[-+*/%(),=]))"
)


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a formula: a number, a symbol, or a function of parts.

    Attributes:
        head: the function (`Add`), the symbol's name, or "" for a number.
        parts: what the function is of; None for a symbol.
        number: the number.
    """

    head: str
    parts: tuple[Term, ...] | None = ()
    number: Fraction = Fraction(0)


def parse_formula(text: str) -> Term:
    """The formula that the text writes.

    Raises:
        InvalidModelError: it writes none.
        UnsafeError: it is too long, or nested too deep.
    """
    check_size(len(text), MAX_FORMULA_BYTES, what="a formula of sizes")
    parser = _Parser(_tokens(text), text)
    term = parser.sum(1)
    if parser.place != len(parser.tokens):
        raise parser.wrong()
    return term


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    place = 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            raise InvalidModelError(f"{text[:200]!r} is no formula of sizes")
        tokens.append(match[0].strip())
        place = match.end()
    return tokens


_LITERALS = ("Integer", "Float", "Rational")
_SIGNS = {"+": "Add", "*": "Mul", "//": "FloorDiv", "/": "IntTrueDiv", "%": "Mod"}


@dataclass(slots=True)
class _Parser:
    tokens: list[str]
    text: str
    place: int = 0

    def wrong(self) -> InvalidModelError:
        return InvalidModelError(f"{self.text[:200]!r} is no formula of sizes that xir knows")

    def next(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self, *wanted: str) -> str:
        token = self.next()
        if not token or (wanted and token not in wanted):
            raise self.wrong()
        self.place += 1
        return token

    def sum(self, depth: int) -> Term:
        check_nesting(depth, what="a formula of sizes", limit=MAX_NESTING)
        terms = [self.product(depth)]
        while self.next() in ("+", "-"):
            sign = self.take()
            right = self.product(depth)
            terms.append(right if sign == "+" else Term("Mul", (_number(-1), right)))
        return Term("Add", tuple(terms)) if len(terms) > 1 else terms[0]

    def product(self, depth: int) -> Term:
        left = self.power(depth)
        while self.next() in ("*", "/", "//", "%"):
            depth += 1
            check_nesting(depth, what="a formula of sizes", limit=MAX_NESTING)
            left = Term(_SIGNS[self.take()], (left, self.power(depth)))
        return left

    def power(self, depth: int) -> Term:
        check_nesting(depth, what="a formula of sizes", limit=MAX_NESTING)
        if self.next() == "-":
            self.take()
            return Term("Mul", (_number(-1), self.power(depth + 1)))
        base = self.atom(depth)
        if self.next() == "**":
            self.take()
            return Term("Pow", (base, self.power(depth + 1)))
        return base

    def atom(self, depth: int) -> Term:
        token = self.take()
        if token == "(":
            inner = self.sum(depth + 1)
            self.take(")")
            return inner
        if token[0].isdigit():
            return Term("", (), Fraction(token))
        if not (token[0].isalpha() or token[0] == "_"):
            raise self.wrong()
        if self.next() != "(":
            return Term(token, None)
        self.take("(")
        return self.call(token.rpartition(".")[2], depth)

    def call(self, name: str, depth: int) -> Term:
        """What stands behind `name(`."""
        if name == "Symbol":
            symbol = self.take()[1:-1]
            self.skip()
            return Term(symbol, None)
        if name == "Float":
            text = self.take().strip("'\"")
            self.skip()
            try:
                return Term("", (), Fraction(text))
            except ValueError:
                raise self.wrong() from None
        parts: list[Term] = []
        while self.next() != ")":
            parts.append(self.sum(depth + 1))
            if self.next() != ")":
                self.take(",")
        self.take(")")
        if name in _LITERALS:
            return _literal(parts, self)
        return Term(name, tuple(parts))

    def skip(self) -> None:
        """Past the named arguments (`, positive=True`) and the bracket that ends them."""
        while self.take(",", ")") == ",":
            self.take()
            self.take("=")
            self.take()


def _number(number: int) -> Term:
    return Term("", (), Fraction(number))


def _literal(parts: list[Term], parser: _Parser) -> Term:
    numbers = [_constant(part) for part in parts]
    if not 1 <= len(numbers) <= 2 or None in numbers or numbers[1:] == [Fraction(0)]:
        raise parser.wrong()
    top, *bottom = [number for number in numbers if number is not None]
    return Term("", (), top / bottom[0] if bottom else top)


def _constant(term: Term) -> Fraction | None:
    """The number that a term is, a sign before it included."""
    if term.head == "" and term.parts == ():
        return term.number
    if term.head == "Mul" and term.parts is not None and term.parts[0] == _number(-1):
        number = _constant(term.parts[1])
        return None if number is None else -number
    return None


def size_of(term: Term, symbols: Callable[[str], Dim]) -> Dim | None:
    """The size that a formula is; None where it is none that a `Dim` can say.

    Args:
        term: the formula.
        symbols: the size that a symbol stands for.
    """
    made = _quotient(term, symbols)
    if made is None:
        return None
    top, bottom = made
    return top if bottom == 1 else floor_divide(top, bottom) if divides(bottom, top) else None


_Quotient = tuple[Dim, int]
"""A size divided by a whole number, not rounded."""


def _quotient(term: Term, symbols: Callable[[str], Dim]) -> _Quotient | None:
    if term.parts is None:
        return symbols(term.head), 1
    if term.head == "":
        return term.number.numerator, term.number.denominator
    parts = [_quotient(part, symbols) for part in term.parts]
    known = [part for part in parts if part is not None]
    if not known or len(known) != len(parts):
        return None
    if term.head in _FOLDED:
        return reduce(_FOLDED[term.head], known)
    rule = _ROUNDED.get(term.head)
    if rule is not None:
        return rule(*known) if len(known) == (1 if rule in _OF_ONE else 2) else None
    return None


def _add(a: _Quotient, b: _Quotient) -> _Quotient:
    return (add(a[0], b[0]), a[1]) if a[1] == b[1] else (add(multiply(a[0], b[1]), multiply(b[0], a[1])), a[1] * b[1])


def _mul(a: _Quotient, b: _Quotient) -> _Quotient:
    top, bottom = multiply(a[0], b[0]), a[1] * b[1]
    return (floor_divide(top, bottom), 1) if divides(bottom, top) else (top, bottom)


def _extremum(choose: Callable[[Dim, Dim], Dim]) -> Callable[[_Quotient, _Quotient], _Quotient]:
    return lambda a, b: (choose(multiply(a[0], b[1]), multiply(b[0], a[1])), a[1] * b[1])


def _floor(a: _Quotient) -> _Quotient:
    return floor_divide(a[0], a[1]), 1


def _ceil(a: _Quotient) -> _Quotient:
    return ceil_divide(a[0], a[1]), 1


def _floor_div(a: _Quotient, b: _Quotient) -> _Quotient:
    return floor_divide(multiply(a[0], b[1]), multiply(b[0], a[1])), 1


def _ceil_div(a: _Quotient, b: _Quotient) -> _Quotient:
    return ceil_divide(multiply(a[0], b[1]), multiply(b[0], a[1])), 1


def _true_div(a: _Quotient, b: _Quotient) -> _Quotient | None:
    if not isinstance(b[0], int) or b[0] <= 0:
        return None
    return _mul(a, (b[1], b[0]))


def _mod(a: _Quotient, b: _Quotient) -> _Quotient:
    whole = _floor_div(a, b)[0]
    return _add(a, (multiply(multiply(-1, whole), b[0]), b[1]))


def _pow(a: _Quotient, b: _Quotient) -> _Quotient | None:
    if not isinstance(b[0], int) or b[1] != 1 or not 0 <= b[0] <= 8:
        return None
    one: _Quotient = (1, 1)
    return reduce(_mul, [a] * b[0], one)


def _same(a: _Quotient) -> _Quotient:
    return a


_FOLDED: Mapping[str, Callable[[_Quotient, _Quotient], _Quotient]] = {
    "Add": _add,
    "Mul": _mul,
    "Max": _extremum(maximum),
    "max": _extremum(maximum),
    "Min": _extremum(minimum),
    "min": _extremum(minimum),
}

_ROUNDED: Mapping[str, Callable[..., _Quotient | None]] = {
    "FloorDiv": _floor_div,
    "CleanDiv": _floor_div,
    "CeilDiv": _ceil_div,
    "Mod": _mod,
    "PythonMod": _mod,
    "IntTrueDiv": _true_div,
    "Pow": _pow,
    "PowByNatural": _pow,
    "floor": _floor,
    "FloorToInt": _floor,
    "ceiling": _ceil,
    "CeilToInt": _ceil,
    "ceil": _ceil,
    "Identity": _same,
    "ToFloat": _same,
    "sym_float": _same,
}

_OF_ONE = frozenset({_floor, _ceil, _same})
"""Rules of one number."""


class Sizes:
    """The symbols of a program, and the sizes that its formulas are."""

    def __init__(
        self, ranges: Mapping[str, tuple[int | None, int | None]], divisors: Mapping[str, int] | None = None
    ) -> None:
        """Symbols by their ranges and numbers that divide them; those without a range may be any size."""
        self._ranges = ranges
        self._divisors = divisors or {}
        self._symbols: dict[str, Dim] = {}
        self._known: dict[str, Dim | None] = {}

    def symbol(self, name: str) -> Dim:
        """What a symbol stands for: a named symbol with its range.

        Raises:
            InvalidModelError: the range is empty.
        """
        if name not in self._symbols:
            least, most = self._ranges.get(name, (None, None))
            low = max(least or 0, 0)
            low = 1 if low == _TRACED and not name.startswith(_UNBACKED) else low
            high = most if most is not None and most < _UNBOUNDED else None
            if high is not None and high < low:
                raise InvalidModelError(f"size {name!r} lies between {least} and {most}")
            self._symbols[name] = (
                low if low == high else Symbol(name, minimum=low, maximum=high, divisor=self._divisors.get(name, 1))
            )
        return self._symbols[name]

    def size(self, text: int | str) -> Dim | None:
        """The size that a formula is; None where none that a `Dim` can say."""
        if isinstance(text, int):
            return text
        if text not in self._known:
            self._known[text] = size_of(parse_formula(text), self.symbol)
        return self._known[text]


_TRACED = 2
"""The smallest size of an axis that is dynamic without a range: torch traces no smaller ones, and runs them all the
same (torch/_export/utils.py, `_check_input_constraints_for_graph`). xir runs one of a batch, too; none it refuses."""

_UNBACKED = "u"
"""How the symbols of sizes begin that only the run tells; these are asserted, and their ranges hold."""

_UNBOUNDED = (1 << 62) - 1
"""Bounds from here on are none: torch writes 2^63 - 1 or less (torch/utils/_sympy/numbers.py, int_oo)."""
