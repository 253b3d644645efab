"""A bounded reader of protobuf's wire format over a mapped file: it finds fields, and copies no weights.

Source: protobuf's encoding guide (tags, varints, wire types, packed repeated fields).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from xir.errors import FormatError, UnsafeError
from xir.files import FileSlice, MappedFile
from xir.limits import MAX_NAME_BYTES, check_nesting

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""Wire types."""

MAX_RECORDS = 2_000_000
"""Fields of one file that are read; a node takes 20 to 40, and a weight's bytes are one field."""

MESSAGE_COST = 3
"""Fields that an inner message counts as, besides its own: it takes as long to build as they take to read."""

Record = tuple[int, int, int, int]
"""(field number, wire type, value of a number or start of the content, end of the content)."""


class Wire:
    """The bytes of one file, with a budget of fields.

    Attributes:
        file: the open file.
        view: its bytes.
    """

    __slots__ = ("_left", "file", "view")

    def __init__(self, file: MappedFile) -> None:
        """Maps the file."""
        self.file = file
        self.view = file.view()
        self._left = MAX_RECORDS

    def fail(self, position: int, message: str) -> NoReturn:
        """Raises FormatError for what stands at `position`."""
        raise FormatError(
            f"byte {position}: {message}",
            file=self.file.path,
            hint="the file is damaged or is no ONNX model: fetch it again",
        )

    def unknown(self, message: str, record: Record) -> NoReturn:
        """Raises FormatError for a field that onnx.proto does not have."""
        self.fail(record[2] if record[1] == LENGTH else record[3], f"{message} has no field {record[0]}")

    def charge(self, count: int) -> None:
        """Takes `count` fields from the budget; raises UnsafeError where it is used up."""
        self._left -= count
        if self._left < 0:
            raise UnsafeError(
                f"the file holds more than {MAX_RECORDS} fields",
                number=806,
                file=self.file.path,
                hint="no real model has so many: the file is damaged or hostile",
            )

    def varint(self, position: int, end: int) -> tuple[int, int]:
        """The varint at `position` and the position behind it."""
        view, value, shift = self.view, 0, 0
        for at in range(position, min(position + 10, end)):
            byte = view[at]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF, at + 1
            shift += 7
        self.fail(position, "a number goes on past its message" if position + 10 > end else "a number is too long")

    def records(self, span: Span) -> Iterator[Record]:
        """The fields of a message, in order."""
        view, position, end = self.view, span.start, span.stop
        while position < end:
            self._left -= 1
            if self._left < 0:
                self.charge(0)
            start = position
            tag = view[position]
            position += 1
            if tag >= 0x80:
                tag, position = self.varint(start, end)
            number, wire = tag >> 3, tag & 7
            if number == 0:
                self.fail(start, "a field has the impossible number 0")
            if wire == LENGTH:
                length, position = self.varint(position, end)
                if length > end - position:
                    self.fail(start, f"field {number} declares {length} bytes, {end - position} are left")
                yield number, wire, position, position + length
                position += length
            elif wire == VARINT:
                value, position = self.varint(position, end)
                yield number, wire, value, position
            else:
                size = self._fixed(start, number, wire, end - position)
                yield number, wire, position, position + size
                position += size

    def _fixed(self, start: int, number: int, wire: int, left: int) -> int:
        """The bytes that a field of fixed size takes."""
        size = {FIXED64: 8, FIXED32: 4}.get(wire, 0)
        if not size:
            self.fail(start, f"field {number} has wire type {wire}, which ONNX does not use")
        if left < size:
            self.fail(start, f"field {number} takes {size} bytes, {left} are left")
        return size

    def child(self, span: Span, record: Record) -> Span:
        """The message that a field holds, one level deeper.

        Raises:
            FormatError: the field holds none.
            UnsafeError: it is nested too deep.
        """
        number, wire, start, stop = record
        if wire != LENGTH:
            self.fail(span.start, f"field {number} should hold a message")
        check_nesting(span.depth + 1, file=self.file.path)
        self.charge(MESSAGE_COST)
        return Span(start, stop, span.depth + 1)

    def text(self, record: Record) -> str:
        """The string that a field holds: UTF-8, of bounded length."""
        data = self.bytes(record)
        if len(data) > MAX_NAME_BYTES:
            self.fail(record[2], f"a name takes {len(data)} bytes; at most {MAX_NAME_BYTES} are taken")
        try:
            return data.decode()
        except UnicodeDecodeError:
            self.fail(record[2], f"field {record[0]} is not UTF-8 text")

    def bytes(self, record: Record) -> bytes:
        """The bytes that a field holds."""
        number, wire, start, stop = record
        if wire != LENGTH:
            self.fail(start, f"field {number} should hold bytes")
        return bytes(self.view[start:stop])

    def slice(self, record: Record) -> FileSlice:
        """The bytes that a field holds, where they lie."""
        number, wire, start, stop = record
        if wire != LENGTH:
            self.fail(start, f"field {number} should hold bytes")
        return self.file.slice(start, stop - start)

    def integer(self, record: Record) -> int:
        """The signed 64-bit number that a field holds."""
        number, wire, value, stop = record
        if wire != VARINT:
            self.fail(stop, f"field {number} should hold a number")
        return value - (1 << 64) if value >> 63 else value

    def integers(self, record: Record) -> list[int]:
        """The number or the packed numbers that a field holds, signed."""
        number, wire, start, _ = record
        if wire == VARINT:
            return [self.integer(record)]
        if wire != LENGTH:
            self.fail(start, f"field {number} should hold numbers")
        return [int(value) for value in self.packed(record).astype(np.int64)]

    def packed(self, record: Record) -> NDArray[np.uint64]:
        """Packed varints as unsigned 64-bit numbers."""
        _, _, start, stop = record
        data = np.frombuffer(self.view[start:stop], np.uint8)
        if not data.size:
            return np.zeros(0, np.uint64)
        last = np.flatnonzero(data < 0x80)
        if not last.size or last[-1] != data.size - 1:
            self.fail(stop, "a packed number goes on past its field")
        first = np.concatenate(([0], last[:-1] + 1))
        lengths = last - first + 1
        if int(lengths.max()) > 10:
            self.fail(start, "a packed number is too long")
        values = np.zeros(last.size, np.uint64)
        for step in range(int(lengths.max())):
            takes = lengths > step
            part = (data[first[takes] + step] & 0x7F).astype(np.uint64)
            values[takes] |= part << np.uint64(7 * step)
        return values

    def numbers(self, record: Record, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
        """Fixed-size numbers (float, double) of a packed or single field."""
        number, wire, start, stop = record
        if wire not in (LENGTH, FIXED32, FIXED64) or (stop - start) % dtype.itemsize:
            self.fail(start, f"field {number} should hold numbers of {dtype.itemsize} bytes")
        return np.frombuffer(self.view[start:stop], dtype)


@dataclass(frozen=True, slots=True)
class Span:
    """Where a message lies in the file, and how deep it is nested."""

    start: int
    stop: int
    depth: int = 1
