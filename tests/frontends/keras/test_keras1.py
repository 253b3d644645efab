"""Layers as Keras 1 wrote them: read in the words of Keras 2, their weights laid out as it did."""

import io

import numpy as np
import pytest

import xir
from tests.frontends.keras.files import entry, functional, h5py, layer, sequential, whole_model
from tests.frontends.keras.test_recorded import RECORDED, arrays
from xir.errors import UnsupportedError
from xir.frontends.keras.keras1 import modern

RANDOM = np.random.default_rng(0)


def normal(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def run(path, *inputs):
    graph = xir.load(path)
    results = xir.run(graph, dict(zip(graph.input_names, inputs, strict=True)))
    return results[graph.output_names[0]]


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [
        ("Dense", {"output_dim": 3, "bias": True}, ("Dense", {"units": 3, "use_bias": True})),
        ("Convolution1D", {"filter_length": 3, "subsample_length": 2}, ("Conv1D", {"kernel_size": 3, "strides": 2})),
        (
            "Convolution2D",
            {"nb_row": 2, "nb_col": 3, "dim_ordering": "th", "border_mode": "same"},
            ("Conv2D", {"kernel_size": [2, 3], "data_format": "channels_first", "padding": "same"}),
        ),
        ("MaxPooling1D", {"pool_length": 2, "stride": 1}, ("MaxPooling1D", {"pool_size": 2, "strides": 1})),
        ("Flatten", {"dim_ordering": "other"}, ("Flatten", {"data_format": "other"})),
        (
            "TimeDistributed",
            {"layer": {"class_name": "Dense", "config": {"output_dim": 2}}},
            ("TimeDistributed", {"layer": {"class_name": "Dense", "config": {"units": 2}}}),
        ),
        (
            "TimeDistributed",
            {"layer": {"class_name": 3, "config": {"output_dim": 2}}},
            ("TimeDistributed", {"layer": {"class_name": 3, "config": {"output_dim": 2}}}),
        ),
    ],
)
def test_the_words_of_keras_2(kind, config, expected):
    assert modern(kind, config) == expected


def keras1(path, model, weights, **settings):
    return whole_model(path, model, weights, version="1.2.2", **settings)


def test_a_dense_layer(tmp_path):
    w, b, x = normal(3, 2), normal(2), normal(4, 3)
    model = sequential(layer("Dense", "d", output_dim=2, batch_input_shape=[None, 3], init="uniform", input_dim=3))
    path = keras1(tmp_path / "m.h5", model, {"d": {"d_W": w, "d_b": b}})
    np.testing.assert_allclose(run(path, x), x @ w + b, rtol=1e-5)


IMAGES = [("tf", (4, 5, 2), (2, 3, 2, 3)), ("th", (2, 4, 5), (3, 2, 2, 3))]


@pytest.mark.parametrize(("ordering", "shape", "kernel"), IMAGES)
def test_kernels_stand_as_the_ordering_says(ordering, shape, kernel, tmp_path):
    w, x = normal(*kernel), normal(1, *shape)
    conv = layer(
        "Convolution2D", "c", nb_filter=3, nb_row=2, nb_col=3, dim_ordering=ordering, bias=False, subsample=[1, 1],
        batch_input_shape=[None, *shape], border_mode="valid",
    )  # fmt: skip
    path = keras1(tmp_path / "m.h5", sequential(conv), {"c": {"c_W": w}})
    with pytest.warns(UserWarning, match="Theano"):
        found = run(path, x)
    channels = x if ordering == "th" else x.transpose(0, 3, 1, 2)
    weights = w if ordering == "th" else w.transpose(3, 2, 0, 1)
    windows = np.lib.stride_tricks.sliding_window_view(channels, (2, 3), (2, 3))
    expected = np.einsum("ncijhw,ochw->noij", windows, weights)
    np.testing.assert_allclose(found if ordering == "th" else found.transpose(0, 3, 1, 2), expected, rtol=1e-4)


def test_a_convolution_of_sequences(tmp_path):
    w, x = normal(3, 1, 2, 4), normal(1, 6, 2)
    conv = layer("Convolution1D", "c", nb_filter=4, filter_length=3, bias=False, batch_input_shape=[None, 6, 2])
    path = keras1(tmp_path / "m.h5", sequential(conv), {"c": {"c_W:0": w}})
    windows = np.lib.stride_tricks.sliding_window_view(x, 3, 1)
    np.testing.assert_allclose(run(path, x), np.einsum("nicw,wco->nio", windows, w[:, 0]), rtol=1e-4, atol=1e-5)


