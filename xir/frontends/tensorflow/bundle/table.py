"""Tables of LevelDB's form: sorted keys with their values, in blocks with checksums.

Source: LevelDB's doc/table_format.md and table/format.h, which TensorFlow keeps (tsl/lib/io/table).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from xir.crc32c import masked_crc32c
from xir.errors import FormatError, UnsafeError
from xir.files import MappedFile
from xir.frontends._wire import Span
from xir.frontends.tensorflow.bundle.snappy import unpacked
from xir.limits import MAX_NAME_BYTES, MEBI

FREE_UNPACKED = 128 * MEBI
"""Bytes of all blocks that any table may have; an index of 10,000 variables has a megabyte."""

MAX_RATIO = 4
"""Bytes of all blocks for each byte of the file, above that: tables that hold weights hardly get smaller."""

MAX_KEYS = 64 * MEBI
"""Bytes of all keys, which are stored by what they do not share with the one before."""

_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_FOOTER = 48
_TRAILER = 5
_PLAIN, _SNAPPY = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The entries of a table.

    Attributes:
        content: its blocks one after another, unpacked.
        entries: where in the content the value of each key stands, in the order of the keys.
    """

    content: bytes
    entries: Mapping[bytes, Span]


def looks_like_table(file: MappedFile) -> bool:
    """Whether a file ends as tables do."""
    return file.size >= _FOOTER and file.read_at(file.size - 8, 8) == _MAGIC


def read_table(file: MappedFile) -> Table:
    """The entries of a table.

    Raises:
        FormatError: the file is none, or damaged.
        UnsafeError: there is more in it than the limits allow.
    """
    return _Reader(file).table()


class _Reader:
    def __init__(self, file: MappedFile) -> None:
        self.file = file
        self.view = file.view()
        self._unpacked = self._keys = 0

    def fail(self, why: str) -> NoReturn:
        raise FormatError(why, file=self.file.path, hint="the file is damaged or is no checkpoint: fetch it again")

    def table(self) -> Table:
        if not looks_like_table(self.file):
            self.fail("the file does not end as a table of TensorFlow does: it is cut short, or is none")
        footer = self.file.size - _FOOTER
        _, _, position = self._handle(self.view, footer, footer + 40)
        offset, size, _ = self._handle(self.view, position, footer + 40)
        index = memoryview(self._block(offset, size))
        pieces: list[bytes] = []
        entries: dict[bytes, Span] = {}
        start, free, last = 0, 0, b""
        for _, span in self._entries(index):
            offset, size, _ = self._handle(index, span.start, span.stop)
            if offset < free:
                self.fail(f"two blocks of the table overlap at byte {offset}")
            free = offset + size + _TRAILER
            block = self._block(offset, size)
            for key, inner in self._entries(memoryview(block)):
                if entries and key <= last:
                    self.fail(f"key {key[:80]!r} of the table is not behind {last[:80]!r}")
                entries[key] = Span(start + inner.start, start + inner.stop)
                last = key
            pieces.append(block)
            start += len(block)
        return Table(b"".join(pieces), entries)

    def _block(self, offset: int, size: int) -> bytes:
        """The content of a block, checked and unpacked."""
        end = offset + size + _TRAILER
        if end > self.file.size - _FOOTER:
            self.fail(f"a block stands at byte {offset} with {size} bytes, outside of the {self.file.size} of the file")
        kind = self.view[offset + size]
        if masked_crc32c(self.view[offset : offset + size + 1]) != int.from_bytes(self.view[end - 4 : end], "little"):
            self.fail(f"the checksum of the block at byte {offset} is wrong")
        if kind not in (_PLAIN, _SNAPPY):
            self.fail(f"the block at byte {offset} is packed in the way {kind}, which is not known")
        data = self.view[offset : offset + size]
        block = bytes(data) if kind == _PLAIN else unpacked(data, self.file.path)
        self._unpacked += len(block)
        self._limit(self._unpacked, max(FREE_UNPACKED, MAX_RATIO * self.file.size), "bytes in blocks")
        return block

    def _limit(self, taken: int, most: int, what: str) -> None:
        if taken > most:
            raise UnsafeError(f"the table holds more than {most} {what}", number=806, file=self.file.path)

    def _entries(self, block: memoryview) -> Iterator[tuple[bytes, Span]]:
        """The keys of a block, and where their values stand in it."""
        restarts = int.from_bytes(block[-4:], "little") if len(block) >= 4 else 0
        end = len(block) - 4 * (restarts + 1)
        if end < 0 or len(block) < 4:
            self.fail(f"a block of {len(block)} bytes declares {restarts} places to begin")
        position, key = 0, b""
        while position < end:
            shared, position = self._number(block, position, end)
            own, position = self._number(block, position, end)
            length, position = self._number(block, position, end)
            if shared > len(key) or own + length > end - position or shared + own > MAX_NAME_BYTES:
                self.fail("an entry of the table leaves its block, or has a key that is too long")
            key = key[:shared] + bytes(block[position : position + own])
            self._keys += len(key)
            self._limit(self._keys, MAX_KEYS, "bytes of keys")
            position += own + length
            yield key, Span(position - length, position)

    def _handle(self, view: memoryview, position: int, end: int) -> tuple[int, int, int]:
        """Where a block stands, how many bytes it has, and what follows the two numbers."""
        offset, position = self._number(view, position, end)
        size, position = self._number(view, position, end)
        return offset, size, position

    def _number(self, view: memoryview, position: int, end: int) -> tuple[int, int]:
        value = 0
        for place, at in enumerate(range(position, min(position + 10, end))):
            value |= (view[at] & 0x7F) << (7 * place)
            if view[at] < 0x80:
                return value, at + 1
        self.fail("a number of the table does not end")
