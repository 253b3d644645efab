"""Finding the prototxt that belongs to a caffemodel, among the files beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from xir.files import PathLike, file_error

Why = Literal["same stem", "deploy.prototxt", "none"]
"""Why a prototxt was chosen."""

MAX_ENTRIES = 100_000
"""Directory entries that are looked at."""

_WEIGHT_ENDINGS = (".caffemodel.h5", ".caffemodel", ".h5", ".binaryproto")
_TEXT_ENDINGS = (".prototxt", ".pbtxt", ".prototext")


@dataclass(frozen=True, slots=True)
class Companion:
    """The prototxt beside a caffemodel.

    Attributes:
        path: the chosen prototxt, or None.
        why: by what it was chosen.
        candidates: all prototxts beside the caffemodel, sorted, for the error where none was chosen.
    """

    path: str | None
    why: Why
    candidates: tuple[str, ...]


def find_prototxt(weights: PathLike) -> Companion:
    """Looks for the net's description: a prototxt of the same stem, else `deploy.prototxt`, in the same folder.

    `<stem>_deploy.prototxt`, `<stem>-deploy.prototxt` and `<stem>.deploy.prototxt` count as the same stem. Nothing
    else is chosen: the other prototxts are only listed.

    Raises:
        FileError: the folder cannot be read.
    """
    path = os.fspath(weights)
    folder, name = os.path.split(path)
    names = _prototxts(folder)
    candidates = tuple(os.path.join(folder, one) for one in names)
    for ending in _WEIGHT_ENDINGS:
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
            break
    wanted = [name + joint + ending for ending in _TEXT_ENDINGS for joint in ("", "_deploy", "-deploy", ".deploy")]
    for one in wanted:
        if one in names:
            return Companion(os.path.join(folder, one), "same stem", candidates)
    if "deploy.prototxt" in names:
        return Companion(os.path.join(folder, "deploy.prototxt"), "deploy.prototxt", candidates)
    return Companion(None, "none", candidates)


def _prototxts(folder: str) -> list[str]:
    found: list[str] = []
    try:
        with os.scandir(folder or ".") as entries:
            for _, entry in zip(range(MAX_ENTRIES), entries, strict=False):
                if entry.name.lower().endswith(_TEXT_ENDINGS) and entry.is_file():
                    found.append(entry.name)
    except OSError as error:
        raise file_error(error, folder or ".", "list the folder of the caffemodel") from error
    return sorted(found)
