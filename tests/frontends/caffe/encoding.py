"""Writes Caffe's binary messages by the schema, so that tests can make files of every generation and every fork."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from xir.frontends.caffe.blob import Blob
from xir.frontends.caffe.message import Message, Value
from xir.frontends.caffe.prototext import parse_text
from xir.frontends.caffe.schema import DIALECTS, Dialect, Field, Schema, load_schema


def varint(value: int) -> bytes:
    """A varint; negative numbers take ten bytes."""
    value &= (1 << 64) - 1
    pieces = bytearray()
    while value > 0x7F:
        pieces.append(value & 0x7F | 0x80)
        value >>= 7
    pieces.append(value)
    return bytes(pieces)


def tag(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


def field_bytes(number: int, payload: bytes) -> bytes:
    """A length-delimited field."""
    return tag(number, 2) + varint(len(payload)) + payload


def encode(message: Message, dialect: Dialect = "bvlc", *, packed: bool = True) -> bytes:
    """The message on the wire, with the numbers of `dialect`."""
    pieces: list[bytes] = []
    for name in message.fields():
        field = numbered(message.schema, message.type, name, dialect)
        pieces.extend(encode_value(field, value, message.schema, dialect, packed) for value in message.peek(name))
    return b"".join(pieces)


def numbered(schema: Schema, message: str, name: str, dialect: Dialect) -> Field:
    for field in schema.fields:
        if (field.message, field.name) == (message, name) and dialect in field.dialects:
            return field
    raise AssertionError(f"{dialect} has no {message}.{name}")


def encode_value(field: Field, value: Value, schema: Schema, dialect: Dialect, packed: bool) -> bytes:
    if isinstance(value, Message):
        return field_bytes(field.number, encode(value, dialect, packed=packed))
    if isinstance(value, Blob):
        return field_bytes(field.number, encode_blob(value.array(), packed=packed, old=len(value.shape) == 4))
    if field.category == "enum":
        return tag(field.number, 0) + varint(schema.enums[field.type][str(value)])
    if isinstance(value, str):
        return field_bytes(field.number, value.encode())
    if isinstance(value, bytes):
        return field_bytes(field.number, value)
    if field.type in ("float", "double"):
        wire, form = (5, "<f") if field.type == "float" else (1, "<d")
        return tag(field.number, wire) + struct.pack(form, value)
    return tag(field.number, 0) + varint(int(value))


def encode_blob(array: np.ndarray, *, packed: bool = True, old: bool = False, double: bool = False) -> bytes:
    """A BlobProto; `old` writes num, channels, height and width."""
    dims = b"".join(varint(size) for size in array.shape)
    shape = field_bytes(7, field_bytes(1, dims) if packed else b"".join(b"\x08" + varint(s) for s in array.shape))
    if old:
        sizes = (1,) * (4 - array.ndim) + array.shape
        shape = b"".join(tag(number, 0) + varint(size) for number, size in enumerate(sizes, 1))
    number, wire, kind = (8, 1, "<f8") if double else (5, 5, "<f4")
    raw = array.astype(kind).tobytes()
    width = int(kind[-1])
    if packed:
        return shape + field_bytes(number, raw)
    return shape + b"".join(tag(number, wire) + raw[i : i + width] for i in range(0, len(raw), width))


def encode_text(text: str, type: str = "NetParameter", dialect: Dialect = "bvlc", *, packed: bool = True) -> bytes:
    """The binary form of a text message."""
    return encode(parse_text(text, type), dialect, packed=packed)


def write(path: Path, content: bytes | str) -> Path:
    """Writes a file and returns its path."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


SCHEMA = load_schema()
BINARY_DIALECTS = tuple(dialect for dialect in DIALECTS if dialect != "deployed")
