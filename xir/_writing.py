"""Writing: a file appears whole under its name or not at all, and the old one stays until then (see `xir.files`)."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from xir._exchange import exchanged_folder
from xir._reading import FileSlice, PathLike, file_error
from xir._stages import temporary_name
from xir.errors import FileError, UnsafeError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

_NO_TEMPORARY = frozenset((errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT))
"""What open(2) answers to O_TMPFILE where the kernel or the file system does not have it."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

BLOCK_BYTES = 1 << 21
"""Bytes that are handed to the operating system at once, from a multiple of as many on.

Linux keeps what one write(2) brings in one piece of memory, up to what one entry of a page table maps (2 MiB on x86-64
and AArch64). Mapped so, weights are read a fifth faster than in pages of 4 KiB.
"""


class OutputFile:
    """A file that is being written and has no name of its own yet.

    Small writes are gathered in a buffer of at most `BLOCK_BYTES`; slices of other files are copied by the kernel
    where it can. Whatever the operating system refuses is a `FileError` that names the path the file was meant for.

    On Linux the file has no name at all until it is complete (O_TMPFILE), so not even `kill -9` leaves a trace; where
    that is missing it is called `.xir-<random>.tmp` in the same folder.

    Attributes:
        path: where the file will stand, for messages.
    """

    __slots__ = ("_buffer", "_descriptor", "_folder", "_size", "_temporary", "path")

    def __init__(self, folder: int, path: str, mode: int | None) -> None:
        """Makes the unnamed file in the open folder `folder`; `mode` None leaves the permissions to the umask."""
        self.path = path
        self._folder = folder
        self._buffer = bytearray()
        self._size = 0
        self._temporary: str | None = None
        permissions = 0o666 if mode is None else mode
        try:
            self._descriptor = self._create(permissions)
            if mode is not None:
                os.fchmod(self._descriptor, mode)
        except OSError as error:
            self.discard()
            raise file_error(error, path, "create the file") from error

    def _create(self, permissions: int) -> int:
        self._descriptor = -1
        unnamed = getattr(os, "O_TMPFILE", 0)
        if unnamed and os.path.isdir("/proc/self/fd"):
            try:
                return os.open(".", os.O_RDWR | os.O_CLOEXEC | unnamed, permissions, dir_fd=self._folder)
            except OSError as error:
                if error.errno not in _NO_TEMPORARY:
                    raise
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._temporary = temporary_name()
        return os.open(self._temporary, flags, permissions, dir_fd=self._folder)

    def tell(self) -> int:
        """Bytes written so far."""
        return self._size + len(self._buffer)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Appends all of `data` and returns its number of bytes; raises FileError where the disk refuses."""
        view = memoryview(data).cast("B")
        count = len(view)
        while view:
            room = BLOCK_BYTES - self.tell() % BLOCK_BYTES
            if self._buffer or len(view) < room:
                self._buffer += view[:room]
                view = view[room:]
            else:  # whole blocks need not be gathered
                whole = room + (len(view) - room) // BLOCK_BYTES * BLOCK_BYTES
                self._write_through(view[:whole])
                view = view[whole:]
            if self.tell() % BLOCK_BYTES == 0:
                self.flush()
        return count

    def copy(self, source: FileSlice) -> None:
        """Appends the bytes of `source`, file to file, in bounded memory.

        Raises:
            FileError: the source changed or ended early, or the disk refuses.
        """
        source.file.check()
        self.flush()
        try:
            done = source.file.kernel_copy(source.offset, source.length, self._descriptor)
        except OSError as error:
            raise file_error(error, self.path, f"copy bytes of {source.path}") from error
        self._size += done
        for chunk in source.slice(done, source.length - done).chunks():
            self._write_through(memoryview(chunk))

    def flush(self) -> None:
        """Hands the gathered bytes to the operating system."""
        if self._buffer:
            gathered, self._buffer = self._buffer, bytearray()
            self._write_through(memoryview(gathered))

    def _write_through(self, view: memoryview) -> None:
        while view:
            try:
                written = os.write(self._descriptor, view)
            except OSError as error:
                raise file_error(error, self.path, "write the file") from error
            if written == 0:
                raise FileError("cannot write the file: the system takes no more bytes", file=self.path)
            self._size += written
            view = view[written:]

    def finish(self) -> None:
        """Writes what is gathered and waits until all of it is on the disk."""
        self.flush()
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise file_error(error, self.path, "write the file to the disk") from error

    def publish(self, name: str, folder: int | None = None) -> None:
        """Gives the finished file its name in its folder, or in another one, in the place of a file that had it."""
        try:
            if self._temporary is None:
                self._temporary = temporary_name()
                # Only linkat(2) with a folder follows the link in /proc, and only rename(2) may replace a file.
                os.link(f"/proc/self/fd/{self._descriptor}", self._temporary, dst_dir_fd=self._folder)
            into = self._folder if folder is None else folder
            os.rename(self._temporary, name, src_dir_fd=self._folder, dst_dir_fd=into)
            self._temporary = None
        except OSError as error:
            raise file_error(error, self.path, "give the file its name") from error

    def stands_as(self, name: str, folder: int) -> bool:
        """Whether the file `name` of an open folder is this very file."""
        try:
            return os.path.samestat(os.stat(name, dir_fd=folder), os.fstat(self._descriptor))
        except OSError:
            return False

    def discard(self) -> None:
        """Closes the file and removes it if it has not got its name; may be called twice."""
        if self._temporary is not None:
            with suppress(OSError):
                os.unlink(self._temporary, dir_fd=self._folder)
            self._temporary = None
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with suppress(OSError):
                os.close(descriptor)


class AtomicGroup:
    """A model file and the data files beside it, which appear together.

    The data files get their names first and the model last: whoever sees the new model sees its data too. Name a
    data file by the hash of its content, so that an old model's data is never overwritten with other bytes. Where the
    format says the name, let the file stand in a folder in the model's: if an old one is there, the model's folder is
    replaced whole (`xir._exchange`).

    Attributes:
        model: the model file, to be written like any other.
    """

    __slots__ = ("_files", "_folder", "_mode", "_name", "_parent", "model")

    def __init__(self, folder: int, path: str, mode: int | None) -> None:
        """Starts the group for the model at `path` in the open folder `folder`; use `atomic_group`."""
        self._folder = folder
        self._parent, self._name = os.path.split(path)
        self._mode = mode
        self._files: list[tuple[OutputFile, str | None]] = []
        self.model = OutputFile(folder, path, mode)

    def data(self) -> OutputFile:
        """A new data file; it needs a `name` before the group ends."""
        output = OutputFile(self._folder, os.path.join(self._parent, self._name + " (data)"), self._mode)
        self._files.append((output, None))
        return output

    def name(self, output: OutputFile, name: str, within: str | None = None) -> None:
        """Names a data file; `name` is a bare file name in the model's folder.

        Args:
            output: the data file.
            name: what it is called.
            within: a folder in the model's folder where it stands instead; it is made where it is not there.

        Raises:
            UnsafeError: a name is no bare file name, or is the model's own or another data file's.
            ValueError: `output` is no data file of this group.
        """
        for part in (name,) if within is None else (within, name):
            if part in ("", ".", "..") or "/" in part or "\\" in part or "\0" in part:
                raise UnsafeError(f"{part!r} is no bare file name", file=self.model.path)
        name = name if within is None else f"{within}/{name}"
        if name == self._name or any(other == name for _, other in self._files):
            raise UnsafeError(f"two files of one model would be called {name!r}", file=self.model.path)
        for position, (candidate, _) in enumerate(self._files):
            if candidate is output:
                output.path = os.path.join(self._parent, name)
                self._files[position] = (output, name)
                return
        raise ValueError("the output is no data file of this group")

    def commit(self) -> None:
        """Brings every file to the disk and gives them their names, the model's last."""
        named: list[tuple[OutputFile, str]] = []
        for output, name in self._files:
            if name is None:
                raise ValueError("a data file of the group has no name")
            named.append((output, name))
        for output in [*(output for output, _ in named), self.model]:
            output.finish()
        if not any("/" in name and _exists(name, self._folder) for _, name in named):
            self._place(named, self._folder)
            return
        with exchanged_folder(self._parent, self.model.path) as twin:
            folder = os.open(twin, _FOLDER)
            try:
                self._place(named, folder)
            finally:
                os.close(folder)

    def _place(self, named: Sequence[tuple[OutputFile, str]], folder: int) -> None:
        """Gives every file its name in an open folder, the model's last; on an exception none has one."""
        within = sorted({os.path.dirname(name) for _, name in named} - {""})
        with ExitStack() as undo:
            for each in within:
                self._make(each, folder, undo)
            for output, name in named:
                if not _exists(name, folder):
                    undo.callback(self._take_back, name, folder)
                output.publish(name, folder)
            for each in within:
                self._sync(each, folder)
            self.model.publish(self._name, folder)
            undo.pop_all()

    def _make(self, within: str, folder: int, undo: ExitStack) -> None:
        """Makes a folder in the model's folder; one that is there must be one itself, no link to another."""
        try:
            os.mkdir(within, dir_fd=folder)
            undo.callback(_take_back_folder, within, folder)
        except FileExistsError:
            status = os.stat(within, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                path = os.path.join(self._parent, within)
                raise FileError("is no folder; data files stand there", number=902, file=path, hint="move it") from None
        except OSError as error:
            raise file_error(error, os.path.join(self._parent, within), "make the folder") from error

    def _sync(self, within: str, folder: int) -> None:
        """Waits until the names in a folder of the model's folder are on the disk."""
        path = os.path.join(self._parent, within)
        try:
            descriptor = os.open(within, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
        except OSError as error:
            raise file_error(error, path, "write the folder to the disk") from error
        try:
            _sync_folder(descriptor, path)
        finally:
            os.close(descriptor)

    def _take_back(self, name: str, folder: int) -> None:
        """Removes a data file whose model did not get its name (Ctrl-C can come between that and its return)."""
        if not self.model.stands_as(self._name, folder):
            with suppress(OSError):
                os.unlink(name, dir_fd=folder)

    def discard(self) -> None:
        """Closes every file and removes those that have no name yet."""
        for output in [*(output for output, _ in self._files), self.model]:
            output.discard()


def _take_back_folder(within: str, folder: int) -> None:
    """Removes a folder that was made, unless the model's data files stay in it."""
    with suppress(OSError):
        os.rmdir(within, dir_fd=folder)


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _old_mode(path: str) -> int | None:
    """The permissions of the regular file at `path`, None where there is none; refuses what must not be replaced."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise file_error(error, path, "write the file") from error
    if stat.S_ISLNK(status.st_mode):  # a link that could not be resolved
        raise file_error(OSError(errno.ELOOP, ""), path, "write the file")
    if stat.S_ISDIR(status.st_mode):
        raise FileError(
            "is a folder; expected the name of a file to write", number=902, file=path, hint="add a file name"
        )
    if not stat.S_ISREG(status.st_mode):
        raise FileError(
            "is a pipe, socket or device; expected the name of a file to write",
            number=902,
            file=path,
            hint="choose a name for a regular file",
        )
    if not os.access(path, os.W_OK):
        raise file_error(OSError(errno.EACCES, ""), path, "replace the file")
    return stat.S_IMODE(status.st_mode) & 0o777


@contextmanager
def atomic_group(path: PathLike) -> Generator[AtomicGroup, None, None]:
    """Writes a model file with data files beside it: on leaving the block all of them stand whole, or none.

    A symbolic link at `path` is followed, so the file that it points at is replaced and the link stays. Permissions
    are those of the old file, or the umask's. On any exception in the block, Ctrl-C included, nothing is left behind
    and the old model is untouched.

    Raises:
        FileError: the folder is absent, the path is no regular file, the disk is full, ...
    """
    if "\0" in os.fspath(path):
        raise FileError("cannot use a path with a NUL character", file=repr(os.fspath(path)), hint="correct the path")
    target = os.path.realpath(path)
    mode = _old_mode(target)
    if os.fspath(path).endswith("/") or os.path.basename(target) == "":
        raise FileError("names no file to write", number=902, file=os.fspath(path), hint="add a file name")
    parent = os.path.dirname(target)
    with ExitStack() as opened:
        try:
            folder = os.open(parent, _FOLDER)
        except OSError as error:
            raise file_error(error, parent, "open the folder to write into") from error
        opened.callback(os.close, folder)
        group = AtomicGroup(folder, target, mode)
        opened.callback(group.discard)
        yield group
        group.commit()
        _sync_folder(folder, target)


def _sync_folder(folder: int, path: str) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # file systems that cannot sync a folder
            raise file_error(error, path, "write the folder to the disk") from error


@contextmanager
def atomic_write(path: PathLike) -> Generator[OutputFile, None, None]:
    """Writes one file that stands whole when the block is left, or not at all; see `atomic_group`.

    Raises:
        FileError: the folder is absent, the path is no regular file, the disk is full, ...
    """
    with atomic_group(path) as group:
        yield group.model
