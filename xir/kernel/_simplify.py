"""Simpler scalars for indices and masks: sums in one form, divisions and comparisons that ranges decide.

Integers of 64 bits are sums of `coefficient * atom` (`_affine.Affine`), where an atom is an axis or anything that is no
sum. Sums wrap around as the kernel's do. Divisions and comparisons are decided only where every atom has a range that
is known, which holds for axes, remainders, conditions and narrow integers: such indices never leave 64 bits. Laws of
floor and mod: Graham, Knuth, Patashnik, Concrete Mathematics, chapter 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from xir.ir.dims import Dim, add, bounds, floor_divide, maximum, minimum, multiply, subtract
from xir.ir.types import DType
from xir.kernel._affine import Affine
from xir.kernel._functions import compute, convert
from xir.kernel._identities import identity, known, logic, zero
from xir.kernel.grammar import (
    Accumulate,
    Allocate,
    Apply,
    Axis,
    Bits,
    Cast,
    Const,
    For,
    If,
    Let,
    Load,
    Prefetch,
    Scalar,
    Select,
    Statement,
    Store,
    Variable,
)
from xir.kernel.printer import scalar_text

Range = tuple[Dim | None, Dim | None]
"""The lowest and the highest value, None where it is not known."""

_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
_WORD = 1 << 64


def simplify(scalar: Scalar, extents: Mapping[str, Dim]) -> Scalar:
    """A scalar with the same value wherever the axes lie within their loops.

    Args:
        scalar: any scalar; floats stay as they are, but for the indices and masks inside.
        extents: {name of an axis: the extent of its loop}; of axes that are not there nothing is known.
    """
    return _Simplifier(extents).scalar(scalar)


def value_range(scalar: Scalar, extents: Mapping[str, Dim]) -> Range:
    """The lowest and highest value of an i64 scalar, both included; None where they are not known."""
    walk = _Simplifier(extents)
    return walk.range(walk.scalar(scalar))


def simplify_statements(statements: tuple[Statement, ...], extents: Mapping[str, Dim]) -> tuple[Statement, ...]:
    """The statements with every scalar simplified; masks that always hold, and what never runs, are gone.

    Args:
        statements: one block.
        extents: {name of an axis: the extent of its loop} for the loops around the block.
    """
    return _block(statements, _Simplifier(extents))


def _block(statements: tuple[Statement, ...], outer: _Simplifier, loop: For | None = None) -> tuple[Statement, ...]:
    extents = outer.extents if loop is None else {**outer.extents, loop.axis.name: loop.extent}
    walk = _Simplifier(extents, dict(outer.variables))
    made: list[Statement] = []
    for statement in statements:
        made += _statement(statement, walk)
    return tuple(made)


def _statement(statement: Statement, walk: _Simplifier) -> tuple[Statement, ...]:
    match statement:
        case For(axis, extent, kind, body):
            inner = _block(body, walk, statement)
            return (For(axis, extent, kind, inner),) if inner else ()
        case If():
            return _branch(statement, walk)
        case Let(variable, value):
            made = walk.scalar(value)
            if variable.dtype is DType.INT64:
                walk.variables[variable.name] = walk.range(made)
            return (Let(variable, made),)
        case Store() | Accumulate():
            mask = walk.mask(statement.mask)
            if _is(mask, False):
                return ()
            indices = tuple(map(walk.scalar, statement.indices))
            return (replace(statement, indices=indices, value=walk.scalar(statement.value), mask=mask),)
        case Prefetch(buffer, indices):
            return (Prefetch(buffer, tuple(map(walk.scalar, indices))),)
        case _:
            return (statement,)


def _branch(branch: If, walk: _Simplifier) -> tuple[Statement, ...]:
    condition = walk.scalar(branch.condition)
    then, otherwise = (_block(body, walk) for body in (branch.then, branch.otherwise))
    for holds, body in ((True, then), (False, otherwise)):
        if _is(condition, holds):
            # What the body names would be known after it too, and may be named again there.
            names = any(isinstance(inner, Let | Allocate) for inner in body)
            return (If(Const(True, DType.BOOL), body),) if names else body
    return (If(condition, then, otherwise),) if then or otherwise else ()


def _is(scalar: Scalar | None, value: bool | int) -> bool:
    return isinstance(scalar, Const) and type(scalar.value) is type(value) and scalar.value == value


def _wrapped(value: Dim) -> Dim:
    """A number as 64 bits hold it; formulas are sizes and fit."""
    return (value + _WORD // 2) % _WORD - _WORD // 2 if isinstance(value, int) else value


def _const(value: Dim) -> Const:
    return Const(_wrapped(value), DType.INT64)


def _at_least(dim: Dim | None, number: int) -> bool:
    low = None if dim is None else bounds(dim)[0]
    return low is not None and low >= number


def _at_most(dim: Dim | None, number: int) -> bool:
    high = None if dim is None else bounds(dim)[1]
    return high is not None and high <= number


@dataclass(slots=True)
class _Simplifier:
    """One simplification: the extents, and what was simplified already (by identity, kept so that it lives on)."""

    extents: Mapping[str, Dim]
    variables: dict[str, Range] = field(default_factory=dict[str, "Range"])
    done: dict[int, tuple[Scalar, Scalar]] = field(default_factory=dict[int, "tuple[Scalar, Scalar]"])
    atoms: dict[str, Scalar] = field(default_factory=dict[str, "Scalar"])
    names: dict[tuple[Scalar, str], str] = field(default_factory=dict["tuple[Scalar, str]", str])
    called: dict[int, tuple[Scalar, str]] = field(default_factory=dict[int, "tuple[Scalar, str]"])
    forms: dict[int, tuple[Scalar, Affine]] = field(default_factory=dict[int, "tuple[Scalar, Affine]"])

    def scalar(self, scalar: Scalar) -> Scalar:
        held = self.done.get(id(scalar))
        if held is None:
            held = self.done[id(scalar)] = (scalar, self.rebuilt(scalar))
        return held[1]

    def mask(self, mask: Scalar | None) -> Scalar | None:
        made = None if mask is None else self.scalar(mask)
        return None if _is(made, True) else made

    def rebuilt(self, scalar: Scalar) -> Scalar:
        match scalar:
            case Const() | Axis() | Variable():
                return scalar
            case Load(buffer, indices, mask):
                condition = self.mask(mask)
                if _is(condition, False):
                    return zero(buffer.dtype)
                return Load(buffer, tuple(map(self.scalar, indices)), condition)
            case Apply(function, arguments):
                return self.apply(function, tuple(map(self.scalar, arguments)))
            case Cast(value, dtype):
                return self.cast(self.scalar(value), dtype)
            case Bits(value, dtype):
                inner = self.scalar(value)
                return inner if inner.dtype is dtype else Bits(inner, dtype)
            case Select(condition, then, otherwise):
                return self.select(*map(self.scalar, (condition, then, otherwise)))

    def cast(self, value: Scalar, dtype: DType) -> Scalar:
        if value.dtype is dtype:
            return value
        number = known(value)
        if number is None or not (dtype.is_integer or dtype is DType.BOOL):
            return Cast(value, dtype)
        return Const(convert(np.asarray(number, value.dtype.dtype), dtype).item(), dtype)

    def select(self, condition: Scalar, then: Scalar, otherwise: Scalar) -> Scalar:
        same = then == otherwise and not then.dtype.is_floating  # 0.0 == -0.0
        if _is(condition, True) or same:
            return then
        return otherwise if _is(condition, False) else Select(condition, then, otherwise)

    def apply(self, function: str, arguments: tuple[Scalar, ...]) -> Scalar:
        """A function of simplified scalars."""
        made = Apply(function, arguments)
        dtype = arguments[0].dtype
        if dtype is DType.BOOL:
            return logic(made)
        if not dtype.is_integer:
            return made
        numbers = [known(argument) for argument in arguments]
        if all(number is not None for number in numbers):
            held = [np.asarray(number, dtype.dtype) for number in numbers]
            with np.errstate(all="ignore"):
                return Const(compute(function, held, made.dtype).item(), made.dtype)
        if function in _COMPARISONS:
            return self.comparison(made)
        return self.index(made) if dtype is DType.INT64 else identity(made)

    def index(self, made: Apply) -> Scalar:
        """A function of i64 that is no comparison."""
        function, arguments = made.function, made.arguments
        if function in ("add", "sub", "mul", "neg"):
            return self.joined(self.form(made))
        if function in ("floor_div", "div", "mod", "rem"):
            divisor = arguments[1].value if isinstance(arguments[1], Const) else 0.0
            return made if isinstance(divisor, float) else self.division(made, divisor)
        if function in ("min", "max"):
            return self.extremum(made)
        if function == "abs" and _at_least(self.range(arguments[0])[0], 0):
            return arguments[0]
        return identity(made)

    def form(self, scalar: Scalar) -> Affine:
        """The sum that an i64 scalar of simplified operands is."""
        held = self.forms.get(id(scalar))
        if held is None:
            held = self.forms[id(scalar)] = (scalar, self.summed(scalar))
        return held[1]

    def summed(self, scalar: Scalar) -> Affine:
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
        return Affine(0, {self.name(scalar): 1})

    def name(self, atom: Scalar) -> str:
        """What an atom is called in sums."""
        if isinstance(atom, Axis):
            self.atoms.setdefault(atom.name, atom)
            return atom.name
        held = self.called.get(id(atom))
        if held is None:
            key = (atom, scalar_text(atom))  # 0.0 == -0.0, but not as text
            held = self.called[id(atom)] = (atom, self.names.setdefault(key, f"%{len(self.names)}"))  # no axis is so
            self.atoms.setdefault(held[1], atom)
        return held[1]

    def joined(self, form: Affine) -> Scalar:
        """The sum as a scalar: the atoms in order of appearance, the constant last."""
        form = self.recombined(form)
        total: Scalar | None = None
        for name, coefficient in form.coefficients.items():
            count = _wrapped(coefficient)
            if count == 0:
                continue
            atom = self.atoms[name]
            if total is not None and count == -1:
                total = Apply("sub", (total, atom))
                continue
            term = atom if count == 1 else Apply("mul", (atom, _const(count)))
            total = term if total is None else Apply("add", (total, term))
        constant = _wrapped(form.constant)
        if total is None:
            return _const(constant)
        return total if constant == 0 else Apply("add", (total, _const(constant)))

    def recombined(self, form: Affine) -> Affine:
        """`(y // b) * b + y % b` made into y again, times what stands before it."""
        again = True
        while again:
            again = False
            for name in tuple(form.coefficients):
                made = self.without_remainder(form, name)
                if made is not None:
                    form, again = made, True
        return form

    def without_remainder(self, form: Affine, name: str) -> Affine | None:
        """The sum with `y % b` written as `y - (y // b) * b`, or None where the quotient does not vanish by that."""
        count = form.coefficients.get(name, 0)
        match self.atoms[name]:
            case Apply("mod", (value, Const(divisor, _))) if count != 0 and not isinstance(divisor, float):
                if not self.positive(divisor):
                    return None
                quotient = self.form(self.apply("floor_div", (value, _const(divisor))))
                whole = self.form(value).plus(quotient.times(divisor), -1).times(count)
                made = form.plus(Affine(0, {name: count}), -1).plus(whole, 1)
                return None if made.coefficients.keys() & quotient.coefficients.keys() else made
            case _:
                return None

    def range(self, scalar: Scalar) -> Range:
        """The lowest and highest value of a simplified i64 scalar, as far as they are known."""
        form = self.form(scalar)
        if form.constant == 0 and list(form.coefficients.values()) == [1]:
            return self.atom_range(self.atoms[next(iter(form.coefficients))])
        return self.form_range(form) or (None, None)

    def form_range(self, form: Affine) -> tuple[Dim, Dim] | None:
        """The range of a sum of which every atom has a range."""
        low = high = form.constant
        for name, coefficient in form.coefficients.items():
            least, most = self.atom_range(self.atoms[name])
            if least is None or most is None:
                return None
            if _at_most(coefficient, 0):
                least, most = most, least
            elif not (_at_least(coefficient, 0) or self.positive(coefficient)):
                return None
            low, high = add(low, multiply(coefficient, least)), add(high, multiply(coefficient, most))
        wraps = any(isinstance(end, int) and _wrapped(end) != end for end in (low, high))
        return None if wraps else (low, high)

    def atom_range(self, atom: Scalar) -> Range:
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
                return self.division_range(atom, divisor)
            case _:
                return None, None

    def positive(self, dim: Dim) -> bool:
        """Whether a size is at least 1; the extents are, since their loops run, and so are their factors."""
        extents = [each for each in self.extents.values() if dim != 0 and not isinstance(each, int)]
        if _at_least(dim, 1) or (_at_least(dim, 0) and any(multiply(floor_divide(e, dim), dim) == e for e in extents)):
            return True
        for extent in extents:
            rest = floor_divide(dim, extent)
            if rest != dim and multiply(rest, extent) == dim:
                return self.positive(rest)
        return False

    def division_range(self, atom: Apply, divisor: Dim) -> Range:
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

    def comparison(self, made: Apply) -> Scalar:
        """A comparison of integers, which ranges may decide."""
        left, right = made.arguments
        if left.dtype is not DType.INT64:
            return made
        low, high = self.difference(left, right)
        above, below = _at_least(low, 1), _at_most(high, -1)
        not_below, not_above = _at_least(low, 0), _at_most(high, 0)
        holds, fails = {
            "lt": (below, not_below),
            "le": (not_above, above),
            "gt": (above, not_above),
            "ge": (not_below, below),
            "eq": (not_below and not_above, above or below),
            "ne": (above or below, not_below and not_above),
        }[made.function]
        return Const(holds, DType.BOOL) if holds or fails else made

    def extremum(self, made: Apply) -> Scalar:
        """The larger or smaller of two numbers, where ranges decide it."""
        left, right = made.arguments
        low, high = self.difference(left, right)
        larger, smaller = (left, right) if _at_least(low, 0) else (right, left)
        if _at_least(low, 0) or _at_most(high, 0):
            return larger if made.function == "max" else smaller
        return made

    def division(self, made: Apply, divisor: Dim) -> Scalar:
        """A quotient or remainder by what is no scalar: whole multiples come out, ranges may decide the rest."""
        value = made.arguments[0]
        if not self.positive(divisor):
            return made
        function = made.function
        if function in ("div", "rem"):
            if not _at_least(self.range(value)[0], 0):
                return identity(made)
            function = "floor_div" if function == "div" else "mod"
        if divisor == 1:
            return value if function == "floor_div" else _const(0)
        form = self.form(value)
        if self.form_range(form) is None:
            return self.nested(function, value, divisor)
        quotient, rest = _divided(form, divisor)
        floor = self.decided(rest, divisor)
        if function == "mod":
            inner = self.joined(rest if floor is None else rest.plus(Affine(multiply(floor, divisor), {}), -1))
            return inner if floor is not None else self.nested(function, inner, divisor)
        if floor is not None:
            return self.joined(quotient.plus(Affine(floor, {}), 1))
        rest, divisor = _cancelled(rest, divisor)
        left = self.nested(function, self.joined(rest), divisor)
        return self.joined(quotient.plus(self.form(left), 1)) if quotient.coefficients else left

    def decided(self, form: Affine, divisor: Dim) -> Dim | None:
        """The quotient when it is the same for every value of the sum."""
        found = self.form_range(form)
        if found is None:
            return None
        floor = floor_divide(found[0], divisor)
        after = subtract(found[1], multiply(divisor, add(floor, 1)))
        before = subtract(found[0], multiply(divisor, floor))
        return floor if _at_least(before, 0) and _at_most(after, -1) else None

    def nested(self, function: str, value: Scalar, divisor: Dim) -> Scalar:
        """A division of a division: (x // a) // b = x // (a * b), and (x % (a * b)) % b = x % b."""
        match value:
            case Apply("floor_div", (inner, Const(other, _))) if function == "floor_div" and isinstance(other, int):
                if isinstance(divisor, int) and 1 <= other * divisor < _WORD // 2:
                    return self.apply(function, (inner, _const(other * divisor)))
            case Apply("mod", (inner, Const(other, _))) if function == "mod" and isinstance(other, int):
                if isinstance(divisor, int) and other >= 1 and other % divisor == 0:
                    return self.apply(function, (inner, _const(divisor)))
            case _:
                pass
        return Apply(function, (value, _const(divisor)))


def _divided(form: Affine, divisor: Dim) -> tuple[Affine, Affine]:
    """(quotient, rest): `form == quotient * divisor + rest`, the terms in the quotient that the divisor divides."""
    quotient, rest = Affine(0, {}), Affine(form.constant, {})
    for name, coefficient in form.coefficients.items():
        whole = floor_divide(coefficient, divisor)
        exact = multiply(whole, divisor) == coefficient
        (quotient if exact else rest).coefficients[name] = whole if exact else coefficient
    return quotient, rest


def _cancelled(form: Affine, divisor: Dim) -> tuple[Affine, Dim]:
    """What has the same floor quotient with the factor taken out that all coefficients and the divisor share."""
    numbers = [number for number in (divisor, *form.coefficients.values()) if isinstance(number, int)]
    common = math.gcd(*numbers)
    if common <= 1 or len(numbers) <= len(form.coefficients) or not isinstance(form.constant, int):
        return form, divisor
    found = {name: floor_divide(count, common) for name, count in form.coefficients.items()}
    return Affine(form.constant // common, found), floor_divide(divisor, common)


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
