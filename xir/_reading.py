"""Reading: regular files only, bounded, beneath the model's folder; slices of files as values (see `xir.files`)."""

from __future__ import annotations

import errno
import mmap
import os
import stat
import weakref
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from xir.errors import FileError, FormatError, InvalidModelError, UnsafeError
from xir.limits import MAX_TEXT_BYTES, MEBI, byte_count, check_range, check_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import DTypeLike, NDArray

PathLike = str | os.PathLike[str]
"""A path as the standard library takes it."""

CHUNK_BYTES = MEBI
"""Bytes that a copy or a hash holds in memory at a time."""

_KERNEL_COPY_BYTES = 64 * MEBI
"""Bytes that the kernel copies in one call: it holds none of them in our memory, but Ctrl-C waits for the call."""

_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
"""O_NONBLOCK keeps the open of a FIFO that was swapped in from waiting for a writer; regular files ignore it."""

_NO_KERNEL_COPY = frozenset(
    (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF, errno.ETXTBSY)
)
"""What copy_file_range(2) answers where it cannot copy this pair of files at all; the bytes then go through memory."""

_HINTS = {
    errno.ENOENT: "check the spelling of the path",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "give the path of a file inside the folder",
    errno.EACCES: "check the permissions of the file and its folder",
    errno.EPERM: "check the permissions of the file and its folder",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.ENOSPC: "the disk is full: free some space or choose another folder",
    errno.EDQUOT: "your disk quota is used up: free some space or choose another folder",
    errno.EFBIG: "the file is larger than the file system or the process may write (ulimit -f)",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n)",
    errno.ENFILE: "the system has too many files open",
    errno.ELOOP: "the path runs through links that point at each other",
    errno.EIO: "the device reports an error: check the disk",
}


def file_error(error: OSError, path: PathLike, doing: str) -> FileError:
    """The refusal of the operating system as `FileError` (XIR-E901): what was being done, where, why, what to do."""
    reason = os.strerror(error.errno) if error.errno is not None else str(error)
    hint = _HINTS.get(error.errno or 0, "check the path, the permissions and the disk")
    return FileError(f"cannot {doing}: {reason}", file=os.fspath(path), hint=hint)


def _check_path(path: PathLike) -> None:
    if "\0" in os.fspath(path):
        raise FileError("cannot use a path with a NUL character", file=repr(os.fspath(path)), hint="correct the path")


def _require_regular(mode: int, path: str) -> None:
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise FileError("is a folder; expected a file", number=902, file=path, hint=_HINTS[errno.EISDIR])
    raise UnsafeError(
        "is a pipe, socket or device; expected a regular file",
        number=802,
        file=path,
        hint="copy its content into a file first",
    )


def _open_regular(path: PathLike) -> tuple[int, os.stat_result]:
    """Opens a regular file for reading; links are followed, for the person chose the path.

    The file is looked at before it is opened too, because opening a device can already do something.
    """
    _check_path(path)
    name = os.fspath(path)
    try:
        _require_regular(os.stat(name).st_mode, name)
        descriptor = os.open(name, _OPEN_FLAGS)
    except OSError as error:
        raise file_error(error, path, "open the file") from error
    with ExitStack() as undo:
        undo.callback(os.close, descriptor)
        status = os.fstat(descriptor)
        _require_regular(status.st_mode, name)
        undo.pop_all()
    return descriptor, status


def read_bytes(path: PathLike, limit: int) -> bytes:
    """All bytes of a regular file of at most `limit` bytes.

    Raises:
        FileError: the file is absent, a folder, or may not be read.
        UnsafeError: it is a pipe or device, or has more than `limit` bytes (even if it grows while it is read).
    """
    name = os.fspath(path)
    descriptor, status = _open_regular(path)
    try:
        check_size(status.st_size, limit, what="the file", file=name)
        chunks: list[bytes] = []
        total = 0
        while chunk := os.read(descriptor, CHUNK_BYTES):
            total += len(chunk)
            check_size(total, limit, what="the file", file=name)
            chunks.append(chunk)
        return b"".join(chunks)
    except OSError as error:
        raise file_error(error, path, "read the file") from error
    finally:
        os.close(descriptor)


