"""The coefficients of the vector functions: minimax polynomials, derived with decimal arithmetic.

`python tools/minimax.py` prints every table of `xir/backends/codegen/math/_coefficients.py` with its error; the
same numbers come out on every machine, for nothing here is a float until it is rounded at the end.

The method is Remez' exchange on a fine grid (E. Remez, 1934; Muller, Elementary Functions, 3rd edition, 3.5): the
polynomial whose weighted error swings between equal extremes. Coefficients are then rounded one by one to the type that
will hold them, the lowest power first, and the others are fitted again to what that rounding left.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, getcontext
from fractions import Fraction

Number = Callable[[Decimal], Decimal]

getcontext().prec = 60
TINY = Decimal(10) ** -58
GRID = 24
"""Points of the grid for each coefficient."""


def _series(first: Decimal, step: Callable[[int, Decimal], Decimal]) -> Decimal:
    """The sum of terms, each made from the one before, until they no longer count."""
    total, term, count = first, first, 0
    while abs(term) > TINY:
        count += 1
        term = step(count, term)
        total += term
    return total


def arc_tangent(x: Decimal) -> Decimal:
    """Atan by its series, after the argument was halved three times: atan x = 2 atan(x / (1 + sqrt(1 + x^2)))."""
    for _ in range(3):
        x = x / (1 + (1 + x * x).sqrt())
    power = [x]

    def term(count: int, _: Decimal) -> Decimal:
        power[0] *= -x * x
        return power[0] / (2 * count + 1)

    return 8 * _series(x, term)


PI = 4 * arc_tangent(Decimal(1))
LN2 = Decimal(2).ln()


def sine(x: Decimal) -> Decimal:
    """Taylor's series of sin."""
    return _series(x, lambda n, term: -term * x * x / (2 * n * (2 * n + 1)))


def cosine(x: Decimal) -> Decimal:
    """Taylor's series of cos."""
    return _series(Decimal(1), lambda n, term: -term * x * x / (2 * n * (2 * n - 1)))


def arc_sine(x: Decimal) -> Decimal:
    """Asin as the arc tangent of x / sqrt(1 - x^2)."""
    return arc_tangent(x / (1 - x * x).sqrt())


def error_function(x: Decimal) -> Decimal:
    """Erf by the series whose terms are all positive: 2 / sqrt(pi) exp(-x^2) sum 2^n x^(2n+1) / (2n+1)!!."""
    return 2 / PI.sqrt() * (-x * x).exp() * _series(x, lambda n, term: term * 2 * x * x / (2 * n + 1))


def solve(matrix: list[list[Decimal]]) -> list[Decimal]:
    """The solution of linear equations, each row with its right side last, by elimination with pivots."""
    size = len(matrix)
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(matrix[row][column]))
        matrix[column], matrix[pivot] = matrix[pivot], matrix[column]
        top = matrix[column]
        for row in range(column + 1, size):
            factor = matrix[row][column] / top[column]
            matrix[row] = [a - factor * b for a, b in zip(matrix[row], top, strict=True)]
    found: list[Decimal] = [Decimal(0)] * size
    for row in reversed(range(size)):
        known = sum((matrix[row][c] * found[c] for c in range(row + 1, size)), Decimal(0))
        found[row] = (matrix[row][size] - known) / matrix[row][row]
    return found


@dataclass(frozen=True, slots=True)
class Samples:
    """A function on a grid: places, values, and the weight of an error at each place."""

    places: tuple[Decimal, ...]
    values: tuple[Decimal, ...]
    weights: tuple[Decimal, ...]

    def without(self, coefficient: Decimal, power: int) -> Samples:
        """What is left to fit when one term is settled."""
        left = tuple(v - coefficient * x**power for x, v in zip(self.places, self.values, strict=True))
        return Samples(self.places, left, self.weights)

    def error(self, coefficients: Sequence[Decimal], first: int) -> Decimal:
        """The largest weighted error of a polynomial whose powers begin at `first`."""
        made = (polynomial(x, coefficients, range(first, first + len(coefficients))) for x in self.places)
        return max(abs(p - v) * w for p, v, w in zip(made, self.values, self.weights, strict=True))


