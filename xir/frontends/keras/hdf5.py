"""Models and weights of Keras in HDF5 (keras/engine/saving.py of Keras 2.3, keras/src/legacy/saving of Keras 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xir.errors import FormatError, InvalidModelError, UnsafeError
from xir.files import FileSlice, MappedFile
from xir.frontends._hdf5 import MAGIC, elements_of, item_at, opened
from xir.frontends.keras.config import parsed
from xir.frontends.keras.model import KerasModel, Variable, Weights
from xir.frontends.keras.networks import read_network
from xir.ir.constant import Constant, constant_of
from xir.ir.types import TensorType, dtype_from_numpy
from xir.limits import MAX_TEXT_BYTES, check_size

if TYPE_CHECKING:
    import h5py

MAX_WEIGHTS = 200_000
"""Weights of one file."""


def looks_like_keras(file: MappedFile) -> bool:
    """Whether an HDF5 file holds a model of Keras; where h5py is missing, every HDF5 file but Caffe's may."""
    if file.read_at(0, min(file.size, len(MAGIC))) != MAGIC:
        return False
    try:
        import h5py
    except ImportError:
        return not file.path.endswith(".caffemodel.h5")
    try:
        with h5py.File(file.path, "r") as found:
            return "model_config" in found.attrs or "layer_names" in found.attrs or "keras_version" in found.attrs
    except (OSError, RuntimeError, KeyError, ValueError):
        return False


def read_model(file: MappedFile) -> KerasModel:
    """The model of a whole-model file (`.h5`, `.hdf5`).

    Raises:
        MissingExtraError: h5py is not installed.
        FormatError: HDF5 cannot read the file, or it holds weights alone.
        UnsafeError: it has links, external or virtual storage, or asks for too much.
        InvalidModelError, UnsupportedError: as `read_network`.
    """
    with opened(file.path, file.path, "Keras models in HDF5") as found:
        config = attribute(found, "model_config", file.path)
        if config is None:
            raise FormatError(
                "the file holds weights of Keras and no model",
                file=file.path,
                hint="give the model's configuration: NAME.json beside NAME.h5 or NAME_weights.h5",
            )
        group = item_at(found, "model_weights", file.path, "Keras") if "model_weights" in found else None
        version, backend = _writer(found, group, file.path)
        weights = None if group is None else weights_in(group, file.whole())
        training = attribute(found, "training_config", file.path)
    file.check()
    generation = generation_of(version, file.path)
    network = read_network(parsed(config, file.path, "the model's configuration"), generation)
    backend = backend or (_keras1_backend(weights) if generation == 1 else None)
    return KerasModel(file.path, (file.path,), generation, version, backend, network, weights, training)


def generation_of(version: str, path: str) -> int:
    """The major version of Keras that a version string says; tf.keras 2 calls itself `2.4.0-tf`."""
    major = version.split(".", 1)[0]
    if major not in ("0", "1", "2", "3"):
        raise FormatError(f"the file is of Keras {version[:20]!r}; xir reads Keras 1, 2 and 3", file=path)
    return max(int(major), 1)


def _writer(found: h5py.File, group: object, path: str) -> tuple[str, str | None]:
    """Version and backend of the Keras that wrote a file; Keras before 1.0.7 said no version."""
    import h5py

    holders = [found, group] if isinstance(group, h5py.Group) else [found]
    version = next((held for each in holders if (held := attribute(each, "keras_version", path))), "1")
    backend = next((held for each in holders if (held := attribute(each, "backend", path))), None)
    return version, backend


def _keras1_backend(weights: Mapping[str, Weights] | None) -> str | None:
    """What Keras 1 computed with: TensorFlow's names of variables end with `:0`, Theano's do not."""
    for held in (weights or {}).values():
        for variable in held.variables:
            return "tensorflow" if variable.name.endswith(":0") else "theano"
    return None


