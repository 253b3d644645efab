"""A folder that is replaced whole, for models of several files whose names their format says.

Two renames are never one, and a kill between those of a graph and of its weights would leave an old graph with new
weights. Linux exchanges two folders in one step (renameat2(2), RENAME_EXCHANGE): the new files are put into a twin of
the folder, which has links to all that stays, and the twin takes the folder's place.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager

from xir._reading import PathLike, file_error
from xir._stages import is_temporary, new_stage, remove_abandoned, sync_folder
from xir.errors import FileError

_EXCHANGE = 2
"""RENAME_EXCHANGE of linux/fs.h."""

_FROM_HERE = -100
"""AT_FDCWD of linux/fcntl.h: paths are what they are everywhere else."""

_CANNOT = frozenset((errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EBUSY, errno.EXDEV, errno.EMLINK))
"""What the calls answer where the kernel or the file system has no exchange or no links, or something is mounted."""


@contextmanager
def exchanged_folder(folder: str, path: PathLike) -> Generator[str]:
    """A twin of `folder` to put new files into, which takes its place whole when the block ends well.

    The twin has the permissions and the files of the folder (hard links, so that nothing is copied and nothing is
    lost). If the block raises or the process is killed, nothing has changed.

    Args:
        folder: the real path of the folder.
        path: of the model, for messages.

    Raises:
        FileError: the process stands in the folder, which would be gone; or the system cannot exchange folders.
    """
    if os.path.commonpath((os.getcwd(), folder)) == folder:
        raise FileError(
            "cannot replace a model of several files in the working folder",
            file=os.fspath(path),
            hint="write it from another folder",
        )
    parent, name = os.path.split(folder)
    remove_abandoned(parent)
    with new_stage(parent, folder) as stage:
        twin = os.path.join(stage, name)
        with _refusals(path):
            _link_all(folder, twin)
        yield twin
        with _refusals(path):
            _exchange(folder, twin)


@contextmanager
def _refusals(path: PathLike) -> Generator[None]:
    """What the operating system refuses, in words."""
    try:
        yield
    except OSError as error:
        if error.errno in _CANNOT:
            raise FileError(
                "cannot replace the model: its files must change at once, and the file system exchanges no folders",
                file=os.fspath(path),
                hint="remove the old model first, or write into another folder",
            ) from error
        raise file_error(error, path, "replace the folder of the model") from error


def _link_all(folder: str, twin: str) -> None:
    """Makes a folder like another, with links to its files but those that are being written and have no name yet."""
    made: list[tuple[str, str]] = [(folder, twin)]
    for source, target in made:
        os.mkdir(target, 0o700)
        with os.scandir(source) as entries:
            for entry in entries:
                place = os.path.join(target, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    made.append((entry.path, place))
                elif not is_temporary(entry.name):
                    os.link(entry.path, place, follow_symlinks=False)
    for source, target in reversed(made):
        status = os.stat(source, follow_symlinks=False)
        os.chown(target, status.st_uid, status.st_gid)
        shutil.copystat(source, target)


def _exchange(one: str, other: str) -> None:
    """Lets two folders have each other's name, in one step that is on the disk when it returns."""
    library = ctypes.CDLL(None, use_errno=True)
    try:
        call = library.renameat2
    except AttributeError:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
    if call(_FROM_HERE, os.fsencode(one), _FROM_HERE, os.fsencode(other), _EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    sync_folder(os.path.dirname(one))
