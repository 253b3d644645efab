"""A bounded reader of protobuf's wire format over a mapped file: it finds fields, and copies no weights.

Source: protobuf's encoding guide (tags, varints, wire types, packed repeated fields).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from xir.errors import FormatError, UnsafeError
from xir.files import FileSlice, MappedFile
from xir.limits import MAX_NAME_BYTES, MEBI, check_nesting

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""Wire types."""

MAX_RECORDS = 2_000_000
"""Fields of one file that are read; a node takes 20 to 40, and a weight's bytes are one field."""

MESSAGE_COST = 3
"""Fields that an inner message counts as, besides its own: it takes as long to build as they take to read."""

MAX_LISTED = 8_000_000
"""Numbers of one file that become Python's own: dims, and lists in attributes, each some 48 bytes. The largest are
forests of trees, with a dozen numbers a node."""

MAX_COPIED = 128 * MEBI
"""Bytes of text, metadata and strings of one file, which are copied; vocabularies have some megabytes."""

MAX_UNPACKED = 256 * MEBI
"""Bytes of weights of one file that are not stored plainly, as raw_data has them, but number by number."""

_CHUNK = MEBI
"""Bytes of packed numbers that are taken apart at a time: each takes some 30 bytes of memory on the way."""

Record = tuple[int, int, int, int]
"""(field number, wire type, value of a number or start of the content, end of the content)."""


