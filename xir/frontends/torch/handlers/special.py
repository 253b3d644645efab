"""Special functions of one number, in f64: gamma and its derivatives, the inverse of erf.

The formulas are those of the Digital Library of Mathematical Functions (dlmf.nist.gov), by number.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers._numbers import with_sign
from xir.frontends.torch.handlers._series import in_double, number, polynomial, summed, times
from xir.frontends.torch.handlers.functions import log1p
from xir.frontends.torch.operators import Operators
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops.elementwise import abs_, add, div, exp, log, mul, neg, reciprocal, select, sqrt, sub

operators = Operators("aten")
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)
"""B_2, B_4 ... B_14 (24.2(iv))."""

_STEPS = 10
"""How far recurrences go up before the series in 1/x, whose first term left out is then below 1e-16."""

_NEAR = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503,
         -0.00417768164, 0.246640727, 1.50140941)  # fmt: skip
_FAR = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
        1.00167406, 2.83297682)  # fmt: skip
"""The inverse of erf, in w - 2.5 and sqrt(w) - 3 (Giles 2010, 'Approximating the erfinv function', table 5)."""


def _log_gamma_above(x: Value) -> Value:
    """The logarithm of gamma for x >= 1/2: 5.5.1 upward, then 5.11.1."""
    product = x
    for step in range(1, _STEPS):
        product = mul(product, add(x, number(x, step)))
    y = add(x, number(x, _STEPS))
    inverse = reciprocal(y)
    terms = [b / (2 * k * (2 * k - 1)) for k, b in enumerate(BERNOULLI, 1)]
    series = mul(inverse, polynomial(mul(inverse, inverse), terms[::-1]))
    power = sub(mul(sub(y, number(y, 0.5)), log(y)), y)
    return sub(add(add(power, number(y, math.log(2 * math.pi) / 2)), series), log(product))


def _half(x: Value) -> tuple[Value, Value]:
    """Whether numbers are below 1/2, and those mirrored there."""
    below = compare.less(x, number(x, 0.5))
    return below, select(below, sub(number(x, 1), x), x)


def log_gamma(x: Value) -> Value:
    """The logarithm of the absolute value of gamma; infinite at 0, -1, -2 ... (5.5.3)."""
    below, above = _half(x)
    found = _log_gamma_above(above)
    rest = sub(x, elementwise.floor(x))
    mirror = sub(number(x, math.log(math.pi)), log(abs_(elementwise.sin(times(rest, math.pi)))))
    made = select(below, sub(mirror, found), found)
    infinite = compare.logical_or(compare.logical_and(below, compare.equal(rest, number(x, 0))), elementwise.is_inf(x))
    return select(infinite, number(x, math.inf), made)


def digamma(x: Value) -> Value:
    """The derivative of `log_gamma` (5.5.2, 5.11.2, 5.5.4); -inf at 0 with its sign turned, NaN at -1, -2 ..."""
    below, above = _half(x)
    lower = reciprocal(above)
    for step in range(1, _STEPS):
        lower = add(lower, reciprocal(add(above, number(x, step))))
    y = add(above, number(x, _STEPS))
    inverse = reciprocal(y)
    square = mul(inverse, inverse)
    series = mul(square, polynomial(square, [b / (2 * k) for k, b in enumerate(BERNOULLI, 1)][::-1]))
    found = sub(sub(sub(log(y), times(inverse, 0.5)), series), lower)
    rest = sub(x, elementwise.floor(x))
    made = select(below, sub(found, div(number(x, math.pi), elementwise.tan(times(rest, math.pi)))), found)
    zero = number(x, 0)
    whole = compare.logical_and(compare.equal(rest, zero), compare.less(x, zero))
    made = select(whole, number(x, math.nan), made)
    return select(compare.equal(x, zero), with_sign(number(x, math.inf), neg(x)), made)


def inverse_erf(y: Value) -> Value:
    """X with erf(x) = y: an approximation, then two of Newton's steps; infinite at -1 and 1, NaN beyond."""
    one = number(y, 1)
    w = neg(log(mul(sub(one, y), add(one, y))))
    near = polynomial(sub(w, number(y, 2.5)), _NEAR)
    far = polynomial(sub(sqrt(elementwise.maximum(w, number(y, 0))), number(y, 3)), _FAR)
    x = mul(y, select(compare.less(w, number(y, 5)), near, far))
    for _ in range(2):
        slope = times(exp(neg(mul(x, x))), 2 / math.sqrt(math.pi))
        x = sub(x, div(sub(elementwise.erf(x), y), slope))
    size = abs_(y)
    ends = with_sign(number(y, math.inf), y)
    x = select(compare.equal(size, one), ends, x)
    return select(compare.greater(size, one), number(y, math.nan), x)


