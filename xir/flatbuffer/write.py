"""Writing flatbuffers from plain data: mappings are tables, sequences vectors, by the same table of facts.

Everything lies behind what refers to it, so one walk in the order of the references writes the file; the same content
always makes the same bytes. Of a table each vtable stands right before it.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from xir.flatbuffer.schema import FORMATS, IDENTIFIER, Field, Schema, tflite_schema

Content: TypeAlias = "int | float | bool | str | bytes | Sequence[Content] | Mapping[str, Content]"
"""A number, the name of an enumeration's number, text, bytes, a vector, or a table by the names of its fields."""

_ALIGNED = 16
"""Bytes to which vectors of bytes are aligned: what buffers of weights need (schema.fbs, force_align)."""


def write_tflite(model: Mapping[str, Content]) -> bytes:
    """The bytes of a file whose table `Model` has these fields.

    Raises:
        KeyError: a field, or the name of an enumeration's number, that the schema does not have.
        struct.error: a number that its field does not hold.
    """
    return _Writer(tflite_schema()).file("Model", model, IDENTIFIER)


class _Writer:
    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.out = bytearray()
        self.pending: deque[tuple[int, str, Content]] = deque()

    def file(self, table: str, content: Mapping[str, Content], identifier: bytes) -> bytes:
        self.out += bytes(4) + identifier
        self.pending.append((0, table, content))
        while self.pending:
            place, type, value = self.pending.popleft()
            if type == "string":
                target = self._text(str(value))
            elif type.startswith("["):
                target = self._vector(type[1:-1], value)
            else:
                target = self._table(type, cast("Mapping[str, Content]", value))
            struct.pack_into("<I", self.out, place, target - place)
        return bytes(self.out)

    def _align(self, to: int, before: int = 0) -> None:
        """Zeros until what comes after the next `before` bytes is aligned."""
        self.out += bytes(-(len(self.out) + before) % to)

    def _text(self, text: str) -> int:
        data = text.encode("utf-8", "surrogateescape")
        self._align(4)
        place = len(self.out)
        self.out += struct.pack("<I", len(data)) + data + b"\0"
        return place

    def _vector(self, item: str, value: Content) -> int:
        if item in FORMATS:
            items = value if isinstance(value, bytes) else tuple(cast("Sequence[int]", value))
            self._align(_ALIGNED if item == "u8" else max(4, struct.calcsize(FORMATS[item])), 4)
            place = len(self.out)
            self.out += struct.pack("<I", len(items))
            self.out += items if isinstance(items, bytes) else struct.pack(f"<{len(items)}{FORMATS[item]}", *items)
            return place
        members = cast("Sequence[Content]", value)
        self._align(4)
        place = len(self.out)
        self.out += struct.pack("<I", len(members)) + bytes(4 * len(members))
        self.pending.extend((place + 4 + 4 * index, item, member) for index, member in enumerate(members))
        return place

    def _table(self, name: str, content: Mapping[str, Content]) -> int:
        fields = self.schema.fields(name)
        given = {fields[key]: value for key, value in content.items()}
        given |= {
            fields[f"{field.name}_type"]: next(iter(cast("Mapping[str, Content]", value)))
            for field, value in tuple(given.items())
            if field.union
        }
        ordered = sorted(given, key=lambda field: (-_width(field), field.slot))
        last = max((field.slot for field in given), default=2)
        self._align(8, 4 + last + 2)
        vtable = len(self.out)
        place = vtable + last + 2
        offsets: dict[int, int] = {}
        size = 4
        for field in ordered:
            offsets[field.slot] = size
            size += _width(field)
        self.out += struct.pack("<HH", last + 2, size)
        self.out += b"".join(struct.pack("<H", offsets.get(slot, 0)) for slot in range(4, last + 2, 2))
        self.out += struct.pack("<i", place - vtable) + bytes(size - 4)
        for field in ordered:
            self._put(place + offsets[field.slot], field, given[field])
        return place

    def _put(self, place: int, field: Field, value: Content) -> None:
        if field.is_number:
            number = self.schema.numbers[field.enum][value] if isinstance(value, str) else value
            struct.pack_into("<" + FORMATS[field.type], self.out, place, number)
        elif field.union:
            kind, content = next(iter(cast("Mapping[str, Content]", value).items()))
            self.pending.append((place, kind, content))
        else:
            self.pending.append((place, field.type, value))


def _width(field: Field) -> int:
    return struct.calcsize(FORMATS[field.type]) if field.is_number else 4
