"""Scalars of the loop IR written as arithmetic: `x * x + 1` instead of nested applications."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from xir.ir.types import DType
from xir.kernel.grammar import Apply, Bits, Cast, Const, Let, Scalar, Select, Variable

Number: TypeAlias = "Term | float"


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """A scalar with operators; a plain number beside it takes its type."""

    scalar: Scalar

    @property
    def dtype(self) -> DType:
        """The scalar's type."""
        return self.scalar.dtype

    def constant(self, value: float) -> Term:
        """A number of this term's type."""
        return Term(Const(float(value) if self.dtype.is_floating else int(value), self.dtype))

    def apply(self, function: str, *others: Number) -> Term:
        """A function of the grammar, this term its first operand."""
        operands = (each if isinstance(each, Term) else self.constant(each) for each in others)
        return Term(Apply(function, (self.scalar, *(each.scalar for each in operands))))

    def __add__(self, other: Number) -> Term:
        """The sum."""
        return self.apply("add", other)

    def __radd__(self, other: float) -> Term:
        """The sum."""
        return self.constant(other) + self

    def __sub__(self, other: Number) -> Term:
        """The difference."""
        return self.apply("sub", other)

    def __rsub__(self, other: float) -> Term:
        """The difference."""
        return self.constant(other) - self

    def __mul__(self, other: Number) -> Term:
        """The product."""
        return self.apply("mul", other)

    def __rmul__(self, other: float) -> Term:
        """The product."""
        return self.constant(other) * self

    def __truediv__(self, other: Number) -> Term:
        """The quotient."""
        return self.apply("div", other)

    def __rtruediv__(self, other: float) -> Term:
        """The quotient."""
        return self.constant(other) / self

    def __and__(self, other: Number) -> Term:
        """Both conditions, or the common bits."""
        return self.apply("and" if self.dtype is DType.BOOL else "bit_and", other)

    def __or__(self, other: Number) -> Term:
        """Either condition, or the bits of both."""
        return self.apply("or" if self.dtype is DType.BOOL else "bit_or", other)

    def __xor__(self, other: Number) -> Term:
        """The bits of one but not both."""
        return self.apply("xor" if self.dtype is DType.BOOL else "bit_xor", other)

    def __lshift__(self, other: Number) -> Term:
        """The bits moved up."""
        return self.apply("shift_left", other)

    def __rshift__(self, other: Number) -> Term:
        """The bits moved down."""
        return self.apply("shift_right", other)

    def __lt__(self, other: Number) -> Term:
        """Whether this is less."""
        return self.apply("lt", other)

    def __gt__(self, other: Number) -> Term:
        """Whether this is greater."""
        return self.apply("gt", other)

    def equals(self, other: Number) -> Term:
        """Whether both are the same number."""
        return self.apply("eq", other)

    def absolute(self) -> Term:
        """Without its sign."""
        return self.apply("abs")

    def cast(self, dtype: DType) -> Term:
        """As another type."""
        return self if self.dtype is dtype else Term(Cast(self.scalar, dtype))

    def bits(self, dtype: DType) -> Term:
        """The same bits as another type."""
        return self if self.dtype is dtype else Term(Bits(self.scalar, dtype))

    def choose(self, then: Number, otherwise: Number) -> Term:
        """`then` where this condition holds, else `otherwise`; one of them is a term."""
        kind = then if isinstance(then, Term) else otherwise
        if not isinstance(kind, Term):
            raise TypeError("one side of a choice tells the type")
        sides = (each if isinstance(each, Term) else kind.constant(each) for each in (then, otherwise))
        return Term(Select(self.scalar, *(each.scalar for each in sides)))

    def at_most(self, bound: float) -> Term:
        """The bound where this is greater; NaN stays. One instruction on most machines."""
        return (self > bound).choose(bound, self)

    def at_least(self, bound: float) -> Term:
        """The bound where this is less; NaN stays."""
        return (self < bound).choose(bound, self)


@dataclass(slots=True)
class Lets:
    """Names for what stands in several places: an expansion stays a tree of small size.

    Attributes:
        prefix: how the names begin; the names of one kernel may not begin so.
        statements: the lets, in the order in which they must stand.
        count: how many names were given.
    """

    prefix: str
    statements: list[Let] = field(default_factory=list[Let])
    count: int = 0

    def let(self, term: Term) -> Term:
        """The term by a new name; a number or a name stays what it is."""
        if isinstance(term.scalar, Const | Variable):
            return term
        variable = Variable(f"{self.prefix}{self.count}", term.dtype)
        self.count += 1
        self.statements.append(Let(variable, term.scalar))
        return Term(variable)


def polynomial(x: Term, coefficients: Sequence[float]) -> Term:
    """Horner's rule, coefficients from the lowest power on; each step is one fused multiply-add where there is one."""
    total = x.constant(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * x + coefficient
    return total
