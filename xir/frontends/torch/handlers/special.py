"""Special functions of one number, in f64: gamma and its derivatives, the inverse of erf, Bessel functions.

The formulas are those of the Digital Library of Mathematical Functions (dlmf.nist.gov), by number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers._numbers import with_sign
from xir.frontends.torch.operators import Operators
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops.elementwise import abs_, add, div, exp, log, mul, neg, reciprocal, select, sqrt, sub

operators = Operators("aten")
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)
"""B_2, B_4 ... B_14 (24.2(iv))."""

_STEPS = 10
"""How far recurrences go up before the series in 1/x, whose first term left out is then below 1e-16."""

_LARGE = 20.0
"""From here on Bessel functions are their series in 1/x."""

_NEAR = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503,
         -0.00417768164, 0.246640727, 1.50140941)  # fmt: skip
_FAR = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
        1.00167406, 2.83297682)  # fmt: skip
"""The inverse of erf, in w - 2.5 and sqrt(w) - 3 (Giles 2010, 'Approximating the erfinv function', table 5)."""


def _in_double(function: Callable[[Value], Value]) -> Callable[[Call, Value], Value]:
    def handler(call: Call, x: Value) -> Value:
        """A function of real numbers, computed in f64."""
        real = call.real(x)
        return call.cast(function(call.cast(real, DType.FLOAT64)), real.dtype)

    return handler


def _number(x: Value, number: float) -> Value:
    return scalar_like(x, number)


def _polynomial(x: Value, coefficients: Sequence[float]) -> Value:
    """By Horner's rule, the highest power first."""
    total = _number(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = add(mul(total, x), _number(x, coefficient))
    return total


def _times(x: Value, factor: float) -> Value:
    return mul(x, _number(x, factor))


def _log_gamma_above(x: Value) -> Value:
    """The logarithm of gamma for x >= 1/2: 5.5.1 upward, then 5.11.1."""
    product = x
    for step in range(1, _STEPS):
        product = mul(product, add(x, _number(x, step)))
    y = add(x, _number(x, _STEPS))
    inverse = reciprocal(y)
    terms = [b / (2 * k * (2 * k - 1)) for k, b in enumerate(_BERNOULLI, 1)]
    series = mul(inverse, _polynomial(mul(inverse, inverse), terms[::-1]))
    power = sub(mul(sub(y, _number(y, 0.5)), log(y)), y)
    return sub(add(add(power, _number(y, math.log(2 * math.pi) / 2)), series), log(product))


def _half(x: Value) -> tuple[Value, Value]:
    """Whether numbers are below 1/2, and those mirrored there."""
    below = compare.less(x, _number(x, 0.5))
    return below, select(below, sub(_number(x, 1), x), x)


def log_gamma(x: Value) -> Value:
    """The logarithm of the absolute value of gamma; infinite at 0, -1, -2 ... (5.5.3)."""
    below, above = _half(x)
    found = _log_gamma_above(above)
    rest = sub(x, elementwise.floor(x))
    mirror = sub(_number(x, math.log(math.pi)), log(abs_(elementwise.sin(_times(rest, math.pi)))))
    made = select(below, sub(mirror, found), found)
    infinite = compare.logical_or(compare.logical_and(below, compare.equal(rest, _number(x, 0))), elementwise.is_inf(x))
    return select(infinite, _number(x, math.inf), made)


def digamma(x: Value) -> Value:
    """The derivative of `log_gamma` (5.5.2, 5.11.2, 5.5.4); -inf at 0 with its sign turned, NaN at -1, -2 ..."""
    below, above = _half(x)
    lower = reciprocal(above)
    for step in range(1, _STEPS):
        lower = add(lower, reciprocal(add(above, _number(x, step))))
    y = add(above, _number(x, _STEPS))
    inverse = reciprocal(y)
    square = mul(inverse, inverse)
    series = mul(square, _polynomial(square, [b / (2 * k) for k, b in enumerate(_BERNOULLI, 1)][::-1]))
    found = sub(sub(sub(log(y), _times(inverse, 0.5)), series), lower)
    rest = sub(x, elementwise.floor(x))
    made = select(below, sub(found, div(_number(x, math.pi), elementwise.tan(_times(rest, math.pi)))), found)
    zero = _number(x, 0)
    whole = compare.logical_and(compare.equal(rest, zero), compare.less(x, zero))
    made = select(whole, _number(x, math.nan), made)
    return select(compare.equal(x, zero), with_sign(_number(x, math.inf), neg(x)), made)


def inverse_erf(y: Value) -> Value:
    """X with erf(x) = y: an approximation, then two of Newton's steps; infinite at -1 and 1, NaN beyond."""
    one = _number(y, 1)
    w = neg(log(mul(sub(one, y), add(one, y))))
    near = _polynomial(sub(w, _number(y, 2.5)), _NEAR)
    far = _polynomial(sub(sqrt(elementwise.maximum(w, _number(y, 0))), _number(y, 3)), _FAR)
    x = mul(y, select(compare.less(w, _number(y, 5)), near, far))
    for _ in range(2):
        slope = _times(exp(neg(mul(x, x))), 2 / math.sqrt(math.pi))
        x = sub(x, div(sub(elementwise.erf(x), y), slope))
    size = abs_(y)
    ends = with_sign(_number(y, math.inf), y)
    x = select(compare.equal(size, one), ends, x)
    return select(compare.greater(size, one), _number(y, math.nan), x)


def _bessel(order: int, x: Value, scaled: bool) -> Value:
    """The modified Bessel function I_0 or I_1, times exp(-|x|) where it is scaled (10.25.2, 10.40.1)."""
    size = abs_(x)
    inner = elementwise.minimum(size, _number(x, _LARGE))
    outer = elementwise.maximum(size, _number(x, _LARGE))
    terms = [1 / (math.factorial(k) * math.factorial(k + order)) for k in range(45)]
    series = _polynomial(_times(mul(inner, inner), 0.25), terms[::-1])
    series = series if order == 0 else mul(series, _times(inner, 0.5))
    factors = [1.0]
    for k in range(1, 14):
        factors.append(-factors[-1] * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k))
    far = div(_polynomial(reciprocal(outer), factors[::-1]), sqrt(_times(outer, 2 * math.pi)))
    below = mul(series, exp(neg(inner))) if scaled else series
    above = far if scaled else mul(far, exp(outer))
    made = select(compare.less(size, _number(x, _LARGE)), below, above)
    made = select(elementwise.is_nan(x), x, made)
    return made if order == 0 else with_sign(made, x)


