"""Classes of characters of regular expressions (RE2, doc/syntax.txt), and what differs in case alone."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache

Test = Callable[[str], bool]
"""Whether a character belongs to a class."""


def is_word(character: str) -> bool:
    """Whether it is an ASCII letter, a digit or an underscore."""
    return character == "_" or (character.isascii() and character.isalnum())


def _is_digit(character: str) -> bool:
    return "0" <= character <= "9"


PERL: Mapping[str, Test] = {"d": _is_digit, "w": is_word, "s": lambda c: c in "\t\n\f\r "}
"""The classes of a backslash and a letter; ASCII alone."""

POSIX: Mapping[str, Test] = {
    "alnum": lambda c: c.isascii() and c.isalnum(),
    "alpha": lambda c: c.isascii() and c.isalpha(),
    "ascii": str.isascii,
    "blank": lambda c: c in "\t ",
    "cntrl": lambda c: c < " " or c == "\x7f",
    "digit": _is_digit,
    "graph": lambda c: "!" <= c <= "~",
    "lower": lambda c: "a" <= c <= "z",
    "print": lambda c: " " <= c <= "~",
    "punct": lambda c: "!" <= c <= "~" and not c.isalnum(),
    "space": lambda c: c in "\t\n\v\f\r ",
    "upper": lambda c: "A" <= c <= "Z",
    "word": is_word,
    "xdigit": lambda c: c.isascii() and c in "0123456789abcdefABCDEF",
}
"""The classes of [[:name:]]."""

_LETTERS = {"C": "cfos", "L": "lmotu", "M": "cen", "N": "dlo", "P": "cdefios", "S": "ckmo", "Z": "lps"}
CATEGORIES = frozenset(major + minor for major, minors in _LETTERS.items() for minor in ("", *minors))
"""Unicode's general categories."""


def anything(character: str) -> bool:
    """Every character."""
    return True


def no_line_end(character: str) -> bool:
    """Every character but the line feed."""
    return character != "\n"


def negated(test: Test) -> Test:
    """The other characters."""
    return lambda character: not test(character)


def in_category(name: str) -> Test:
    """The characters of a general category of Unicode, or of all that begin with its letter."""
    return lambda character: unicodedata.category(character).startswith(name)


def between(low: str, high: str) -> Test:
    """A range, both ends included."""
    return lambda character: low <= character <= high


def equals(wanted: str) -> Test:
    """One character."""
    return lambda character: character == wanted


def any_of(tests: list[Test]) -> Test:
    """The characters of any of the classes."""
    return lambda character: any(test(character) for test in tests)


def equals_but_case(wanted: str) -> Test:
    """One character, upper or lower."""
    key = _key(wanted)
    return lambda character: _key(character) == key


def folded(test: Test) -> Test:
    """The characters of a class, and those that differ from one of them in case alone."""
    return lambda character: any(test(variant) for variant in _variants(character))


def _key(character: str) -> str:
    """What characters have in common that differ in case alone (Unicode's simple case folding).

    The dotless i has no other case: CaseFolding.txt leaves it to Turkish.
    """
    if character == "\u0131":
        return character
    upper = character.upper()
    lower = (upper if len(upper) == 1 else character).lower()
    return lower if len(lower) == 1 else character


def _variants(character: str) -> tuple[str, ...]:
    key = _key(character)
    if key.isascii():
        more = {"k": ("\u212a",), "s": ("\u017f",)}.get(key, ())
        return (key, key.upper(), *more)
    return _orbits().get(key, (key,))


@cache
def _orbits() -> Mapping[str, tuple[str, ...]]:
    """{key: the characters that have it}, for keys of several."""
    found: dict[str, list[str]] = {}
    for number in range(0x80, sys.maxunicode + 1):
        character = chr(number)
        key = _key(character)
        if key != character:
            found.setdefault(key, [key]).append(character)
    return {key: tuple(characters) for key, characters in found.items()}
