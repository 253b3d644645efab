"""An archive of Keras 3: the configuration, what wrote it, and the weights in HDF5 (`xir.keras_layout`)."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xir.backends.export.keras._layers import Entry
from xir.errors import MissingExtraError
from xir.files import PathLike, atomic_write
from xir.keras_layout import CONFIG, LISTS, METADATA, VARIABLES, WEIGHTS, Groups, Json

if TYPE_CHECKING:
    import h5py

_VERSION = "3.15.1"
"""The Keras with which the layers and operations were compared."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""When members were changed: the first moment that archives can say, so that the same model makes the same bytes."""


def write_archive(path: PathLike, model: dict[str, Json], entries: Sequence[Entry]) -> int:
    """Writes an archive, whole or not at all; answers its size in bytes.

    Args:
        path: of the file.
        model: the configuration.
        entries: the layers and operations, in the configuration's order.

    Raises:
        MissingExtraError: h5py is not installed.
        FileError: the file cannot be written; an old one is untouched.
    """
    members = {
        METADATA: json.dumps({"keras_version": _VERSION}).encode(),
        CONFIG: json.dumps(model).encode(),
        WEIGHTS: _weights(entries),
    }
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    with atomic_write(path) as file:
        file.write(held.getbuffer())
    return held.tell()


def _weights(entries: Sequence[Entry]) -> bytes:
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("writing weights of Keras needs h5py", hint="pip install h5py") from None
    held, groups = io.BytesIO(), Groups()
    with h5py.File(held, "w") as file:
        layers = file.create_group(LISTS[0])
        for entry in entries:
            if entry.is_layer:
                _store(layers.create_group(groups.of(entry.kind)), entry)
    return held.getvalue()


def _store(group: h5py.Group, entry: Entry) -> None:
    owner = group if entry.part is None else group.create_group(entry.part)
    variables = owner.create_group(VARIABLES)
    for number, weight in enumerate(entry.weights):
        variables.create_dataset(str(number), data=weight.array())