def erfc(x: Value) -> Value:
    """`1 - erf(x)`."""
    return sub(number(x, 1), elementwise.erf(x))


_ERFC_STEP = 0.5
"""Of the midpoint rule for `scaled_erfc`, whose error is below exp(-(pi / step)^2) = 7e-18."""


def scaled_erfc(x: Value) -> Value:
    """`exp(x^2) erfc(x)`: the midpoint rule for 7.7.1 and what its pole adds (Matta and Reichel 1971)."""
    size = abs_(x)
    square = mul(size, size)
    places = ((k + 0.5) * _ERFC_STEP for k in range(13))
    terms = (div(number(x, math.exp(-t * t)), add(square, number(x, t * t))) for t in places)
    made = times(mul(size, summed(terms)), 2 * _ERFC_STEP / math.pi)
    end = math.pi / _ERFC_STEP
    near = elementwise.minimum(size, number(x, end))
    pole = div(exp(mul(near, near)), add(exp(times(near, 2 * end)), number(x, 1)))
    made = select(compare.less(size, number(x, end)), add(made, times(pole, 2)), made)
    made = select(elementwise.is_inf(x), number(x, 0), made)
    turned = sub(times(exp(square), 2), made)
    return select(compare.less(x, number(x, 0)), turned, made)


def log_normal(x: Value) -> Value:
    """The logarithm of the normal distribution's integral up to x (7.2.2)."""
    t = times(x, math.sqrt(0.5))
    low = sub(log(times(scaled_erfc(neg(elementwise.minimum(t, number(t, 0)))), 0.5)), mul(t, t))
    half = times(erfc(elementwise.maximum(t, number(t, -1))), -0.5)
    return select(compare.less(x, number(x, -1)), low, log1p(half))


def _normal_quantile(x: Value) -> Value:
    return times(inverse_erf(sub(times(x, 2), number(x, 1))), math.sqrt(2))


_FUNCTIONS: tuple[tuple[str, Callable[[Value], Value]], ...] = (
    ("lgamma", log_gamma), ("special_gammaln", log_gamma),
    ("digamma", digamma), ("special_digamma", digamma), ("special_psi", digamma),
    ("erfinv", inverse_erf), ("special_erfinv", inverse_erf),
    ("erfc", erfc), ("special_erfc", erfc),
    ("special_ndtr", lambda x: times(erfc(times(x, -math.sqrt(0.5))), 0.5)),
    ("special_ndtri", _normal_quantile), ("special_erfcx", scaled_erfc), ("special_log_ndtr", log_normal),
)  # fmt: skip
for _name, _function in _FUNCTIONS:
    operators.op(f"{_name}(Tensor self) -> Tensor")(in_double(_function))


def trigamma(x: Value) -> Value:
    """The derivative of `digamma` (5.15.5 upward, 5.15.8, 5.15.6)."""
    below, above = _half(x)
    lower = reciprocal(mul(above, above))
    for step in range(1, _STEPS):
        y = add(above, number(x, step))
        lower = add(lower, reciprocal(mul(y, y)))
    inverse = reciprocal(add(above, number(x, _STEPS)))
    square = mul(inverse, inverse)
    series = mul(mul(square, inverse), polynomial(square, BERNOULLI[::-1]))
    found = add(add(add(inverse, times(square, 0.5)), series), lower)
    turned = div(number(x, math.pi), elementwise.sin(times(sub(x, elementwise.floor(x)), math.pi)))
    return select(below, sub(mul(turned, turned), found), found)


@operators.op(
    "mvlgamma(Tensor self, int p) -> Tensor",
    "special_multigammaln(Tensor self, int p) -> Tensor",
)
def multivariate_log_gamma(call: Call, x: Value, count: int) -> Value:
    """The logarithm of the multivariate gamma function (35.3.4)."""
    real = call.real(x)
    wide = call.cast(real, DType.FLOAT64)
    total = number(wide, count * (count - 1) / 4 * math.log(math.pi))
    for step in range(call.several(count)):
        total = add(total, log_gamma(sub(wide, number(wide, step / 2))))
    return call.cast(total, real.dtype)
