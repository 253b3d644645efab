"""Keras files that are damaged, hostile, or hold something else than a model."""

import json

import numpy as np
import pytest

import xir
from tests.frontends.keras.files import entry, functional, h5py, layer, sequential, whole_model
from xir.files import open_mapped
from xir.frontends.keras.hdf5 import looks_like_keras

DENSE = layer("Dense", "d", units=2, batch_input_shape=[None, 3], use_bias=False)
MODEL = sequential(DENSE)
KERNEL = np.arange(6, dtype=np.float32).reshape(3, 2)


def written(path, model=MODEL, weights=None, **settings):
    return whole_model(path, model, {"d": {"d/kernel:0": KERNEL}} if weights is None else weights, **settings)


def changed(**settings):
    """The model with other settings of its layer."""
    return sequential({"class_name": "Dense", "config": {**DENSE["config"], **settings}})


def test_a_model_of_one_layer(tmp_path):
    graph = xir.load(written(tmp_path / "m.h5", training={"loss": "mse"}, backend="tensorflow"))
    x = np.ones((4, 3), np.float32)
    assert graph.input_names == ("d_input",)
    assert xir.run(graph, {"d_input": x})["d"].tolist() == [[6.0, 9.0]] * 4


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"model": "{"}, "no JSON"),
        ({"model": "[" * 5000}, "nested"),
        ({"model": '{"a": ' + "[" * 600 + "]" * 600 + "}"}, "nested"),
        ({"model": "[1]"}, "no JSON object"),
        ({"model": '{"class_name": 1, "class_name": 2}'}, "one key twice"),
        ({"model": {"class_name": "Mine", "config": {}}}, "does not say what it computes"),
        ({"model": sequential()}, "no layers"),
        ({"model": {"class_name": "Sequential", "config": "x"}}, "no list"),
        ({"model": {"class_name": "Sequential", "config": ["x"]}}, "no object"),
        ({"model": {"class_name": "Sequential", "config": [{}]}}, "expected a word"),
        ({"model": {"class_name": "Sequential", "config": [{"class_name": "Dense"}]}}, "is no object"),
        ({"model": {"class_name": "Sequential", "config": [{"class_name": "Dense", "config": {}}]}}, "no name"),
        ({"model": {"class_name": "Sequential", "config": [MODEL, {**sequential(), "name": "a"}]}}, "no layers"),
        ({"model": changed(units="many")}, "whole number"),
        ({"model": changed(unheard_of=3)}, "unheard_of"),
        ({"model": changed(activation="mine")}, "'mine'"),
        ({"model": changed(activation=3)}, "no name"),
        ({"model": changed(activation={"class_name": 3, "config": {}})}, "neither a name nor a layer"),
        ({"model": changed(dtype="float8")}, "float8"),
        ({"model": changed(dtype={"class_name": "Policy", "config": 3})}, "numbers of the type"),
        ({"model": changed(dtype={"class_name": "Quantized", "config": {"name": "int8"}})}, "'Quantized'"),
        ({"model": changed(quantization_config={})}, "quantised"),
        ({"model": changed(batch_input_shape=None)}, "does not say the shape"),
        ({"model": changed(batch_input_shape=[None, -3])}, "has the shape"),
        ({"model": sequential({**DENSE, "class_name": "Mine"})}, "no handler"),
        ({"model": sequential({**DENSE, "class_name": "Lambda"})}, "never runs"),
        ({"model": sequential(DENSE, DENSE)}, "two layers are called"),
        ({"version": "7.0"}, "Keras 1, 2 and 3"),
        ({"weights": {"d": {"k": np.ones((2, 2), np.float32)}}}, "expected"),
        ({"weights": {"d": {}}}, "lacks its weight"),
        ({"weights": {"d": {"k": KERNEL, "b": KERNEL}}}, "are not those of a layer"),
        ({"weights": {"d": {"k": np.ones((3, 2), np.complex64)}}}, "expected numbers"),
        ({"weights": {"d": {"k": h5py.SoftLink("/elsewhere")}}}, "never followed"),
        ({"weights": {"d": {"k": h5py.ExternalLink("other.h5", "/x")}}}, "never followed"),
    ],
)
def test_what_is_refused(settings, expected, tmp_path):
    with pytest.raises(xir.XirError, match=expected):
        xir.load(written(tmp_path / "m.h5", **settings))


def image(kind, **settings):
    return functional(entry("x", 6, 6, 4), layer(kind, "y", [["x"]], **settings))


def open_image(kind, **settings):
    return functional(entry("x", None, None, 4), layer(kind, "y", [["x"]], **settings))


