"""Keras files that are damaged, hostile, or hold something else than a model."""

import json

import numpy as np
import pytest

import xir

h5py = pytest.importorskip("h5py", reason="Keras keeps weights in HDF5")

DENSE = {"class_name": "Dense", "config": {"name": "d", "units": 2, "batch_input_shape": [None, 3], "use_bias": False}}
MODEL = {"class_name": "Sequential", "config": [DENSE]}


def written(path, model=MODEL, *, version="2.2.4", names=("d/kernel:0",), shape=(3, 2), link=None):
    """A whole-model file with one layer's weights."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version
        file.attrs["model_config"] = model if isinstance(model, str) else json.dumps(model)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = np.array([b"d"])
        layer = group.create_group("d")
        layer.attrs["weight_names"] = np.array([name.encode() for name in names] or np.zeros(0, "S1"))
        for name in names:
            if link is None:
                layer.create_dataset(name, data=np.arange(np.prod(shape), dtype="<f4").reshape(shape))
            else:
                layer[name] = link
    return path


def changed(**settings):
    """The model with other settings of its layer."""
    return {"class_name": "Sequential", "config": [{"class_name": "Dense", "config": {**DENSE["config"], **settings}}]}


def test_a_model_of_one_layer(tmp_path):
    graph = xir.load(written(tmp_path / "m.h5"))
    x = np.ones((4, 3), np.float32)
    assert graph.input_names == ("d_input",)
    assert xir.run(graph, {"d_input": x})["d"].tolist() == [[6.0, 9.0]] * 4


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"model": "{"}, "no JSON"),
        ({"model": "[" * 5000}, "nested"),
        ({"model": "[1]"}, "no JSON object"),
        ({"model": '{"class_name": 1, "class_name": 2}'}, "one key twice"),
        ({"model": {"class_name": "Mine", "config": {}}}, "does not say what it computes"),
        ({"model": {"class_name": "Sequential", "config": []}}, "no layers"),
        ({"model": changed(units="many")}, "whole number"),
        ({"model": changed(unheard_of=3)}, "unheard_of"),
        ({"model": changed(activation="mine")}, "'mine'"),
        ({"model": changed(dtype="float16")}, "float16"),
        ({"model": changed(batch_input_shape=None)}, "does not say the shape"),
        ({"model": {"class_name": "Sequential", "config": [{**DENSE, "class_name": "Mine"}]}}, "no handler"),
        ({"model": {"class_name": "Sequential", "config": [{**DENSE, "class_name": "Lambda"}]}}, "never runs"),
        ({"model": {"class_name": "Sequential", "config": [DENSE, DENSE]}}, "two layers are called"),
        ({"version": "7.0"}, "Keras 1, 2 and 3"),
        ({"shape": (2, 2)}, "expected"),
        ({"names": ()}, "lacks its weight"),
        ({"names": ("d/kernel:0", "d/bias:0")}, "are not those of a layer"),
        ({"link": h5py.SoftLink("/elsewhere")}, "never followed"),
        ({"link": h5py.ExternalLink("other.h5", "/x")}, "never followed"),
    ],
)
def test_what_is_refused(settings, expected, tmp_path):
    with pytest.raises(xir.XirError, match=expected):
        xir.load(written(tmp_path / "m.h5", **settings))


def functional(*layers, outputs):
    return {
        "class_name": "Model",
        "config": {"name": "m", "layers": list(layers), "input_layers": [["x", 0, 0]], "output_layers": outputs},
    }


def layer(kind, name, calls, **config):
    return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": calls}


X = layer("InputLayer", "x", [], batch_input_shape=[None, 3])


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            functional(
                X,
                layer("Add", "a", [[["x", 0, 0, {}], ["b", 0, 0, {}]]]),
                layer("Add", "b", [[["x", 0, 0, {}], ["a", 0, 0, {}]]]),
                outputs=[["b", 0, 0]],
            ),
            "wait for each other",
        ),
        (functional(X, outputs=[["y", 0, 0]]), "does not exist"),
        (functional(X, layer("Flatten", "f", [[["x", 3, 0, {}]]]), outputs=[["f", 0, 0]]), "does not exist"),
        (functional(X, layer("Flatten", "f", [[["x", 0, 0, {}]]]), outputs=[["f", 0, 1]]), "no output 1"),
        (functional(X, layer("Subtract", "s", [[["x", 0, 0, {}]]]), outputs=[["s", 0, 0]]), "two tensors"),
    ],
)
def test_networks_that_contradict_themselves(model, expected, tmp_path):
    with pytest.raises(xir.XirError, match=expected):
        xir.load(written(tmp_path / "m.h5", model))


def test_a_deflated_weight_that_unpacks_to_far_more(tmp_path):
    path = written(tmp_path / "m.h5", names=())
    with h5py.File(path, "a") as file:
        held = file["model_weights/d"]
        held.attrs["weight_names"] = np.array([b"kernel"])
        held.create_dataset("kernel", (3000, 3000), "<f4", chunks=(3000, 3000), compression="gzip", fillvalue=1)
    with pytest.raises(xir.XirError, match="unpacks"):
        xir.load(path)