def gates(kind, count, names):
    """What Keras computed with a layer, its weights as Keras 1 stored them, and its inputs."""
    held = RECORDED[2]
    with h5py.File(io.BytesIO(held[f"{kind}/file"].tobytes())) as file:
        found = []
        file["model_weights"].visititems(lambda _, item: found.append(item[()]) if hasattr(item, "dtype") else None)
    by_rank = sorted(found, key=lambda array: (-array.ndim, array.shape[0]))
    kernel, recurrent, bias = by_rank
    parts = [np.split(array, count, axis=-1) for array in (kernel, recurrent, bias)]
    return (
        {
            f"l_{word}_{name}": np.ascontiguousarray(parts[which][place])
            for name, place in names
            for which, word in enumerate("WUb")
        },
        arrays(held, kind, "x")[0],
        arrays(held, kind, "y")[0],
    )


def test_an_lstm_with_weights_for_each_gate(tmp_path):
    weights, x, expected = gates("lstm", 4, (("i", 0), ("c", 2), ("f", 1), ("o", 3)))
    lstm = layer(
        "LSTM", "l", output_dim=4, inner_activation="sigmoid", activation="tanh", batch_input_shape=[None, 5, 3],
        consume_less="cpu", dropout_W=0.0, forget_bias_init="one", return_sequences=False, stateful=True,
    )  # fmt: skip
    path = keras1(tmp_path / "m.h5", sequential(lstm), {"l": weights}, backend="tensorflow")
    with pytest.warns(UserWarning, match="keeps its state"):
        found = run(path, x)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_gru_with_weights_for_each_gate(tmp_path):
    weights, x, expected = gates("gru_before", 3, (("z", 0), ("r", 1), ("h", 2)))
    gru = layer(
        "GRU", "l", output_dim=4, inner_activation="sigmoid", batch_input_shape=[None, 5, 3], return_sequences=True
    )
    path = keras1(tmp_path / "m.h5", sequential(gru), {"l": weights}, backend="tensorflow")
    np.testing.assert_allclose(run(path, x), expected, rtol=1e-4, atol=1e-5)


MERGES = {
    "sum": lambda x, y: x + y,
    "mul": lambda x, y: x * y,
    "ave": lambda x, y: (x + y) / 2,
    "max": np.maximum,
    "concat": lambda x, y: np.concatenate([x, y], axis=-1),
}


@pytest.mark.parametrize("mode", MERGES)
def test_merges(mode, tmp_path):
    x, y = normal(2, 3), normal(2, 3)
    merge = layer("Merge", "y", [["a", "b"]], mode=mode, concat_axis=-1, dot_axes=-1, layers=[])
    model = functional(entry("a", 3), entry("b", 3), merge, inputs=("a", "b"))
    found = run(keras1(tmp_path / "m.h5", model, {}), x, y)
    np.testing.assert_allclose(found, MERGES[mode](x, y), rtol=1e-5)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (layer("Merge", "y", [["x", "x"]], mode="cos"), "mode 'cos'"),
        (layer("BatchNormalization", "y", [["x"]], mode=1), "mode 1"),
        (layer("Deconvolution2D", "y", [["x"]], nb_filter=1), "transposed convolution"),
        (layer("SeparableConvolution2D", "y", [["x"]], nb_filter=1), "separable convolution"),
    ],
)
def test_what_keras_1_did_otherwise_is_refused(held, expected, tmp_path):
    model = functional(entry("x", 4, 4, 1), held)
    with pytest.raises(UnsupportedError, match=expected):
        xir.load(keras1(tmp_path / "m.h5", model, {}))


def test_a_file_that_says_no_version_is_of_keras_1(tmp_path):
    model = functional(entry("x", 4, 4, 1), layer("Flatten", "y", [["x"]], dim_ordering="th"))
    path = whole_model(tmp_path / "m.h5", model, {}, version=None)
    assert run(path, normal(1, 4, 4, 1)).shape == (1, 16)


def test_full_padding(tmp_path):
    w, x = normal(1, 1, 2, 2), normal(1, 1, 3, 3)
    conv = layer(
        "Convolution2D", "c", nb_filter=1, nb_row=2, nb_col=2, dim_ordering="th", bias=False, border_mode="full",
        batch_input_shape=[None, 1, 3, 3],
    )  # fmt: skip
    path = keras1(tmp_path / "m.h5", sequential(conv), {"c": {"c_W:0": w}})
    padded = np.pad(x[0, 0], 1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2, 2))
    np.testing.assert_allclose(run(path, x)[0, 0], np.einsum("ijhw,hw->ij", windows, w[0, 0]), rtol=1e-4, atol=1e-5)
