"""The forms of symbolic sizes: symbols, quotients, extrema, polynomials; `xir.ir.dims` has their arithmetic.

Only `xir.ir.dims` imports this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, TypeAlias

from xir.errors import InvalidModelError
from xir.ir import dims

MAX_DEPTH = 64
"""Quotients and extrema inside each other; a network halves its sizes about 10 times."""

MAX_WEIGHT = 512
"""Symbols, numbers and operations in one formula; that of a real model's size has about 10."""

MAX_DEGREE = 64
"""Factors of one product: the number of axes that a tensor may have."""


class SymbolicDim:
    """The arithmetic that symbols and polynomials share; every operator returns a normal form."""

    __slots__ = ()

    def __add__(self, other: Dim) -> Dim:
        """The sum in normal form."""
        return dims.add(dims.as_dim(self), other)

    def __radd__(self, other: int) -> Dim:
        """The sum in normal form."""
        return dims.add(other, dims.as_dim(self))

    def __sub__(self, other: Dim) -> Dim:
        """The difference in normal form."""
        return dims.add(dims.as_dim(self), dims.multiply(-1, other))

    def __rsub__(self, other: int) -> Dim:
        """The difference in normal form."""
        return dims.add(other, dims.multiply(-1, dims.as_dim(self)))

    def __mul__(self, other: Dim) -> Dim:
        """The product in normal form."""
        return dims.multiply(dims.as_dim(self), other)

    def __rmul__(self, other: int) -> Dim:
        """The product in normal form."""
        return dims.multiply(other, dims.as_dim(self))

    def __neg__(self) -> Dim:
        """The negation in normal form."""
        return dims.multiply(-1, dims.as_dim(self))

    def __floordiv__(self, other: Dim) -> Dim:
        """The quotient rounded down, in normal form."""
        return dims.floor_divide(dims.as_dim(self), other)

    def __rfloordiv__(self, other: int) -> Dim:
        """The quotient rounded down, in normal form."""
        return dims.floor_divide(other, dims.as_dim(self))

    def __mod__(self, other: Dim) -> Dim:
        """The remainder `a - b * (a // b)`."""
        return dims.add(
            dims.as_dim(self), dims.multiply(-1, dims.multiply(other, dims.floor_divide(dims.as_dim(self), other)))
        )

    def __repr__(self) -> str:
        """The formula; nameless symbols print as `?`."""
        return dims.to_text(dims.as_dim(self))


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


class _Formula(SymbolicDim):
    """A compound formula: compared by a key, with its hash, depth and weight computed once."""

    __slots__ = ("_hash", "_key", "depth", "weight")

    _hash: int
    _key: object
    depth: int
    weight: int

    def _measure(self, key: object, parts: Iterable[Dim], *, deeper: int, more: int = 1) -> None:
        depth, weight = 0, more
        for part in parts:
            depth = max(depth, part.depth if isinstance(part, _Formula) else 0)
            weight += part.weight if isinstance(part, _Formula) else 1
        if depth + deeper > MAX_DEPTH or weight > MAX_WEIGHT:
            raise too_large()
        self._key, self._hash, self.depth, self.weight = key, hash(key), depth + deeper, weight

    def __eq__(self, other: object) -> bool:
        """Equality of normal forms."""
        return self is other or (
            isinstance(other, _Formula)
            and type(self) is type(other)
            and self._hash == other._hash
            and self._key == other._key
        )

    def __hash__(self) -> int:
        """The hash of the normal form."""
        return self._hash


class Quotient(_Formula):
    """`numerator // denominator` that did not simplify."""

    __slots__ = ("denominator", "numerator")
    __match_args__ = ("numerator", "denominator")

    def __init__(self, numerator: Dim, denominator: Dim) -> None:
        """Wraps parts that are already normal; use `floor_divide` to build one."""
        self.numerator, self.denominator = numerator, denominator
        self._measure((numerator, denominator), (numerator, denominator), deeper=1)


class Extremum(_Formula):
    """The smallest or largest of sizes that could not be told apart; the order of `operands` means nothing."""

    __slots__ = ("kind", "operands")
    __match_args__ = ("kind", "operands")

    kind: Literal["min", "max"]

    def __init__(self, kind: Literal["min", "max"], operands: tuple[Dim, ...]) -> None:
        """Wraps operands that are already normal; use `minimum` and `maximum` to build one."""
        self.kind, self.operands = kind, operands
        self._measure((kind, frozenset(operands)), operands, deeper=1)


Atom: TypeAlias = Symbol | Quotient | Extremum


Monomial: TypeAlias = frozenset[tuple[Atom, int]]
"""A product: (atom, power >= 1) pairs. Made by `monomial`, it is iterated in order of first appearance."""


class _Ordered(frozenset[tuple[Atom, int]]):
    """A set that is iterated in the order in which it was made; order means nothing to equality."""

    __slots__ = ("_powers",)

    _powers: tuple[tuple[Atom, int], ...]

    def __iter__(self) -> Iterator[tuple[Atom, int]]:
        """The pairs in order."""
        return iter(self._powers)


def monomial(powers: Mapping[Atom, int]) -> Monomial:
    """The product of {atom: power >= 1}.

    Raises:
        InvalidModelError: if there are more than MAX_DEGREE factors.
    """
    if sum(powers.values()) > MAX_DEGREE:
        raise too_large()
    pairs = tuple(powers.items())
    made = _Ordered(pairs)
    made._powers = pairs  # pyright: ignore[reportPrivateUsage]  # a frozenset is filled before __init__
    return made


ONE = monomial({})
"""The product of nothing."""


class Polynomial(_Formula):
    """A sum of products of atoms, kept as {monomial: coefficient} without zero coefficients."""

    __slots__ = ("terms",)

    def __init__(self, terms: Mapping[Monomial, int]) -> None:
        """Wraps terms that are already normal; use the operators to build one."""
        self.terms = dict(terms)
        atoms = (atom for product in terms for atom, _ in product)
        numbers = sum(1 + abs(count).bit_length() // 64 for count in terms.values())
        self._measure(frozenset(self.terms.items()), atoms, deeper=0, more=numbers)


Dim: TypeAlias = int | Symbol | Quotient | Extremum | Polynomial
Shape: TypeAlias = tuple[Dim, ...]


def too_large() -> InvalidModelError:
    """The error of a formula that passes a bound."""
    return InvalidModelError(
        f"a symbolic size is a formula beyond the limits ({MAX_DEPTH} levels, {MAX_WEIGHT} parts, "
        f"{MAX_DEGREE} factors)",
        hint="give the inputs' sizes as numbers: --input NAME=f32[...]",
    )
