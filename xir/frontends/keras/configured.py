"""Configurations in JSON with the weights in a file beside them (`model.to_json()` and `model.save_weights()`)."""

from __future__ import annotations

import os
from collections.abc import Mapping

from xir.errors import FormatError
from xir.files import MappedFile, open_mapped, read_text
from xir.frontends._hdf5 import opened
from xir.frontends.keras.archive import read_weights, training_of
from xir.frontends.keras.config import parsed
from xir.frontends.keras.hdf5 import attribute, generation_of, weights_in
from xir.frontends.keras.model import KerasModel, Network, Weights
from xir.frontends.keras.networks import MODELS, read_network
from xir.frontends.keras.owners import weights_of_layers
from xir.keras_layout import LISTS

_HEAD = 4096
"""Bytes in which a configuration says the class of its model."""

_ENDINGS = (".weights.h5", "_weights.h5", ".h5", "_weights.hdf5", ".hdf5")
"""What stands behind a model's name in the names of its weights."""


def looks_like_configuration(file: MappedFile) -> bool:
    """Whether a file is JSON that begins with the class of a model of Keras."""
    head = file.read_at(0, min(file.size, _HEAD)).lstrip()
    return head.startswith(b"{") and b'"class_name"' in head and any(f'"{kind}"'.encode() in head for kind in MODELS)


def read_configured(path: str, weights: str | None) -> KerasModel:
    """The model of a configuration.

    Args:
        path: the JSON file.
        weights: the file with the weights; None takes the one beside it that is called after it.

    Raises:
        MissingExtraError, UnsafeError: as `opened` and `weights_in`.
        FormatError: it is no JSON, or there are no weights.
        InvalidModelError, UnsupportedError: as `read_network`.
    """
    config = parsed(read_text(path), path, "the model's configuration")
    held = config.get("keras_version")
    version = held if isinstance(held, str) else "3" if "module" in config else "1"
    generation = generation_of(version, path)
    network = read_network(config, generation)
    file = open_mapped(weights or _beside(path))
    found, backend = _weights(file, network)
    said = config.get("backend")
    backend = said if isinstance(said, str) else backend
    training = training_of(config)
    return KerasModel(path, (path, file.path), generation, version, backend, network, found, training)


def _beside(path: str) -> str:
    stem = path.removesuffix(".json").removesuffix(".config")
    stems = [stem, stem.removesuffix("_config"), os.path.join(os.path.dirname(path), "model")]
    for each in stems:
        for ending in _ENDINGS:
            if os.path.isfile(each + ending):
                return each + ending
    raise FormatError(
        "the file is a configuration of Keras, and no weights are beside it",
        file=path,
        hint=f"name them: xir.load(path, weights=...), or put them beside it as {os.path.basename(stem)}.weights.h5",
    )


def _weights(file: MappedFile, network: Network) -> tuple[Mapping[str, Weights], str | None]:
    """The weights of a file, by layers: as Keras 3 lays them out, or as those before it; the backend if it says it."""
    with opened(file.path, file.path, "weights of Keras") as found:
        if "layer_names" in found.attrs or "layer_names0" in found.attrs:
            return weights_in(found, file.whole()), attribute(found, "backend", file.path)
        is_tree = any(name in found for name in LISTS)
        whole = "model_weights" in found
        if whole:
            return weights_in(found["model_weights"], file.whole()), attribute(found, "backend", file.path)
    if not is_tree:
        raise FormatError("the file holds no weights of Keras", file=file.path)
    return weights_of_layers(network, read_weights(file.whole(), file.path)), None
