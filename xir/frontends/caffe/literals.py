"""The literals of protobuf's text format: words and quoted strings become values of a field's type.

Source: protobuf's 'Text Format Language Specification', sections 'Numeric Literals' and 'String Literals', and
TextFormat::Parse for what C++ takes beyond it.
"""

from __future__ import annotations

import math
import re

from xir.frontends.caffe.schema import RANGES, Field, Schema, round_to_single

_INTEGER = re.compile(r"(-?)(?:(0[xX][0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))", re.ASCII)
_REAL = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_TRUE = frozenset(("true", "True", "t", "1"))
_FALSE = frozenset(("false", "False", "f", "0"))
_INFINITE = {"inf": math.inf, "infinity": math.inf, "nan": math.nan}
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_SIMPLE = {
    "a": b"\a", "b": b"\b", "f": b"\f", "n": b"\n", "r": b"\r", "t": b"\t", "v": b"\v",
    "\\": b"\\", "'": b"'", '"': b'"', "?": b"?",
}  # fmt: skip
_LONGEST = 1000
"""Characters of one number: Python refuses to convert integers beyond 4300 digits, and no number needs so many."""


def convert(schema: Schema, field: Field, word: str) -> int | float | bool | str:
    """The value that `word` stands for in `field`: the NAME for an enumeration.

    Raises:
        ValueError: it is no value of the field's type; the message says what was expected.
    """
    if len(word) > _LONGEST:
        raise ValueError(f"a value of {len(word)} characters for {field.name!r} is too long")
    match field.category:
        case "integer":
            return _integer(field, word)
        case "number":
            return _number(field, word)
        case "boolean":
            return _boolean(field, word)
        case "enum":
            return _enum(schema, field, word)
        case "text" | "bytes":
            raise ValueError(f"field {field.name!r} of {field.message} takes a string in quotes, got {word}")
        case "message":
            raise ValueError(f"field {field.name!r} of {field.message} takes a message in braces, got {word}")


def _integer(field: Field, word: str) -> int:
    match = _INTEGER.fullmatch(word)
    if match is None:
        raise ValueError(f"field {field.name!r} of {field.message} takes a whole number, got {word!r}")
    sign, hexadecimal, octal, decimal = match.groups()
    value = int(hexadecimal, 16) if hexadecimal else int(octal, 8) if octal else int(decimal)
    value = -value if sign else value
    low, high = RANGES[field.type]
    if not low <= value <= high:
        raise ValueError(f"{word} is no {field.type}: field {field.name!r} takes {low} to {high}")
    return value


def _number(field: Field, word: str) -> float:
    negative, bare = word.startswith("-"), word.removeprefix("-").lower()
    if bare in _INFINITE:
        return -_INFINITE[bare] if negative else _INFINITE[bare]
    digits = word[:-1] if word[-1] in "fF" else word
    if _REAL.fullmatch(digits) is None:
        raise ValueError(f"field {field.name!r} of {field.message} takes a number, got {word!r}")
    value = float(digits)
    return round_to_single(value) if field.type == "float" else value


def _boolean(field: Field, word: str) -> bool:
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(f"field {field.name!r} of {field.message} takes true or false, got {word!r}")


def _enum(schema: Schema, field: Field, word: str) -> str:
    names = schema.enums[field.type]
    if word in names:
        return word
    if _INTEGER.fullmatch(word):
        number = _integer_of(word)
        for dialect in field.dialects:
            name = schema.enum_numbers.get((field.type, dialect), {}).get(number)
            if name is not None:
                return name
    raise ValueError(f"field {field.name!r} of {field.message} takes one of {', '.join(names)}, got {word!r}")


def _integer_of(word: str) -> int:
    return int(word, 8) if len(word) > 1 and word.lstrip("-")[0] == "0" and "x" not in word.lower() else int(word, 0)


def decode_quoted(inside: str) -> bytes | None:
    """The bytes of a quoted string without its quotes; None where an escape is not known."""
    pieces: list[bytes] = []
    position = 0
    for match in _ESCAPE.finditer(inside):
        piece = _escape(match)
        if piece is None:
            return None
        pieces.append(inside[position : match.start()].encode("utf-8", "surrogateescape"))
        pieces.append(piece)
        position = match.end()
    pieces.append(inside[position:].encode("utf-8", "surrogateescape"))
    return b"".join(pieces)


def _escape(match: re.Match[str]) -> bytes | None:
    octal, hexadecimal, short, long, letter = match.groups()
    if octal or hexadecimal:
        code = int(octal, 8) if octal else int(hexadecimal, 16)
        return bytes((code,)) if code < 256 else None
    if short or long:
        code = int(short or long, 16)
        return chr(code).encode() if code < 0x110000 and not 0xD800 <= code < 0xE000 else None
    return _SIMPLE.get(letter)
