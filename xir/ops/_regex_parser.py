r"""Regular expressions of RE2 as programs of single characters, branches and conditions.

The syntax is RE2's (github.com/google/re2, doc/syntax.txt), all of it but the scripts of Unicode (`\p{Greek}`) and
single bytes (`\C`), which are refused. Nothing here calls itself: groups wait in a list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xir.errors import InvalidModelError, UnsafeError, UnsupportedError
from xir.ops._regex_classes import (
    CATEGORIES,
    PERL,
    POSIX,
    Test,
    any_of,
    anything,
    between,
    equals,
    equals_but_case,
    folded,
    in_category,
    is_word,
    negated,
    no_line_end,
)

MAX_PROGRAM = 20_000
"""Steps of one program: counted repetitions multiply (RE2 ends at 8 MiB of program)."""

MAX_WORK = 40 * MAX_PROGRAM
"""Steps that reading one expression may copy: groups in groups copy theirs once a level."""

MAX_REPEAT = 1000
"""The largest count of a repetition (RE2, re2/parse.cc, maximum_repeat_count)."""

MAX_GROUPS = 1000
"""How deep groups nest (RE2, re2/parse.cc, kMaxNestingDepth)."""

_CONTROLS = {"a": "\a", "f": "\f", "t": "\t", "n": "\n", "r": "\r", "v": "\v"}
_SIGNS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")

Condition = Literal["begin", "end", "line_begin", "line_end", "boundary", "inside"]
_CONDITIONS: dict[str, Condition] = {"A": "begin", "z": "end", "b": "boundary", "B": "inside"}


@dataclass(frozen=True, slots=True)
class Character:
    """Takes a character that passes the test."""

    test: Test


@dataclass(frozen=True, slots=True)
class Branch:
    """Goes on at both places, which are counted from this step; the first one is preferred."""

    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Check:
    """Goes on where the place in the text meets the condition."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Mark:
    """Notes the place in the text: group n begins in slot 2 * n and ends in slot 2 * n + 1."""

    slot: int


Step = Character | Branch | Check | Mark
Code = list[Step]


@dataclass(frozen=True, slots=True)
class Flags:
    """What `(?imsU)` sets."""

    fold: bool = False
    lines: bool = False
    dot_all: bool = False
    lazy: bool = False


@dataclass(slots=True)
class _Group:
    """A group on its way: the flags before it, its finished alternatives, the parts of the one at hand, its number."""

    flags: Flags
    alternatives: list[Code]
    parts: list[Code]
    number: int = 0


