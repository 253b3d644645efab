"""What integers of loops are: sums in one form, and the ranges that follow from the loops around them.

A sum is `coefficient * atom` and so on (`_affine.Affine`), where an atom is an axis or anything that is no sum. It
wraps around as the kernel's do; where every atom has a range that is known the sum has one too, unless it wraps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from xir.ir.dims import Dim, add, bounds, floor_divide, maximum, minimum, multiply, subtract
from xir.ir.types import DType
from xir.kernel._affine import Affine
from xir.kernel.grammar import Apply, Axis, Cast, Const, Scalar, Select, Variable
from xir.kernel.printer import scalar_text

Range = tuple[Dim | None, Dim | None]
"""The lowest and the highest value, None where it is not known."""

WORD = 1 << 64
"""How many numbers 64 bits hold."""


def wrapped(value: Dim) -> Dim:
    """A number as 64 bits hold it; formulas are sizes and fit."""
    return (value + WORD // 2) % WORD - WORD // 2 if isinstance(value, int) else value


def at_least(dim: Dim | None, number: int) -> bool:
    """Whether a size is known to be no less than a number."""
    low = None if dim is None else bounds(dim)[0]
    return low is not None and low >= number


def at_most(dim: Dim | None, number: int) -> bool:
    """Whether a size is known to be no more than a number."""
    high = None if dim is None else bounds(dim)[1]
    return high is not None and high <= number


@dataclass(slots=True)
class Ranges:
    """The sums and ranges of simplified i64 scalars.

    Attributes:
        extents: {name of an axis: the extent of its loop}.
        variables: {name: the range} of variables that are bound.
        atoms: {name in sums: what is called so}.
    """

    extents: Mapping[str, Dim]
    variables: dict[str, Range] = field(default_factory=dict[str, "Range"])
    atoms: dict[str, Scalar] = field(default_factory=dict[str, "Scalar"])
    _names: dict[tuple[Scalar, str], str] = field(default_factory=dict["tuple[Scalar, str]", str])
    _called: dict[int, tuple[Scalar, str]] = field(default_factory=dict[int, "tuple[Scalar, str]"])
    _forms: dict[int, tuple[Scalar, Affine]] = field(default_factory=dict[int, "tuple[Scalar, Affine]"])

    def form(self, scalar: Scalar) -> Affine:
        """The sum that an i64 scalar of simplified operands is."""
        held = self._forms.get(id(scalar))
        if held is None:
            held = self._forms[id(scalar)] = (scalar, self._summed(scalar))
        return held[1]

    def _summed(self, scalar: Scalar) -> Affine:
        match scalar:
            case Const(value, _) if not isinstance(value, float):
                return Affine(value, {})
            case Apply("add" | "sub" as function, (left, right)):
                return self.form(left).plus(self.form(right), 1 if function == "add" else -1)
            case Apply("neg", (value,)):
                return self.form(value).times(-1)
            case Apply("mul", (left, right)):
                for factor, other in ((left, right), (right, left)):
                    if isinstance(factor, Const) and not isinstance(factor.value, float):
                        return self.form(other).times(factor.value)
            case _:
                pass
        return Affine(0, {self._name(scalar): 1})

    def _name(self, atom: Scalar) -> str:
        """What an atom is called in sums."""
        if isinstance(atom, Axis):
            self.atoms.setdefault(atom.name, atom)
            return atom.name
        held = self._called.get(id(atom))
        if held is None:
            key = (atom, scalar_text(atom))  # 0.0 == -0.0, but not as text
            held = self._called[id(atom)] = (atom, self._names.setdefault(key, f"%{len(self._names)}"))  # no axis is so
            self.atoms.setdefault(held[1], atom)
        return held[1]

    def range(self, scalar: Scalar) -> Range:
        """The lowest and highest value of a simplified i64 scalar, as far as they are known."""
        form = self.form(scalar)
        if form.constant == 0 and list(form.coefficients.values()) == [1]:
            return self._atom_range(self.atoms[next(iter(form.coefficients))])
        return self.form_range(form) or (None, None)

    def form_range(self, form: Affine) -> tuple[Dim, Dim] | None:
        """The range of a sum of which every atom has a range."""
        low = high = form.constant
        for name, coefficient in form.coefficients.items():
            least, most = self._atom_range(self.atoms[name])
            if least is None or most is None:
                return None
            if at_most(coefficient, 0):
                least, most = most, least
            elif not (at_least(coefficient, 0) or self.positive(coefficient)):
                return None
            low, high = add(low, multiply(coefficient, least)), add(high, multiply(coefficient, most))
        wraps = any(isinstance(end, int) and wrapped(end) != end for end in (low, high))
        return None if wraps else (low, high)

    def _atom_range(self, atom: Scalar) -> Range:
        """The range of what is no sum."""
        match atom:
            case Axis(name):
                extent = self.extents.get(name)
                return (None, None) if extent is None else (0, subtract(extent, 1))
            case Variable(name, _):
                return self.variables.get(name, (None, None))
            case Cast(value, _):
                return _type_range(value.dtype)
            case Select(_, then, otherwise):
                (low, high), (least, most) = self.range(then), self.range(otherwise)
                return _both(minimum, low, least), _both(maximum, high, most)
            case Apply("min" | "max" as function, (left, right)):
                (low, high), (least, most) = self.range(left), self.range(right)
                if function == "min":
                    return _both(minimum, low, least), _either(minimum, high, most)
                return _either(maximum, low, least), _both(maximum, high, most)
            case Apply("abs", (value,)):
                low, high = self.range(value)
                back = None if low is None else subtract(0, low)
                ahead = None if high is None else subtract(0, high)
                least = maximum(_either(maximum, low, ahead) or 0, 0)  # MIN has no opposite, but then no range either
                return (None, None) if back is None or high is None else (least, maximum(back, high))
            case Apply("mod" | "floor_div", (_, Const(divisor, _))) if not isinstance(divisor, float):
                return self._division_range(atom, divisor)
            case _:
                return None, None

    def positive(self, dim: Dim) -> bool:
        """Whether a size is at least 1; the extents are, since their loops run, and so are their factors."""
        extents = [each for each in self.extents.values() if dim != 0 and not isinstance(each, int)]
        if at_least(dim, 1) or (at_least(dim, 0) and any(multiply(floor_divide(e, dim), dim) == e for e in extents)):
            return True
        for extent in extents:
            rest = floor_divide(dim, extent)
            if rest != dim and multiply(rest, extent) == dim:
                return self.positive(rest)
        return False

    def _division_range(self, atom: Apply, divisor: Dim) -> Range:
        if not self.positive(divisor):
            return None, None
        if atom.function == "mod":
            return 0, subtract(divisor, 1)
        low, high = self.range(atom.arguments[0])
        return (
            None if low is None else floor_divide(low, divisor),
            None if high is None else floor_divide(high, divisor),
        )

    def difference(self, left: Scalar, right: Scalar) -> Range:
        """The range of `left - right`, as if no difference wrapped around."""
        forms = self.form(left), self.form(right)
        if all(self.form_range(form) is not None for form in forms):
            return self.form_range(forms[0].plus(forms[1], -1)) or (None, None)
        (low, high), (least, most) = self.range(left), self.range(right)
        return _both(subtract, low, most), _both(subtract, high, least)


def _both(choose: Callable[[Dim, Dim], Dim], a: Dim | None, b: Dim | None) -> Dim | None:
    return None if a is None or b is None else choose(a, b)


def _either(choose: Callable[[Dim, Dim], Dim], a: Dim | None, b: Dim | None) -> Dim | None:
    return choose(a, b) if a is not None and b is not None else b if a is None else a


def _type_range(dtype: DType) -> Range:
    """The numbers of a type that i64 holds all."""
    if dtype is DType.BOOL:
        return 0, 1
    if not dtype.is_integer or dtype.bits >= DType.INT64.bits:
        return None, None
    return (-(1 << dtype.bits - 1), (1 << dtype.bits - 1) - 1) if dtype.is_signed else (0, (1 << dtype.bits) - 1)
