"""Messages of ONNX as lists of pieces, so that weights never pass through one buffer.

Field numbers of ONNX's messages stand where they are used, in the words of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterable

from xir.backends.export.onnx._tensor import Payload
from xir.backends.export.wire import begun
from xir.backends.export.wire import data as data
from xir.backends.export.wire import entry as entry
from xir.backends.export.wire import integer as integer
from xir.backends.export.wire import single as single
from xir.backends.export.wire import text as text
from xir.backends.export.wire import unpacked_floats as unpacked_floats
from xir.backends.export.wire import unpacked_integers as unpacked_integers
from xir.backends.export.wire import varint as varint

Piece = bytes | Payload
"""Encoded bytes, or a weight that is copied when the file is written."""


def size_of(pieces: Iterable[Piece]) -> int:
    """Bytes that the pieces take."""
    return sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in pieces)


def nested(number: int, pieces: list[Piece]) -> list[Piece]:
    """Field `number` with a message that is given in pieces."""
    return [begun(number, size_of(pieces)), *pieces]
