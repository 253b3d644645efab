"""Protobuf's text format against the table of messages.

Source: protobuf's 'Text Format Language Specification': comments, `{}` and `<>`, an optional colon before messages, `;`
and `,` after fields, lists in brackets, adjacent strings joined, octal and hexadecimal escapes. The stack of open
messages is a list, and every step takes one token, so time is linear in the text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from xir.errors import FormatError, UnsafeError
from xir.frontends.tensorflow.proto.message import Item, Message
from xir.frontends.tensorflow.proto.schema import Field, Schema, load_schema
from xir.limits import check_nesting

MAX_TOKENS = 8_000_000
"""Tokens of one text: a node takes about 60, and a weight that is written out one for each number."""

_TOKEN = re.compile(
    r"""(?:[ \t\r\n\f\v]++|\#[^\n]*+)*+
    (?:(?P<string>"(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+')
      |(?P<word>-?[.\w](?:[-+.\w])*+)
      |(?P<mark>[{}<>\[\]:;,]))""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_REST = re.compile(r"(?:[ \t\r\n\f\v]++|\#[^\n]*+)*+")
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|(.))", re.DOTALL)
_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34, "?": 63}
_CLOSING = {"{": "}", "<": ">"}
_LONGEST = 400
"""Characters of one number."""


@dataclass(slots=True)
class _Open:
    """A message that is being read."""

    type: str
    closing: str
    owner: Field | None
    in_list: bool = False
    values: dict[str, list[Item]] = field(default_factory=dict[str, list[Item]])

    def take(self, taker: Field, item: Item) -> None:
        held = self.values.setdefault(taker.name, [])
        if taker.is_repeated:
            held.append(item)
        else:
            held[:] = [item]

    def message(self, schema: Schema) -> Message:
        """The message; its repeated numbers become arrays, as they are in binary files."""
        for name, items in self.values.items():
            known = schema.names[self.type][name]
            if known.is_repeated and known.category in ("integer", "real", "flag", "enum"):
                dtype = {"integer": object, "real": np.float64, "flag": np.bool_, "enum": np.int64}[known.category]
                items[:] = [np.asarray(items, dtype)]
        return Message(self.type, self.values)


def parse_text(text: str, type: str, *, file: str | None = None) -> Message:
    """The message of `type` that `text` holds.

    Raises:
        FormatError: the text breaks the grammar, or a field or value is none of the message's.
        UnsafeError: it is nested too deep, or too long.
    """
    return _Parser(text, file).parse(type)


