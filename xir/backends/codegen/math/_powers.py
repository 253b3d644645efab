"""Powers whose exponent is known: a few products, a quotient or a root."""

from __future__ import annotations

import math

from xir.backends.codegen.math._terms import Lets, Term
from xir.ir.types import DType
from xir.kernel.grammar import Const

MOST = 4
"""The highest exponent that is products: no more than one of them is rounded in f64, which has 53 bits."""


def known_power(lets: Lets, x: Term, exponent: Term) -> Term | None:
    """The power of x that is known, at the edges too what C99 says (F.9.4.4); None for all other powers.

    Args:
        lets: gets the names of what stands in several places.
        x: an f32.
        exponent: the power, an f32.
    """
    power = exponent.scalar.value if isinstance(exponent.scalar, Const) else None
    if not isinstance(power, int | float) or power not in (-1, 0.5, *range(1, MOST + 1)):
        return None
    x = lets.let(x)
    if power == -1:
        return 1.0 / x
    if power == 0.5:  # of -0 the power is 0 and of -infinity it is infinity, but not the root
        return x.equals(-math.inf).choose(math.inf, (x + 0.0).apply("sqrt"))
    if power <= 2:
        return x if power == 1 else x * x
    wide = lets.let(x.cast(DType.FLOAT64))
    square = lets.let(wide * wide)
    return (square * (wide if power == 3 else square)).cast(DType.FLOAT32)