def polynomial(x: Decimal, coefficients: Sequence[Decimal], powers: Sequence[int]) -> Decimal:
    """The sum of coefficients times powers."""
    return sum((c * x**p for c, p in zip(coefficients, powers, strict=False)), Decimal(0))


def sample(function: Number, weight: Number, low: Decimal, high: Decimal, count: int) -> Samples:
    """The function on Chebyshev's points of [low, high], its ends left out where it has no value."""
    middle, reach = (low + high) / 2, (high - low) / 2
    places = tuple(middle - reach * cosine(PI * (2 * k + 1) / (2 * count)) for k in range(count))
    return Samples(places, tuple(map(function, places)), tuple(map(weight, places)))


def fit(samples: Samples, powers: Sequence[int]) -> tuple[list[Decimal], Decimal]:
    """The coefficients of `powers` with the least weighted error, and that error."""
    count, total = len(powers) + 1, len(samples.places)
    chosen = [(2 * k + 1) * total // (2 * count) for k in range(count)]
    solution: list[Decimal] = []
    for _ in range(60):
        rows = [
            [*(samples.places[k] ** p for p in powers), (-1) ** n / samples.weights[k], samples.values[k]]
            for n, k in enumerate(chosen)
        ]
        solution = solve(rows)
        errors = [
            (polynomial(x, solution, powers) - v) * w
            for x, v, w in zip(samples.places, samples.values, samples.weights, strict=True)
        ]
        better = _extremes(errors, count)
        if better == chosen or len(better) < count:
            break
        chosen = better
    return solution[:-1], abs(solution[-1])


def _extremes(errors: list[Decimal], count: int) -> list[int]:
    """One extreme of each run of errors of one sign; of too many the neighbours that keep the largest."""
    runs: list[int] = []
    for place, error in enumerate(errors):
        if runs and (error > 0) == (errors[runs[-1]] > 0):
            if abs(error) > abs(errors[runs[-1]]):
                runs[-1] = place
        else:
            runs.append(place)
    while len(runs) > count:
        runs = runs[1:] if abs(errors[runs[0]]) < abs(errors[runs[-1]]) else runs[:-1]
    return runs


def single(value: Decimal) -> float:
    """The nearest f32: of the neighbours of what rounding the nearest f64 makes (ties do not occur)."""
    near: float = struct.unpack("<f", struct.pack("<f", float(value)))[0]
    bits: int = struct.unpack("<i", struct.pack("<f", abs(near)))[0]
    around: list[float] = [struct.unpack("<f", struct.pack("<i", max(bits + step, 0)))[0] for step in (-1, 0, 1)]
    best = min(around, key=lambda candidate: abs(Fraction(candidate) - abs(Fraction(value))))
    return best if value > 0 else -best


def double(value: Decimal) -> float:
    """The nearest f64."""
    return float(value)


@dataclass(frozen=True, slots=True)
class Table:
    """One polynomial: its name, what it fits, where, and in which type its coefficients stand."""

    name: str
    law: str
    function: Number
    weight: Number
    low: Decimal
    high: Decimal
    terms: int
    rounded: Callable[[Decimal], float]

    def derive(self) -> tuple[list[float], Decimal]:
        """The rounded coefficients from the lowest power on, and the largest weighted error that is left."""
        left = sample(self.function, self.weight, self.low, self.high, GRID * (self.terms + 1))
        found: list[float] = []
        kept: list[Decimal] = []
        for power in range(self.terms):
            # Powers that begin above 0 may swing less often where the interval holds 0; then the old fit stays.
            fresh, _ = fit(left, range(power, self.terms))
            kept = min((each for each in (fresh, kept) if each), key=lambda each: left.error(each, power))
            found.append(self.rounded(kept[0]))
            left = left.without(Decimal(found[-1]), power)
            kept = kept[1:]
        return found, left.error([], 0)


HALF_LN2 = LN2 / 2 + Decimal("0.0001")
SQRT_HALF = Decimal(2).sqrt() / 2
SMALL_ERF = Decimal("0.93")


def exp_table(name: str, terms: int, rounded: Callable[[Decimal], float]) -> Table:
    """(exp r - 1 - r) / r^2 where |r| <= ln 2 / 2; the weight is that of exp r - 1."""
    return Table(
        name,
        "exp r = 1 + r + r^2 P(r), |r| <= ln 2 / 2",
        lambda r: (r.exp() - 1 - r) / (r * r),
        lambda r: abs(r * r / (r.exp() - 1)),
        -HALF_LN2,
        HALF_LN2,
        terms,
        rounded,
    )


def log_table(name: str, terms: int, rounded: Callable[[Decimal], float]) -> Table:
    """(ln(1 + f) - f + f^2 / 2) / f^3 where 1 + f lies between sqrt(1/2) and sqrt 2."""
    return Table(
        name,
        "ln(1 + f) = f - f^2 / 2 + f^3 P(f), sqrt(1/2) <= 1 + f <= sqrt 2",
        lambda f: ((1 + f).ln() - f + f * f / 2) / f**3,
        lambda f: abs(f**3 / (1 + f).ln()),
        SQRT_HALF - 1,
        2 * SQRT_HALF - 1,
        terms,
        rounded,
    )


def ratio_table(name: str, terms: int, rounded: Callable[[Decimal], float]) -> Table:
    """(ln((1 + s) / (1 - s)) - 2 s) / s^3 as a polynomial of z = s^2, where |s| <= 3 - 2 sqrt 2."""

    def function(z: Decimal) -> Decimal:
        s = z.sqrt()
        return (((1 + s) / (1 - s)).ln() - 2 * s) / (s * z)

    high = (3 - 4 * SQRT_HALF) ** 2
    law = "ln((1 + s) / (1 - s)) = 2 s + s^3 P(s^2), |s| <= 3 - 2 sqrt 2"
    return Table(name, law, function, lambda z: z / 2, Decimal(0), high, terms, rounded)


def sin_table(name: str, terms: int, rounded: Callable[[Decimal], float]) -> Table:
    """(sin r - r) / r^3 as a polynomial of z = r^2, |r| <= pi / 4."""
    law = "sin r = r + r^3 P(r^2), |r| <= pi / 4"
    high = (PI / 4 + Decimal("0.0001")) ** 2
    return Table(
        name,
        law,
        lambda z: (sine(z.sqrt()) - z.sqrt()) / (z * z.sqrt()),
        lambda z: z * z.sqrt() / sine(z.sqrt()),
        Decimal(0),
        high,
        terms,
        rounded,
    )


def cos_table(name: str, terms: int, rounded: Callable[[Decimal], float]) -> Table:
    """(cos r - 1 + r^2 / 2) / r^4 as a polynomial of z = r^2, |r| <= pi / 4."""
    law = "cos r = 1 - r^2 / 2 + r^4 P(r^2), |r| <= pi / 4"
    high = (PI / 4 + Decimal("0.0001")) ** 2
    return Table(
        name,
        law,
        lambda z: (cosine(z.sqrt()) - 1 + z / 2) / (z * z),
        lambda z: z * z / cosine(z.sqrt()),
        Decimal(0),
        high,
        terms,
        rounded,
    )


def asin_table(name: str, terms: int, rounded: Callable[[Decimal], float]) -> Table:
    """(asin x - x) / x^3 as a polynomial of z = x^2, |x| <= 1/2."""
    law = "asin x = x + x^3 P(x^2), |x| <= 1/2"
    return Table(
        name,
        law,
        lambda z: (arc_sine(z.sqrt()) - z.sqrt()) / (z * z.sqrt()),
        lambda z: z * z.sqrt() / arc_sine(z.sqrt()),
        Decimal(0),
        Decimal("0.25"),
        terms,
        rounded,
    )


def atan_table(name: str, terms: int, rounded: Callable[[Decimal], float]) -> Table:
    """(atan x - x) / x^3 as a polynomial of z = x^2, |x| <= 1."""
    law = "atan x = x + x^3 P(x^2), |x| <= 1"
    return Table(
        name,
        law,
        lambda z: (arc_tangent(z.sqrt()) - z.sqrt()) / (z * z.sqrt()),
        lambda z: z * z.sqrt() / arc_tangent(z.sqrt()),
        Decimal(0),
        Decimal(1),
        terms,
        rounded,
    )


def tanh_table(name: str, terms: int, rounded: Callable[[Decimal], float]) -> Table:
    """(tanh x - x) / x^3 as a polynomial of z = x^2, |x| <= 0.55."""

    def value(z: Decimal) -> Decimal:
        power = (2 * z.sqrt()).exp()
        return (power - 1) / (power + 1)

    return Table(
        name,
        "tanh x = x + x^3 P(x^2), |x| <= 0.55",
        lambda z: (value(z) - z.sqrt()) / (z * z.sqrt()),
        lambda z: z * z.sqrt() / value(z),
        Decimal(0),
        Decimal("0.551") ** 2,
        terms,
        rounded,
    )


def erf_small_table(name: str, terms: int, rounded: Callable[[Decimal], float]) -> Table:
    """Erf(x) / x - 1 as a polynomial of z = x^2, |x| <= 0.93."""
    law = "erf x = x + x P(x^2), |x| <= 0.93"
    return Table(
        name,
        law,
        lambda z: error_function(z.sqrt()) / z.sqrt() - 1,
        lambda z: z.sqrt() / error_function(z.sqrt()),
        Decimal(0),
        SMALL_ERF**2,
        terms,
        rounded,
    )


def erf_large_table(name: str, terms: int, high: str, rounded: Callable[[Decimal], float]) -> Table:
    """(-ln(erfc t) - t) / t for t from 0.92 on; the weight turns it into the error of erf."""

    def beyond(t: Decimal) -> Decimal:
        return 1 - error_function(t)

    law = f"erf t = 1 - exp(-t - t P(t)), 0.92 <= t <= {high}"
    return Table(
        name,
        law,
        lambda t: (-beyond(t).ln() - t) / t,
        lambda t: t * beyond(t) / error_function(t),
        Decimal("0.92"),
        Decimal(high),
        terms,
        rounded,
    )


def tables() -> list[Table]:
    """Every polynomial that is used."""
    return [
        exp_table("EXP_F32", 5, single),
        log_table("LOG_F32", 9, single),
        sin_table("SIN_F32", 3, single),
        cos_table("COS_F32", 3, single),
        asin_table("ASIN_F32", 5, single),
        atan_table("ATAN_F32", 8, single),
        tanh_table("TANH_F32", 5, single),
        erf_small_table("ERF_SMALL_F32", 6, single),
        erf_large_table("ERF_LARGE_F32", 7, "4", single),
        exp_table("EXP_WIDE", 7, double),
        ratio_table("RATIO_WIDE", 4, double),
        exp_table("EXP_F64", 10, double),
        ratio_table("RATIO_F64", 7, double),
        sin_table("SIN_F64", 6, double),
        cos_table("COS_F64", 6, double),
        asin_table("ASIN_F64", 12, double),
        atan_table("ATAN_F64", 20, double),
        tanh_table("TANH_F64", 12, double),
        erf_small_table("ERF_SMALL_F64", 13, double),
        erf_large_table("ERF_LARGE_F64", 20, "6", double),
    ]


HEADER = '''"""The polynomials of the vector functions; `python tools/minimax.py` derives every number again.

Each comment says what the polynomial stands for and the largest error that its rounded coefficients leave, relative to
the function. Coefficients stand from the lowest power on. The method: E. Remez, 1934; see the tool.
"""

from __future__ import annotations
'''


def text(chosen: Sequence[Table]) -> Iterator[str]:
    """The lines of `_coefficients.py`, those of one table at a time."""
    yield HEADER
    for table in chosen:
        coefficients, error = table.derive()
        exponent = (error.ln() / LN2).quantize(Decimal("0.1"))
        lines = [f"# {table.law}: error 2^{exponent}", f"{table.name} = ("]
        yield "\n".join([*lines, *(f"    {coefficient!r}," for coefficient in coefficients), ")\n"])


def main(names: Sequence[str]) -> None:
    """Writes the tables to standard output, those whose names are given or all."""
    for part in text([table for table in tables() if not names or table.name in names]):
        print(part, end="", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