class _Parser:
    def __init__(self, text: str, file: str | None) -> None:
        self.text = text
        self.file = file
        self.schema = load_schema()
        self.at = 0
        self.tokens = self._tokens()
        self.next = next(self.tokens, ("", ""))

    def _tokens(self) -> Iterator[tuple[str, str]]:
        end = len(self.text)
        for _ in range(MAX_TOKENS):
            match = _TOKEN.match(self.text, self.at)
            if match is None:
                rest = _REST.match(self.text, self.at)
                if rest is not None and rest.end() < end:
                    self.fail(f"{self.text[rest.end() : rest.end() + 20]!r} is no part of the grammar")
                return
            self.at = match.end()
            yield str(match.lastgroup), match[match.lastgroup or 0]
        raise UnsafeError(f"the text has more than {MAX_TOKENS} tokens", number=806, file=self.file)

    def fail(self, message: str) -> NoReturn:
        line = self.text.count("\n", 0, self.at) + 1
        raise FormatError(f"line {line}: {message}", file=self.file, hint="the file is damaged or is no graph as text")

    def advance(self) -> tuple[str, str]:
        taken, self.next = self.next, next(self.tokens, ("", ""))
        return taken

    def skip(self, *marks: str) -> bool:
        if self.next[0] == "mark" and self.next[1] in marks:
            self.advance()
            return True
        return False

    def parse(self, type: str) -> Message:
        stack = [_Open(type, "", None)]
        while True:
            top = stack[-1]
            kind, word = self.advance()
            if not kind:
                if len(stack) > 1:
                    self.fail("the text ends inside a message")
                return top.message(self.schema)
            if kind == "mark" and word == top.closing:
                self._close(stack)
            elif kind == "word":
                self._field(word, stack)
            else:
                self.fail(f"expected the name of a field, got {word[:20]!r}")

    def _close(self, stack: list[_Open]) -> None:
        done = stack.pop()
        if done.owner is None:
            self.fail("a bracket closes nothing")
        stack[-1].take(done.owner, done.message(self.schema))
        if done.in_list:
            if self.skip("]"):
                self.skip(";", ",")
                return
            if not self.skip(","):
                self.fail("expected , or ] in a list of messages")
            self._open(done.owner, stack, in_list=True)
            return
        self.skip(";", ",")

    def _field(self, name: str, stack: list[_Open]) -> None:
        top = stack[-1]
        known = self.schema.names.get(top.type, {}).get(name)
        if known is None:
            self.fail(f"{top.type} has no field {name[:60]!r}")
        colon = self.skip(":")
        in_list = self.skip("[")
        if in_list and not known.is_repeated:
            self.fail(f"{top.type}.{name} takes no list")
        if in_list and self.skip("]"):
            return
        if known.category == "message":
            self._open(known, stack, in_list=in_list)
            return
        if not colon:
            self.fail(f"expected : after {name!r}")
        top.take(known, self._value(known))
        while in_list and not self.skip("]"):
            if not self.skip(","):
                self.fail("expected , or ] in a list")
            top.take(known, self._value(known))
        self.skip(";", ",")

    def _open(self, known: Field, stack: list[_Open], *, in_list: bool) -> None:
        kind, word = self.advance()
        if kind != "mark" or word not in _CLOSING:
            self.fail(f"field {known.name!r} takes a message in braces")
        check_nesting(len(stack) + 1, file=self.file)
        stack.append(_Open(known.type, _CLOSING[word], known, in_list))

    def _value(self, known: Field) -> Item:
        kind, word = self.advance()
        if known.category in ("text", "bytes"):
            if kind != "string":
                self.fail(f"field {known.name!r} takes a string in quotes")
            data = self._unquoted(word)
            while self.next[0] == "string":
                data += self._unquoted(self.advance()[1])
            return data if known.category == "bytes" else data.decode("utf-8", "replace")
        if kind != "word" or len(word) > _LONGEST:
            self.fail(f"field {known.name!r} takes {known.type}, got {word[:20]!r}")
        return self._word(known, word)

    def _word(self, known: Field, word: str) -> Item:
        try:
            match known.category:
                case "flag":
                    return {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}[word.lower()]
                case "enum":
                    names = self.schema.enums[known.type]
                    return names[word] if word in names else int(word)
                case "integer":
                    return _bounded(_integer(word), known)
                case _:
                    return _real(word)
        except (KeyError, ValueError):
            self.fail(f"field {known.name!r} takes {known.type}, got {word[:40]!r}")

    def _unquoted(self, quoted: str) -> bytes:
        pieces: list[bytes] = []
        inside, position = quoted[1:-1], 0
        for match in _ESCAPE.finditer(inside):
            pieces.append(inside[position : match.start()].encode("utf-8", "surrogateescape"))
            octal, hexadecimal, letter = match.groups()
            if letter is not None and letter not in _SIMPLE:
                self.fail(f"the escape \\{letter} is not known")
            code = _SIMPLE[letter] if letter is not None else int(octal, 8) if octal else int(hexadecimal, 16)
            pieces.append(bytes((code & 0xFF,)))
            position = match.end()
        pieces.append(inside[position:].encode("utf-8", "surrogateescape"))
        return b"".join(pieces)


def _integer(word: str) -> int:
    digits = word.removeprefix("-")
    base = 8 if len(digits) > 1 and digits[0] == "0" and digits[1:].isdigit() else 0
    return int(word, base)


def _bounded(value: int, known: Field) -> int:
    bits = 32 if known.type.endswith("32") else 64
    low, high = (0, 1 << bits) if known.type.startswith(("u", "f")) else (-(1 << (bits - 1)), 1 << (bits - 1))
    if not low <= value < high:
        raise ValueError
    return value


def _real(word: str) -> float:
    negative, bare = word.startswith("-"), word.removeprefix("-").lower()
    if bare in ("inf", "infinity", "nan"):
        value = math.nan if bare == "nan" else math.inf
        return -value if negative else value
    return float(word[:-1] if word[-1] in "fF" and not bare.startswith("0x") else word)
