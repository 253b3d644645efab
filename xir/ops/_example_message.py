"""`tf.train.Example` as bytes: the lists of its features (tensorflow/core/example/example.proto, feature.proto).

The wire format is that of protocol buffers (protobuf.dev/programming-guides/encoding). Of a feature that
stands twice the last one counts, of two lists in it the first, as in TensorFlow's reader
(tensorflow/core/util/example_proto_fast_parsing.cc).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xir.errors import InvalidModelError

Number = int | float | bytes
Held = tuple[int, list[Number]]
"""The kind of a list, and its elements."""

BYTES, FLOATS, INTEGERS = 1, 2, 3
"""Kinds of lists: the numbers of their fields in a Feature."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}
_LONGEST = 10


def feature_of(data: bytes, key: bytes) -> Held | None:
    """The list of a feature of an example, or None where it has none.

    Raises:
        InvalidModelError: the bytes are no example.
    """
    found: Held | None = None
    for features in _messages(data, 1):
        for entry in _messages(features, 1):
            if (_last(entry, 1) or b"") == key:
                found = _list(_last(entry, 2) or b"")
    return found


def _list(data: bytes) -> Held | None:
    for number, wire, held in _fields(data):
        if number in (BYTES, FLOATS, INTEGERS) and wire == _LENGTH and isinstance(held, bytes):
            return number, list(_elements(number, held))
    return None


def _elements(kind: int, data: bytes) -> Iterator[Number]:
    """The elements of a list, packed or one by one."""
    for number, wire, held in _fields(data):
        if number != 1:
            continue
        if kind == BYTES and wire == _LENGTH and isinstance(held, bytes):
            yield held
        elif kind == FLOATS and wire in (_LENGTH, _FIXED32) and isinstance(held, bytes):
            if len(held) % 4:
                raise _damaged()
            yield from np.frombuffer(held, "<f4").tolist()
        elif kind == INTEGERS and wire == _VARINT and isinstance(held, int):
            yield _signed(held)
        elif kind == INTEGERS and wire == _LENGTH and isinstance(held, bytes):
            at = 0
            while at < len(held):
                value, at = _varint(held, at)
                yield _signed(value)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _messages(data: bytes, wanted: int) -> Iterator[bytes]:
    for number, wire, held in _fields(data):
        if number == wanted and wire == _LENGTH and isinstance(held, bytes):
            yield held


def _last(data: bytes, wanted: int) -> bytes | None:
    return next(reversed(list(_messages(data, wanted))), None)


def _fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """(number, wire type, what is held) of each field: whole numbers of variable length as they are, else bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, wire, value
            continue
        if wire == _LENGTH:
            size, at = _varint(data, at)
        elif wire in _WIDTHS:
            size = _WIDTHS[wire]
        else:
            raise _damaged()
        if size > len(data) - at:
            raise _damaged()
        yield number, wire, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(_LONGEST):
        if at + place >= len(data):
            break
        byte = data[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value & (1 << 64) - 1, at + place + 1
    raise _damaged()


def _damaged() -> InvalidModelError:
    return InvalidModelError("a text is no serialized example (tf.train.Example)")