def sequence(kind, **settings):
    return functional(entry("x", 6, 4), layer(kind, "y", [["x"]], **settings))


def doubled(count, kind, **settings):
    return functional(entry("x", 6, 4), layer(kind, "y", [["x"] * count], num_heads=1, key_dim=2, **settings))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (image("Conv2D", filters=3, kernel_size=3, groups=3), "3 groups"),
        (image("Conv2D", filters=3, kernel_size=[3]), "2 whole numbers"),
        (image("Conv2D", filters=3, kernel_size=3, data_format="sideways"), "data_format"),
        (image("Conv2D", filters=3, kernel_size=3, quantization_config={}), "quantised"),
        (image("Conv2DTranspose", filters=3, kernel_size=3, groups=2), "in groups"),
        (image("ZeroPadding2D", padding=-1), "negative"),
        (image("Cropping2D", cropping=-1), "negative"),
        (image("Reshape", target_shape=[-1, -1]), "more than one size open"),
        (image("BatchNormalization", axis=[1, 2]), "several axes"),
        (image("GroupNormalization", groups=3), "lacks its weight 'gamma'"),
        (image("LayerNormalization", axis=1), "not the last ones"),
        (image("LayerNormalization", rms_scaling=True), "rms_scaling"),
        (image("RMSNormalization", axis=1), "not the last ones"),
        (image("PReLU", shared_axes=[1]), "lacks its weight"),
        (image("Dot", axes=1), "called with 1 tensors"),
        (image("Embedding", input_dim=2, output_dim=3, quantization_config={}), "quantised"),
        (image("Flatten", data_format="sideways"), "data_format"),
        (image("Resizing", height=3, width=3, antialias=True), "antialias"),
        (image("Resizing", height=3, width=3, pad_to_aspect_ratio=True), "pads to the ratio"),
        (sequence("Resizing", height=3, width=3), "no batch of images"),
        (sequence("CenterCrop", height=3, width=3), "no batch of images"),
        (open_image("CenterCrop", height=3, width=3), "not known before the run"),
        (open_image("AdaptiveMaxPooling2D", output_size=3), "not known before the run"),
        (image("MultiHeadAttention", num_heads=1, key_dim=2), "without a value"),
        (doubled(3, "MultiHeadAttention", attention_axes=[2]), "along several axes"),
        (doubled(3, "MultiHeadAttention", output_shape=[2, 3]), "output of several axes"),
        (image("ConvLSTM1D", filters=1, kernel_size=1, time_major=True), "time before the batch"),
        (open_image("ConvLSTM1D", filters=1, kernel_size=1), "1 to 1000 are possible"),
        (image("SpectralNormalization", layer=DENSE), "in one list"),
        (sequence("RNN", cell=layer("Mine", "c"), return_state=True), "cells 'Mine'"),
        (sequence("RNN", cell=layer("LSTMCell", "c"), time_major=True), "time before the batch"),
        (sequence("EinsumDense", equation="abc,cd->abd", quantization_config={}), "quantised"),
        (image("CuDNNLSTM", units=3), "cuDNN"),
        (image("LSTM", units=3, activation="selu"), "'selu' of a recurrent layer"),
        (image("LSTM", units=3, time_major=True), "time before the batch"),
        (image("LSTM", units=3), "lacks its weight 'kernel'"),
        (image("Bidirectional", layer=layer("Dense", "d", units=3)), "runs both ways"),
        (image("Bidirectional", layer=layer("LSTM", "d", units=3), merge_mode="cut"), "lacks|go with"),
        (image("Bidirectional", layer=3), "no object"),
        (image("TimeDistributed", layer=sequential(entry("i", 3), DENSE)), "expected|weight"),
    ],
)
def test_layers_that_do_not_fit(model, expected, tmp_path):
    with pytest.raises(xir.XirError, match=expected):
        xir.load(written(tmp_path / "m.h5", model, weights={"y": {}}))


X = entry("x", 3)
FLAT = layer("Flatten", "y", [["x"]])


