"""Functions of two numbers around gamma, in f64: Hurwitz's zeta, derivatives of digamma, incomplete gamma functions.

The formulas are those of the Digital Library of Mathematical Functions (dlmf.nist.gov), by number; what stands at the
ends of the ranges is torch's (aten/src/ATen/native/Math.h).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers._numbers import is_finite
from xir.frontends.torch.handlers._series import in_double, number, pairs_in_double, times
from xir.frontends.torch.handlers.special import BERNOULLI, digamma, log_gamma, trigamma
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number
from xir.ir.constant import constant_of
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import compare, elementwise
from xir.ops.constant import constant
from xir.ops.control import loop
from xir.ops.elementwise import abs_, add, div, exp, log, maximum, mul, neg, pow_, reciprocal, select, sub
from xir.ops.reduce import reduce_max
from xir.ops.shape import reshape

operators = Operators("aten")
_FIRST = 9.0
"""Where Euler and Maclaurin's formula takes over from the sum: its first term left out is then below 1e-16."""

_STEPS = 4000
"""Steps that a series may take: those of the incomplete gamma functions of 1e5 are some 2,500."""

Step = Callable[..., tuple[Value, tuple[Value, ...]]]
"""(what is carried, what is read besides) -> (where another step is needed, what is carried on)."""

_PRECISION = 2.0**-53
"""What a term adds at least, of the sum so far."""


def until(values: Sequence[Value], captured: Sequence[Value], step: Step) -> tuple[Value, ...]:
    """What is carried when no element needs another step.

    Args:
        values: what is carried.
        captured: what every step reads besides.
        step: what a step does.
    """
    held = [Value(value.type) for value in (*values, *captured)]
    inputs = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ())), *held
    needed, made = step(*held)
    flat = reshape(elementwise.cast(needed, dtype=DType.UINT8), shape=(needed.tensor.elements,))
    any_needed = compare.greater(reduce_max(flat, axes=(0,), keep_dims=False), _literal(0, DType.UINT8))
    body = Graph("series", inputs, (any_needed, *made))
    return loop(_literal(_STEPS, DType.INT64), None, *values, *captured, body=body, carried=len(values))


def _literal(held: int, dtype: DType) -> Value:
    return constant(value=constant_of(held, dtype))


def zeta(power: Value, start: Value) -> Value:
    """The sum of `(start + k)^-power` (25.11.1): terms up to `_FIRST`, then Euler and Maclaurin's rule (25.11.28)."""
    one, nothing = number(power, 1), number(power, 0)

    def step(total: Value, here: Value, power: Value) -> tuple[Value, tuple[Value, ...]]:
        is_low = compare.less_equal(here, number(here, _FIRST))
        more = select(is_low, add(total, pow_(here, neg(power))), total)
        next_one = select(is_low, add(here, number(here, 1)), here)
        return compare.less_equal(next_one, number(here, _FIRST)), (more, next_one)

    total, end = until((nothing, start), (power,), step)
    last = pow_(end, neg(power))
    total = add(total, add(div(mul(last, end), sub(power, one)), times(last, 0.5)))
    factor = div(mul(last, power), end)
    for place, held in enumerate(BERNOULLI):
        total = add(total, times(factor, held / math.factorial(2 * place + 2)))
        rising = mul(add(power, number(power, 2 * place + 1)), add(power, number(power, 2 * place + 2)))
        factor = div(mul(factor, rising), mul(end, end))
    return _zeta_ends(power, start, total)


def _zeta_ends(power: Value, start: Value, made: Value) -> Value:
    """Infinite at power 1 and at 0, -1, ...; NaN below power 1, and below 0 where the power is not whole."""
    none, endless = number(made, math.nan), number(made, math.inf)
    made = select(compare.logical_or(elementwise.is_nan(power), elementwise.is_nan(start)), none, made)
    is_low = compare.less_equal(start, number(start, 0))
    made = select(compare.logical_and(is_low, compare.not_equal(power, elementwise.floor(power))), none, made)
    made = select(compare.logical_and(is_low, compare.equal(start, elementwise.floor(start))), endless, made)
    made = select(compare.less(power, number(power, 1)), none, made)
    return select(compare.equal(power, number(power, 1)), endless, made)


_ZETA = pairs_in_double(zeta)


@operators.op(
    "special_zeta(Tensor self, Tensor other) -> Tensor",
    "special_zeta.self_scalar(Scalar self, Tensor other) -> Tensor",
    "special_zeta.other_scalar(Tensor self, Scalar other) -> Tensor",
)
def hurwitz(call: Call, power: Value | Number, start: Value | Number) -> Value:
    """Hurwitz's zeta."""
    return _ZETA(call, power, start)


