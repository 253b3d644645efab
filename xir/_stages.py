"""Folders of files that nobody sees yet, and what a kill leaves of them."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress

from xir._reading import PathLike, file_error

PREFIX, SUFFIX = ".xir-", ".tmp"
"""How the names of such folders begin, and how those of files that have no name of their own yet begin and end."""

_LOCK, _FILES = "xir.lock", "files"
"""A stage is the folder `.xir-<random>` with a lock and a folder of the files that are being written."""


def temporary_name() -> str:
    """A name for a file that has none of its own yet, which nothing else has."""
    return f"{PREFIX}{os.urandom(8).hex()}{SUFFIX}"


def is_temporary(name: str) -> bool:
    """Whether a file's name says that it has none of its own yet."""
    return name.startswith(PREFIX) and name.endswith(SUFFIX)


@contextmanager
def new_stage(folder: str, path: PathLike) -> Generator[str]:
    """A new folder in `folder`, removed in the end; its process holds a lock on a file beside it all the while."""
    try:
        stage, lock = _locked(folder)
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


def _locked(folder: str) -> tuple[str, int]:
    """A new locked folder, and the lock's descriptor.

    Whoever looks for abandoned folders may see this one before it is locked, and remove it: then another one is made.
    """
    while True:
        stage = tempfile.mkdtemp(prefix=PREFIX, dir=folder)
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


def remove_abandoned(folder: str) -> None:
    """Removes the folders that killed processes of this user left: those whose lock nobody holds.

    A lock ends with its process, whatever ends that (flock(2)); a number of a process may belong to another one later.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        found = sorted(
            entry.path
            for entry in entries
            if entry.name.startswith(PREFIX)
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


def sync_folder(folder: str) -> None:
    """Waits until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
