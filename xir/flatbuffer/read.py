"""Reading flatbuffers that nobody vouches for: every offset is checked before it is followed, all work is bounded.

The layout is that of flatbuffers' internals.md: a table begins with the signed distance back to its vtable, which says
its own size, the table's size, and where each field stands in the table (0: left out); strings, vectors and tables are
reached by unsigned distances forward. Depth is bounded by the schema, which has no table that holds itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from xir.errors import FormatError, InvalidModelError, UnsafeError
from xir.flatbuffer.schema import FORMATS, Field, Schema
from xir.limits import KIBI, MAX_NAME_BYTES

MAX_READ = 4_000_000
"""Tables and items of vectors that one file may make us read; models of a billion weights hold some 100,000."""

_FREE_READ = 64 * KIBI


class Buffer:
    """The bytes of one file, and how much of it has been read.

    Attributes:
        data: the bytes.
        size: how many.
        schema: what they mean.
        file: the file's name, for messages.
    """

    __slots__ = ("_left", "data", "file", "schema", "size")

    def __init__(self, data: memoryview | bytes, schema: Schema, file: str) -> None:
        """A buffer of which nothing has been read."""
        self.data = data
        self.size = len(data)
        self.schema = schema
        self.file = file
        self._left = min(MAX_READ, _FREE_READ + self.size)

    def spend(self, count: int) -> None:
        """Counts what is read.

        Raises:
            UnsafeError: a small file refers to the same bytes again and again.
        """
        self._left -= count
        if self._left < 0:
            raise UnsafeError(
                "its tables refer to the same bytes again and again",
                number=806,
                file=self.file,
                hint="no converter writes such a file: it is damaged or hostile",
            )

    def check(self, place: int, length: int, what: str) -> None:
        """Checks that a range lies inside the file.

        Raises:
            InvalidModelError: it does not.
        """
        if place < 0 or length < 0 or place + length > self.size:
            raise InvalidModelError(
                f"{what} stands at offset {place} with {length} bytes; the file has {self.size}",
                number=504,
                file=self.file,
                hint="the file is cut short or damaged: fetch it again",
            )

    def number(self, kind: str, place: int, what: str) -> int | float:
        """The number of a type of `FORMATS` at a place."""
        format = "<" + FORMATS[kind]
        self.check(place, struct.calcsize(format), what)
        found: int | float = struct.unpack_from(format, self.data, place)[0]
        return found

    def follow(self, place: int, what: str) -> int:
        """Where the distance at `place` leads."""
        return place + int(self.number("u32", place, what))

    def root(self, table: str, identifier: bytes) -> Table:
        """The table that the file begins with.

        Raises:
            FormatError: the file has another identifier.
        """
        self.check(0, 8, "the head of the file")
        if bytes(self.data[4:8]) != identifier:
            raise FormatError(f"the file's identifier is {bytes(self.data[4:8])!r}, not {identifier!r}", file=self.file)
        return Table(self, table, self.follow(0, table))


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """A range of bytes of the file: of a vector of bytes, without its length."""

    offset: int
    length: int


class Table:
    """One table of a file; fields that are left out are their defaults.

    Attributes:
        buffer: the file's bytes.
        name: the table's name in the schema.
    """

    __slots__ = ("_entries", "_place", "_size", "buffer", "name")

    def __init__(self, buffer: Buffer, name: str, place: int) -> None:
        """Reads the vtable.

        Raises:
            InvalidModelError: the table or its vtable leaves the file.
        """
        buffer.spend(1)
        self.buffer = buffer
        self.name = name
        self._place = place
        vtable = place - int(buffer.number("i32", place, name))
        length = int(buffer.number("u16", vtable, f"the vtable of {name}"))
        self._size = int(buffer.number("u16", vtable + 2, f"the vtable of {name}"))
        if length < 4 or length % 2:
            raise InvalidModelError(f"the vtable of {name} has {length} bytes", number=504, file=buffer.file)
        buffer.check(vtable, length, f"the vtable of {name}")
        buffer.check(place, self._size, name)
        self._entries: tuple[int, ...] = struct.unpack_from(f"<{length // 2 - 2}H", buffer.data, vtable + 4)

    def _place_of(self, field: Field) -> int | None:
        """Where a field stands in the file, or None where it is left out."""
        index = field.slot // 2 - 2
        entry = self._entries[index] if index < len(self._entries) else 0
        if not entry:
            return None
        width = struct.calcsize("<" + FORMATS[field.type]) if field.is_number else 4
        if entry < 4 or entry + width > self._size:
            raise InvalidModelError(
                f"field {field.name!r} of {self.name} stands at {entry} of {self._size} bytes",
                number=504,
                file=self.buffer.file,
            )
        return self._place + entry

    def _field(self, name: str) -> Field:
        field = self.buffer.schema.fields(self.name).get(name)
        if field is None:
            raise InvalidModelError(f"{self.name} has no field {name!r}", file=self.buffer.file)
        return field

    def given(self) -> Iterator[str]:
        """The names of the fields that the file gives.

        Raises:
            InvalidModelError: it gives one that the schema does not know.
        """
        by_slot = {field.slot: field for field in self.buffer.schema.fields(self.name).values()}
        for index, entry in enumerate(self._entries):
            if not entry:
                continue
            field = by_slot.get(2 * index + 4)
            if field is None:
                raise InvalidModelError(
                    f"{self.name} has a field at vtable offset {2 * index + 4} that xir does not know",
                    file=self.buffer.file,
                    hint="the file was written by a newer converter",
                )
            yield field.name

    def number(self, name: str) -> int | float:
        """A field that is one number."""
        field = self._field(name)
        place = self._place_of(field)
        if place is None:
            return field.default
        return self.buffer.number(field.type, place, f"field {name!r} of {self.name}")

    def integer(self, name: str) -> int:
        """A field that is one whole number."""
        return int(self.number(name))

    def word(self, name: str) -> str:
        """A field that is of an enumeration, by the name of its number.

        Raises:
            InvalidModelError: the enumeration has no such number.
        """
        field, number = self._field(name), self.integer(name)
        found = self.buffer.schema.names[field.enum].get(number)
        if found is None:
            raise InvalidModelError(f"field {name!r} of {self.name}: {field.enum} has no {number}")
        return found

    def _vector(self, name: str) -> tuple[str, int, int] | None:
        """Of a vector: the type of its items, where they begin, how many."""
        field = self._field(name)
        place = self._place_of(field)
        if place is None:
            return None
        what = f"field {name!r} of {self.name}"
        start = self.buffer.follow(place, what)
        count = int(self.buffer.number("u32", start, what))
        width = struct.calcsize("<" + FORMATS[field.item]) if field.item in FORMATS else 4
        self.buffer.check(start + 4, count * width, what)
        return field.item, start + 4, count

    def numbers(self, name: str) -> tuple[int | float, ...] | None:
        """A field that is a vector of numbers; None where it is left out."""
        found = self._vector(name)
        if found is None:
            return None
        item, start, count = found
        self.buffer.spend(count)
        return struct.unpack_from(f"<{count}{FORMATS[item]}", self.buffer.data, start)

    def integers(self, name: str) -> tuple[int, ...]:
        """A field that is a vector of whole numbers; none where it is left out."""
        return tuple(int(item) for item in self.numbers(name) or ())

    def raw(self, name: str) -> Raw | None:
        """A field that is a vector of bytes, where it stands."""
        found = self._vector(name)
        return None if found is None else Raw(found[1], found[2])

    def text(self, name: str) -> str | None:
        """A field that is text; None where it is left out. What is no UTF-8 stays as surrogates.

        Raises:
            UnsafeError: it is longer than any name.
        """
        place = self._place_of(self._field(name))
        if place is None:
            return None
        what = f"field {name!r} of {self.name}"
        start = self.buffer.follow(place, what)
        length = int(self.buffer.number("u32", start, what))
        self.buffer.check(start + 4, length, what)
        if length > MAX_NAME_BYTES:
            raise UnsafeError(f"{what} has {length} bytes", number=806, file=self.buffer.file)
        self.buffer.spend(1 + length // 16)
        return bytes(self.buffer.data[start + 4 : start + 4 + length]).decode("utf-8", "surrogateescape")

    def table(self, name: str) -> Table | None:
        """A field that is a table, or the table of a union; None where it is left out."""
        field = self._field(name)
        place = self._place_of(field)
        if place is None:
            return None
        kind = field.type
        if field.union:
            kind = self.word(f"{name}_type")
            if kind == "NONE":
                return None
        return Table(self.buffer, kind, self.buffer.follow(place, f"field {name!r} of {self.name}"))

    def tables(self, name: str) -> tuple[Table, ...]:
        """A field that is a vector of tables; none where it is left out."""
        found = self._vector(name)
        if found is None:
            return ()
        item, start, count = found
        self.buffer.spend(count)
        places = (start + 4 * index for index in range(count))
        return tuple(Table(self.buffer, item, self.buffer.follow(place, item)) for place in places)
