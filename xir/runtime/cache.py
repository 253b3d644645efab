"""The cache: machine code and other small things that were made before are read, not made again.

Each kind has its folder, `objects` for machine code, in `$XIR_CACHE`, or in `xir` of `$XDG_CACHE_HOME` or `~/.cache`
(XDG Base Directory Specification); `XIR_CACHE=off` switches the cache off. Whoever can write there can make the process
run what he likes, so the folder and every entry must be the user's own, writable by nobody else and no links; otherwise
nothing is read or written and everything is compiled. Entries carry their key and the hash of their content: what was
cut off, flipped or has another entry's name is removed and compiled anew. They appear whole or not at all and are
replaced, never changed, so any number of processes may share the folder.

Nothing that goes wrong here is an error: the cache only saves time.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path

from xir._writing import OutputFile
from xir.errors import FileError

VARIABLE = "XIR_CACHE"
"""The environment variable that names the folder of all caches, or says `off`."""
FORMAT = 1
"""Goes up when entries of before can no longer be used."""
LIMIT = 1 << 30
"""Bytes of all entries together; those that were not used for the longest time go first."""
MAX_ENTRY = 1 << 28
"""Bytes of one entry; more is no object of this library's."""

_MAGIC = b"xir-obj\0"
_HEADER = struct.Struct("<8s32sQ32s")
"""Magic, key, bytes of content, SHA-256 of the content."""
SUFFIX = ".xo"
"""What the names of entries end with."""


def key_of(parts: Iterable[str]) -> bytes:
    """The key for what some texts decide; no two lists of texts have the same one."""
    digest = hashlib.sha256(FORMAT.to_bytes(8, "little"))
    for part in parts:
        data = part.encode("utf-8", "surrogateescape")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()


def cache_folder(kind: str = "objects") -> Path | None:
    """Where entries of a kind lie, or None where there is no cache."""
    told = os.environ.get(VARIABLE, "")
    if told.lower() == "off":
        return None
    if told:
        return Path(told).absolute() / kind
    home = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(home):  # "All paths must be absolute ... consider the path invalid and ignore it"
        home = os.path.expanduser("~/.cache")
    return Path(home) / "xir" / kind if os.path.isabs(home) else None


class Cache:
    """Entries by key in one folder."""

    def __init__(self, folder: Path | None, *, limit: int = LIMIT) -> None:
        """Entries in `folder`, of at most `limit` bytes together; None for a cache that never has anything."""
        self._folder = folder
        self._limit = limit

    def get(self, key: bytes) -> bytes | None:
        """The content that was stored under a key, if it is there and whole."""
        with self._opened(make=False) as folder:
            if folder is None:
                return None
            name = key.hex() + SUFFIX
            try:
                content = _content(_read(name, folder), key)
            except FileNotFoundError:
                return None
            except OSError:
                content = None
            if content is None:
                _remove(name, folder)
            return content

    def put(self, key: bytes, content: bytes) -> None:
        """Stores content under a key, if that can be done."""
        if len(content) + _HEADER.size > min(MAX_ENTRY, self._limit):
            return
        with self._opened(make=True) as folder:
            if folder is None:
                return
            name = key.hex() + SUFFIX
            with suppress(OSError, FileError):
                output = OutputFile(folder, os.path.join(str(self._folder), name), 0o600)
                try:
                    output.write(_HEADER.pack(_MAGIC, key, len(content), hashlib.sha256(content).digest()))
                    output.write(content)
                    output.flush()  # not to the disk: what a crash cuts off is found out by its hash
                    output.publish(name)
                finally:
                    output.discard()
                self._trim(folder)

    @contextmanager
    def _opened(self, *, make: bool) -> Generator[int | None]:
        """The open folder, or None where there is none that can be trusted."""
        descriptor = None if self._folder is None else trusted_folder(self._folder, make)
        try:
            yield descriptor
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _trim(self, folder: int) -> None:
        """Removes what was not used for the longest time until the rest is within the limit."""
        entries: list[tuple[int, str, int]] = []
        with os.scandir(folder) as found:
            for entry in found:
                if entry.name.endswith(SUFFIX):
                    with suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        entries.append((status.st_mtime_ns, entry.name, status.st_size))
        total = sum(size for _, _, size in entries)
        for _, name, size in sorted(entries):
            if total <= self._limit:
                break
            _remove(name, folder)
            total -= size


def _read(name: str, folder: int) -> bytes:
    """The bytes of an entry, none if it is not the user's own regular file; notes that it was used."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        if not is_own_file(os.fstat(descriptor), MAX_ENTRY):
            return b""
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_ENTRY + 1)
        with suppress(OSError):
            os.utime(descriptor)
        return data
    finally:
        os.close(descriptor)


def _content(data: bytes, key: bytes) -> bytes | None:
    """The content of an entry's bytes, or None if they are not what was stored under the key."""
    if len(data) < _HEADER.size:
        return None
    magic, found, length, digest = _HEADER.unpack_from(data)
    content = data[_HEADER.size :]
    whole = magic == _MAGIC and found == key and length == len(content)
    return content if whole and hashlib.sha256(content).digest() == digest else None


def trusted_folder(folder: Path, make: bool) -> int | None:
    """The folder, open, if it is the user's own and nobody else may write to it."""
    try:
        if make:
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                folder.mkdir(mode=0o700)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    if _is_own(os.fstat(descriptor)):
        return descriptor
    os.close(descriptor)
    return None


def _is_own(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def is_own_file(status: os.stat_result, most: int) -> bool:
    """Whether it is a regular file of the user's own under one name, of at most `most` bytes."""
    return stat.S_ISREG(status.st_mode) and _is_own(status) and status.st_nlink == 1 and status.st_size <= most


def _remove(name: str, folder: int) -> None:
    with suppress(OSError):
        os.unlink(name, dir_fd=folder)
