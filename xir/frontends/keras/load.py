"""Keras among the formats: loaded with the options that concern it."""

from __future__ import annotations

from xir.files import open_mapped
from xir.frontends.keras.archive import read_archive
from xir.frontends.keras.configured import read_configured
from xir.frontends.keras.hdf5 import read_model
from xir.frontends.keras.importer import build
from xir.frontends.keras.model import KerasModel
from xir.frontends.keras.tfjs import read_layers_model
from xir.frontends.options import Loaded, LoadOptions


def load_keras_hdf5(path: str, options: LoadOptions) -> Loaded:
    """The graph of a whole model in HDF5.

    Raises:
        MissingExtraError, FormatError, UnsupportedError, InvalidModelError, UnsafeError: as `read_model` and `build`.
    """
    return _loaded(read_model(open_mapped(path)), options)


def load_keras_archive(path: str, options: LoadOptions) -> Loaded:
    """The graph of an archive of Keras 3.

    Raises:
        MissingExtraError, FormatError, UnsupportedError, InvalidModelError, UnsafeError: as `read_archive` and `build`.
    """
    return _loaded(read_archive(open_mapped(path)), options)


def load_keras_json(path: str, options: LoadOptions) -> Loaded:
    """The graph of a configuration with its weights.

    Raises:
        MissingExtraError, FormatError, UnsupportedError, InvalidModelError, UnsafeError: as `read_configured` and
            `build`.
    """
    return _loaded(read_configured(path, options.weights), options)


def load_tfjs_layers(path: str, options: LoadOptions) -> Loaded:
    """The graph of a layers model of TensorFlow.js.

    Raises:
        FormatError, UnsupportedError, InvalidModelError, UnsafeError, FileError: as `read_layers_model` and `build`.
    """
    return _loaded(read_layers_model(path, trust_links=options.trust_links), options)


def _loaded(model: KerasModel, options: LoadOptions) -> Loaded:
    imported = build(model, inputs=options.inputs)
    metadata = {"keras_version": model.version}
    if model.backend:
        metadata["backend"] = model.backend
    if model.training:
        metadata["training_config"] = model.training
    layers = sum(1 for _ in model.network.all_layers())
    return Loaded(imported.graph, "keras", model.files, layers, imported.notes, state=imported.state, metadata=metadata)