def read_text(path: PathLike, limit: int = MAX_TEXT_BYTES) -> str:
    """The text of a UTF-8 file of at most `limit` bytes; a byte order mark is dropped, line ends stay as they are.

    Raises:
        FormatError: the bytes are not UTF-8.
        FileError: as `read_bytes`.
        UnsafeError: as `read_bytes`.
    """
    data = read_bytes(path, limit)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(
            f"is not UTF-8 text: byte {error.start} is 0x{error.object[error.start]:02x}",
            number=302,
            file=os.fspath(path),
            hint="if it is a binary model, give it its usual suffix; else store it as UTF-8",
        ) from error


class MappedFile:
    """A regular file, opened once, whose bytes are read when they are needed.

    The descriptor stays open as long as the object lives, so the checks made at the opening stay true: a rename or a
    link put in its place later changes nothing. Size and modification time are recorded; a file that was changed in
    place is refused before bulk reads, because touching a mapped page behind the new end kills the process (SIGBUS).

    Attributes:
        path: the path as it was given.
        size: bytes at the opening.
    """

    __slots__ = ("__weakref__", "_descriptor", "_map", "_modified", "path", "size")

    def __init__(self, path: PathLike, descriptor: int) -> None:
        """Takes ownership of an open descriptor; use `open_mapped` or `open_beneath`."""
        weakref.finalize(self, os.close, descriptor)
        status = os.fstat(descriptor)
        self.path = os.fspath(path)
        self.size = status.st_size
        self._descriptor = descriptor
        self._modified = status.st_mtime_ns
        self._map: mmap.mmap | None = None

    def state(self) -> tuple[int, ...]:
        """Device, inode, size, and the times of modification and of change in nanoseconds: no other bytes have these.

        Nobody sets the time of change but the kernel, at every write (inode(7)). Raises FileError where the file is no
        longer as it was at the opening.
        """
        self.check()
        status = os.fstat(self._descriptor)
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def check(self) -> None:
        """Raises FileError where the file's size or modification time is no longer that of the opening."""
        status = os.fstat(self._descriptor)
        if (status.st_size, status.st_mtime_ns) != (self.size, self._modified):
            self._changed(f"it had {self.size} bytes and has {status.st_size}")

    def _changed(self, detail: str) -> NoReturn:
        raise FileError(
            f"the file changed since it was opened: {detail}",
            number=903,
            file=self.path,
            hint="let whoever writes it finish, then load it again",
        )

    def slice(self, offset: int, length: int, *, what: str = "the data") -> FileSlice:
        """The byte range [offset, offset + length); raises InvalidModelError where it leaves the file."""
        check_range(offset, length, self.size, what=what, file=self.path)
        return FileSlice(self, offset, length)

    def whole(self) -> FileSlice:
        """All bytes of the file."""
        return FileSlice(self, 0, self.size)

    def view(self) -> memoryview:
        """All bytes as a read-only view of the memory map; the map lives as long as any view of it.

        Raises:
            FileError: the file changed since it was opened, or cannot be mapped.
        """
        self.check()
        if self.size == 0:
            return memoryview(b"")
        if self._map is None:
            try:
                self._map = mmap.mmap(self._descriptor, self.size, access=mmap.ACCESS_READ)
            except OSError as error:
                raise file_error(error, self.path, "map the file into memory") from error
        return memoryview(self._map)

    def forget(self, offset: int, length: int) -> None:
        """Gives back the memory of the map's whole pages in a range; whoever looks there again reads them again."""
        start = -(-offset // mmap.PAGESIZE) * mmap.PAGESIZE
        end = (offset + length) // mmap.PAGESIZE * mmap.PAGESIZE
        if self._map is not None and start < end and hasattr(self._map, "madvise"):
            self._map.madvise(mmap.MADV_DONTNEED, start, end - start)

    def read_at(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`, read into fresh memory.

        Raises:
            InvalidModelError: the range leaves the file as it was at the opening.
            FileError: the file has changed and ends early, or the read fails.
        """
        check_range(offset, length, self.size, file=self.path)
        chunks: list[bytes] = []
        while length:
            try:
                chunk = os.pread(self._descriptor, min(length, CHUNK_BYTES), offset)
            except OSError as error:
                raise file_error(error, self.path, "read the file") from error
            if not chunk:
                self._changed(f"it ends at byte {offset} and had {self.size} bytes")
            chunks.append(chunk)
            offset += len(chunk)
            length -= len(chunk)
        return b"".join(chunks)

    def kernel_copy(self, offset: int, length: int, output: int) -> int:
        """Lets the kernel copy up to `length` bytes to `output`'s position (copy_file_range(2)).

        Returns:
            How many bytes it copied: 0 where it cannot copy between these two files, or the file ended.

        Raises:
            OSError: the output cannot be written, the disk is full.
        """
        if not hasattr(os, "copy_file_range"):
            return 0
        done = 0
        while done < length:
            step = min(length - done, _KERNEL_COPY_BYTES)
            try:
                copied = os.copy_file_range(self._descriptor, output, step, offset + done)
            except OSError as error:
                if error.errno in _NO_KERNEL_COPY:
                    return done
                raise
            if copied == 0:
                return done
            done += copied
        return done


@dataclass(frozen=True, slots=True)
class FileSlice:
    """A byte range of a file: a value that costs nothing until it is viewed, read or copied.

    Attributes:
        file: the open file.
        offset: the first byte.
        length: how many bytes; the range was checked against the file's size.
    """

    file: MappedFile
    offset: int
    length: int

    @property
    def path(self) -> str:
        """The file's path as it was given."""
        return self.file.path

    def __repr__(self) -> str:
        """The slice in words: path, offset and length."""
        return f"FileSlice({self.path!r}, offset={self.offset}, length={self.length})"

    def slice(self, offset: int, length: int, *, what: str = "the data") -> FileSlice:
        """The range [offset, offset + length) of this slice; raises InvalidModelError where it leaves the slice."""
        check_range(offset, length, self.length, what=what, file=self.path)
        return FileSlice(self.file, self.offset + offset, length)

    def view(self) -> memoryview:
        """The bytes as a read-only view of the file's memory map; raises FileError where the file changed."""
        return self.file.view()[self.offset : self.offset + self.length]

    def forget(self) -> None:
        """Gives back the memory of pages that were viewed; views stay as they are, and read them again."""
        self.file.forget(self.offset, self.length)

    def read(self) -> bytes:
        """The bytes, copied into fresh memory; raises FileError where the file changed."""
        self.file.check()
        return self.file.read_at(self.offset, self.length)

    def array(self, dtype: DTypeLike, shape: Sequence[int]) -> NDArray[np.generic]:
        """The bytes as a read-only array of `shape` that shares the memory map.

        Raises:
            InvalidModelError: shape and dtype do not make exactly `length` bytes.
            FileError: the file changed since it was opened.
        """
        import numpy as np

        item = np.dtype(dtype)
        expected = byte_count(shape, item.itemsize * 8, file=self.path)
        if expected != self.length:
            raise InvalidModelError(
                f"{list(shape)} of {item.name} takes {expected} bytes, but {self.length} are there",
                number=504,
                file=self.path,
                hint="the file's shapes and its data do not belong together",
            )
        return np.frombuffer(self.view(), dtype=item).reshape(tuple(shape))

    def chunks(self) -> Iterator[bytes]:
        """The bytes in pieces of at most `CHUNK_BYTES`; raises FileError where the file changed."""
        self.file.check()
        for start in range(0, self.length, CHUNK_BYTES):
            yield self.file.read_at(self.offset + start, min(CHUNK_BYTES, self.length - start))

    def sha256(self) -> str:
        """The SHA-256 of the bytes in hexadecimal, in bounded memory; raises FileError where the file changed."""
        import hashlib

        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()


def open_mapped(path: PathLike) -> MappedFile:
    """Opens a file that the person named, for reading by slices.

    Raises:
        FileError: the file is absent, a folder, or may not be read.
        UnsafeError: it is a pipe, socket or device.
    """
    descriptor, _ = _open_regular(path)
    return MappedFile(path, descriptor)


def _components(relative: str, folder: str) -> list[str]:
    """The parts of a companion's path, checked as text: nothing absolute, no `..`, nothing of other systems."""

    def refuse(why: str) -> NoReturn:
        raise UnsafeError(
            f"the model names the companion file {relative[:200]!r}, which {why}; "
            "expected a relative path inside the model's folder",
            file=folder,
            hint="put the file beside the model and name it by its bare name",
        )

    if "\0" in relative:
        refuse("holds a NUL character")
    if relative.startswith("/"):
        refuse("is absolute")
    if "\\" in relative:
        refuse("holds a backslash (another system's separator)")
    if len(relative) > 1 and relative[1] == ":":
        refuse("starts with a drive letter")
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    if ".." in parts:
        refuse("leaves its folder with '..'")
    if not parts or relative.endswith(("/", "/.")):
        refuse("names no file")
    return parts


def _link(path: str, what: str) -> UnsafeError:
    return UnsafeError(
        f"the companion file is reached through {what}; expected a plain file inside the model's folder",
        number=802,
        file=path,
        hint="some installers and caches make links: if you trust this model's origin, add --trust-links",
    )


def open_beneath(folder: PathLike, relative: str, *, trust_links: bool = False) -> MappedFile:
    """Opens a companion file that a model names, which must lie inside the model's folder.

    The path is walked one part at a time below an open folder, without following links, so nothing can be swapped in
    between the check and the opening. The classes of attack: CVE-2022-25882, CVE-2024-27318, CVE-2024-5187,
    CVE-2025-51480 (traversal), CVE-2026-27489 (symbolic links), CVE-2026-34446 (hard links).

    Args:
        folder: the folder of the model file; the person chose it, so it may itself be a link.
        relative: the path as the model gives it, with forward slashes.
        trust_links: follow symbolic links and take files with several hard links. The text of the path is checked
            all the same.

    Raises:
        UnsafeError: the path is absolute, leaves the folder, passes a link, or is no regular file.
        FileError: the file is absent or may not be read.
    """
    base = os.fspath(folder) or "."
    parts = _components(relative, base)
    path = os.path.join(base, *parts)
    follow = 0 if trust_links else os.O_NOFOLLOW
    with ExitStack() as opened:
        try:
            here = os.open(base, _OPEN_FLAGS | os.O_DIRECTORY)
            opened.callback(os.close, here)
            for part in parts[:-1]:
                if not trust_links and stat.S_ISLNK(os.stat(part, dir_fd=here, follow_symlinks=False).st_mode):
                    raise _link(path, f"the symbolic link {part!r}")
                here = os.open(part, _OPEN_FLAGS | os.O_DIRECTORY | follow, dir_fd=here)
                opened.callback(os.close, here)
            _check_companion(os.stat(parts[-1], dir_fd=here, follow_symlinks=trust_links), path, trust_links)
            descriptor = os.open(parts[-1], _OPEN_FLAGS | follow, dir_fd=here)
        except OSError as error:
            if error.errno == errno.ELOOP and not trust_links:
                raise _link(path, "a symbolic link") from error
            raise file_error(error, path, "open the companion file that the model names") from error
        undo = opened.enter_context(ExitStack())
        undo.callback(os.close, descriptor)
        _check_companion(os.fstat(descriptor), path, trust_links)
        undo.pop_all()
    return MappedFile(path, descriptor)


def _check_companion(status: os.stat_result, path: str, trust_links: bool) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise _link(path, "a symbolic link")
    _require_regular(status.st_mode, path)
    if status.st_nlink != 1 and not trust_links:
        raise _link(path, f"one of {status.st_nlink} hard links")
