"""Simpler scalars for indices and masks: sums in one form, divisions and comparisons that ranges decide.

Integers of 64 bits are sums of `coefficient * atom` (`_ranges`). Divisions and comparisons are decided only where every
atom has a range that is known, which holds for axes, remainders, conditions and narrow integers: such indices never
leave 64 bits. Laws of floor and mod: Graham, Knuth, Patashnik, Concrete Mathematics, chapter 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from xir.ir.dims import Dim, add, floor_divide, multiply, subtract
from xir.ir.types import DType
from xir.kernel._affine import Affine, cancelled, divided
from xir.kernel._functions import compute, convert
from xir.kernel._identities import identity, known, logic, zero
from xir.kernel._ranges import WORD, Range, Ranges, at_least, at_most, wrapped
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

_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


def simplify(scalar: Scalar, extents: Mapping[str, Dim]) -> Scalar:
    """A scalar with the same value wherever the axes lie within their loops.

    Args:
        scalar: any scalar; floats stay as they are, but for the indices and masks inside.
        extents: {name of an axis: the extent of its loop}; of axes that are not there nothing is known.
    """
    return _Simplifier(Ranges(extents)).scalar(scalar)


def value_range(scalar: Scalar, extents: Mapping[str, Dim]) -> Range:
    """The lowest and highest value of an i64 scalar, both included; None where they are not known."""
    walk = _Simplifier(Ranges(extents))
    return walk.ranges.range(walk.scalar(scalar))


def simplify_statements(statements: tuple[Statement, ...], extents: Mapping[str, Dim]) -> tuple[Statement, ...]:
    """The statements with every scalar simplified; masks that always hold, and what never runs, are gone.

    Args:
        statements: one block.
        extents: {name of an axis: the extent of its loop} for the loops around the block.
    """
    return _block(statements, Ranges(extents))


def _block(statements: tuple[Statement, ...], outer: Ranges, loop: For | None = None) -> tuple[Statement, ...]:
    extents = outer.extents if loop is None else {**outer.extents, loop.axis.name: loop.extent}
    walk = _Simplifier(Ranges(extents, dict(outer.variables)))
    made: list[Statement] = []
    for statement in statements:
        made += _statement(statement, walk)
    return tuple(made)


def _statement(statement: Statement, walk: _Simplifier) -> tuple[Statement, ...]:
    match statement:
        case For(axis, extent, kind, body):
            inner = _block(body, walk.ranges, statement)
            return (For(axis, extent, kind, inner),) if inner else ()
        case If():
            return _branch(statement, walk)
        case Let(variable, value):
            made = walk.scalar(value)
            if variable.dtype is DType.INT64:
                walk.ranges.variables[variable.name] = walk.ranges.range(made)
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
    then, otherwise = (_block(body, walk.ranges) for body in (branch.then, branch.otherwise))
    for holds, body in ((True, then), (False, otherwise)):
        if _is(condition, holds):
            # What the body names would be known after it too, and may be named again there.
            names = any(isinstance(inner, Let | Allocate) for inner in body)
            return (If(Const(True, DType.BOOL), body),) if names else body
    return (If(condition, then, otherwise),) if then or otherwise else ()


def _is(scalar: Scalar | None, value: bool | int) -> bool:
    return isinstance(scalar, Const) and type(scalar.value) is type(value) and scalar.value == value


def _const(value: Dim) -> Const:
    return Const(wrapped(value), DType.INT64)


@dataclass(slots=True)
class _Simplifier:
    """One simplification: the loops, and what was simplified already (by identity, kept so that it lives on)."""

    ranges: Ranges
    done: dict[int, tuple[Scalar, Scalar]] = field(default_factory=dict[int, "tuple[Scalar, Scalar]"])

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
            return self.joined(self.ranges.form(made))
        if function in ("floor_div", "div", "mod", "rem"):
            divisor = arguments[1].value if isinstance(arguments[1], Const) else 0.0
            return made if isinstance(divisor, float) else self.division(made, divisor)
        if function in ("min", "max"):
            return self.extremum(made)
        if function == "abs" and at_least(self.ranges.range(arguments[0])[0], 0):
            return arguments[0]
        return identity(made)

    def joined(self, form: Affine) -> Scalar:
        """The sum as a scalar: the atoms in order of appearance, the constant last."""
        form = self.recombined(form)
        total: Scalar | None = None
        for name, coefficient in form.coefficients.items():
            count = wrapped(coefficient)
            if count == 0:
                continue
            atom = self.ranges.atoms[name]
            if total is not None and count == -1:
                total = Apply("sub", (total, atom))
                continue
            term = atom if count == 1 else Apply("mul", (atom, _const(count)))
            total = term if total is None else Apply("add", (total, term))
        constant = wrapped(form.constant)
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
        match self.ranges.atoms[name]:
            case Apply("mod", (value, Const(divisor, _))) if count != 0 and not isinstance(divisor, float):
                if not self.ranges.positive(divisor):
                    return None
                quotient = self.ranges.form(self.apply("floor_div", (value, _const(divisor))))
                whole = self.ranges.form(value).plus(quotient.times(divisor), -1).times(count)
                made = form.plus(Affine(0, {name: count}), -1).plus(whole, 1)
                return None if made.coefficients.keys() & quotient.coefficients.keys() else made
            case _:
                return None

    def comparison(self, made: Apply) -> Scalar:
        """A comparison of integers, which ranges may decide."""
        left, right = made.arguments
        if left.dtype is not DType.INT64:
            return made
        low, high = self.ranges.difference(left, right)
        above, below = at_least(low, 1), at_most(high, -1)
        not_below, not_above = at_least(low, 0), at_most(high, 0)
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
        low, high = self.ranges.difference(left, right)
        larger, smaller = (left, right) if at_least(low, 0) else (right, left)
        if at_least(low, 0) or at_most(high, 0):
            return larger if made.function == "max" else smaller
        return made

    def division(self, made: Apply, divisor: Dim) -> Scalar:
        """A quotient or remainder by what is no scalar: whole multiples come out, ranges may decide the rest."""
        value = made.arguments[0]
        if not self.ranges.positive(divisor):
            return made
        function = made.function
        if function in ("div", "rem"):
            if not at_least(self.ranges.range(value)[0], 0):
                return identity(made)
            function = "floor_div" if function == "div" else "mod"
        if divisor == 1:
            return value if function == "floor_div" else _const(0)
        form = self.ranges.form(value)
        if self.ranges.form_range(form) is None:
            return self.nested(function, value, divisor)
        quotient, rest = divided(form, divisor)
        floor = self.decided(rest, divisor)
        if function == "mod":
            inner = self.joined(rest if floor is None else rest.plus(Affine(multiply(floor, divisor), {}), -1))
            return inner if floor is not None else self.nested(function, inner, divisor)
        if floor is not None:
            return self.joined(quotient.plus(Affine(floor, {}), 1))
        rest, divisor = cancelled(rest, divisor)
        left = self.nested(function, self.joined(rest), divisor)
        return self.joined(quotient.plus(self.ranges.form(left), 1)) if quotient.coefficients else left

    def decided(self, form: Affine, divisor: Dim) -> Dim | None:
        """The quotient when it is the same for every value of the sum."""
        found = self.ranges.form_range(form)
        if found is None:
            return None
        floor = floor_divide(found[0], divisor)
        after = subtract(found[1], multiply(divisor, add(floor, 1)))
        before = subtract(found[0], multiply(divisor, floor))
        return floor if at_least(before, 0) and at_most(after, -1) else None

    def nested(self, function: str, value: Scalar, divisor: Dim) -> Scalar:
        """A division of a division: (x // a) // b = x // (a * b), and (x % (a * b)) % b = x % b."""
        match value:
            case Apply("floor_div", (inner, Const(other, _))) if function == "floor_div" and isinstance(other, int):
                if isinstance(divisor, int) and 1 <= other * divisor < WORD // 2:
                    return self.apply(function, (inner, _const(other * divisor)))
            case Apply("mod", (inner, Const(other, _))) if function == "mod" and isinstance(other, int):
                if isinstance(divisor, int) and other >= 1 and other % divisor == 0:
                    return self.apply(function, (inner, _const(divisor)))
            case _:
                pass
        return Apply(function, (value, _const(divisor)))