def called(**arguments):
    return functional(X, layer("Flatten", "y", [[["x", 0, 0, arguments]]]))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            functional(X, layer("Add", "a", [["x", "y"]]), layer("Add", "y", [["x", "a"]])),
            "wait for each other",
        ),
        (functional(X), "does not exist"),
        (functional(X, layer("Flatten", "y", [[["x", 3, 0, {}]]])), "does not exist"),
        (functional(X, FLAT, outputs=(["y", 0, 1],)), "no output 1"),
        (functional(X, layer("Subtract", "y", [["x"]])), "two tensors"),
        (functional(X, layer("Softmax", "y", [["x", "x"]])), "called with 2 tensors"),
        (functional(X, {**FLAT, "inbound_nodes": 3}), "calls of a layer are no list"),
        (functional(X, {**FLAT, "inbound_nodes": [3]}), "no list"),
        (functional(X, {**FLAT, "inbound_nodes": [[3]]}), "no tensor"),
        (functional(X, {**FLAT, "inbound_nodes": [{"args": 3}]}), "no list"),
        (
            functional(X, {**FLAT, "inbound_nodes": [{"args": [{"class_name": "__keras_tensor__", "config": 3}]}]}),
            "where it comes from",
        ),
        ({**functional(X, FLAT), "config": {"layers": [], "input_layers": 3}}, "inputs or outputs"),
        (functional(X, FLAT, inputs=("y",)), "no InputLayer"),
        (functional(entry("x", 3, sparse=True), FLAT), "sparse"),
        (functional(entry("x", 3, dtype="complex64"), FLAT), "complex64"),
        (functional(X, layer("Dropout", "y", [["x"]], rate=0.5), kind="Model") | {"class_name": "Graph2"}, "class"),
        (called(training=True), "training=True"),
        (called(constants=[3]), "'constants'"),
        (called(initial=["x", 0, 0]), "'initial'"),
        (called(initial=[["x", 0, 0], ["x", 0, 0]]), "'initial'"),
    ],
)
def test_networks_that_contradict_themselves(model, expected, tmp_path):
    with pytest.raises(xir.XirError, match=expected):
        xir.load(written(tmp_path / "m.h5", model, weights={}))


def test_arguments_that_say_nothing(tmp_path):
    graph = xir.load(written(tmp_path / "m.h5", called(training=False, mask=None, constants=[]), weights={}))
    assert graph.output_names == ("y",)


def test_an_output_that_is_an_input_and_one_twice(tmp_path):
    model = functional(X, FLAT, outputs=("x", "y", "y"))
    graph = xir.load(written(tmp_path / "m.h5", model, weights={}))
    assert graph.output_names == ("x", "y", "y.output")


def test_inputs_are_typed(tmp_path):
    path = written(tmp_path / "m.h5")
    assert xir.load(path, inputs={"d_input": "f32[7,3]"}).inputs[0].type.shape == (7, 3)
    with pytest.raises(xir.XirError, match="no inputs"):
        xir.load(path, inputs={"e": "f32[7,3]"})


def test_models_in_a_model_of_one_name(tmp_path):
    inner = {**sequential({**DENSE}), "name": "s"}
    model = functional(X, {**inner, "inbound_nodes": [[["x", 0, 0, {}]]]}, outputs=("s",))
    for name in ("d/kernel:0", "d_1/kernel:0", "d_kernel"):
        path = written(tmp_path / "m.h5", model, weights={"s": {name: KERNEL}})
        result = xir.run(xir.load(path), {"x": np.ones((1, 3), np.float32)})
        assert next(iter(result.values())).tolist() == [[6.0, 9.0]]
    with pytest.raises(xir.XirError, match="of no layer"):
        xir.load(written(tmp_path / "n.h5", model, weights={"s": {"other": KERNEL}}))


def deep(model, depth):
    for number in range(depth):
        model = {"class_name": "Sequential", "name": f"s{number}", "config": [model]}
    return model


def test_models_nested_without_end(tmp_path):
    with pytest.raises(xir.XirError, match="nested"):
        xir.load(written(tmp_path / "m.h5", deep(MODEL, 300)))


@pytest.mark.parametrize(
    ("held", "weights", "expected"),
    [
        (layer("LayerScale", "y", [["x"]], init_values=1.0, projection_dim=3), [np.array([1, 2, 3], "f4")], [1, 4, 9]),
        (layer("CustomScaleLayer", "y", [["x", "x"]], scale=0.5), [], [1.5, 3, 4.5]),
    ],
)
def test_layers_of_networks_of_keras_applications(held, weights, expected, tmp_path):
    names = {f"w{place}": array for place, array in enumerate(weights)}
    path = written(tmp_path / "m.h5", functional(X, held), weights={"y": names})
    result = xir.run(xir.load(path), {"x": np.array([[1, 2, 3]], np.float32)})["y"]
    assert result.tolist() == [expected]


