"""Sizes that may be unknown until the model runs: integers, symbols, and arithmetic on them.

Grammar:
    Dim        = int | Symbol | Quotient | Extremum | Polynomial
    Polynomial = sum of integer coefficient * Monomial
    Monomial   = product of (atom ** power)
    atom       = Symbol | Quotient (floor division) | Extremum (min or max)

Every operation returns the normal form, so equal formulas compare equal: `2 * n // 2` is `n`, and a result that is
known is a plain `int`. Equality of values is a question with three answers (`equal`): yes, no, cannot be told. Order
inside a formula is that of first appearance: it never depends on hashes, and two formulas are equal in any order.

Models are hostile, so a formula is bounded (`MAX_DEPTH`, `MAX_WEIGHT`, `MAX_DEGREE`); an operation that would pass a
bound raises InvalidModelError. Within the bounds every walk of a formula may recurse.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial, reduce
from typing import Literal, TypeAlias

from xir.errors import InvalidModelError
from xir.ir._dim_forms import (
    MAX_DEGREE,
    MAX_DEPTH,
    MAX_WEIGHT,
    ONE,
    Atom,
    Dim,
    Extremum,
    Monomial,
    Polynomial,
    Quotient,
    Shape,
    Symbol,
    SymbolicDim,
    too_large,
)
from xir.ir._dim_forms import monomial as make_monomial

__all__ = [
    "MAX_DEGREE",
    "MAX_DEPTH",
    "MAX_WEIGHT",
    "Bounds",
    "Dim",
    "Extremum",
    "Polynomial",
    "Quotient",
    "Shape",
    "Symbol",
    "SymbolicDim",
    "add",
    "as_dim",
    "bounds",
    "ceil_divide",
    "divides",
    "equal",
    "evaluate",
    "floor_divide",
    "maximum",
    "minimum",
    "multiply",
    "product",
    "subtract",
    "symbols_of",
    "to_text",
]


def as_dim(value: object) -> Dim:
    """`value` as a Dim.

    Raises:
        InvalidModelError: if it is neither an integer nor a symbolic size.
    """
    if isinstance(value, bool) or not isinstance(value, int | Symbol | Quotient | Extremum | Polynomial):
        raise InvalidModelError(f"a size must be an integer or a symbol, got {value!r}")
    return value


def _terms(dim: Dim) -> Mapping[Monomial, int]:
    match dim:
        case int():
            return {ONE: dim} if dim else {}
        case Polynomial():
            return dim.terms
        case _:
            return {make_monomial({dim: 1}): 1}


def _normal(terms: Mapping[Monomial, int]) -> Dim:
    terms = {monomial: count for monomial, count in terms.items() if count}
    if not terms:
        return 0
    if len(terms) == 1:
        ((monomial, count),) = terms.items()
        if not monomial:
            return count
        single = _single(monomial)
        if count == 1 and single is not None:
            return single
    return Polynomial(terms)


def _single(monomial: Monomial) -> Atom | None:
    """The atom of a product that is one atom and nothing else."""
    if len(monomial) != 1:
        return None
    ((atom, power),) = monomial
    return atom if power == 1 else None


def add(a: Dim, b: Dim) -> Dim:
    """The sum `a + b` in normal form."""
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    if a == 0 or b == 0:
        return b if a == 0 else a
    return _restored(_sum(_terms(a), _terms(b)))


def subtract(a: Dim, b: Dim) -> Dim:
    """The difference `a - b` in normal form."""
    return add(a, multiply(-1, b))


def _sum(a: Mapping[Monomial, int], b: Mapping[Monomial, int]) -> dict[Monomial, int]:
    total = dict(a)
    for monomial, count in b.items():
        total[monomial] = total.get(monomial, 0) + count
    return total


def multiply(a: Dim, b: Dim) -> Dim:
    """The product `a * b` in normal form."""
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    for number, other in ((a, b), (b, a)):
        if isinstance(number, int) and number in (0, 1):
            return other if number else 0
    left, right = _terms(a), _terms(b)
    if len(left) * len(right) > MAX_WEIGHT:
        raise too_large()
    total: dict[Monomial, int] = {}
    for first, m in left.items():
        for second, n in right.items():
            powers = dict(first)
            for atom, power in second:
                powers[atom] = powers.get(atom, 0) + power
            key = make_monomial(powers)
            total[key] = total.get(key, 0) + m * n
    return _restored(total)


def _restored(terms: dict[Monomial, int]) -> Dim:
    """The normal form, `d * (x // d)` turned back into x where d divides x exactly."""
    for monomial, count in terms.items():
        for atom, power in monomial:
            if not isinstance(atom, Quotient) or not isinstance(atom.denominator, int):
                continue
            if count and count % atom.denominator == 0 and divides(atom.denominator, atom.numerator):
                rest = {a: p for a, p in monomial if a is not atom}
                if power > 1:
                    rest[atom] = power - 1
                inner = multiply(_normal({make_monomial(rest): count // atom.denominator}), atom.numerator)
                others = {m: c for m, c in terms.items() if m is not monomial}
                return _restored(_sum(others, _terms(inner)))
    return _normal(terms)


def divides(divisor: int, dim: Dim) -> bool:
    """Whether `divisor` surely divides every value of `dim`."""
    return all(_content(monomial, count) % divisor == 0 for monomial, count in _terms(dim).items())


def _content(monomial: Monomial, count: int) -> int:
    """A number that surely divides every value of one term."""
    known = abs(count)
    for atom, power in monomial:
        if isinstance(atom, Symbol):
            known *= atom.divisor**power
    return known


def floor_divide(a: Dim, b: Dim) -> Dim:
    """The quotient `a // b`, rounded down, in normal form; a divisor that may be zero is taken not to be.

    Raises:
        InvalidModelError: on division by zero.
    """
    if b == 0:
        raise InvalidModelError(f"size {to_text(a)} is divided by zero")
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    if isinstance(b, int) and b < 0:
        return floor_divide(multiply(-1, a), -b)
    if a == b:
        return 1
    exact = _exact_quotient(a, b)
    if exact is not None:
        return exact
    return _divide_by_number(a, b) if isinstance(b, int) else Quotient(a, b)


def _divide_by_number(a: Dim, b: int) -> Dim:
    """A floor division by `b` > 1: whole multiples of b come out, divisions inside are joined."""
    whole = _normal({monomial: count // b for monomial, count in _terms(a).items()})
    rest = _normal({monomial: count % b for monomial, count in _terms(a).items()})
    low, high = bounds(rest)
    if low is not None and low >= 0 and high is not None and high < b:
        return whole
    if whole != 0:
        return add(whole, floor_divide(rest, b))
    for monomial, count in _terms(rest).items():
        # (x // d + y) // b == (x + d * y) // (d * b) for whole y: Graham, Knuth, Patashnik, Concrete Mathematics, 3.11
        atom, power = next(iter(monomial)) if len(monomial) == 1 else (None, 0)
        if count == 1 and power == 1 and isinstance(atom, Quotient) and isinstance(atom.denominator, int):
            joined = add(atom.numerator, multiply(atom.denominator, subtract(rest, atom)))
            return floor_divide(joined, atom.denominator * b)
    common = math.gcd(b, *_terms(rest).values())
    if common > 1:  # (g * x) // (g * b) == x // b
        return floor_divide(
            _normal({monomial: count // common for monomial, count in _terms(rest).items()}), b // common
        )
    return Quotient(rest, b)


def _exact_quotient(a: Dim, b: Dim) -> Dim | None:
    """The quotient that times b is a, or None: division of polynomials, the first terms of some order by each other.

    (Cox, Little, O'Shea, Ideals, Varieties, and Algorithms, section 2.3)
    """
    rest: dict[Monomial, int] = {**_terms(a)}
    result: dict[Monomial, int] = {}
    divisor = _terms(b)
    atoms = list(dict.fromkeys(atom for terms in (divisor, rest) for monomial in terms for atom, _ in monomial))

    def order(monomial: Monomial) -> list[int]:
        powers = dict(monomial)
        return [powers.get(atom, 0) for atom in atoms]

    first = max(divisor, key=order)
    for _ in range(len(rest) + 1):  # quotients of more terms than this are of no use
        if not rest:
            return _restored(result)
        last = max(rest, key=order)
        times, over = divmod(rest[last], divisor[first])
        powers = [above - below for above, below in zip(order(last), order(first), strict=True)]
        if over or any(power < 0 for power in powers):
            return None
        factor = {atom: power for atom, power in zip(atoms, powers, strict=True) if power}
        result[make_monomial(factor)] = times
        for monomial, count in divisor.items():
            joined = {atom: factor.get(atom, 0) + dict(monomial).get(atom, 0) for atom in atoms}
            key = make_monomial({atom: power for atom, power in joined.items() if power})
            rest[key] = rest.get(key, 0) - times * count
        rest = {monomial: count for monomial, count in rest.items() if count}
    return None


def ceil_divide(a: Dim, b: Dim) -> Dim:
    """The quotient rounded up, for a positive `b`; written as `(a + b - 1) // b`, which reads well for sizes."""
    return floor_divide(add(a, add(b, -1)), b)


def _extremum(kind: Literal["min", "max"], a: Dim, b: Dim) -> Dim:
    kept = list(a.operands) if isinstance(a, Extremum) and a.kind == kind else [a]
    for new in b.operands if isinstance(b, Extremum) and b.kind == kind else (b,):
        if not any(_decides(kind, old, new) for old in kept):
            kept = [old for old in kept if not _decides(kind, new, old)] + [new]
    return kept[0] if len(kept) == 1 else Extremum(kind, tuple(kept))


def _decides(kind: Literal["min", "max"], a: Dim, b: Dim) -> bool:
    """Whether `a` surely is the extremum of both."""
    low, high = bounds(subtract(a, b))
    return (high is not None and high <= 0) if kind == "min" else (low is not None and low >= 0)


def minimum(a: Dim, b: Dim) -> Dim:
    """The smaller of two sizes, simplified when the ranges tell."""
    return _extremum("min", a, b)


def maximum(a: Dim, b: Dim) -> Dim:
    """The larger of two sizes, simplified when the ranges tell."""
    return _extremum("max", a, b)


Bounds: TypeAlias = tuple[int | None, int | None]


def bounds(dim: Dim) -> Bounds:
    """The (lowest, highest) value that `dim` can take; None where there is no bound."""
    terms = _terms(dim)
    low, high = _sum_bounds(terms)
    if len(terms) > 1:
        low = _highest(multiply(-1, dim), -1) if low is None else low
        high = _highest(dim, 1) if high is None else high
    return low, high


def _sum_bounds(terms: Mapping[Monomial, int]) -> Bounds:
    """The bounds of a sum as if its terms knew nothing of each other."""
    low: int | None = 0
    high: int | None = 0
    for monomial, count in terms.items():
        term_low, term_high = _monomial_bounds(monomial)
        if count < 0:
            term_low, term_high = term_high, term_low
        low = None if low is None or term_low is None else low + count * term_low
        high = None if high is None or term_high is None else high + count * term_high
    return low, high


def _highest(dim: Dim, sign: Literal[1, -1]) -> int | None:
    """The highest value, times `sign`, of a sum whose rounded terms cancel with others.

    Of a common divisor c and d both are multiples of: x // (d / c) - (c - 1) <= c * (x // d) <= x // (d / c).
    """
    for monomial, count in _terms(dim).items():
        atom = _single(monomial)
        if not isinstance(atom, Quotient) or not isinstance(atom.denominator, int):
            continue
        common = math.gcd(count, atom.denominator)
        if common > 1:
            times, finer = count // common, floor_divide(atom.numerator, atom.denominator // common)
            most = finer if times > 0 else subtract(finer, common - 1)
            return _highest(add(subtract(dim, multiply(count, atom)), multiply(times, most)), sign)
    high = _sum_bounds(_terms(dim))[1]
    return None if high is None else sign * high


def _monomial_bounds(monomial: Monomial) -> Bounds:
    single = _single(monomial)
    if single is not None:
        return _atom_bounds(single)
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
            return _quotient_bounds(atom)
        case Extremum():
            pairs = [bounds(operand) for operand in atom.operands]
            lows = [low for low, _ in pairs if low is not None]
            highs = [high for _, high in pairs if high is not None]
            if atom.kind == "min":
                return (min(lows) if len(lows) == len(pairs) else None), min(highs, default=None)
            return max(lows, default=None), (max(highs) if len(highs) == len(pairs) else None)


def _quotient_bounds(quotient: Quotient) -> Bounds:
    low, high = bounds(quotient.numerator)
    divisor = quotient.denominator
    if isinstance(divisor, int):
        return (None if low is None else low // divisor), (None if high is None else high // divisor)
    least, _ = bounds(divisor)
    positive = low is not None and low >= 0 and least is not None and least >= 0
    return (0, high) if positive else (None, None)


def equal(a: Dim, b: Dim) -> bool | None:
    """Whether two sizes are equal: True, False, or None when it cannot be told before the model runs."""
    if a == b:
        return True
    difference = subtract(a, b)
    if isinstance(difference, int):
        return difference == 0
    low, high = bounds(difference)
    if (low is not None and low > 0) or (high is not None and high < 0):
        return False
    terms = _terms(difference)
    step = math.gcd(*(_content(monomial, count) for monomial, count in terms.items() if monomial))
    return False if step and terms.get(ONE, 0) % step else None


def product(shape: Shape) -> Dim:
    """The number of elements of a shape."""
    result: Dim = 1
    for dim in shape:
        result = multiply(result, dim)
    return result


def symbols_of(dim: Dim) -> Iterator[Symbol]:
    """The symbols of a formula, each once: named ones in order of their names, then the others as they appear."""
    if isinstance(dim, Symbol):  # most are, and every pass asks for all of them
        yield dim
        return
    found: dict[Symbol, None] = {}
    pending: list[Dim] = [dim]
    while pending:
        current = pending.pop()
        if isinstance(current, Symbol):
            found[current] = None
        pending += reversed(_parts(current))
    yield from sorted(found, key=lambda symbol: (symbol.name is None, symbol.name or ""))


def _parts(dim: Dim) -> tuple[Dim, ...]:
    match dim:
        case int() | Symbol():
            return ()
        case Quotient(numerator, denominator):
            return numerator, denominator
        case Extremum(_, operands):
            return operands
        case Polynomial():
            return tuple(atom for monomial in dim.terms for atom, _ in monomial)


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
            return reduce(partial(_extremum, kind), (evaluate(operand, values) for operand in operands))
        case Polynomial():
            total: Dim = 0
            for monomial, count in dim.terms.items():
                total = add(total, multiply(count, _evaluate_monomial(monomial, values)))
            return total


def _evaluate_monomial(monomial: Monomial, values: Mapping[Symbol, Dim]) -> Dim:
    return product(tuple(evaluate(atom, values) for atom, power in monomial for _ in range(power)))


def to_text(dim: Dim, names: Mapping[Symbol, str] | None = None) -> str:
    """The formula as text that `xir.text` parses back: `2*n + 1`, `(h + 1)//2`, `n - 3*(h//2)`, `min(a, b)`.

    `names` gives the printed names of nameless symbols. Parts are sorted by their text, so equal formulas print alike.
    """
    match dim:
        case int():
            return str(dim)
        case Symbol():
            return dim.name if dim.name is not None else (names or {}).get(dim, "?")
        case Quotient(numerator, denominator):
            return f"{_wrapped(numerator, names)}//{_wrapped(denominator, names)}"
        case Extremum(kind, operands):
            return f"{kind}({', '.join(sorted(to_text(operand, names) for operand in operands))})"
        case Polynomial():
            terms = [(_monomial_text(monomial, count, names), count) for monomial, count in dim.terms.items()]
            terms.sort(key=lambda term: (term[1] < 0, term[0] == "", term[0]))
            first, *rest = [_term_text(text, abs(count)) for text, count in terms]
            signs = [" - " if count < 0 else " + " for _, count in terms]
            lead = "-" if signs[0] == " - " else ""
            return lead + first + "".join(sign + text for sign, text in zip(signs[1:], rest, strict=True))


def _wrapped(dim: Dim, names: Mapping[Symbol, str] | None) -> str:
    text = to_text(dim, names)
    plain = isinstance(dim, Symbol | Extremum) or (isinstance(dim, int) and dim >= 0)
    return text if plain else f"({text})"


def _term_text(monomial: str, count: int) -> str:
    if not monomial:
        return str(count)
    return monomial if count == 1 else f"{count}*{monomial}"


def _monomial_text(monomial: Monomial, count: int, names: Mapping[Symbol, str] | None) -> str:
    single = _single(monomial)
    if count == 1 and single is not None:
        return to_text(single, names)
    return "*".join(sorted(text for atom, power in monomial for text in [_wrapped(atom, names)] * power))