def erfc(x: Value) -> Value:
    """`1 - erf(x)`."""
    return sub(_number(x, 1), elementwise.erf(x))


def _normal_quantile(x: Value) -> Value:
    return _times(inverse_erf(sub(_times(x, 2), _number(x, 1))), math.sqrt(2))


_FUNCTIONS: tuple[tuple[str, Callable[[Value], Value]], ...] = (
    ("lgamma", log_gamma), ("special_gammaln", log_gamma),
    ("digamma", digamma), ("special_digamma", digamma), ("special_psi", digamma),
    ("erfinv", inverse_erf), ("special_erfinv", inverse_erf),
    ("erfc", erfc), ("special_erfc", erfc),
    ("special_ndtr", lambda x: _times(erfc(_times(x, -math.sqrt(0.5))), 0.5)),
    ("special_ndtri", _normal_quantile),
    ("i0", lambda x: _bessel(0, x, False)), ("special_i0", lambda x: _bessel(0, x, False)),
    ("special_i0e", lambda x: _bessel(0, x, True)),
    ("special_i1", lambda x: _bessel(1, x, False)), ("special_i1e", lambda x: _bessel(1, x, True)),
)  # fmt: skip
for _name, _function in _FUNCTIONS:
    operators.op(f"{_name}(Tensor self) -> Tensor")(_in_double(_function))


def trigamma(x: Value) -> Value:
    """The derivative of `digamma` (5.15.5 upward, 5.15.8, 5.15.6)."""
    below, above = _half(x)
    lower = reciprocal(mul(above, above))
    for step in range(1, _STEPS):
        y = add(above, _number(x, step))
        lower = add(lower, reciprocal(mul(y, y)))
    inverse = reciprocal(add(above, _number(x, _STEPS)))
    square = mul(inverse, inverse)
    series = mul(mul(square, inverse), _polynomial(square, _BERNOULLI[::-1]))
    found = add(add(add(inverse, _times(square, 0.5)), series), lower)
    turned = div(_number(x, math.pi), elementwise.sin(_times(sub(x, elementwise.floor(x)), math.pi)))
    return select(below, sub(mul(turned, turned), found), found)


@operators.op(
    "polygamma(int n, Tensor self) -> Tensor",
    "special_polygamma(int n, Tensor self) -> Tensor",
)
def polygamma(call: Call, count: int, x: Value) -> Value:
    """`digamma`, or its derivative."""
    if count not in (0, 1):
        call.refuse(f"derivative number {count} of digamma")
    return _in_double(trigamma if count else digamma)(call, x)


@operators.op(
    "mvlgamma(Tensor self, int p) -> Tensor",
    "special_multigammaln(Tensor self, int p) -> Tensor",
)
def multivariate_log_gamma(call: Call, x: Value, count: int) -> Value:
    """The logarithm of the multivariate gamma function (35.3.4)."""
    real = call.real(x)
    wide = call.cast(real, DType.FLOAT64)
    total = _number(wide, count * (count - 1) / 4 * math.log(math.pi))
    for step in range(call.several(count)):
        total = add(total, log_gamma(sub(wide, _number(wide, step / 2))))
    return call.cast(total, real.dtype)
