"""Writing files that are looked at before they take their place."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import replace

from xir._reading import PathLike, file_error
from xir.errors import FileError, XirError

_PREFIX, _LOCK, _FILES = ".xir-", "xir.lock", "files"
"""A stage is the folder `.xir-<random>` with a lock and a folder of the files that are being written."""


@contextmanager
def staged_write(path: PathLike) -> Generator[str]:
    """A path to write a model to; what stands there when the block ends well takes the place of `path`.

    The model and the files beside it lie in a folder of their own until then, on the same file system, so a check may
    open them like any other model; the model itself is moved last. If the block raises, nothing has changed.

    Raises:
        FileError: if the operating system refuses.
    """
    target: str = os.path.realpath(os.fspath(path))
    folder, name = os.path.split(target)
    _check_replaceable(target, path)
    _remove_abandoned(folder)
    with _stage(folder, path) as stage:
        staged = os.path.join(stage, name)
        try:
            yield staged
        except XirError as error:
            if error.source.file is not None and error.source.file.startswith(stage + os.sep):
                error.source = replace(error.source, file=_asked(path, os.path.relpath(error.source.file, stage)))
            raise
        try:
            if os.path.isfile(target):
                os.chmod(staged, os.stat(target).st_mode & 0o777)
            _move(stage, folder, last=name)
        except OSError as error:
            raise file_error(error, path, "write") from error


def _asked(path: PathLike, name: str) -> str:
    """The path of a staged file as a person knows it: that of the model, or of a file beside it."""
    asked: str = os.fspath(path)
    return asked if name == os.path.basename(os.path.realpath(asked)) else os.path.join(os.path.dirname(asked), name)


@contextmanager
def _stage(folder: str, path: PathLike) -> Generator[str]:
    """A new folder in `folder`, removed in the end; its process holds a lock on a file beside it all the while."""
    try:
        stage, lock = _new_stage(folder)
    except OSError as error:
        raise file_error(error, path, "write") from error
    try:
        files = os.path.join(stage, _FILES)
        try:
            os.mkdir(files, 0o700)
        except OSError as error:
            raise file_error(error, path, "write") from error
        yield files
    finally:
        _remove(stage)
        os.close(lock)


def _new_stage(folder: str) -> tuple[str, int]:
    """A new locked folder, and the lock's descriptor.

    Whoever looks for abandoned folders may see this one before it is locked, and remove it: then another one is made.
    """
    while True:
        stage = tempfile.mkdtemp(prefix=_PREFIX, dir=folder)
        name = os.path.join(stage, _LOCK)
        try:
            lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:
            continue
        with suppress(OSError):  # a file system without locks: then nobody else gets one either, and nothing is removed
            fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), os.lstat(name)):
                return stage, lock
        os.close(lock)


def _remove_abandoned(folder: str) -> None:
    """Removes the folders that killed processes of this user left: those whose lock nobody holds.

    A lock ends with its process, whatever ends that (flock(2)); a number of a process may belong to another one later.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        found = sorted(
            entry.path
            for entry in entries
            if entry.name.startswith(_PREFIX)
            and entry.is_dir(follow_symlinks=False)
            and entry.stat(follow_symlinks=False).st_uid == os.geteuid()
        )
        for stage in found:
            _remove_if_abandoned(stage)


def _remove_if_abandoned(stage: str) -> None:
    try:
        lock = os.open(os.path.join(stage, _LOCK), os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        with suppress(OSError):  # killed between making the folder and its lock, or somebody's own folder
            os.rmdir(stage)
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    else:
        _remove(stage)
    finally:
        os.close(lock)


def _remove(stage: str) -> None:
    """Removes a stage, its lock last: what is left of it after a kill in between can still be recognized."""
    shutil.rmtree(os.path.join(stage, _FILES), ignore_errors=True)
    with suppress(OSError):
        os.unlink(os.path.join(stage, _LOCK))
        os.rmdir(stage)


def _check_replaceable(target: str, path: PathLike) -> None:
    """Refuses what must not be replaced, before any work is done."""
    if not os.path.lexists(target):
        return
    if not os.path.isfile(target):
        raise FileError(
            "is no regular file; expected the name of a file to write",
            number=902,
            file=os.fspath(path),
            hint="add a file name, or choose another one",
        )
    if not os.access(target, os.W_OK):
        raise file_error(OSError(errno.EACCES, ""), path, "replace the file")


def _move(stage: str, folder: str, last: str = "") -> None:
    """Moves everything to where it belongs, what folders hold into the folder of the same name, which may be there."""
    for entry in sorted(os.listdir(stage), key=lambda entry: (entry == last, entry)):
        source, target = os.path.join(stage, entry), os.path.join(folder, entry)
        if not os.path.isdir(source):
            os.replace(source, target)
            continue
        if os.path.islink(target) or not os.path.isdir(target):
            os.mkdir(target)  # raises where something else is called so
        _move(source, target)
    _sync(folder)


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
