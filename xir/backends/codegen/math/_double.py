"""The hyperbolic functions of f64 and their inverses, built from exp and log of f64."""

from __future__ import annotations

import math

from xir.backends.codegen.math._core import DOUBLE, exp_parts, log, power_of_two, with_sign_of
from xir.backends.codegen.math._terms import Lets, Term

_LARGE = 2.0**28
"""From here on x^2 + 1 and x^2 - 1 are x^2 to the last digit."""

_OVERFLOW = 710.6
"""Beyond the largest argument of sinh and cosh, 710.476; a quarter of its power is still finite."""


def _quarter(lets: Lets, x: Term) -> tuple[Term, Term]:
    """(2^k / 4, exp r - 1) of |x|, so that nothing overflows before the last step."""
    a = lets.let(x.absolute().at_most(_OVERFLOW))
    parts = exp_parts(lets, DOUBLE, a, lets.let(a.constant(DOUBLE.magic)))
    exponent = (parts.whole.bits(DOUBLE.unsigned) - 2).bits(DOUBLE.dtype)
    return lets.let(power_of_two(DOUBLE, exponent)), lets.let(parts.rest())


def sinh(lets: Lets, x: Term) -> Term:
    """(e + e / (e + 1)) / 2 with e = exp |x| - 1, of which a quarter is kept."""
    scale, rest = _quarter(lets, x)
    quarter = lets.let(scale * rest + (scale - 0.25))
    return with_sign_of(DOUBLE, (quarter + quarter / (quarter * 4.0 + 1.0)) * 2.0, x)


def cosh(lets: Lets, x: Term) -> Term:
    """(e + 1 / e) / 2 with e = exp |x|, of which a quarter is kept."""
    scale, rest = _quarter(lets, x)
    quarter = lets.let(scale * rest + scale)
    return (quarter + 0.0625 / quarter) * 2.0


def _log_of_more(lets: Lets, u: Term) -> Term:
    """ln(1 + u) of u >= 0: what 1 + u loses is put back by the derivative (Higham, 2nd edition, 1.14.1)."""
    whole = lets.let(u + 1.0)
    return log(lets, DOUBLE, whole) + (u - (whole - 1.0)) / whole


def _log_or_large(lets: Lets, x: Term, u: Term) -> Term:
    """ln(1 + u), or ln 2 x where x is so large that both are the same; x where it is infinite or NaN."""
    far = lets.let(x > _LARGE)
    held = lets.let(far.choose(x - 1.0, u))
    result = _log_of_more(lets, held) + far.choose(x.constant(math.log(2.0)), 0.0)
    return (x < math.inf).choose(result, x)


def asinh(lets: Lets, x: Term) -> Term:
    """ln(1 + a + a^2 / (1 + sqrt(a^2 + 1))) with a = |x|: a sum that cancels nowhere."""
    a = lets.let(x.absolute())
    square = lets.let(a * a)
    u = a + square / ((square + 1.0).apply("sqrt") + 1.0)
    return with_sign_of(DOUBLE, _log_or_large(lets, a, u), x)


def acosh(lets: Lets, x: Term) -> Term:
    """ln(1 + t + sqrt(t (t + 2))) with t = x - 1."""
    t = lets.let(x - 1.0)
    result = _log_or_large(lets, x, t + (t * (t + 2.0)).apply("sqrt"))
    return (x < 1.0).choose(x.constant(math.nan), result)


def atanh(lets: Lets, x: Term) -> Term:
    """ln(1 + 2 a / (1 - a)) / 2 with a = |x|."""
    a = lets.let(x.absolute())
    inside = lets.let(a < 1.0)
    u = lets.let((a * 2.0) / inside.choose(1.0 - a, 1.0))
    edge = a.equals(1.0).choose(a.constant(math.inf), a.constant(math.nan))
    return with_sign_of(DOUBLE, inside.choose(_log_of_more(lets, u) * 0.5, edge), x)
