"""Programs that were compiled before: what they do, and their packed weights, which are mapped and not read.

An entry is one file in the folder `programs` beside that of the objects, under the same rules (`xir.runtime.cache`):

    data      weights, each at a multiple of 64 bytes
    head      what the program does
    footer    magic, key, bytes of the data and of the head, SHA-256 of the data and of the head

Head and footer are verified whenever an entry is used. To hash the data takes half a second for a gigabyte, so it is
verified when the entry is first used after the machine was started, and after any change of the file; a mark says for
which state of the file that was done: device, inode, size, times of modification and of change, and the system's start.
Nobody sets the time of change but the kernel, at every write, and entries are replaced and never written to; what a
crash kept from the disk comes with another start. A mark is only made for a file that has been as it is for `SETTLE`,
since the kernel's clock of files goes in steps of up to 10 ms.
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from xir.errors import FileError
from xir.files import FileSlice, MappedFile, OutputFile
from xir.runtime.cache import SUFFIX, Cache, is_own_file, key_of, trusted_folder
from xir.runtime.memory import ALIGNMENT

LIMIT = 1 << 33
"""Bytes of all entries together; those that were not used for the longest time go first."""
FREE_PART = 4
"""An entry takes at most one part in so many of what is free on the disk."""
MAX_HEAD = 1 << 26
"""Bytes of a head; more is no program of this library's."""
SETTLE = 0.02
"""Seconds that a file must have been as it is before a mark says so."""
START = "/proc/sys/kernel/random/boot_id"
"""Where Linux tells one start of the machine from another (random(4))."""

_MAGIC = b"xir-prg\0"
_FOOTER = struct.Struct("<8s32sQQ32s32s")
_SUFFIX = ".xp"


@dataclass(frozen=True, slots=True)
class Entry:
    """What was stored: the head, and the data, which is mapped when it is viewed."""

    head: bytes
    data: FileSlice


class Writer:
    """An entry that is being written; raises FileError where the disk refuses.

    Attributes:
        head: what the program does; without it there will be no entry.
    """

    def __init__(self, output: OutputFile) -> None:
        """Writes to `output`."""
        self.head: bytes | None = None
        self._output = output
        self._digest = hashlib.sha256()

    def place(self) -> int:
        """Where the next weight begins, at a multiple of 64 bytes."""
        self.write(bytes(-self._output.tell() % ALIGNMENT))
        return self._output.tell()

    def write(self, data: bytes | memoryview) -> None:
        """Appends bytes to the data."""
        self._digest.update(data)
        self._output.write(data)

    def close(self, key: bytes, head: bytes) -> None:
        """Appends a head and the footer."""
        sizes = self._output.tell(), len(head)
        self._output.write(head)
        self._output.write(_FOOTER.pack(_MAGIC, key, *sizes, self._digest.digest(), hashlib.sha256(head).digest()))
        self._output.flush()  # not to the disk: what a crash cuts off is found out by its hash


class Store:
    """Entries by key in one folder."""

    def __init__(self, folder: Path, *, limit: int = LIMIT) -> None:
        """Entries in `folder`, of at most `limit` bytes together."""
        self._folder = folder
        self._limit = limit
        self._marks = Cache(folder)

    def get(self, key: bytes) -> Entry | None:
        """What was stored under a key, if it is there and whole; it is removed if it is not whole."""
        with self._opened(make=False) as folder:
            if folder is None:
                return None
            try:
                found = self._entry(key, folder)
            except FileNotFoundError:
                return None
            except (OSError, FileError):
                found = None
            if found is None:
                self._remove(_name(key), folder)
            return found

    @contextmanager
    def writer(self, key: bytes, size: int) -> Generator[Writer | None]:
        """A writer for an entry of about `size` bytes; None where it cannot be stored.

        The entry appears when the block ends and the writer has a head.

        Raises:
            FileError: if the disk refuses.
        """
        with self._opened(make=True) as folder:
            if folder is None or size > min(self._limit, _free(folder) // FREE_PART):
                yield None
                return
            name = _name(key)
            output = OutputFile(folder, os.path.join(str(self._folder), name), 0o600)
            try:
                writer = Writer(output)
                yield writer
                if writer.head is not None:
                    writer.close(key, writer.head)
                    output.publish(name)
                    with suppress(OSError):
                        self._mark(name, os.stat(name, dir_fd=folder, follow_symlinks=False))
                    self._trim(folder, name)
            finally:
                output.discard()

    @contextmanager
    def _opened(self, *, make: bool) -> Generator[int | None]:
        """The open folder, or None where there is none that can be trusted."""
        descriptor = trusted_folder(self._folder, make)
        try:
            yield descriptor
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _entry(self, key: bytes, folder: int) -> Entry | None:
        name = _name(key)
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        file = MappedFile(os.path.join(str(self._folder), name), descriptor)
        status = os.fstat(descriptor)
        if not is_own_file(status, self._limit) or file.size < _FOOTER.size:
            return None
        magic, found, length, rest, data, head = _FOOTER.unpack(file.read_at(file.size - _FOOTER.size, _FOOTER.size))
        if magic != _MAGIC or found != key or length + rest + _FOOTER.size != file.size or rest > MAX_HEAD:
            return None
        content = file.read_at(length, rest)
        if hashlib.sha256(content).digest() != head:
            return None
        held = file.slice(0, length)
        if self._marks.get(_mark(name)) != _state(status):
            if held.sha256() != data.hex():
                return None
            self._mark(name, status)
        return Entry(content, held)

    def _mark(self, name: str, status: os.stat_result) -> None:
        """Notes that the data was verified for this state of the file."""
        age = time.time() - status.st_ctime_ns / 1e9
        time.sleep(min(max(SETTLE - age, 0), SETTLE))
        self._marks.put(_mark(name), _state(status))

    def _trim(self, folder: int, newest: str) -> None:
        """Removes what was not used for the longest time until the rest is within the limit; not what was made now."""
        entries: list[tuple[int, str, int]] = []
        with os.scandir(folder) as found:
            for entry in found:
                if entry.name.endswith(_SUFFIX):
                    with suppress(OSError):
                        status = entry.stat(follow_symlinks=False)
                        entries.append((self._used(entry.name, status, folder), entry.name, status.st_size))
        total = sum(size for _, _, size in entries)
        for _, name, size in sorted(entries):
            if total > self._limit and name != newest:
                self._remove(name, folder)
                total -= size

    def _used(self, name: str, status: os.stat_result, folder: int) -> int:
        """When an entry was last used: reading its mark notes that."""
        try:
            return os.stat(_mark(name).hex() + SUFFIX, dir_fd=folder, follow_symlinks=False).st_mtime_ns
        except OSError:
            return status.st_mtime_ns

    def _remove(self, name: str, folder: int) -> None:
        for each in (name, _mark(name).hex() + SUFFIX):
            with suppress(OSError):
                os.unlink(each, dir_fd=folder)


def _name(key: bytes) -> str:
    return key.hex() + _SUFFIX


def _mark(name: str) -> bytes:
    """The key of an entry's mark."""
    return key_of(["verified", name])


def _state(status: os.stat_result) -> bytes:
    """The state of a file, as one start of the machine sees it; nothing is equal to it where starts have no names."""
    try:
        start = Path(START).read_text("ascii", "replace")
    except OSError:
        start = os.urandom(32).hex()
    numbers = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return key_of([start, *map(str, numbers)])


def _free(folder: int) -> int:
    """Bytes that the disk has left for the user."""
    status = os.fstatvfs(folder)
    return status.f_bavail * status.f_frsize
