"""Bessel and Airy functions of real numbers, in f64.

The formulas are those of the Digital Library of Mathematical Functions (dlmf.nist.gov), by number. Near 0 they are
integrals of periodic functions, for which the trapezoidal rule is exact but for what Bessel functions of a high order
are (Trefethen and Weideman 2014, 'The exponentially convergent trapezoidal rule'); far out they are series in 1/x.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from xir.frontends.torch.handlers._numbers import with_sign
from xir.frontends.torch.handlers._series import in_double, number, polynomial, summed, times
from xir.frontends.torch.operators import Operators
from xir.ir.node import Value
from xir.ops import compare
from xir.ops.elementwise import (
    abs_,
    add,
    cos,
    div,
    exp,
    is_inf,
    is_nan,
    log,
    maximum,
    minimum,
    mul,
    neg,
    reciprocal,
    select,
    sin,
    sqrt,
    sub,
)  # fmt: skip

operators = Operators("aten")
LARGE = 20.0
"""From here on functions are their series in 1/x, whose smallest term is below exp(-2 x)."""

_TERMS = 22
"""Terms of the series in 1/x: at `LARGE` the first one left out is below 1e-15."""

_POINTS = 28
"""Points in a quarter of the circle: what they leave out begins at order 56, where functions up to `LARGE` are below
1e-18."""

_ANGLES = tuple((point + 0.5) * math.pi / (2 * _POINTS) for point in range(_POINTS))
_COSINES = tuple(math.cos(angle) for angle in _ANGLES)
_KERNEL = tuple(sum(math.cos(2 * k * angle) / k for k in range(1, _POINTS + 1)) / _POINTS for angle in _ANGLES)
"""Weights of the sum of `(-1)^k J_2k / k` (10.8.3) at the points, from `cos(x cos t)`'s Fourier series (10.12.3)."""

_SMALL = 2.0
"""Up to here the functions of the second kind are series in x."""

_STEP = 1 / 6
"""Of the trapezoidal rule for 10.32.9, whose error is below exp(LARGE - pi^2 / step)."""

_FACTORS = 13
"""Terms of series in x / 2 up to 1."""


def hankel_coefficients(order: float, count: int) -> list[float]:
    """`a_k` of 10.17.1."""
    made = [1.0]
    for k in range(1, count):
        made.append(made[-1] * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k))
    return made