@operators.op(
    "polygamma(int n, Tensor self) -> Tensor",
    "special_polygamma(int n, Tensor self) -> Tensor",
)
def polygamma(call: Call, count: int, x: Value) -> Value:
    """Derivatives of `digamma`: from the second on by zeta (25.11.12)."""
    if count < 0:
        call.invalid(f"derivative number {count} of digamma")
    if count < 2:
        return in_double(trigamma if count else digamma)(call, x)
    factor = math.factorial(call.several(count)) * (-1) ** (count + 1)
    return in_double(lambda held: times(zeta(number(held, count + 1), held), float(factor)))(call, x)


def _lower(a: Value, x: Value) -> Value:
    """The sum of `x^n / ((a + 1) ... (a + n))` (8.7.1)."""

    def step(total: Value, term: Value, at: Value, x: Value) -> tuple[Value, tuple[Value, ...]]:
        at = add(at, number(at, 1))
        term = div(mul(term, x), at)
        total = add(total, term)
        return compare.greater(term, times(total, _PRECISION)), (total, term, at)

    one = number(a, 1)
    return until((one, one, a), (x,), step)[0]


_TINY = 1e-300
"""In place of a denominator of 0."""


def _fraction(a: Value, x: Value) -> Value:
    """The even part of the continued fraction 8.9.2, from the front (Thompson and Barnett 1986)."""

    def step(made: Value, c: Value, d: Value, n: Value, a: Value, x: Value) -> tuple[Value, tuple[Value, ...]]:
        n = add(n, number(n, 1))
        numerator = mul(n, sub(a, n))
        offset = add(sub(x, a), add(times(n, 2), number(n, 1)))
        d = reciprocal(_off_zero(add(offset, mul(numerator, d))))
        c = _off_zero(add(offset, div(numerator, c)))
        change = mul(c, d)
        return compare.greater(abs_(sub(change, number(n, 1))), number(n, 4 * _PRECISION)), (mul(made, change), c, d, n)

    first = reciprocal(_off_zero(add(sub(x, a), number(x, 1))))
    return until((first, number(x, 1 / _TINY), first, number(x, 0)), (a, x), step)[0]


def _off_zero(x: Value) -> Value:
    return select(compare.less(abs_(x), number(x, _TINY)), number(x, _TINY), x)


def _incomplete(a: Value, x: Value) -> tuple[Value, Value]:
    """The regularised incomplete gamma functions P and Q (8.2.4); NaN where one of the numbers is negative."""
    nothing, one = number(a, 0), number(a, 1)
    base, held = (select(is_finite(each), maximum(each, number(each, _TINY)), one) for each in (a, x))
    is_low = compare.less(held, add(base, one))
    scale = exp(sub(sub(mul(base, log(held)), held), log_gamma(add(base, one))))
    lower = mul(scale, _lower(base, select(is_low, held, nothing)))
    upper = mul(mul(scale, base), _fraction(select(is_low, one, base), select(is_low, number(x, 4), held)))
    p, q = select(is_low, lower, sub(one, upper)), select(is_low, sub(one, lower), upper)
    return _incomplete_end(a, x, p, 0.0), _incomplete_end(a, x, q, 1.0)


def _incomplete_end(a: Value, x: Value, made: Value, at_zero: float) -> Value:
    """What P, which is 0 at x = 0, or Q, which is 1 there, is at the ends of a and x."""
    start, end, none, zero = (number(made, held) for held in (at_zero, 1 - at_zero, math.nan, 0.0))
    is_nan = compare.logical_or(elementwise.is_nan(a), elementwise.is_nan(x))
    made = select(is_nan, none, made)
    made = select(compare.equal(x, zero), start, made)
    made = select(elementwise.is_inf(x), end, made)
    made = select(elementwise.is_inf(a), select(elementwise.is_inf(x), none, start), made)
    made = select(compare.equal(a, zero), select(compare.greater(x, zero), end, none), made)
    is_negative = compare.logical_or(compare.less(a, zero), compare.less(x, zero))
    return select(is_negative, none, made)


def _part(place: int) -> Callable[[Value, Value], Value]:
    return lambda a, x: _incomplete(a, x)[place]


for _names, _place in ((("igamma", "special_gammainc"), 0), (("igammac", "special_gammaincc"), 1)):
    for _name in _names:
        operators.op(f"{_name}(Tensor self, Tensor other) -> Tensor")(pairs_in_double(_part(_place)))