class Wire:
    """The bytes of one file, with a budget of fields.

    Attributes:
        file: the open file.
        format: what the file is taken for, in words (`ONNX model`).
        view: its bytes.
    """

    __slots__ = ("_copied", "_is_unpacked", "_left", "_listed", "_unpacked", "file", "format", "view")

    def __init__(self, file: MappedFile, format: str, content: bytes | None = None) -> None:
        """Maps the file; `content` is what was unpacked of it, where the messages stand in that."""
        self.file = file
        self.format = format
        self.view = file.view() if content is None else memoryview(content)
        self._is_unpacked = content is not None
        self._left = MAX_RECORDS
        self._listed = self._copied = self._unpacked = 0

    def fail(self, position: int, message: str) -> NoReturn:
        """Raises FormatError for what stands at `position`."""
        raise FormatError(
            f"byte {position}: {message}",
            file=self.file.path,
            hint=f"the file is damaged or is no {self.format}: fetch it again",
        )

    def unknown(self, message: str, record: Record) -> NoReturn:
        """Raises FormatError for a field that `message` does not have."""
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

    def _limit(self, taken: int, most: int, what: str) -> None:
        """Raises UnsafeError where more than `most` is taken."""
        if taken > most:
            raise UnsafeError(
                f"the file holds more than {most} {what}",
                number=806,
                file=self.file.path,
                hint="store weights as raw_data or as external data; if they are, the file is damaged or hostile",
            )

    def unpack(self, count: int) -> None:
        """Takes `count` bytes of weights; raises UnsafeError above `MAX_UNPACKED`."""
        self._unpacked += count
        self._limit(self._unpacked, MAX_UNPACKED, "bytes of weights that are stored number by number")

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
            self.fail(start, f"field {number} has wire type {wire}, which is not in use")
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
        length = record[3] - record[2] if record[1] == LENGTH else 0
        if length > MAX_NAME_BYTES:
            self.fail(record[2], f"a name takes {length} bytes; at most {MAX_NAME_BYTES} are taken")
        data = self.bytes(record)
        try:
            return data.decode()
        except UnicodeDecodeError:
            self.fail(record[2], f"field {record[0]} is not UTF-8 text")

    def bytes(self, record: Record) -> bytes:
        """The bytes that a field holds, copied; raises UnsafeError where all of them are more than `MAX_COPIED`."""
        number, wire, start, stop = record
        if wire != LENGTH:
            self.fail(start, f"field {number} should hold bytes")
        self._copied += stop - start
        self._limit(self._copied, MAX_COPIED, "bytes of text")
        return bytes(self.view[start:stop])

    def slice(self, record: Record) -> FileSlice:
        """The bytes that a field holds, where they lie."""
        number, wire, start, stop = record
        if wire != LENGTH:
            self.fail(start, f"field {number} should hold bytes")
        if self._is_unpacked:
            self.fail(start, f"field {number} holds bytes that are not the file's own")
        return self.file.slice(start, stop - start)

    def integer(self, record: Record) -> int:
        """The signed 64-bit number that a field holds."""
        number, wire, value, stop = record
        if wire != VARINT:
            self.fail(stop, f"field {number} should hold a number")
        return value - (1 << 64) if value >> 63 else value

    def integers(self, record: Record) -> list[int]:
        """The number or the packed numbers that a field holds, signed; raises UnsafeError above `MAX_LISTED`."""
        if record[1] == VARINT:
            return [self.integer(record)]
        self._list(self._count(record))
        pieces = [piece.astype(np.int64) for piece in self._packed(record)]
        return [number for piece in pieces for number in piece.tolist()]

    def reals(self, record: Record) -> list[float]:
        """The 32-bit floats that a field holds; raises UnsafeError above `MAX_LISTED`."""
        found = self.numbers(record, np.dtype("<f4"))
        self._list(found.size)
        return [float(number) for number in found.astype(np.float64).tolist()]

    def _list(self, count: int) -> None:
        self._listed += count
        self._limit(self._listed, MAX_LISTED, "numbers in lists")

    def _count(self, record: Record) -> int:
        """How many packed numbers a field holds, told by their last bytes."""
        number, wire, start, stop = record
        if wire == VARINT:
            return 1
        if wire != LENGTH:
            self.fail(start, f"field {number} should hold numbers")
        places = range(start, stop, _CHUNK)
        parts = (np.frombuffer(self.view[at : min(at + _CHUNK, stop)], np.uint8) for at in places)
        return sum(int(np.count_nonzero(part < 0x80)) for part in parts)

    def varints(self, records: Sequence[Record], dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
        """The numbers of fields, packed or one by one, each of which must be one of `dtype`.

        Where `dtype` is unsigned, negative numbers of its size are taken for their bits; where it is bool, every
        number but 0 is true.

        Raises:
            FormatError: a number is outside `dtype`, or goes on past its field.
            UnsafeError: there are more of them than `MAX_UNPACKED` allows.
        """
        count = sum(self._count(record) for record in records)
        self.unpack(count * dtype.itemsize)
        values, place = np.empty(count, dtype), 0
        for record in records:
            single = np.array([record[2]], np.uint64)
            for piece in self._packed(record) if record[1] == LENGTH else (single,):
                values[place : place + piece.size] = self._narrow(piece, dtype, record)
                place += piece.size
        return values

    def _narrow(self, piece: NDArray[np.uint64], dtype: np.dtype[np.generic], record: Record) -> NDArray[np.generic]:
        if dtype.kind == "b":
            return np.not_equal(piece, 0)
        if dtype == np.uint64:
            return piece
        signed, bits = piece.astype(np.int64), 8 * dtype.itemsize
        least, beyond = -(1 << (bits - 1)), 1 << (bits - (dtype.kind == "i"))
        wrong = signed[(signed < least) | (signed > beyond - 1)]
        if wrong.size:
            self.fail(record[2] if record[1] == LENGTH else record[3], f"{wrong[0]} is no element of {dtype.name}")
        return signed.astype(dtype)

    def _packed(self, record: Record) -> Iterator[NDArray[np.uint64]]:
        """Packed varints as unsigned 64-bit numbers, in pieces."""
        _, _, position, stop = record
        while position < stop:
            data = np.frombuffer(self.view[position : min(position + _CHUNK, stop)], np.uint8)
            last = np.flatnonzero(data < 0x80)
            if not last.size:
                too_long = data.size > 10
                self.fail(
                    position, "a packed number is too long" if too_long else "a packed number goes on past its field"
                )
            if last.size == data.size:
                yield data.astype(np.uint64)
            else:
                yield self._joined(data, last, position)
            position += int(last[-1]) + 1

    def _joined(self, data: NDArray[np.uint8], last: NDArray[np.intp], position: int) -> NDArray[np.uint64]:
        """Varints of several bytes, of which the last ones stand at `last`."""
        first = np.concatenate(([0], last[:-1] + 1))
        lengths = last - first + 1
        if int(lengths.max()) > 10:
            self.fail(position, "a packed number is too long")
        values = np.zeros(last.size, np.uint64)
        for step in range(int(lengths.max())):
            takes = lengths > step
            part = (data[first[takes] + step] & 0x7F).astype(np.uint64)
            values[takes] |= part << np.uint64(7 * step)
        return values

    def numbers(self, record: Record, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
        """Fixed-size numbers (float, double) of a packed or single field."""
        number, wire, start, stop = record
        if wire not in (LENGTH, FIXED32 if dtype.itemsize == 4 else FIXED64) or (stop - start) % dtype.itemsize:
            self.fail(start, f"field {number} should hold numbers of {dtype.itemsize} bytes")
        return np.frombuffer(self.view[start:stop], dtype)


@dataclass(frozen=True, slots=True)
class Span:
    """Where a message lies in the file, and how deep it is nested."""

    start: int
    stop: int
    depth: int = 1
