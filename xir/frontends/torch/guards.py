"""What must hold of the inputs of an exported program: Python expressions of their sizes.

    (L['x'].size()[0] % 2) == 0            L['n'] >= 0 and L['n'] <= 4

Equalities become what is known of symbols, or constraints of the graph. The others (`!= 1`, `>= 2`) say for which sizes
torch did not look at the program; xir's operators are right for all sizes that their constraints let through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from xir.errors import XirError
from xir.frontends.torch.formulas import Term, parse_formula, size_of
from xir.ir.constraints import assume_equal
from xir.ir.dims import Dim

_SIZE = re.compile(r"L\['(\w+)'\]\.size\(\)\[(\d{1,3})\]")
_MAX_GUARDS = 1_000
_MAX_GUARD = 2_000


def equalities(guards: Iterable[str]) -> list[tuple[Term, Term]]:
    """The equalities of sizes among the guards; symbols are called `input.axis`. What is no formula is left alone."""
    found: list[tuple[Term, Term]] = []
    for guard in list(guards)[:_MAX_GUARDS]:
        if len(guard) > _MAX_GUARD:
            continue
        for part in _SIZE.sub(r"\1.\2", guard).split(" and "):
            left, sign, right = part.partition(" == ")
            if not sign or " == " in right:
                continue
            try:
                found.append((parse_formula(left), parse_formula(right)))
            except XirError:
                continue
    return found


def divisors(guards: Iterable[str]) -> dict[str, int]:
    """{`input.axis`: a number that divides its size}, as far as guards `size % number == 0` say so."""
    found: dict[str, int] = {}
    for left, right in equalities(guards):
        match left, right:
            case Term("Mod", (Term(symbol, None), Term("", (), number))), Term("", (), zero):
                if zero == 0 and number.denominator == 1 and 1 < number.numerator < 1 << 31:
                    found.setdefault(symbol, number.numerator)
            case _:
                pass
    return found


def assume(guards: Iterable[str], sizes: Mapping[str, Dim]) -> None:
    """Makes the equalities constraints of the graph that is being built.

    Args:
        guards: the expressions.
        sizes: {`input.axis`: its size}.
    """
    for left, right in equalities(guards):
        try:
            a, b = (size_of(side, sizes.__getitem__) for side in (left, right))
        except KeyError:  # of an input in a list or dictionary, or a number
            continue
        if a is not None and b is not None:
            assume_equal(a, b, "the program was exported for it")
