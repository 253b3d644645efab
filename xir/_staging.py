"""Writing files that are looked at before they take their place."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace

from xir._exchange import exchanged_folder
from xir._reading import PathLike, file_error
from xir._stages import new_stage, remove_abandoned, sync_folder
from xir.errors import FileError, XirError


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
    remove_abandoned(folder)
    with new_stage(folder, path) as stage:
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
            if _replaces(stage, folder):
                with exchanged_folder(folder, path) as twin:
                    _move(stage, twin)
            else:
                _move(stage, folder, last=name)
        except OSError as error:
            raise file_error(error, path, "write") from error


def _asked(path: PathLike, name: str) -> str:
    """The path of a staged file as a person knows it: that of the model, or of a file beside it."""
    asked: str = os.fspath(path)
    return asked if name == os.path.basename(os.path.realpath(asked)) else os.path.join(os.path.dirname(asked), name)


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


def _replaces(stage: str, folder: str) -> bool:
    """Whether a file takes the place of another in a folder beside the model: then all of them must change at once."""
    staged = (entry for entry in os.scandir(stage) if entry.is_dir(follow_symlinks=False))
    return any(
        os.path.lexists(os.path.join(folder, entry.name, name)) for entry in staged for name in os.listdir(entry.path)
    )


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
    sync_folder(folder)
