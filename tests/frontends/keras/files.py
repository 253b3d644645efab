"""Files of Keras made by hand, as its versions wrote them."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest

h5py = pytest.importorskip("h5py", reason="Keras keeps weights in HDF5")


def whole_model(
    path: Any, model: Any, weights: Any = None, *, version: Any = "2.2.4", backend: Any = None, training: Any = None
) -> Any:
    """A whole-model file: weights are {layer: {name: array, or a link}}."""
    with h5py.File(path, "w") as file:
        if version is not None:
            file.attrs["keras_version"] = version
        if backend is not None:
            file.attrs["backend"] = backend
        if training is not None:
            file.attrs["training_config"] = json.dumps(training)
        if model is not None:
            file.attrs["model_config"] = model if isinstance(model, str) else json.dumps(model)
        if weights is not None:
            put_weights(file.create_group("model_weights"), weights)
    return path


def put_weights(group: Any, weights: Any) -> None:
    """The weights of layers in a group, as Keras 1 and 2 lay them out."""
    group.attrs["layer_names"] = np.array([name.encode() for name in weights] or np.zeros(0, "S1"))
    for name, held in weights.items():
        layer = group.create_group(name)
        layer.attrs["weight_names"] = np.array([each.encode() for each in held] or np.zeros(0, "S1"))
        for each, value in held.items():
            if isinstance(value, np.ndarray):
                layer.create_dataset(each, data=value)
            else:
                layer[each] = value


def keras3_weights(weights: Any, data: Any = None) -> Any:
    """model.weights.h5 of Keras 3: {group: [arrays]}."""
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        for place, arrays in weights.items():
            group = file.create_group(f"{place}/vars")
            for number, array in enumerate(arrays):
                group[str(number)] = array
        if data is not None:
            data(file)
    return held.getvalue()


def archive(
    path: Any,
    config: Any,
    weights: Any,
    *,
    metadata: Any = '{"keras_version": "3.15.1"}',
    deflate: Any = False,
    more: Any = None,
) -> Any:
    """A `.keras` file; members are left out where they are None."""
    members: dict[str, Any] = {
        "metadata.json": metadata,
        "config.json": config if isinstance(config, str | bytes) else json.dumps(config),
        "model.weights.h5": weights,
        **(more or {}),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED) as file:
        for name, content in members.items():
            if content is not None:
                file.writestr(name, content)
    return path


def layer(kind: Any, name: Any, calls: Any = None, **config: Any) -> Any:
    """A layer of Keras 1 or 2: calls are lists of tensors, or names."""
    nodes: Any = None
    if calls is not None:
        nodes = [[[each, 0, 0, {}] if isinstance(each, str) else each for each in call] for call in calls]
    held = {"class_name": kind, "name": name, "config": {"name": name, **config}}
    return held if nodes is None else {**held, "inbound_nodes": nodes}


def functional(*layers: Any, inputs: Any = ("x",), outputs: Any = ("y",), kind: Any = "Model") -> Any:
    """A functional model."""
    ends = [[[name, 0, 0] if isinstance(name, str) else name for name in names] for names in (inputs, outputs)]
    return {
        "class_name": kind,
        "config": {"name": "m", "layers": list(layers), "input_layers": ends[0], "output_layers": ends[1]},
    }


def entry(name: Any, *shape: Any, **config: Any) -> Any:
    """An InputLayer."""
    return layer("InputLayer", name, [], batch_input_shape=[None, *shape], **config)


def sequential(*layers: Any) -> Any:
    """A Sequential model of Keras 1 or 2."""
    return {"class_name": "Sequential", "config": list(layers)}