def test_a_layer_that_keeps_its_state(tmp_path):
    x = layer("InputLayer", "x", [], batch_input_shape=[1, 2, 1])
    rnn = layer("SimpleRNN", "y", [["x"]], units=1, use_bias=False, activation="linear", stateful=True)
    weights = {"y": {"k": np.full((1, 1), 2, "f4"), "r": np.full((1, 1), 0.5, "f4")}}
    with pytest.warns(UserWarning, match="has state"):
        graph = xir.load(written(tmp_path / "m.h5", functional(x, rnn), weights=weights))
    assert (graph.input_names, graph.output_names) == (("x", "y/state_0"), ("y", "y/state_0.new"))
    feeds = {"x": np.ones((1, 2, 1), np.float32), "y/state_0": np.zeros((1, 1), np.float32)}
    first = xir.run(graph, feeds)
    assert first["y"].tolist() == first["y/state_0.new"].tolist() == [[3.0]]
    assert xir.run(graph, {**feeds, "y/state_0": first["y/state_0.new"]})["y"].tolist() == [[3.75]]


def edited(path, change, **settings):
    written(path, **settings)
    with h5py.File(path, "a") as file:
        change(file)
    return path


def no_layer(file):
    del file["model_weights/d"]


def no_group(file):
    del file["model_weights"]


def dataset_for_weights(file):
    no_group(file)
    file["model_weights"] = 3


def dataset_for_layer(file):
    no_layer(file)
    file["model_weights/d"] = 3


def group_for_dataset(file):
    del file["model_weights/d/d/kernel:0"]
    file.create_group("model_weights/d/d/kernel:0")


def names_of_numbers(file):
    file["model_weights"].attrs["layer_names"] = np.array([1, 2])


def climbing(file):
    file["model_weights"].attrs["layer_names"] = np.array([b"../x"])


def configuration_of_numbers(file):
    file.attrs["model_config"] = 3


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (no_layer, "lacks 'd'"),
        (no_group, "holds no weights"),
        (dataset_for_weights, "no group"),
        (dataset_for_layer, "are no group"),
        (group_for_dataset, "no dataset"),
        (names_of_numbers, "no list of names"),
        (climbing, "no name of an HDF5 object"),
        (configuration_of_numbers, "no text"),
    ],
)
def test_groups_that_are_not_what_they_should_be(change, expected, tmp_path):
    with pytest.raises(xir.XirError, match=expected):
        xir.load(edited(tmp_path / "m.h5", change))


def test_names_in_pieces_and_texts_in_bytes(tmp_path):
    def change(file):
        attributes = file["model_weights"].attrs
        del attributes["layer_names"]
        attributes["layer_names0"] = np.array([b"d"])
        attributes["layer_names1"] = np.array([], dtype="f8")
        file.attrs["model_config"] = np.bytes_(json.dumps(MODEL).encode())

    assert xir.load(edited(tmp_path / "m.h5", change)).output_names == ("d",)


def test_weights_without_a_model(tmp_path):
    with pytest.raises(xir.XirError, match="no model"):
        xir.load(written(tmp_path / "m.h5", None))


def test_a_damaged_file_is_none_of_keras(tmp_path):
    (tmp_path / "m.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert not looks_like_keras(open_mapped(tmp_path / "m.h5"))
    with pytest.raises(xir.XirError, match="cannot read"):
        xir.load(tmp_path / "m.h5")


def test_without_h5py(tmp_path, monkeypatch):
    path = written(tmp_path / "m.h5")
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(xir.XirError, match="needs h5py"):
        xir.load(path)


def test_big_endian_weights_are_loaded(tmp_path):
    path = written(tmp_path / "m.h5", weights={"d": {"k": KERNEL.astype(">f4")}})
    assert xir.run(xir.load(path), {"d_input": np.ones((1, 3), np.float32)})["d"].tolist() == [[6.0, 9.0]]


@pytest.mark.parametrize("how", ["external", "virtual"])
def test_data_of_other_files(how, tmp_path):
    def change(file):
        group = file["model_weights/d/d"]
        del group["kernel:0"]
        if how == "external":
            group.create_dataset("kernel:0", (3, 2), "f4", external=[(str(tmp_path / "x"), 0, 24)])
        else:
            layout = h5py.VirtualLayout((3, 2), "f4")
            layout[:] = h5py.VirtualSource("other.h5", "k", (3, 2))
            group.create_virtual_dataset("kernel:0", layout)

    with pytest.raises(xir.XirError, match="other files"):
        xir.load(edited(tmp_path / "m.h5", change))


def test_a_deflated_weight_that_unpacks_to_far_more(tmp_path):
    def change(file):
        held = file["model_weights/d"]
        held.attrs["weight_names"] = np.array([b"kernel"])
        held.create_dataset("kernel", (3000, 3000), "<f4", chunks=(3000, 3000), compression="gzip", fillvalue=1)

    with pytest.raises(xir.XirError, match="unpacks"):
        xir.load(edited(tmp_path / "m.h5", change))
