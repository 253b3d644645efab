"""Functions of mathematical physics, from series."""

from __future__ import annotations

import math

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare
from xir.ops._build import scalar_like
from xir.ops.elementwise import abs_, add, div, floor, log, mul, pow_, reciprocal, select, sin, sub, tan

handlers: Handlers[Handler] = Handlers("tensorflow")

_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)
"""B2, B4 ... (Abramowitz and Stegun, table 23.2)."""

_TERMS = 9
"""Terms that are added up before the rest is taken for an integral."""


@handlers.layer("Zeta")
def zeta(site: Site, x: Value, q: Value) -> Value:
    """Hurwitz's zeta, the sum of (q + k)^-x: some terms, then Euler and Maclaurin's formula (A. & S. 23.1.30)."""
    power, start = (site.cast(value, DType.FLOAT64) for value in site.aligned(x, q))
    one = scalar_like(power, 1)
    total = pow_(start, sub(scalar_like(power, 0), power))
    for term in range(1, _TERMS):
        total = add(total, pow_(add(start, scalar_like(start, term)), sub(scalar_like(power, 0), power)))
    end = add(start, scalar_like(start, _TERMS))
    last = pow_(end, sub(scalar_like(power, 0), power))
    total = add(total, add(div(mul(last, end), sub(power, one)), mul(last, scalar_like(last, 0.5))))
    factor = div(mul(last, power), end)
    for place, number in enumerate(_BERNOULLI):
        total = add(total, mul(factor, scalar_like(factor, number / math.factorial(2 * place + 2))))
        rising = mul(add(power, scalar_like(power, 2 * place + 1)), add(power, scalar_like(power, 2 * place + 2)))
        factor = div(mul(factor, rising), mul(end, end))
    return site.cast(total, x.dtype)


def _shifted(x: Value) -> tuple[Value, Value, Value]:
    """(x where it is positive else 1 - x, that moved up by `_TERMS`, whether x was moved over)."""
    is_left = compare.less(x, scalar_like(x, 0.5))
    right = select(is_left, sub(scalar_like(x, 1), x), x)
    return right, add(right, scalar_like(x, _TERMS)), is_left


@handlers.layer("Lgamma")
def log_gamma(site: Site, x: Value) -> Value:
    """The logarithm of |gamma|: Stirling's series far out, walked back (A. & S. 6.1.15, 6.1.17, 6.1.41)."""
    data = site.cast(x, DType.FLOAT64)
    right, far, is_left = _shifted(data)
    made = sub(mul(sub(far, scalar_like(far, 0.5)), log(far)), far)
    made = add(made, scalar_like(made, 0.5 * math.log(2 * math.pi)))
    inverse = reciprocal(far)
    square = mul(inverse, inverse)
    for place, number in enumerate(_BERNOULLI):
        made = add(made, mul(inverse, scalar_like(made, number / ((2 * place + 2) * (2 * place + 1)))))
        inverse = mul(inverse, square)
    product = right
    for term in range(1, _TERMS):
        product = mul(product, add(right, scalar_like(right, term)))
    made = sub(made, log(product))
    turned = sin(mul(sub(data, floor(data)), scalar_like(data, math.pi)))
    mirrored = sub(sub(scalar_like(made, math.log(math.pi)), log(abs_(turned))), made)
    return site.cast(select(is_left, mirrored, made), x.dtype)


@handlers.layer("Digamma")
def digamma(site: Site, x: Value) -> Value:
    """The derivative of the logarithm of gamma (A. & S. 6.3.5, 6.3.7, 6.3.18)."""
    data = site.cast(x, DType.FLOAT64)
    right, far, is_left = _shifted(data)
    inverse = reciprocal(far)
    square = mul(inverse, inverse)
    made = sub(log(far), mul(inverse, scalar_like(far, 0.5)))
    factor = square
    for place, number in enumerate(_BERNOULLI):
        made = sub(made, mul(factor, scalar_like(made, number / (2 * place + 2))))
        factor = mul(factor, square)
    for term in range(_TERMS):
        made = sub(made, reciprocal(add(right, scalar_like(right, term))))
    part = mul(sub(data, floor(data)), scalar_like(data, math.pi))
    mirrored = sub(made, div(scalar_like(made, math.pi), tan(part)))
    return site.cast(select(is_left, mirrored, made), x.dtype)
