"""Index scalars as affine forms: `constant + sum of coefficient * axis`, where they are affine."""

from __future__ import annotations

import math
from dataclasses import dataclass

from xir.ir.dims import Dim, add, floor_divide, multiply
from xir.kernel.grammar import Apply, Axis, Const, Scalar


@dataclass(frozen=True, slots=True)
class Affine:
    """`constant + sum of coefficients[axis] * axis`."""

    constant: Dim
    coefficients: dict[str, Dim]

    def plus(self, other: Affine, sign: int) -> Affine:
        """The sum (sign 1) or difference (sign -1)."""
        found = dict(self.coefficients)
        for axis, count in other.coefficients.items():
            found[axis] = add(found.get(axis, 0), multiply(sign, count))
        kept = {axis: count for axis, count in found.items() if count != 0}
        return Affine(add(self.constant, multiply(sign, other.constant)), kept)

    def times(self, factor: Dim) -> Affine:
        """The multiple."""
        found = {axis: multiply(count, factor) for axis, count in self.coefficients.items() if factor != 0}
        return Affine(multiply(self.constant, factor), found)


def affine(scalar: Scalar) -> Affine | None:
    """The affine form of an index, or None where it has none."""
    match scalar:
        case Const(value, _) if not isinstance(value, float):
            return Affine(value, {})
        case Axis(name):
            return Affine(0, {name: 1})
        case Apply("add" | "sub" | "mul" as function, (left, right)):
            return _combined(function, affine(left), affine(right))
        case _:
            return None


def _combined(function: str, left: Affine | None, right: Affine | None) -> Affine | None:
    if left is None or right is None:
        return None
    if function != "mul":
        return left.plus(right, 1 if function == "add" else -1)
    if not right.coefficients:
        return left.times(right.constant)
    return None if left.coefficients else right.times(left.constant)


def divided(form: Affine, divisor: Dim) -> tuple[Affine, Affine]:
    """(quotient, rest): `form == quotient * divisor + rest`, the terms in the quotient that the divisor divides."""
    quotient, rest = Affine(0, {}), Affine(form.constant, {})
    for name, coefficient in form.coefficients.items():
        whole = floor_divide(coefficient, divisor)
        exact = multiply(whole, divisor) == coefficient
        (quotient if exact else rest).coefficients[name] = whole if exact else coefficient
    return quotient, rest


def cancelled(form: Affine, divisor: Dim) -> tuple[Affine, Dim]:
    """What has the same floor quotient with the factor taken out that all coefficients and the divisor share."""
    numbers = [number for number in (divisor, *form.coefficients.values()) if isinstance(number, int)]
    common = math.gcd(*numbers)
    if common <= 1 or len(numbers) <= len(form.coefficients) or not isinstance(form.constant, int):
        return form, divisor
    found = {name: floor_divide(count, common) for name, count in form.coefficients.items()}
    return Affine(form.constant // common, found), floor_divide(divisor, common)