class Parser:
    """One expression on its way to a program.

    Attributes:
        pattern: the expression.
        at: the place of the next character.
        flags: those in force.
        groups: those that are open, the whole expression first.
        captured: how many groups have a number.
        marked: of how many of them the places are noted.
        repeated: whether the item before was a repetition, which cannot be repeated without a group around it.
        work: steps copied so far.
    """

    def __init__(self, pattern: str, groups: int = 0) -> None:
        """Starts before the first character; the places of the first `groups` groups are noted."""
        self.pattern = pattern
        self.at = 0
        self.flags = Flags()
        self.groups = [_Group(self.flags, [], [])]
        self.captured, self.marked = 0, groups
        self.repeated = False
        self.work = 0

    def fail(self, reason: str) -> InvalidModelError:
        """The error of a mistake in the expression."""
        return InvalidModelError(
            f"the pattern {self.pattern[:60]!r} is no regular expression of RE2: {reason} at character {self.at}"
        )

    def unsupported(self, what: str) -> UnsupportedError:
        """The error of a part that xir does not have."""
        return UnsupportedError(f"the pattern {self.pattern[:60]!r} uses {what}")

    def peek(self, count: int = 1) -> str:
        """The next characters, or what is left of them."""
        return self.pattern[self.at : self.at + count]

    def take(self) -> str:
        """Takes the next character."""
        if self.at >= len(self.pattern):
            raise self.fail("something is missing")
        self.at += 1
        return self.pattern[self.at - 1]

    def accept(self, text: str) -> bool:
        """Takes the text if it stands next."""
        if not self.pattern.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def until(self, end: str, what: str) -> str:
        """Takes what stands up to `end`, and `end`."""
        stop = self.pattern.find(end, self.at)
        if stop < 0:
            raise self.fail(f"{what} does not end")
        text, self.at = self.pattern[self.at : stop], stop + len(end)
        return text

    def program(self) -> Code:
        """The program of the whole expression.

        Raises:
            InvalidModelError: it is no expression of RE2.
            UnsupportedError: it uses scripts of Unicode or single bytes.
            UnsafeError: it becomes too large.
        """
        while self.at < len(self.pattern):
            self.item()
        if len(self.groups) > 1:
            raise self.fail("a group does not end")
        return self.joined(self.groups.pop())

    def joined(self, group: _Group) -> Code:
        """The alternatives of a group as one program."""
        ways = [*group.alternatives, [step for part in group.parts for step in part]]
        left = sum(len(way) + 2 for way in ways) - 2
        result: Code = []
        for way in ways[:-1]:
            left -= len(way) + 2
            result += (Branch(1, len(way) + 2), *way, Branch(left + 1, left + 1))
        return [*result, *ways[-1]]

    def add(self, code: Code) -> None:
        """Adds a part to the group at hand.

        Raises:
            UnsafeError: it is too large, or all of them are.
        """
        self.work += len(code) + 1
        if len(code) > MAX_PROGRAM or self.work > MAX_WORK:
            raise self.too_large()
        self.groups[-1].parts.append(code)

    def too_large(self) -> UnsafeError:
        """The error of an expression that becomes too large."""
        return UnsafeError(
            f"the pattern {self.pattern[:60]!r} becomes more than {MAX_PROGRAM} steps",
            hint="its repetitions multiply: write them shorter",
        )

    def item(self) -> None:
        """One character of the expression, or what begins with it."""
        repeated, self.repeated = self.repeated, False
        character = self.take()
        counts = _SIGNS.get(character) or (self.counts() if character == "{" else None)
        if counts is not None:
            if repeated:
                raise self.fail("a repetition of a repetition")
            self.repeat(*counts)
        elif character in "(|)":
            self.structure(character)
        elif character in "^$.[":
            self.step(character)
        elif character == "\\":
            self.escape()
        else:
            self.literal(character)

    def structure(self, sign: str) -> None:
        """A sign that makes groups or alternatives."""
        group = self.groups[-1]
        match sign:
            case "(":
                self.open()
            case ")":
                self.close()
            case _:
                group.alternatives.append([step for part in group.parts for step in part])
                group.parts = []

    def step(self, sign: str) -> None:
        """A sign that stands for one step."""
        match sign:
            case "^":
                self.add([Check("line_begin" if self.flags.lines else "begin")])
            case "$":
                self.add([Check("line_end" if self.flags.lines else "end")])
            case ".":
                self.add([Character(anything if self.flags.dot_all else no_line_end)])
            case _:
                self.add([Character(self.bracket())])

    def literal(self, character: str) -> None:
        """A character that stands for itself."""
        self.add([Character(equals_but_case(character) if self.flags.fold else equals(character))])

    def cased(self, test: Test) -> Test:
        """The class, with the other case where flags say so."""
        return folded(test) if self.flags.fold else test

    def open(self) -> None:
        """Begins a group, or sets flags; the parenthesis is taken."""
        if len(self.groups) > MAX_GROUPS:
            raise UnsafeError(f"the pattern nests groups more than {MAX_GROUPS} deep")
        if self.accept("?P<") or self.accept("?<"):
            name = self.until(">", "the name of a group")
            if not name or not all(is_word(c) or c.isalnum() for c in name):
                raise self.fail(f"{name[:60]!r} is no name of a group")
        elif self.accept("?"):
            self.extension()
            return
        self.captured += 1
        self.groups.append(_Group(self.flags, [], [], self.captured))

    def extension(self) -> None:
        """What stands after `(?`: flags for the rest of the group at hand, or a group with flags of its own."""
        on = True
        values = {"i": self.flags.fold, "m": self.flags.lines, "s": self.flags.dot_all, "U": self.flags.lazy}
        while True:
            match self.take():
                case "-" if on:
                    on = False
                case ":" | ")" as end:
                    if end == ":":
                        self.groups.append(_Group(self.flags, [], []))
                    self.flags = Flags(values["i"], values["m"], values["s"], values["U"])
                    return
                case flag if flag in values:
                    values[flag] = on
                case _:
                    raise self.fail("a flag or group of an unknown kind")

    def close(self) -> None:
        """Ends a group; the parenthesis is taken."""
        if len(self.groups) == 1:
            raise self.fail("a group ends that has not begun")
        group = self.groups.pop()
        self.flags = group.flags
        code = self.joined(group)
        is_marked = 0 < group.number <= self.marked
        self.add([Mark(2 * group.number), *code, Mark(2 * group.number + 1)] if is_marked else code)

    def counts(self) -> tuple[int, int | None] | None:
        """The numbers of `{n}`, `{n,}` and `{n,m}`, or None where the brace is a plain character."""
        stop = self.pattern.find("}", self.at)
        low, comma, high = self.pattern[self.at : max(stop, self.at)].partition(",")
        if stop < 0 or not _is_number(low) or (high and not _is_number(high)):
            return None
        self.at = stop + 1
        least = int(low[:9])
        most = least if not comma else int(high[:9]) if high else None
        if max(least, most or 0) > MAX_REPEAT or (most is not None and most < least):
            raise self.fail(f"a repetition of {low}{comma}{high}")
        return least, most

    def repeat(self, low: int, high: int | None) -> None:
        """Repeats the last part, as often as it can, or with `?` behind it as seldom."""
        group = self.groups[-1]
        if not group.parts:
            raise self.fail("nothing to repeat")
        lazy = self.accept("?") != self.flags.lazy
        self.repeated = True
        part = group.parts.pop()
        length = len(part) + 1
        if (length + 1) * max(low, high or 0, 1) > MAX_PROGRAM:
            raise self.too_large()
        code = part * (low if high is not None else low - 1)
        if high is None:
            code += () if low else (_choice(1, length + 1, lazy),)
            code += (*part, _choice(1 - length, 1, lazy))
        else:
            for left in range(high - low, 0, -1):
                code += (_choice(1, length * left, lazy), *part)
        self.add(code)

    def bracket(self) -> Test:
        """A class in brackets; the opening one is taken."""
        negative = self.accept("^")
        tests = [self.class_item()]
        while not self.accept("]"):
            tests.append(self.class_item())
        return negated(any_of(tests)) if negative else any_of(tests)

    def class_item(self) -> Test:
        """A character, a range or a named class between brackets."""
        if self.peek(2) == "[:" and self.pattern.find(":]", self.at) >= 0:
            self.at += 2
            name = self.until(":]", "a class of POSIX")
            wanted = name.removeprefix("^")
            if wanted not in POSIX:
                raise self.fail(f"the class {name[:60]!r} is unknown")
            test = self.cased(POSIX[wanted])
            return test if wanted == name else negated(test)
        low = self.class_character()
        if not isinstance(low, str):
            return low
        if self.peek() != "-" or self.peek(2) in ("-", "-]"):
            return self.cased(equals(low))
        self.at += 1
        high = self.class_character()
        if not isinstance(high, str) or high < low:
            raise self.fail("a range that ends before it begins")
        return self.cased(between(low, high))

    def class_character(self) -> str | Test:
        """A character between brackets, or the class that a backslash makes."""
        character = self.take()
        return self.escaped() if character == "\\" else character

    def escape(self) -> None:
        """What a backslash outside brackets stands for; it is taken."""
        sign = self.peek()
        if sign in _CONDITIONS:
            self.add([Check(_CONDITIONS[self.take()])])
        elif sign == "Q":
            stop = self.pattern.find("\\E", self.at)
            stop = len(self.pattern) if stop < 0 else stop
            for character in self.pattern[self.at + 1 : stop]:
                self.literal(character)
            self.at = min(stop + 2, len(self.pattern))
        elif sign == "C":
            raise self.unsupported("single bytes")
        else:
            found = self.escaped()
            if isinstance(found, str):
                self.literal(found)
            else:
                self.add([Character(found)])

    def escaped(self) -> str | Test:
        """A character or class after a backslash, in or outside brackets."""
        sign = self.take()
        if sign.lower() in PERL:
            test = self.cased(PERL[sign.lower()])
            return test if sign.islower() else negated(test)
        match sign:
            case "p" | "P":
                return self.property(sign == "P")
            case "x":
                return self.hexadecimal()
            case "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7":
                return self.octal(sign)
            case _ if sign in _CONTROLS:
                return _CONTROLS[sign]
            case _ if sign.isascii() and not sign.isalnum():
                return sign
            case _:
                raise self.fail(f"\\{sign} means nothing")

    def octal(self, first: str) -> str:
        r"""`\123`, up to three digits; one digit alone would refer to a group, which RE2 does not have."""
        digits = first
        while len(digits) < 3 and self.peek() and self.peek() in "01234567":
            digits += self.take()
        if first != "0" and len(digits) == 1:
            raise self.fail("a reference to a group")
        return chr(int(digits, 8))

    def hexadecimal(self) -> str:
        r"""`\x7F` or `\x{10FFFF}`."""
        digits = self.until("}", "\\x{") if self.accept("{") else self.take() + self.take()
        if not digits or not _HEXADECIMAL.issuperset(digits) or len(digits) > 8:
            raise self.fail(f"{digits[:9]!r} is no hexadecimal number")
        number = int(digits, 16)
        if number > 0x10FFFF:
            raise self.fail(f"no character has the number {digits}")
        return chr(number)

    def property(self, negative: bool) -> Test:
        r"""`\pN` or `\p{Greek}`: a category of Unicode."""
        name = self.until("}", "\\p{") if self.accept("{") else self.take()
        negative ^= name.startswith("^")
        name = name.removeprefix("^")
        if name != "Any" and name not in CATEGORIES:
            raise self.unsupported(f"the script {name[:60]!r}")
        test = self.cased(anything if name == "Any" else in_category(name))
        return negated(test) if negative else test


def _choice(again: int, on: int, lazy: bool) -> Branch:
    """Repeats once more or goes on; the one before the other."""
    return Branch(on, again) if lazy else Branch(again, on)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
