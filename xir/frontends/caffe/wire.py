"""A scanner of protobuf's wire format over a file: finds fields and where their bytes lie, copies nothing large.

Sources: protobuf's encoding guide (varints, tags, wire types, packed repeated fields). The file is read in small
windows, never mapped, so a file that is cut short meanwhile is an error and no SIGBUS, and memory stays bounded
whatever a length declares. Each scan has a budget of records, so that hostile files of millions of tiny fields end
early.
"""

from __future__ import annotations

from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from xir.errors import FormatError, UnsafeError
from xir.files import MappedFile

VARINT, FIXED64, LENGTH, START_GROUP, END_GROUP, FIXED32 = range(6)
"""Wire types (encoding guide, 'Message Structure')."""

WIRE_NAMES = ("varint", "64-bit", "length-delimited", "group start", "group end", "32-bit", "6", "7")
"""The wire types in words."""

_COUNTED = frozenset((VARINT, LENGTH))

MAX_RECORDS = 1_000_000
"""What one scan reads: a field counts 1, a message 3 more, a blob 6 more. A layer takes about 45; weights are one field
however large they are."""

MESSAGE_COST = 3
BLOB_COST = 6

_WINDOW = 1 << 16
_RUN_CHUNK = 1 << 20
_RUN_COST = 16
"""Records that the start of a run counts for: it costs about as much time."""
_HEADER = 20
"""Bytes that a tag and a length take at most: two varints of ten bytes."""

Record = tuple[int, int, int, int]
"""(field number, wire type, value of a varint or else the content's start, the position behind the record)."""


class Wire:
    """Reads records of one file; all positions are bytes from the file's start."""

    def __init__(self, file: MappedFile, *, limit: int = MAX_RECORDS) -> None:
        """A scanner of `file` that reads at most `limit` records and packed integers."""
        self.file = file
        self.path = file.path
        self.size = file.size
        self._left = limit
        self._limit = limit
        self._base = 0
        self._buffer = b""

    def again(self, limit: int | None = None) -> Wire:
        """Another scanner of the same file with a whole budget, this one's or `limit`."""
        return Wire(self.file, limit=self._limit if limit is None else limit)

    def fail(self, position: int, message: str, hint: str | None = None) -> NoReturn:
        """Raises FormatError for what stands at `position`."""
        raise FormatError(
            f"byte {position}: {message}",
            file=self.path,
            hint=hint or "the file is damaged or is no Caffe file: fetch it again",
        )

    def charge(self, count: int) -> None:
        """Takes `count` records from the budget; raises UnsafeError where it is used up."""
        self._left -= count
        if self._left < 0:
            raise UnsafeError(
                f"the file holds more than {self._limit} fields",
                number=806,
                file=self.path,
                hint="no real net has so many: the file is damaged or hostile",
            )

    def record(self, position: int, end: int) -> Record:
        """The record at `position` of a message that ends at `end`.

        Raises:
            FormatError: it is cut short, runs past `end`, is a group, or has an impossible tag.
            UnsafeError: the budget of records is used up.
        """
        self._left -= 1
        if self._left < 0:
            self.charge(0)
        at = position - self._base
        if at < 0 or at + _HEADER > len(self._buffer):
            self._fill(position)
            at = 0
        tag = self._buffer[at]
        at += 1
        if tag & 0x80:
            tag, at = self._varint(at - 1, end)
        number, wire = tag >> 3, tag & 7
        if number == 0 or number > 0x1FFFFFFF:
            self.fail(position, f"a field has the impossible number {number}")
        if wire in _COUNTED:
            value, at = self._varint(at, end)
            behind = at + self._base
            if wire == VARINT:
                return number, wire, value, behind
            if value > end - behind:
                self._past(position, f"field {number} declares {value} bytes", end - behind, end)
            return number, wire, behind, behind + value
        return self._fixed(position, number, wire, at + self._base, end)

    def _fixed(self, position: int, number: int, wire: int, start: int, end: int) -> Record:
        if wire not in (FIXED64, FIXED32):
            self.fail(position, f"field {number} has wire type {WIRE_NAMES[wire]}, which no Caffe message uses")
        stop = start + (8 if wire == FIXED64 else 4)
        if stop > end:
            self._past(position, f"field {number} takes {stop - start} bytes", end - start, end)
        return number, wire, start, stop

    def _past(self, position: int, what: str, there: int, end: int) -> NoReturn:
        if end == self.size:
            self.fail(position, f"{what}, but {max(there, 0)} are there: the file is cut short", "fetch the file again")
        self.fail(position, f"{what}, but its message ends after {max(there, 0)}")

    def _fill(self, position: int) -> None:
        self._buffer = self.file.read_at(position, min(_WINDOW, self.size - position))
        self._base = position

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """The varint at index `at` of the window, and the index behind it."""
        buffer, limit = self._buffer, min(end - self._base, len(self._buffer))
        value = shift = 0
        for index in range(at, min(at + 10, limit)):
            byte = buffer[index]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF, index + 1
            shift += 7
        if at + 10 <= limit:
            self.fail(self._base + at, "a varint is longer than 10 bytes")
        return self._past(self._base + at, "a varint goes on", 0, end)

    def read(self, start: int, stop: int) -> bytes:
        """The bytes [start, stop)."""
        at = start - self._base
        if at >= 0 and stop - self._base <= len(self._buffer):
            return self._buffer[at : stop - self._base]
        return self.file.read_at(start, stop - start)

    def packed_varints(self, start: int, stop: int) -> list[int]:
        """The values of a packed field of varints, each as an unsigned 64-bit number."""
        values: list[int] = []
        position = start
        while position < stop:
            self.charge(1)
            at = position - self._base
            if at < 0 or at + _HEADER > len(self._buffer):
                self._fill(position)
                at = 0
            value, at = self._varint(at, stop)
            values.append(value)
            position = at + self._base
        return values

    def packed_fixed(self, start: int, stop: int, type: str) -> list[float]:
        """The values of a packed field of `<f4` or `<f8`."""
        width = int(type[-1])
        if (stop - start) % width:
            self.fail(start, f"a packed field of {width}-byte numbers has {stop - start} bytes")
        self.charge((stop - start) // width)
        values: list[float] = np.frombuffer(self.read(start, stop), dtype=type).tolist()
        return values

    def run(self, position: int, end: int, type: str) -> tuple[NDArray[np.generic], int]:
        """An unpacked run: records of one tag and one `<f4` or `<f8` each, from `position` on; (values, behind).

        The first record is known to be one; the run ends at the first other record.
        """
        _, _, start, _ = self.record(position, end)
        tag = self.read(position, start)
        row = np.dtype([("tag", f"V{len(tag)}"), ("value", type)])
        pieces: list[NDArray[np.generic]] = []
        wanted = np.frombuffer(tag, dtype=np.uint8)
        self.charge(_RUN_COST)
        chunk = 1 << 10
        while position + row.itemsize <= end:
            rows = min((end - position) // row.itemsize, chunk // row.itemsize)
            chunk = min(2 * chunk, _RUN_CHUNK)
            raw = np.frombuffer(self.file.read_at(position, rows * row.itemsize), dtype=np.uint8)
            table = raw.reshape(rows, row.itemsize)
            same = (table[:, : len(tag)] == wanted).all(axis=1)
            good = rows if bool(same.all()) else int(same.argmin())
            pieces.append(np.ascontiguousarray(table[:good, len(tag) :]).reshape(-1).view(type))
            position += good * row.itemsize
            if good < rows:
                break
        return np.concatenate(pieces), position
