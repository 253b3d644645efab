"""The words of a TorchScript file, with the lines' indentation as words of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from xir.errors import InvalidModelError

Kind: TypeAlias = Literal["name", "number", "text", "sign", "line", "in", "out", "end"]

_KINDS: Mapping[str, Kind] = {"name": "name", "number": "number", "text": "text", "sign": "sign", "line": "line"}
_WORD = re.compile(
    r"""(?P<space>[ \t]+|\#[^\n]*)
    |(?P<number>(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?j?)
    |(?P<name>[^\W\d]\w*)
    |(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<sign>->|[-()\[\]{},:.=@])
    |(?P<line>\n)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word: a name, number, text or sign as it is written; a line's end; a block's begin (`in`) or end (`out`)."""

    kind: Kind
    text: str
    line: int


def tokens(source: str, path: str) -> Iterator[Token]:
    """The words of a file; line ends inside brackets are none.

    Raises:
        InvalidModelError: a character begins no word, or a line is indented as no line before it.
    """
    depth, line, place = 0, 1, 0
    indents = [0]
    begins = True
    while place < len(source):
        if begins and depth == 0:
            width, place, line = _indent(source, place, line)
            if place >= len(source):
                break
            yield from _blocks(indents, width, line, path)
            begins = False
            continue
        match = _WORD.match(source, place)
        if match is None:
            raise InvalidModelError(
                f"{path}, line {line}: {source[place : place + 20]!r} begins no word of TorchScript"
            )
        place = match.end()
        kind, text = _KINDS.get(match.lastgroup or ""), match[0]
        if kind == "line":
            if depth == 0:
                yield Token("line", "", line)
                begins = True
            line += 1
        elif kind is not None:
            depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
            yield Token(kind, text, line)
    if not begins:
        yield Token("line", "", line)
    yield from _blocks(indents, 0, line, path)
    yield Token("end", "", line)


def _indent(source: str, place: int, line: int) -> tuple[int, int, int]:
    """The indentation of the next line that says something, where it begins, and its number."""
    while True:
        start = place
        while place < len(source) and source[place] == " ":
            place += 1
        if place < len(source) and source[place] == "#":
            place = source.find("\n", place) % (len(source) + 1)
        if place >= len(source) or source[place] != "\n":
            return place - start, place, line
        place, line = place + 1, line + 1


def _blocks(indents: list[int], width: int, line: int, path: str) -> Iterator[Token]:
    if width > indents[-1]:
        indents.append(width)
        yield Token("in", "", line)
    while width < indents[-1]:
        indents.pop()
        yield Token("out", "", line)
    if width != indents[-1]:
        raise InvalidModelError(f"{path}, line {line} is indented as no line before it")
