"""Strings, bytes and names as tokens: every character that could mislead a reader or a terminal is escaped."""

from __future__ import annotations

import re

from xir.errors import FormatError

_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LONG = {escape[1]: character for character, escape in _SHORT.items()}
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|(.))", re.DOTALL)
_BYTE_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset({"max", "min", "none"})


def quote(text: str) -> str:
    r"""`text` between quotes; whatever does not print (controls, NUL, lone surrogates, ...) stands as `\u{HEX}`."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_SHORT.get(c) or (c if c.isprintable() else f"\\u{{{ord(c):x}}}") for c in text) + '"'


def unquote(token: str) -> str:
    """The text of a token that `quote` may have made.

    Raises:
        FormatError: an escape is unknown, or names no character.
    """

    def replace(match: re.Match[str]) -> str:
        code, letter = match.groups()
        if code is not None and int(code, 16) <= 0x10FFFF:
            return chr(int(code, 16))
        if letter in _LONG:
            return _LONG[letter]
        raise FormatError(
            f"unknown escape {match.group()!r} in a string", hint=r"known are \" \\ \n \r \t and \u{HEX} up to 10ffff"
        )

    inner = token[1:-1]
    return _ESCAPE.sub(replace, inner) if "\\" in inner else inner


def quote_bytes(data: bytes) -> str:
    r"""`b"..."`; what is no printable ASCII stands as `\xHH`."""
    plain = (chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\x{b:02x}" for b in data)
    return 'b"' + "".join(plain) + '"'


def unquote_bytes(token: str) -> bytes:
    """The bytes of a token that `quote_bytes` may have made.

    Raises:
        FormatError: an escape is unknown, or a character is not ASCII.
    """

    def replace(match: re.Match[str]) -> str:
        code, letter = match.groups()
        if code is not None:
            return chr(int(code, 16))
        raise FormatError(f"unknown escape '\\{letter}' in bytes", hint=r"bytes know only \xHH")

    inner = token[2:-1]
    if not inner.isascii():
        raise FormatError("a character in bytes is not ASCII", hint=r"write it as \xHH")
    return _BYTE_ESCAPE.sub(replace, inner).encode("latin-1")


def label(name: str) -> str:
    """The token of a named value: `%conv1`, or `%"conv1/7x7 s2"` when the name is no identifier."""
    return f"%{name}" if _NAME.fullmatch(name) else f"%{quote(name)}"


def symbol_token(name: str) -> str:
    """The token of a named symbol: `N`, or `"batch size"` when the name is no identifier of a formula."""
    return name if _SYMBOL.fullmatch(name) and name not in _RESERVED else quote(name)
