"""Tokens of the textual form, one at a time, in linear time; errors that say line, column and what was expected."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager

from xir.errors import FormatError, Location, XirError
from xir.limits import MAX_NESTING, check_nesting

# Possessive repetitions (`++`, `*+`) keep hostile text linear: nothing is tried twice.
_SKIP = r"(?:[ \t\r\n]++|\#[^\n]*+)*+"
_STRING = r'"(?:[^"\\\n]++|\\.)*+"'
_TOKEN = re.compile(
    rf"""{_SKIP}(?:
      (?P<label>%(?:[0-9]++|[A-Za-z_][A-Za-z0-9_.]*+|{_STRING}))
    | (?P<string>{_STRING})
    | (?P<bytes>b{_STRING})
    | (?P<bits>0x[0-9A-Fa-f]++)
    | (?P<number>-?[0-9]++(?:\.[0-9]*+)?(?:[eE][+-]?[0-9]++)?|-inf\b)
    | (?P<unnamed>\?[0-9]++)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*+)
    | (?P<mark>//|==|[][(){{}}<>=,:*+-])
    | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_BLANK = re.compile(_SKIP, re.VERBOSE)
MAX_DIGITS = 1000
"""Digits of one number; Python's own reader of integers ends at 4300 (sys.int_info.default_max_str_digits)."""


class Lexer:
    """The current token of a text, and what parsers do with it.

    Attributes:
        text: the whole text.
        file: its name in messages.
        kind: label, string, bytes, bits, number, unnamed, word, mark or end.
        token: the current token's characters.
        start: where it begins.
        depth: how many brackets of sizes and types are open.
    """

    __slots__ = ("_next", "depth", "file", "kind", "start", "text", "token")

    def __init__(self, text: str, file: str | None) -> None:
        """Starts at the first token."""
        self.text = text
        self.file = file
        self.depth = 0
        self._next = 0
        self.kind = self.token = ""
        self.start = 0
        self.advance()

    def advance(self) -> str:
        """Goes to the next token and returns the one that was current.

        Raises:
            FormatError: no token begins there.
        """
        taken = self.token
        match = _TOKEN.match(self.text, self._next)
        if match is None or match.lastgroup is None:
            raise self._no_token()
        self.kind = match.lastgroup
        self.start = match.start(self.kind)
        self._next = match.end()
        self.token = self.text[self.start : self._next]
        if len(self.token) > MAX_DIGITS and self.kind in ("number", "unnamed", "bits"):
            raise self.error(f"a number has more than {MAX_DIGITS} digits")
        return taken

    def _no_token(self) -> FormatError:
        blank = _BLANK.match(self.text, self._next)
        self.start = self._next if blank is None else blank.end()
        begun = self.text[self.start : self.start + 2]
        if begun.startswith(('"', '%"')) or begun == 'b"':
            return self.error("a string does not end on its line", hint=r'close it with "; a line end inside is \n')
        return self.error(f"unexpected character {begun[:1]!r}")

    def place(self, at: int | None = None) -> str:
        """`line 3, column 7` of the current token, or of an offset into the text."""
        at = self.start if at is None else at
        line = self.text.count("\n", 0, at) + 1
        return f"line {line}, column {at - self.text.rfind(chr(10), 0, at)}"

    def error(self, message: str, *, at: int | None = None, hint: str | None = None) -> FormatError:
        """The error that a place of the text earns."""
        return FormatError(f"{self.place(at)}: {message}", file=self.file, hint=hint)

    def expected(self, what: str, *, hint: str | None = None) -> FormatError:
        """The error that the current token is not what was expected."""
        got = "the end of the text" if self.kind == "end" else repr(self.token[:60])
        return self.error(f"expected {what}, got {got}", hint=hint)

    def accept(self, token: str) -> bool:
        """Takes the current token if it is this mark or word."""
        if self.token != token:
            return False
        self.advance()
        return True

    def expect(self, token: str) -> None:
        """Takes this mark or word; raises FormatError where another token stands."""
        if self.token != token:
            raise self.expected(repr(token))
        self.advance()

    def take(self, kind: str, what: str) -> str:
        """Takes a token of this kind; raises FormatError (`expected <what>`) where another stands."""
        if self.kind != kind:
            raise self.expected(what)
        return self.advance()

    def integer(self, what: str) -> int:
        """Takes a whole number; raises FormatError where none stands."""
        if self.kind != "number" or not self.token.lstrip("-").isdigit():
            raise self.expected(what)
        return int(self.advance())

    @contextmanager
    def placed(self, at: int) -> Generator[None]:
        """An XirError raised inside that has no place of its own gets the one at the offset `at`."""
        try:
            yield
        except XirError as error:
            if not error.message.startswith("line "):
                error.message = f"{self.place(at)}: {error.message}"
                error.source = Location(self.file, error.source.layer, error.source.kind)
            raise

    def enter(self) -> None:
        """Opens one more bracket of a size or type; raises UnsafeError where it is one too many."""
        self.depth += 1
        if self.depth > MAX_NESTING:
            check_nesting(self.depth, what=f"{self.place()}: the text", file=self.file)

    def leave(self) -> None:
        """Closes a bracket."""
        self.depth -= 1
