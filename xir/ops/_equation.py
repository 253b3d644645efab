"""Equations of sums of products (ONNX Einsum): how they are read, and what they say of given operands."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from xir.errors import InvalidModelError

_DOTS = "..."


@dataclass(frozen=True, slots=True)
class Equation:
    """An equation for operands of known ranks. Labels are letters; the axes of an ellipsis are called `.0`, `.1` ...

    Attributes:
        terms: the label of each axis, for each operand.
        result: the label of each axis of the result.
    """

    terms: tuple[tuple[str, ...], ...]
    result: tuple[str, ...]


def parse(text: str, ranks: tuple[int, ...]) -> Equation:
    """Reads an equation such as `...ij,jk->...ik` (the text of ONNX Einsum).

    Without `->` the result has the axes of the ellipsis and then the labels that stand once in the whole equation, by
    their ASCII values. Every ellipsis stands for the same number of axes.

    Raises:
        InvalidModelError: if it is no equation, or does not fit operands of these ranks.
    """
    left, arrow, right = text.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != len(ranks):
        raise InvalidModelError(f"the equation {text!r} has {len(parts)} terms for {len(ranks)} operands")
    split = [_split(part, text) for part in parts]
    dots = [_dots(*each, rank, text) for each, rank in zip(split, ranks, strict=True)]
    counts = {count for count in dots if count is not None}
    if len(counts) > 1:
        raise InvalidModelError(f"the ellipses of {text!r} stand for {sorted(counts)} axes, which must be one number")
    ellipsis = tuple(f".{index}" for index in range(max(counts, default=0)))
    terms = tuple((*before, *(ellipsis if has_dots else ()), *after) for before, has_dots, after in split)
    letters = Counter("".join(before + after for before, _, after in split))
    if not arrow:
        return Equation(terms, (*ellipsis, *sorted(letter for letter, count in letters.items() if count == 1)))
    before, has_dots, after = _split(right, text)
    named = before + after
    if len(set(named)) != len(named) or not set(named) <= set(letters):
        raise InvalidModelError(f"the result of {text!r} names a label twice, or one that no operand has")
    return Equation(terms, (*before, *(ellipsis if has_dots else ()), *after))


def _split(term: str, text: str) -> tuple[str, bool, str]:
    """The labels before the ellipsis, whether there is one, and those after it."""
    before, dots, after = term.partition(_DOTS)
    if not all("a" <= letter <= "z" or "A" <= letter <= "Z" for letter in before + after):
        raise InvalidModelError(f"{text!r} is no equation: {term!r} holds more than letters and one ellipsis")
    return before, bool(dots), after


def _dots(before: str, has_dots: bool, after: str, rank: int, text: str) -> int | None:
    """How many axes the ellipsis of a term stands for."""
    count = rank - len(before) - len(after)
    if count < 0 or (count and not has_dots):
        raise InvalidModelError(f"a term of {text!r} has {len(before + after)} labels for an operand of {rank} axes")
    return count if has_dots else None