def _far_parts(order: int, x: Value) -> tuple[Value, Value, Value, Value]:
    """10.17.3 and 10.17.4 for large x: `cos`, `sin` of the phase and what they are multiplied by, scaled."""
    terms = [a * (-1) ** (k // 2) for k, a in enumerate(hankel_coefficients(order, _TERMS))]
    inverse = reciprocal(x)
    square = mul(inverse, inverse)
    even, odd = polynomial(square, terms[::2][::-1]), mul(inverse, polynomial(square, terms[1::2][::-1]))
    phase = sub(x, number(x, order * math.pi / 2 + math.pi / 4))
    scale = sqrt(times(inverse, 2 / math.pi))
    return cos(phase), sin(phase), mul(scale, even), mul(scale, odd)


def _at_points(x: Value, order: int, weights: Sequence[float]) -> Value:
    """The weighted sum of `cos(x cos t)`, or of minus its derivative in x, over the points."""
    if order == 0:
        return summed(times(cos(times(x, c)), w) for c, w in zip(_COSINES, weights, strict=True))
    return summed(times(sin(times(x, c)), w * c) for c, w in zip(_COSINES, weights, strict=True))


def _split(x: Value) -> tuple[Value, Value, Value]:
    """Whether numbers are large, and what the two formulas are taken of."""
    return compare.greater(x, number(x, LARGE)), minimum(x, number(x, LARGE)), maximum(x, number(x, LARGE))


def _first(order: int, near: Value) -> Value:
    """`J` up to `LARGE` (10.9.1)."""
    return _at_points(near, order, [1 / _POINTS] * _POINTS)


def first_kind(order: int) -> Callable[[Value], Value]:
    """`J` of order 0 or 1; NaN at both infinities, as torch has it."""

    def function(x: Value) -> Value:
        size = abs_(x)
        is_large, near, far = _split(size)
        cosine, sine, even, odd = _far_parts(order, far)
        made = select(is_large, sub(mul(cosine, even), mul(sine, odd)), _first(order, near))
        made = select(is_inf(x), number(x, math.nan), made)
        if order == 1:
            made = select(compare.less(x, number(x, 0)), neg(made), made)
        return select(is_nan(x), x, made)

    return function


def _cut_off(x: Value, made: Value, at_zero: float) -> Value:
    """Functions that have a logarithm: infinite at 0, NaN below it."""
    zero = number(x, 0)
    made = select(compare.equal(x, zero), number(x, at_zero), made)
    made = select(compare.less(x, zero), number(x, math.nan), made)
    return select(is_nan(x), x, made)


_EULER = 0.57721566490153286061
"""5.2.3."""


def second_kind(order: int) -> Callable[[Value], Value]:
    """`Y` of order 0 (10.8.3) or 1, minus its derivative."""

    def function(x: Value) -> Value:
        is_large, near, far = _split(x)
        cosine, sine, even, odd = _far_parts(order, far)
        grown = times(add(log(times(near, 0.5)), number(x, _EULER)), 2 / math.pi)
        made = sub(mul(grown, _first(order, near)), times(_at_points(near, order, _KERNEL), 4 / math.pi))
        if order == 1:
            made = sub(made, div(times(_first(0, near), 2 / math.pi), near))
        made = select(is_large, add(mul(sine, even), mul(cosine, odd)), made)
        return _cut_off(x, select(is_inf(x), number(x, math.nan), made), -math.inf)

    return function


def scaled_decaying(order: float, x: Value) -> Value:
    """`K`, times exp(x), for x from `_SMALL` on (10.32.9, 10.40.2)."""
    is_large, near, far = _split(x)
    last = math.acosh(1 + 40 / _SMALL)
    places = [_STEP * k for k in range(math.ceil(last / _STEP))]
    points = (
        times(exp(times(near, 1 - math.cosh(t))), _STEP * math.cosh(order * t) * (1 if t else 0.5)) for t in places
    )
    series = polynomial(reciprocal(far), hankel_coefficients(order, _TERMS)[::-1])
    return select(is_large, mul(series, sqrt(times(reciprocal(far), math.pi / 2))), summed(points))


def _near_decaying(order: int, x: Value) -> Value:
    """`K` of order 0 or 1 for small x (10.31.1, 10.31.2)."""
    square = times(mul(x, x), 0.25)
    harmonic = [sum(1 / j for j in range(1, k + 1)) for k in range(_FACTORS + 1)]
    terms = [1 / (math.factorial(k) * math.factorial(k + order)) for k in range(_FACTORS)]
    growing = polynomial(square, terms[::-1])
    logarithm = add(log(times(x, 0.5)), number(x, _EULER))
    if order == 0:
        rest = polynomial(square, [t * harmonic[k] for k, t in enumerate(terms)][::-1])
        return sub(rest, mul(logarithm, growing))
    rest = polynomial(square, [t * (harmonic[k] + harmonic[k + 1]) / 2 for k, t in enumerate(terms)][::-1])
    return add(reciprocal(x), mul(times(x, 0.5), sub(mul(logarithm, growing), rest)))


def decaying(order: int, scaled: bool) -> Callable[[Value], Value]:
    """The modified function `K` of order 0 or 1, times exp(x) where it is scaled."""

    def function(x: Value) -> Value:
        small, large = minimum(x, number(x, _SMALL)), maximum(x, number(x, _SMALL))
        near, far = _near_decaying(order, small), scaled_decaying(order, large)
        near = mul(near, exp(small)) if scaled else near
        far = far if scaled else mul(far, exp(neg(large)))
        return _cut_off(x, select(compare.less(x, number(x, _SMALL)), near, far), math.inf)

    return function


def spherical(x: Value) -> Value:
    """`sin(x) / x` (10.49.3), 1 at 0 and 0 at both infinities."""
    zero = number(x, 0)
    is_zero = compare.equal(x, zero)
    made = select(is_zero, number(x, 1), div(sin(x), select(is_zero, number(x, 1), x)))
    return select(is_inf(x), zero, made)


_AIRY_END = 7.5
"""Below minus this Airy's function is its series in 1 / zeta, which then leaves out less than exp(-2 zeta) = 2e-12."""

_AIRY_TERMS = 32
"""Terms of its series in x^3: at `_AIRY_END` the first one left out is below 1e-20."""


def _airy_near(x: Value) -> Value:
    """Ai between `-_AIRY_END` and `_SMALL` (9.4.1)."""
    cube, even, odd = mul(mul(x, x), x), [1.0], [1.0]
    for k in range(1, _AIRY_TERMS):
        even.append(even[-1] / ((3 * k) * (3 * k - 1)))
        odd.append(odd[-1] / ((3 * k) * (3 * k + 1)))
    value = 3 ** (-2 / 3) / math.gamma(2 / 3)
    slope = -(3 ** (-1 / 3)) / math.gamma(1 / 3)
    return add(times(polynomial(cube, even[::-1]), value), times(mul(x, polynomial(cube, odd[::-1])), slope))


def _airy_wave(size: Value) -> Value:
    """Ai(-size) for a large size (9.7.9)."""
    zeta = times(mul(size, sqrt(size)), 2 / 3)
    terms = [1.0]
    for k in range(1, _TERMS):
        terms.append(terms[-1] * (6 * k - 5) * (6 * k - 3) * (6 * k - 1) / (216 * k * (2 * k - 1)))
    terms = [term * (-1) ** (k // 2) for k, term in enumerate(terms)]
    inverse = reciprocal(zeta)
    square = mul(inverse, inverse)
    even, odd = polynomial(square, terms[::2][::-1]), mul(inverse, polynomial(square, terms[1::2][::-1]))
    phase = sub(zeta, number(zeta, math.pi / 4))
    return div(add(mul(cos(phase), even), mul(sin(phase), odd)), times(sqrt(sqrt(size)), math.sqrt(math.pi)))


def airy(x: Value) -> Value:
    """Ai (9.4.1, 9.6.2, 9.7.9); NaN at both infinities, as torch has it."""
    inner = minimum(maximum(x, number(x, -_AIRY_END)), number(x, _SMALL))
    above = maximum(x, number(x, _SMALL))
    zeta = times(mul(above, sqrt(above)), 2 / 3)
    decayed = mul(times(sqrt(times(above, 1 / 3)), 1 / math.pi), mul(scaled_decaying(1 / 3, zeta), exp(neg(zeta))))
    made = select(compare.greater(x, number(x, _SMALL)), decayed, _airy_near(inner))
    wave = _airy_wave(maximum(neg(x), number(x, _AIRY_END)))
    made = select(compare.less(x, number(x, -_AIRY_END)), wave, made)
    return select(is_nan(x), x, select(is_inf(x), number(x, math.nan), made))


_GROWING_TERMS = 45
"""Terms of the growing functions' series in x: at `LARGE` the first one left out is below 1e-16."""


def growing(order: int, scaled: bool) -> Callable[[Value], Value]:
    """The modified function `I` of order 0 or 1, times exp(-|x|) where it is scaled (10.25.2, 10.40.1)."""

    def function(x: Value) -> Value:
        size = abs_(x)
        is_large, inner, outer = _split(size)
        terms = [1 / (math.factorial(k) * math.factorial(k + order)) for k in range(_GROWING_TERMS)]
        series = polynomial(times(mul(inner, inner), 0.25), terms[::-1])
        series = series if order == 0 else mul(series, times(inner, 0.5))
        factors = [a * (-1) ** k for k, a in enumerate(hankel_coefficients(order, 14))]
        far = div(polynomial(reciprocal(outer), factors[::-1]), sqrt(times(outer, 2 * math.pi)))
        below = mul(series, exp(neg(inner))) if scaled else series
        above = far if scaled else mul(far, exp(outer))
        made = select(is_nan(x), x, select(is_large, above, below))
        return made if order == 0 else with_sign(made, x)

    return function


_FUNCTIONS: tuple[tuple[str, Callable[[Value], Value]], ...] = (
    ("i0", growing(0, False)), ("special_i0", growing(0, False)), ("special_modified_bessel_i0", growing(0, False)),
    ("special_i1", growing(1, False)), ("special_modified_bessel_i1", growing(1, False)),
    ("special_i0e", growing(0, True)), ("special_i1e", growing(1, True)),
    ("special_bessel_j0", first_kind(0)), ("special_bessel_j1", first_kind(1)),
    ("special_bessel_y0", second_kind(0)), ("special_bessel_y1", second_kind(1)),
    ("special_modified_bessel_k0", decaying(0, False)), ("special_modified_bessel_k1", decaying(1, False)),
    ("special_scaled_modified_bessel_k0", decaying(0, True)),
    ("special_scaled_modified_bessel_k1", decaying(1, True)),
    ("special_spherical_bessel_j0", spherical), ("special_airy_ai", airy),
)  # fmt: skip
_ARGUMENT = {name: "self" for name in ("i0", "special_i0", "special_i1", "special_i0e", "special_i1e",
             "special_bessel_j0", "special_bessel_j1", "special_bessel_y0", "special_bessel_y1",
             "special_modified_bessel_i0", "special_modified_bessel_i1", "special_modified_bessel_k0",
             "special_modified_bessel_k1")}  # fmt: skip
"""What torch calls the argument; `x` otherwise."""
for _name, _function in _FUNCTIONS:
    operators.op(f"{_name}(Tensor {_ARGUMENT.get(_name, 'x')}) -> Tensor")(in_double(_function))
