"""Snappy blocks, unpacked within bounds.

Source: google/snappy, format_description.txt: a length, then literals and copies of what was unpacked before.
"""

from __future__ import annotations

from typing import NoReturn

from xir.errors import FormatError, UnsafeError

MAX_RATIO = 32
"""Unpacked bytes per packed byte: the densest element makes 64 bytes of 3, or 11 of 2."""

_LITERAL = 0
_NEAR = 1
_EXTRA = 60
"""Lengths of literals from here on stand in the bytes that follow."""


def unpacked(data: memoryview, file: str) -> bytes:
    """The bytes of a block.

    Raises:
        FormatError: the block is damaged.
        UnsafeError: it declares more bytes than any block of its size can hold.
    """
    declared, position = _length(data, file)
    if declared > MAX_RATIO * len(data):
        raise UnsafeError(
            f"a snappy block of {len(data)} bytes declares {declared}",
            number=807,
            file=file,
            hint="the file is hostile",
        )
    out = bytearray()
    while position < len(data):
        tag = data[position]
        position += 1
        if tag & 3 == _LITERAL:
            length, position = _literal(data, tag, position, file)
            out += data[position : position + length]
            position += length
        else:
            length, offset, position = _copy(data, tag, position, file)
            _repeat(out, length, offset, file)
        if len(out) > declared:
            _fail(file, f"unpacks to more than the {declared} bytes that it declares")
    if len(out) != declared:
        _fail(file, f"unpacks to {len(out)} bytes and declares {declared}")
    return bytes(out)


def _fail(file: str, why: str) -> NoReturn:
    raise FormatError(f"a snappy block {why}", file=file, hint="the file is damaged: fetch it again")


def _length(data: memoryview, file: str) -> tuple[int, int]:
    """The length that the block declares, and where its elements begin."""
    value = 0
    for place in range(min(5, len(data))):
        value |= (data[place] & 0x7F) << (7 * place)
        if data[place] < 0x80:
            return value, place + 1
    _fail(file, "does not declare its length")


def _little(data: memoryview, position: int, size: int, file: str) -> int:
    if position + size > len(data):
        _fail(file, "ends inside an element")
    return int.from_bytes(data[position : position + size], "little")


def _literal(data: memoryview, tag: int, position: int, file: str) -> tuple[int, int]:
    """The length of a literal and where it begins."""
    length = tag >> 2
    if length >= _EXTRA:
        size = length - _EXTRA + 1
        length = _little(data, position, size, file)
        position += size
    if position + length + 1 > len(data):
        _fail(file, "ends inside a literal")
    return length + 1, position


def _copy(data: memoryview, tag: int, position: int, file: str) -> tuple[int, int, int]:
    """The length of a copy, how far back it begins, and where the next element stands."""
    if tag & 3 == _NEAR:
        return (tag >> 2 & 7) + 4, (tag >> 5) << 8 | _little(data, position, 1, file), position + 1
    size = 2 if tag & 3 == 2 else 4
    return (tag >> 2) + 1, _little(data, position, size, file), position + size


def _repeat(out: bytearray, length: int, offset: int, file: str) -> None:
    """Copies what stands `offset` bytes back; a copy may run into what it makes."""
    if not 0 < offset <= len(out):
        _fail(file, f"copies from {offset} bytes back after {len(out)}")
    pattern = out[len(out) - offset : len(out) - offset + length]
    out += (pattern * (length // len(pattern) + 1))[:length]
