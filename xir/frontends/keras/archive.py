"""Archives of Keras 3 (`.keras`): config.json, metadata.json, model.weights.h5, assets of layers that look things up.

How they are laid out: `xir.keras_layout`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from xir.errors import FormatError, InvalidModelError, UnsafeError, UnsupportedError
from xir.files import FileSlice, MappedFile
from xir.frontends._archive import Archive, archive_of
from xir.frontends._hdf5 import SliceFile, item_at, opened
from xir.frontends.keras.config import parsed
from xir.frontends.keras.hdf5 import MAX_WEIGHTS, constant_in, generation_of
from xir.frontends.keras.model import Json, KerasModel, Variable, Weights
from xir.frontends.keras.networks import read_network
from xir.frontends.keras.owners import weights_of_layers
from xir.keras_layout import CONFIG, LISTS, METADATA, VARIABLES, WEIGHTS
from xir.limits import MAX_NESTING, MAX_TEXT_BYTES

if TYPE_CHECKING:
    import h5py

_ASSETS, _VOCABULARY = "assets/", "/vocabulary.txt"
_WHAT = "weights of Keras 3"


def looks_like_keras_archive(file: MappedFile) -> bool:
    """Whether a file is an archive that holds a configuration and says who wrote it."""
    archive = archive_of(file)
    return archive is not None and CONFIG in archive and METADATA in archive


def read_archive(file: MappedFile) -> KerasModel:
    """The model of an archive.

    Raises:
        MissingExtraError: h5py is not installed.
        FormatError, InvalidModelError, UnsafeError: the archive or its weights are damaged or hostile.
        UnsupportedError: the model is of a class of a person's own, or its weights are not in HDF5.
    """
    archive = Archive(file.whole())
    config = parsed(_text(archive, CONFIG), file.path, "the model's configuration")
    version = parsed(_text(archive, METADATA), file.path, "the archive's metadata").get("keras_version")
    if not isinstance(version, str):
        raise FormatError("the archive does not say the version of Keras", file=file.path)
    generation = generation_of(version, file.path)
    network = read_network(config, generation)
    if WEIGHTS not in archive:
        raise UnsupportedError(
            f"the archive has no {WEIGHTS}", file=file.path, hint="save the model with weights_format='h5'"
        )
    words = {
        name.removesuffix(_VOCABULARY): _text(archive, f"{_ASSETS}{name}")
        for name, _ in archive.below(_ASSETS)
        if name.endswith(_VOCABULARY)
    }
    tree = read_weights(archive.content(WEIGHTS), file.path, words)
    weights = weights_of_layers(network, tree)
    file.check()
    return KerasModel(
        file.path,
        (file.path,),
        generation,
        version,
        None,
        network,
        weights,
        training_of(config),
    )


def _text(archive: Archive, name: str) -> str:
    try:
        return archive.read(name, MAX_TEXT_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"the archive's {name} is not UTF-8", file=archive.path) from error


def training_of(config: Mapping[str, Json]) -> str | None:
    """How the model was trained, as a configuration of Keras 3 says it: JSON, or None."""
    held = config.get("compile_config")
    return json.dumps(held) if isinstance(held, dict) else None


def read_weights(content: FileSlice | bytes, path: str, words: Mapping[str, str] | None = None) -> Weights:
    """The weights of a model as Keras 3 stores them.

    Args:
        content: the HDF5 file, mapped or in memory.
        path: the file's path, for messages.
        words: vocabularies by the groups of their layers.

    Raises:
        MissingExtraError, FormatError, UnsafeError: as `opened`, `item_at`, `constant_in`.
        InvalidModelError: a variable has no number, or is no dataset of numbers.
    """
    mapped = content if isinstance(content, FileSlice) else None
    source = SliceFile(content) if isinstance(content, FileSlice) else io.BytesIO(content)
    with opened(source, path, _WHAT) as found:
        held = {name: _Tree(mapped, path, words or {}).weights(found, name) for name in LISTS if name in found}
    return Weights((), held)


class _Tree:
    """Reads the groups of one file, and counts them."""

    def __init__(self, data: FileSlice | None, path: str, words: Mapping[str, str]) -> None:
        self.data = data
        self.words = words
        self.path = path
        self.count = 0

    def weights(self, group: h5py.Group, name: str, depth: int = 1) -> Weights:
        """The weights of the group `name` in a group."""
        import h5py

        self.count += 1
        if depth > MAX_NESTING or self.count > MAX_WEIGHTS:
            raise UnsafeError(
                f"the file holds more than {MAX_WEIGHTS} groups, or groups nested more than {MAX_NESTING} deep",
                number=805,
                file=self.path,
            )
        inner = item_at(group, name, self.path, "Keras")
        if not isinstance(inner, h5py.Group):
            raise InvalidModelError(f"{group.name}/{name} is no group of the HDF5 file", file=self.path)
        variables = self.variables(inner) if VARIABLES in inner else ()
        parts = {each: self.weights(inner, each, depth + 1) for each in inner if each != VARIABLES}
        return Weights(variables, parts, self.words.get(str(inner.name).removeprefix("/")))

    def variables(self, group: h5py.Group) -> tuple[Variable, ...]:
        """The variables of one object, in the order of their numbers."""
        import h5py

        held = item_at(group, VARIABLES, self.path, "Keras")
        if not isinstance(held, h5py.Group):
            raise InvalidModelError(f"{group.name}/{VARIABLES} is no group of the HDF5 file", file=self.path)
        names = list(held)
        self.count += len(names)
        if any(not (name.isascii() and name.isdigit() and len(name) < 10) for name in names):
            names.sort()
        else:
            names.sort(key=int)
        return tuple(self.variable(held, name) for name in names)

    def variable(self, group: h5py.Group, name: str) -> Variable:
        """One variable; layers that look things up have words for numbers."""
        import h5py

        dataset = item_at(group, name, self.path, "Keras")
        if not isinstance(dataset, h5py.Dataset):
            raise InvalidModelError(f"{group.name}/{name} is no dataset", file=self.path)
        label = f"{group.name}/{name}".removeprefix("/")
        return Variable(label, constant_in(dataset, self.data, self.path, label))