def attribute(group: h5py.Group, name: str, path: str) -> str | None:
    """A text that a group has as an attribute, or None."""
    if name not in group.attrs:
        return None
    value = group.attrs[name]
    if isinstance(value, bytes):
        check_size(len(value), MAX_TEXT_BYTES, what=f"the attribute {name!r}", file=path)
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise InvalidModelError(f"the attribute {name!r} is no text", file=path)
    return value


def names_in(group: h5py.Group, name: str, path: str) -> list[str]:
    """A list of names among a group's attributes; long ones are cut into `NAME0`, `NAME1`, ... (64 KiB each)."""
    import numpy as np

    pieces: list[object] = [group.attrs[name]] if name in group.attrs else []
    if not pieces:
        while f"{name}{len(pieces)}" in group.attrs:
            pieces.append(group.attrs[f"{name}{len(pieces)}"])
    found: list[str] = []
    for piece in pieces:
        for item in np.asarray(piece).reshape(-1).tolist():
            text: object = item.decode("utf-8", "replace") if isinstance(item, bytes) else item
            if not isinstance(text, str):
                if np.asarray(piece).size == 0:
                    continue
                raise InvalidModelError(f"the attribute {name!r} is no list of names", file=path)
            found.append(text)
    if len(found) > MAX_WEIGHTS:
        raise UnsafeError(f"the file holds more than {MAX_WEIGHTS} weights", number=806, file=path)
    return found


def weights_in(group: object, file: FileSlice) -> dict[str, Weights]:
    """{layer: its weights} of a group that lists its layers.

    Raises:
        InvalidModelError: the group, a layer or a weight is missing.
        UnsafeError: as `elements_of` and `item_at`.
    """
    import h5py

    if not isinstance(group, h5py.Group):
        raise InvalidModelError("the weights are no group of the HDF5 file", file=file.path)
    found: dict[str, Weights] = {}
    for layer in names_in(group, "layer_names", file.path):
        inner = _followed(group, layer, file.path)
        if not isinstance(inner, h5py.Group):
            raise InvalidModelError(f"the weights of layer {layer!r} are no group", file=file.path, layer=layer)
        names = names_in(inner, "weight_names", file.path)
        found[layer] = Weights(tuple(_variable(inner, name, layer, file) for name in names))
    return found


def _followed(group: h5py.Group, name: str, path: str) -> object:
    """What stands under a name with slashes, step by step."""
    import h5py

    found: object = group
    for step in name.split("/"):
        if step in ("", ".", ".."):
            raise UnsafeError(f"{name!r} is no name of an HDF5 object", number=802, file=path)
        if not isinstance(found, h5py.Group) or step not in found:
            raise InvalidModelError(f"the file lacks {name!r}, which it lists", file=path)
        found = item_at(found, step, path, "Keras")
    return found


def _variable(group: h5py.Group, name: str, layer: str, file: FileSlice) -> Variable:
    import h5py

    dataset = _followed(group, name, file.path)
    if not isinstance(dataset, h5py.Dataset):
        raise InvalidModelError(f"the weight {name!r} is no dataset", file=file.path, layer=layer)
    return Variable(name, constant_in(dataset, file, file.path, layer))


def constant_in(dataset: h5py.Dataset, file: FileSlice | None, path: str, layer: str) -> Constant:
    """The elements of a dataset of numbers.

    Raises:
        InvalidModelError: it holds no numbers.
        UnsafeError: as `elements_of`.
    """
    import numpy as np

    if dataset.dtype.kind not in "fiub" or dataset.dtype.itemsize > 8:
        raise InvalidModelError(f"{dataset.name} holds {dataset.dtype}, expected numbers", file=path, layer=layer)
    dtype = dataset.dtype.newbyteorder("<")
    held = elements_of(dataset, dtype.str, file, path, layer)
    if isinstance(held, np.ndarray):
        return constant_of(held)
    return Constant(TensorType(dtype_from_numpy(dtype), dataset.shape or ()), held)
