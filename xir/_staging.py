"""Writing files that are looked at before they take their place."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager

from xir._reading import PathLike, file_error
from xir.errors import FileError


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
    try:
        stage = tempfile.mkdtemp(prefix=".xir-", dir=folder)
    except OSError as error:
        raise file_error(error, path, "write") from error
    try:
        staged = os.path.join(stage, name)
        yield staged
        try:
            if os.path.isfile(target):
                os.chmod(staged, os.stat(target).st_mode & 0o777)
            for other in sorted(os.listdir(stage), key=lambda entry: (entry == name, entry)):
                os.replace(os.path.join(stage, other), os.path.join(folder, other))
            _sync(folder)
        except OSError as error:
            raise file_error(error, path, "write") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


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


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
