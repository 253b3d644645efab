"""Sizes that may be unknown until the model runs: integers, symbols, and arithmetic on them.

Grammar:
    Dim      = int | Symbol | Polynomial
    Polynomial = sum of integer coefficient * product of (atom ** power)
    atom     = Symbol | Quotient(floor division) | Extremum(min or max)

Every operation returns the normal form, so equal formulas compare equal: `2 * n // 2` is `n`, and a result that is
known is a plain `int`. Equality of values is a question with three answers (`equal`): yes, no, cannot be told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from xir.errors import InvalidModelError


class SymbolicDim:
    """The arithmetic that symbols and polynomials share; every operator returns a normal form."""

    __slots__ = ()

    def __add__(self, other: Dim) -> Dim:
        """The sum in normal form."""
        return add(as_dim(self), other)

    def __radd__(self, other: int) -> Dim:
        """The sum in normal form."""
        return add(other, as_dim(self))

    def __sub__(self, other: Dim) -> Dim:
        """The difference in normal form."""
        return add(as_dim(self), multiply(-1, other))

    def __rsub__(self, other: int) -> Dim:
        """The difference in normal form."""
        return add(other, multiply(-1, as_dim(self)))

    def __mul__(self, other: Dim) -> Dim:
        """The product in normal form."""
        return multiply(as_dim(self), other)

    def __rmul__(self, other: int) -> Dim:
        """The product in normal form."""
        return multiply(other, as_dim(self))

    def __neg__(self) -> Dim:
        """The negation in normal form."""
        return multiply(-1, as_dim(self))

    def __floordiv__(self, other: Dim) -> Dim:
        """The quotient rounded down, in normal form."""
        return floor_divide(as_dim(self), other)

    def __rfloordiv__(self, other: int) -> Dim:
        """The quotient rounded down, in normal form."""
        return floor_divide(other, as_dim(self))

    def __mod__(self, other: Dim) -> Dim:
        """The remainder `a - b * (a // b)`."""
        return add(as_dim(self), multiply(-1, multiply(other, floor_divide(as_dim(self), other))))

    def __repr__(self) -> str:
        """The formula; nameless symbols print as `?`."""
        return to_text(as_dim(self))


class Symbol(SymbolicDim):
    """A size that is not known yet, with what is known about it.

    Named symbols are equal when their names are; a symbol without a name equals only itself (each data-dependent
    size is a fresh one, and is numbered only when it is printed).
    """

    __slots__ = ("divisor", "maximum", "minimum", "name")

    def __init__(
        self, name: str | None = None, *, minimum: int = 0, maximum: int | None = None, divisor: int = 1
    ) -> None:
        """Makes a symbol within [minimum, maximum] that `divisor` divides.

        Raises:
            InvalidModelError: if the range is empty or the divisor is not positive.
        """
        if minimum < 0 or divisor < 1 or (maximum is not None and maximum < minimum):
            raise InvalidModelError(f"size {name!r} cannot lie in [{minimum}, {maximum}] with divisor {divisor}")
        self.name, self.minimum, self.maximum, self.divisor = name, minimum, maximum, divisor

    def __eq__(self, other: object) -> bool:
        """Equality by name, or by identity where there is none."""
        return self is other or (isinstance(other, Symbol) and self.name is not None and self.name == other.name)

    def __hash__(self) -> int:
        """The hash that goes with equality."""
        return object.__hash__(self) if self.name is None else hash(("symbol", self.name))


@dataclass(frozen=True, slots=True, repr=False)
class Quotient(SymbolicDim):
    """`numerator // denominator` that did not simplify."""

    numerator: Dim
    denominator: Dim


@dataclass(frozen=True, slots=True, repr=False)
class Extremum(SymbolicDim):
    """The smaller or larger of two sizes that could not be told apart."""

    kind: Literal["min", "max"]
    operands: frozenset[Dim]


Atom: TypeAlias = Symbol | Quotient | Extremum
Monomial: TypeAlias = frozenset[tuple[Atom, int]]
_ONE: Monomial = frozenset()


class Polynomial(SymbolicDim):
    """A sum of products of atoms, kept as {monomial: coefficient} without zero coefficients."""

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: Mapping[Monomial, int]) -> None:
        """Wraps terms that are already normal; use the operators to build one."""
        self.terms = dict(terms)
        self._hash = hash(frozenset(self.terms.items()))

    def __eq__(self, other: object) -> bool:
        """Equality of normal forms."""
        return isinstance(other, Polynomial) and self.terms == other.terms

    def __hash__(self) -> int:
        """The hash of the normal form."""
        return self._hash


Dim: TypeAlias = int | Symbol | Quotient | Extremum | Polynomial
Shape: TypeAlias = tuple[Dim, ...]


def as_dim(value: object) -> Dim:
    """`value` as a Dim.

    Raises:
        InvalidModelError: if it is neither an integer nor a symbolic size.
    """
    if isinstance(value, bool) or not isinstance(value, int | Symbol | Quotient | Extremum | Polynomial):
        raise InvalidModelError(f"a size must be an integer or a symbol, got {value!r}")
    return value


def _terms(dim: Dim) -> dict[Monomial, int]:
    match dim:
        case int():
            return {_ONE: dim} if dim else {}
        case Polynomial():
            return dim.terms
        case _:
            return {frozenset({(dim, 1)}): 1}


def _normal(terms: dict[Monomial, int]) -> Dim:
    terms = {monomial: count for monomial, count in terms.items() if count}
    if not terms:
        return 0
    if len(terms) == 1:
        ((monomial, count),) = terms.items()
        if not monomial:
            return count
        if count == 1 and len(monomial) == 1:
            ((atom, power),) = monomial
            if power == 1:
                return atom
    return Polynomial(terms)


def add(a: Dim, b: Dim) -> Dim:
    """a + b in normal form."""
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    total = dict(_terms(a))
    for monomial, count in _terms(b).items():
        total[monomial] = total.get(monomial, 0) + count
    return _normal(total)


def multiply(a: Dim, b: Dim) -> Dim:
    """a * b in normal form."""
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    total: dict[Monomial, int] = {}
    for left, m in _terms(a).items():
        for right, n in _terms(b).items():
            powers = dict(left)
            for atom, power in right:
                powers[atom] = powers.get(atom, 0) + power
            total_key = frozenset(powers.items())
            total[total_key] = total.get(total_key, 0) + m * n
    return _restore_quotients(total)


def _restore_quotients(terms: dict[Monomial, int]) -> Dim:
    """Turns `d * (x // d)` back into x where d divides x exactly."""
    kept: dict[Monomial, int] = {}
    restored: list[tuple[int, Dim]] = []
    for monomial, count in terms.items():
        atom, power = next(iter(monomial)) if len(monomial) == 1 else (None, 0)
        divisor = atom.denominator if isinstance(atom, Quotient) else None
        if isinstance(atom, Quotient) and isinstance(divisor, int) and power == 1 and count % divisor == 0:
            if divides(divisor, atom.numerator):
                restored.append((count // divisor, atom.numerator))
                continue
        kept[monomial] = count
    result = _normal(kept)
    for count, numerator in restored:
        result = add(result, _normal({monomial: count * n for monomial, n in _terms(numerator).items()}))
    return result


def divides(divisor: int, dim: Dim) -> bool:
    """Whether `divisor` surely divides every value of `dim`."""
    for monomial, count in _terms(dim).items():
        known = abs(count)
        for atom, power in monomial:
            if isinstance(atom, Symbol):
                known *= atom.divisor**power
        if known % divisor:
            return False
    return True


def floor_divide(a: Dim, b: Dim) -> Dim:
    """a // b, rounded down, in normal form.

    Raises:
        InvalidModelError: on division by zero.
    """
    if b == 0:
        raise InvalidModelError(f"size {to_text(a)} is divided by zero")
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    if b == 1:
        return a
    if equal(a, b) is True:
        return 1
    exact = _exact_quotient(a, b)
    if exact is not None:
        return exact
    if isinstance(b, int) and b > 0:
        whole: dict[Monomial, int] = {}
        rest: dict[Monomial, int] = {}
        for monomial, count in _terms(a).items():
            whole[monomial] = count // b
            rest[monomial] = count % b
        remainder = _normal(rest)
        low, high = bounds(remainder)
        if low is not None and low >= 0 and high is not None and high < b:
            return _normal(whole)
        if _normal(whole) != 0:
            return add(_normal(whole), floor_divide(remainder, b))
        if isinstance(remainder, Quotient) and isinstance(remainder.denominator, int):
            return floor_divide(remainder.numerator, remainder.denominator * b)
    return Quotient(a, b)


def _exact_quotient(a: Dim, b: Dim) -> Dim | None:
    """A / b when b is one monomial that divides every term of a."""
    divisor = _terms(b)
    if len(divisor) != 1:
        return None
    ((below, n),) = divisor.items()
    result: dict[Monomial, int] = {}
    for above, m in _terms(a).items():
        powers = dict(above)
        for atom, power in below:
            powers[atom] = powers.get(atom, 0) - power
        if m % n or any(power < 0 for power in powers.values()):
            return None
        result[frozenset((atom, power) for atom, power in powers.items() if power)] = m // n
    return _normal(result)


def ceil_divide(a: Dim, b: Dim) -> Dim:
    """a / b rounded up: `-((-a) // b)`, written as `(a + b - 1) // b` so that positive sizes stay readable."""
    return floor_divide(add(a, add(b, -1)), b)


def _extremum(kind: Literal["min", "max"], a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b) if kind == "min" else max(a, b)
    low, high = bounds(add(a, multiply(-1, b)))
    if low is not None and low >= 0:
        return b if kind == "min" else a
    if high is not None and high <= 0:
        return a if kind == "min" else b
    operands: set[Dim] = set()
    for side in (a, b):
        operands |= side.operands if isinstance(side, Extremum) and side.kind == kind else {side}
    return Extremum(kind, frozenset(operands))


def minimum(a: Dim, b: Dim) -> Dim:
    """The smaller of two sizes, simplified when the ranges tell."""
    return _extremum("min", a, b)


def maximum(a: Dim, b: Dim) -> Dim:
    """The larger of two sizes, simplified when the ranges tell."""
    return _extremum("max", a, b)


Bounds: TypeAlias = tuple[int | None, int | None]


def bounds(dim: Dim) -> Bounds:
    """The (lowest, highest) value that `dim` can take; None where there is no bound."""
    low: int | None = 0
    high: int | None = 0
    for monomial, count in _terms(dim).items():
        term_low, term_high = _monomial_bounds(monomial)
        if count < 0:
            term_low, term_high = term_high, term_low
        low = None if low is None or term_low is None else low + count * term_low
        high = None if high is None or term_high is None else high + count * term_high
    return low, high


def _monomial_bounds(monomial: Monomial) -> Bounds:
    low: int | None = 1
    high: int | None = 1
    for atom, power in monomial:
        atom_low, atom_high = _atom_bounds(atom)
        if atom_low is None or atom_low < 0 or low is None:
            return None, None
        low *= atom_low**power
        high = None if high is None or atom_high is None else high * atom_high**power
    return low, high


def _atom_bounds(atom: Atom) -> Bounds:
    match atom:
        case Symbol():
            return atom.minimum, atom.maximum
        case Quotient():
            low, high = bounds(atom.numerator)
            if not isinstance(atom.denominator, int) or atom.denominator < 0:
                return (0, high) if low is not None and low >= 0 else (None, None)
            d = atom.denominator
            return (None if low is None else low // d), (None if high is None else high // d)
        case Extremum():
            pairs = [bounds(operand) for operand in atom.operands]
            choose = min if atom.kind == "min" else max
            lows = [low for low, _ in pairs if low is not None]
            highs = [high for _, high in pairs if high is not None]
            all_lows, all_highs = len(lows) == len(pairs), len(highs) == len(pairs)
            some_low = all_lows if atom.kind == "min" else bool(lows)
            some_high = all_highs if atom.kind == "max" else bool(highs)
            return (choose(lows) if some_low else None), (choose(highs) if some_high else None)


def equal(a: Dim, b: Dim) -> bool | None:
    """Whether two sizes are equal: True, False, or None when it cannot be told before the model runs."""
    if a == b:
        return True
    difference = add(a, multiply(-1, b))
    if isinstance(difference, int):
        return difference == 0
    low, high = bounds(difference)
    if (low is not None and low > 0) or (high is not None and high < 0):
        return False
    return None


def product(shape: Shape) -> Dim:
    """The number of elements of a shape."""
    result: Dim = 1
    for dim in shape:
        result = multiply(result, dim)
    return result


def symbols_of(dim: Dim) -> Iterator[Symbol]:
    """The symbols of a formula, in order of their names (nameless ones last, in no promised order)."""
    found: dict[Symbol, None] = {}
    pending: list[Dim] = [dim]
    while pending:
        match pending.pop():
            case int():
                pass
            case Symbol() as symbol:
                found[symbol] = None
            case Quotient(numerator, denominator):
                pending += [numerator, denominator]
            case Extremum(_, operands):
                pending += operands
            case Polynomial() as polynomial:
                pending += [atom for monomial in polynomial.terms for atom, _ in monomial]
    yield from sorted(found, key=lambda symbol: (symbol.name is None, symbol.name or ""))


def evaluate(dim: Dim, values: Mapping[Symbol, Dim]) -> Dim:
    """The formula with symbols replaced by `values`; symbols without a value stay."""
    match dim:
        case int():
            return dim
        case Symbol():
            return values.get(dim, dim)
        case Quotient(numerator, denominator):
            return floor_divide(evaluate(numerator, values), evaluate(denominator, values))
        case Extremum(kind, operands):
            first, *rest = sorted((evaluate(operand, values) for operand in operands), key=to_text)
            for operand in rest:
                first = _extremum(kind, first, operand)
            return first
        case Polynomial():
            total: Dim = 0
            for monomial, count in dim.terms.items():
                term: Dim = count
                for atom, power in monomial:
                    value = evaluate(atom, values)
                    for _ in range(power):
                        term = multiply(term, value)
                total = add(total, term)
            return total


def to_text(dim: Dim, names: Mapping[Symbol, str] | None = None) -> str:
    """The formula as text that `xir.text` parses back: `2*n + 1`, `(h + 1)//2`, `min(a, b)`.

    `names` gives the printed names of nameless symbols.
    """
    match dim:
        case int():
            return str(dim)
        case Symbol():
            return dim.name if dim.name is not None else (names or {}).get(dim, "?")
        case Quotient(numerator, denominator):
            return f"({to_text(numerator, names)})//({to_text(denominator, names)})"
        case Extremum(kind, operands):
            return f"{kind}({', '.join(sorted(to_text(operand, names) for operand in operands))})"
        case Polynomial():
            terms = [(_monomial_text(monomial, names), count) for monomial, count in dim.terms.items()]
            terms.sort(key=lambda term: (term[0] == "", term[0]))
            return " + ".join(_term_text(text, count) for text, count in terms)


def _term_text(monomial: str, count: int) -> str:
    if not monomial:
        return str(count)
    return monomial if count == 1 else f"{count}*{monomial}"


def _monomial_text(monomial: Monomial, names: Mapping[Symbol, str] | None) -> str:
    return "*".join(sorted(text for atom, power in monomial for text in [to_text(atom, names)] * power))
