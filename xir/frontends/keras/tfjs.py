"""Layers models of TensorFlow.js: a configuration of Keras in a `model.json`, its weights in shards beside it.

Source: TensorFlow.js, tfjs-layers/src/models.ts (loadLayersModelFromIOHandler), tfjs-layers/src/engine/container.ts
(loadWeights: weights are told by their names) and tfjs-converter's converters/keras_h5_conversion.py (how models of
Keras become such files). The shards: `xir.frontends._tfjs`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from xir.errors import InvalidModelError
from xir.files import MappedFile, read_text
from xir.frontends._json import MAX_JSON_BYTES
from xir.frontends._json import Json as Place
from xir.frontends._tfjs import kind_of, read_weights
from xir.frontends.keras.config import parsed
from xir.frontends.keras.hdf5 import generation_of
from xir.frontends.keras.model import TFJS, Json, KerasModel, Variable, Weights
from xir.frontends.keras.networks import read_network
from xir.frontends.keras.owners import weights_of_layers
from xir.ir.constant import Constant
from xir.keras_layout import VARIABLES


def looks_like_layers_model(file: MappedFile) -> bool:
    """Whether a file is JSON with a configuration of layers."""
    return kind_of(file) == "layers"


def read_layers_model(path: str, *, trust_links: bool = False) -> KerasModel:
    """The model in a `model.json`, with the shards that it names.

    Args:
        path: the JSON file.
        trust_links: takes shards that are links.

    Raises:
        FormatError, InvalidModelError, UnsupportedError: as `read_network` and `read_weights`.
        UnsafeError, FileError: a shard lies elsewhere, is a link or too large, or is not there.
    """
    told = parsed(read_text(path, MAX_JSON_BYTES), path, "the model")
    topology = _object(told, "modelTopology", path)
    config = _object(topology, "model_config", path) if topology.get("model_config") is not None else topology
    said = topology.get("keras_version", config.get("keras_version"))
    version = said if isinstance(said, str) else "2"
    generation = 2 if version.startswith(TFJS) else generation_of(version, path)
    network = read_network(config, generation)
    if told.get("weightsManifest") is None:
        raise InvalidModelError("the model has no weights: the field 'weightsManifest' is missing", file=path)
    stored = read_weights(Place(told["weightsManifest"], "weightsManifest", path), trust_links=trust_links)
    weights = weights_of_layers(network, _weights(stored.held))
    trained = told.get("trainingConfig", topology.get("training_config"))
    training = json.dumps(trained) if isinstance(trained, dict) else None
    return KerasModel(path, (path, *stored.files), generation, version, None, network, weights, training)


def _object(held: Mapping[str, Json], name: str, path: str) -> dict[str, Json]:
    value = held.get(name)
    if not isinstance(value, dict):
        raise InvalidModelError(f"the field {name!r} is no object", file=path)
    return value


def _weights(held: Mapping[str, Constant]) -> Weights:
    """The weights of a model: in one list, or by groups where the converter took them from a file of Keras 3."""
    if not any(VARIABLES in name.split("/")[:-1] for name in held):
        return Weights(tuple(Variable(name, made) for name, made in held.items()))
    return _group([(name.split("/"), Variable(name, made)) for name, made in held.items()])


def _group(held: list[tuple[list[str], Variable]]) -> Weights:
    """Weights with the names of the groups that they stand in; those of one object by their numbers."""
    own = [(steps[-1], variable) for steps, variable in held if steps[:-1] in ([], [VARIABLES])]
    inner: dict[str, list[tuple[list[str], Variable]]] = {}
    for steps, variable in held:
        if steps[:-1] not in ([], [VARIABLES]):
            inner.setdefault(steps[0], []).append((steps[1:], variable))
    own.sort(key=lambda each: (len(each[0]), each[0]))
    return Weights(tuple(variable for _, variable in own), {name: _group(each) for name, each in inner.items()})
