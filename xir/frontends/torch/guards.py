"""What must hold of the inputs of an exported program: Python expressions of their sizes.

    (L['x'].size()[0] % 2) == 0            L['n'] >= 0 and L['n'] <= 4
    1 + L['cache']['keys'][0].size()[2] <= L['mask'].size()[1]

torch refuses a run that breaks one of them (torch/export/_unlift.py, `_convert_guards_code_to_fn`). Comparisons of
sizes become what is known of symbols, or constraints of the graph; what is no comparison of sizes cannot be checked
when the graph is entered, and is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xir.errors import InvalidModelError, XirError
from xir.frontends.torch.formulas import Term, parse_formula, size_of
from xir.ir.constraints import assume_equal
from xir.ir.dims import Dim, add, maximum, minimum, subtract

_SIZE = re.compile(r"L((?:\['[^'\\]{1,200}'\]|\[\d{1,4}\]|\.[A-Za-z_]\w{0,200}){1,20}?)\.size\(\)\[(\d{1,3})\]")
_KEY = re.compile(r"\['([^']*)'\]|\[(\d+)\]|\.(\w+)")
_MAX_GUARDS = 1_000
_MAX_GUARD = 2_000

_SIGNS = ("==", "!=", "<=", ">=", "<", ">")


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of two sizes; symbols are called `input.axis`.

    Attributes:
        text: the guard that it is part of.
        sign: one of Python's signs.
        left: the one size.
        right: the other.
    """

    text: str
    sign: str
    left: Term
    right: Term


@dataclass(frozen=True, slots=True)
class Guards:
    """What guards say.

    Attributes:
        comparisons: of sizes.
        others: guards that are something else.
    """

    comparisons: tuple[Comparison, ...]
    others: tuple[str, ...]


def read_guards(guards: Sequence[str]) -> Guards:
    """The comparisons of sizes among the guards, and the guards that are none."""
    comparisons: list[Comparison] = []
    others: list[str] = []
    for guard in guards[:_MAX_GUARDS]:
        try:
            comparisons += _comparisons(guard)
        except XirError:
            others.append(guard)
    return Guards(tuple(comparisons), (*others, *guards[_MAX_GUARDS:]))


def _comparisons(guard: str) -> list[Comparison]:
    """The comparisons that a guard joins by `and`.

    Raises:
        XirError: it is something else.
    """
    if len(guard) > _MAX_GUARD:
        return [*_compared("", guard)]
    formula = _SIZE.sub(lambda match: f"{input_name(match[1])}.{match[2]}", guard)
    return [found for part in _split(formula, ("and",)) for found in _compared(part, guard)]


def _compared(part: str, guard: str) -> Iterator[Comparison]:
    """`a < b`, or `a < b <= c`."""
    sides = [*_split(part, _SIGNS, keep=True)]
    if len(sides) == 1 and part.strip().startswith("(") and part.strip().endswith(")"):
        yield from _compared(part.strip()[1:-1], guard)
        return
    terms = [parse_formula(side) for side in sides[::2]]
    if len(terms) < 2:
        parse_formula("")
    for left, sign, right in zip(terms, sides[1::2], terms[1:], strict=False):
        yield Comparison(guard, sign, left, right)


def _split(text: str, words: tuple[str, ...], *, keep: bool = False) -> Iterator[str]:
    """The parts of a text between words that stand outside of brackets; with `keep` the words, too."""
    depth, part = 0, list[str]()
    for word in text.replace("(", " ( ").replace(")", " ) ").split():
        depth += (word == "(") - (word == ")")
        if depth == 0 and word in words:
            yield " ".join(part)
            if keep:
                yield word
            part = []
        else:
            part.append(word)
    yield " ".join(part)


def input_name(path: str) -> str:
    """What torch calls the input at a place: `['cache']['keys'][0]` is `cache_keys_0`.

    The rule is that of `placeholder_naming_pass` (torch/_export/utils.py).
    """
    keys = [key or number or field for key, number, field in _KEY.findall(path)]
    return "_".join(re.sub(r"[^a-zA-Z0-9]", "_", key).lower() for key in keys)


def divisors(guards: Guards) -> dict[str, int]:
    """{`input.axis`: a number that divides its size}, as far as guards `size % number == 0` say so."""
    found: dict[str, int] = {}
    for comparison in guards.comparisons:
        match comparison:
            case Comparison(
                sign="==", left=Term("Mod", (Term(symbol, None), Term("", (), number))), right=Term("", (), zero)
            ):
                if zero == 0 and number.denominator == 1 and 1 < number.numerator < 1 << 31:
                    found.setdefault(symbol, number.numerator)
            case _:
                pass
    return found


def assume(guards: Guards, sizes: Mapping[str, Dim]) -> tuple[str, ...]:
    """Makes the comparisons constraints of the graph that is being built.

    Args:
        guards: what the guards say.
        sizes: {`input.axis`: its size}.

    Returns:
        The guards that nothing checks.

    Raises:
        InvalidModelError: the sizes break one of them.
    """
    unchecked = [*guards.others]
    for comparison in guards.comparisons:
        if not _assumed(comparison, sizes):
            unchecked.append(comparison.text)
    return tuple(dict.fromkeys(unchecked))


def _assumed(comparison: Comparison, sizes: Mapping[str, Dim]) -> bool:
    """Whether the comparison could be said of sizes."""
    try:
        left, right = (size_of(side, sizes.__getitem__) for side in (comparison.left, comparison.right))
    except (KeyError, XirError):  # of what is no size of an input, or too large a formula
        return False
    if left is None or right is None:
        return False
    for a, b in _equal_sizes(comparison.sign, left, right):
        if not assume_equal(a, b, f"the program was exported for {comparison.text!r}"):
            raise InvalidModelError(
                f"the sizes of the inputs break what the program was exported for: {comparison.text!r}"
            )
    return True


def _equal_sizes(sign: str, left: Dim, right: Dim) -> Iterable[tuple[Dim, Dim]]:
    """The comparison as sizes that are equal: a <= b where the larger of both is b."""
    match sign:
        case "==":
            return [(left, right)]
        case "!=":
            apart = subtract(maximum(left, right), minimum(left, right))
            return [(maximum(apart, 1), apart)]
        case "<=" | "<":
            least = left if sign == "<=" else add(left, 1)
            return [(maximum(least, right), right)]
        case _:
            return _equal_sizes("<=" if sign == ">=" else "<", right, left)
