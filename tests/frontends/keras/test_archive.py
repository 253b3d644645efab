"""Archives of Keras 3 that are damaged, hostile, or written in another way."""

import io
import sys
import zipfile

import numpy as np
import pytest

import xir
from tests.frontends.keras.files import archive, h5py, keras3_weights
from xir.files import open_mapped
from xir.frontends.keras.archive import looks_like_keras_archive

KERNEL = np.arange(6, dtype=np.float32).reshape(3, 2)
WEIGHTS = keras3_weights({"layers/dense": [KERNEL]})


def tensor(name, **settings):
    return {"class_name": "__keras_tensor__", "config": {"shape": [None, 3], "keras_history": [name, 0, 0]} | settings}


def node(kind, name, *args, module="keras.layers", kwargs=None, **config):
    """A layer of Keras 3 called once."""
    nodes = [{"args": list(args), "kwargs": kwargs or {}}] if args else []
    return {
        "module": module,
        "class_name": kind,
        "name": name,
        "config": {"name": name, **config},
        "inbound_nodes": nodes,
    }


X = node("InputLayer", "x", batch_shape=[None, 3])
DENSE = node("Dense", "y", tensor("x"), units=2, use_bias=False)


def functional(*layers, outputs=("y",)):
    return {
        "class_name": "Functional",
        "config": {
            "name": "m",
            "layers": list(layers),
            "input_layers": [["x", 0, 0]],
            "output_layers": {name: [name, 0, 0] for name in outputs},
        },
        "compile_config": {"loss": "mse"},
    }


MODEL = functional(X, DENSE)


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("root", ["layers", "_layer_checkpoint_dependencies"])
def test_a_model_of_one_layer(deflate, root, tmp_path):
    weights = keras3_weights({f"{root}/dense": [KERNEL]})
    graph = xir.load(archive(tmp_path / "m.keras", MODEL, weights, deflate=deflate))
    assert xir.run(graph, {"x": np.ones((1, 3), np.float32)})["y"].tolist() == [[6.0, 9.0]]


def test_variables_stand_in_the_order_of_their_numbers(tmp_path):
    # Twelve layers of a kind, and names that are no numbers.
    layers, weights, before = [], {}, "x"
    for number in range(12):
        name = "y" if number == 11 else f"d{number}"
        layers.append(node("Dense", name, tensor(before), units=3, use_bias=False))
        weights["layers/dense" + (f"_{number}" if number else "")] = [np.eye(3, dtype=np.float32) * (number + 1)]
        before = name
    graph = xir.load(archive(tmp_path / "m.keras", functional(X, *layers), keras3_weights(weights)))
    found = xir.run(graph, {"x": np.ones((1, 3), np.float32)})["y"]
    np.testing.assert_allclose(found, np.full((1, 3), 479001600.0), rtol=1e-6)


def test_layers_with_weights_count_twice_where_tf_keras_2_12_kept_them(tmp_path):
    layers = [
        node("Dense", "a", tensor("x"), units=3, use_bias=False),
        node("ReLU", "b", tensor("a")),
        node("Dense", "c", tensor("b"), units=3, use_bias=False),
        node("ReLU", "d", tensor("c")),
        node("Dense", "y", tensor("d"), units=3, use_bias=False),
    ]
    held = {f"dense{end}": [np.eye(3, dtype=np.float32) * size] for end, size in (("", 2), ("_2", 3), ("_4", 5))}
    weights = keras3_weights({f"_layer_checkpoint_dependencies/{name}": each for name, each in held.items()})
    graph = xir.load(archive(tmp_path / "m.keras", functional(X, *layers), weights))
    assert xir.run(graph, {"x": np.ones((1, 3), np.float32)})["y"].tolist() == [[30.0, 30.0, 30.0]]


def test_layers_that_prepare_images_in_a_row(tmp_path):
    x = node("InputLayer", "x", batch_shape=[None, 2, 2, 1])
    inner = [node("RandomCrop", "a", height=1, width=1), node("Rescaling", "b", scale=2.0, offset=1.0)]
    held = node("Pipeline", "y", tensor("x"), layers=inner)
    image = np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1)
    graph = xir.load(archive(tmp_path / "m.keras", functional(x, held), WEIGHTS))
    assert xir.run(graph, {"x": image})["y"].tolist() == (image * 2 + 1).tolist()


def words(file):
    group = file.create_group("layers/dense/vars")
    group["kernel"] = KERNEL


def group_for_variable(file):
    file.create_group("layers/dense/vars/0")


def dataset_for_vars(file):
    file["layers/dense/vars"] = 3


def dataset_for_layer(file):
    file["layers/dense"] = 3


def link(file):
    file["layers/dense/vars/0"] = h5py.SoftLink("/x")


def external(file):
    file["layers/dense"] = h5py.ExternalLink("other.h5", "/x")


def deep(file):
    file.create_group("layers" + "/a" * 600)


def test_variables_with_words_for_numbers(tmp_path):
    assert xir.load(archive(tmp_path / "m.keras", MODEL, keras3_weights({}, words))).output_names == ("y",)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (group_for_variable, "no dataset"),
        (dataset_for_vars, "no group"),
        (dataset_for_layer, "no group"),
        (link, "never followed"),
        (external, "never followed"),
        (deep, "nested more than"),
        (None, "lacks its weight"),
    ],
)
def test_weights_that_are_not_what_they_should_be(data, expected, tmp_path):
    with pytest.raises(xir.XirError, match=expected):
        xir.load(archive(tmp_path / "m.keras", MODEL, keras3_weights({}, data)))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"config": b"\xff\xfe"}, "not UTF-8"),
        ({"config": "{"}, "no JSON"),
        ({"metadata": "{}"}, "does not say the version"),
        ({"metadata": '{"keras_version": "4.0"}'}, "Keras 1, 2 and 3"),
        ({"weights": None}, "has no model.weights.h5"),
        ({"weights": b"HDF"}, "cannot read"),
        ({"weights": WEIGHTS[:-100]}, "cannot read|truncated|leaves"),
        ({"more": {"../x": "y"}}, "leaves the archive"),
        ({"config": {"class_name": "Mine", "config": {}}}, "does not say what it computes"),
        ({"config": functional(X, {**DENSE, "class_name": "FlaxLayer"})}, "another framework"),
        ({"config": functional(X, node("Mine", "y", tensor("x"), module="keras.src.ops.numpy"))}, "no handler"),
        ({"config": functional(X, node("Flatten", "y", tensor("x"), 3))}, "'argument 1'"),
        ({"config": functional(X, node("Flatten", "y", tensor("x"), kwargs={"mask": tensor("x"), "z": 1}))}, "'z'"),
        ({"config": functional(X, node("Flatten", "y", tensor("x"), kwargs={"z": [tensor("x")]}))}, "'z'"),
    ],
)
def test_what_is_refused(settings, expected, tmp_path):
    held = {"config": MODEL, "weights": WEIGHTS, **settings}
    path = archive(tmp_path / "m.keras", held.pop("config"), held.pop("weights"), **held)
    with pytest.raises(xir.XirError, match=expected):
        xir.load(path)


def operation(kind, *args, **config):
    return functional(X, node(kind, "y", *args, module="keras.src.ops.numpy", **config))


T = tensor("x")


def number(dtype, value):
    """An array that stands in a call."""
    return {"class_name": "__numpy__", "config": {"value": value, "dtype": dtype}}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (operation("Add", T), "two operands"),
        (operation("Add", T, "one"), "is no number"),
        (operation("Sum", T, axis=1, initial=3), "begins with a number"),
        (operation("Sum", T, axis=1, dtype="float64"), "another type"),
        (operation("Where", 1.0, T, T), "without a condition"),
        (operation("Where", T, 1.0, 2.0), "between two numbers"),
        (operation("Squeeze", T, axis=1), "not all of size 1"),
        (operation("Take", 1, 2), "called with 0|a tensor and places"),
        (operation("Take", T, T, T), "a tensor and places"),
        (operation("GetItem", T, "x"), "an index"),
        (operation("GetItem", T, {"class_name": "__slice__"}), "no configuration"),
        (operation("GetItem", T, [0, {"class_name": "__slice__", "config": {"step": -1}}]), "not positive"),
        (operation("Argmax", T, axis=3), "axis 3"),
        (operation("Scatter", T, shape=[3]), "2 operands are needed, got 1"),
        (operation("ScatterUpdate", T, [[0, 1]], [1.0], reduction="xor"), "the reduction 'xor'"),
        (operation("Softmax", T, T), "called with 2 tensors"),
        (operation("Round", T, decimals=2), "rounding to decimals"),
        (operation("Cumsum", T, axis=1, dtype="float64"), "another type"),
        (operation("Pad", T, T, pad_width=[[0, 0], [1, 1]], mode="constant"), "elements that are computed"),
        (operation("BitwiseAnd", T, number("int32", 1)), "operands of|whole numbers|integer"),
    ],
)
def test_operations_that_do_not_fit(model, expected, tmp_path):
    with pytest.raises(xir.XirError, match=expected):
        xir.load(archive(tmp_path / "m.keras", model, WEIGHTS))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (operation("Argmax", T, axis=None), 2),
        (operation("Transpose", T), [[0.0], [1.0], [2.0]]),
        (operation("Squeeze", T), [[0.0, 1.0, 2.0]]),
        (operation("Take", T, [2, 0], axis=None), [2.0, 0.0]),
        (operation("OnesLike", T, dtype="int32"), [[1, 1, 1]]),
        (operation("ZerosLike", T), [[0.0, 0.0, 0.0]]),
        (operation("Sum", T, axis=None), 3.0),
        (operation("Cumsum", T), [0.0, 1.0, 3.0]),
        (operation("Pad", T, 7.0, pad_width=[0, 1]), [[7.0, 0.0, 1.0, 2.0, 7.0]]),
        (operation("Matmul", T, number("float32", [1.0, 2.0, 3.0])), [8.0]),
        (operation("Matmul", number("float32", [2.0]), T), [0.0, 2.0, 4.0]),
        (operation("FloorDivide", number("int32", [[-3]]), number("int32", 2)), [[-2]]),
        (operation("TakeAlongAxis", T, number("int32", [[2, -1]]), axis=1), [[2.0, 2.0]]),
        (operation("Scatter", [[1], [1]], [2.0, 3.0], shape=[3]), [0.0, 5.0, 0.0]),
        (operation("ScatterUpdate", [8, 9], number("int32", [[0]]), number("int64", [7])), [7, 9]),
        (operation("ScatterUpdate", T, [[0, 1]], [4.0], reduction="mul"), [[0.0, 4.0, 2.0]]),
    ],
)
def test_operations_without_axes(model, expected, tmp_path):
    graph = xir.load(archive(tmp_path / "m.keras", model, WEIGHTS))
    assert xir.run(graph, {"x": np.arange(3, dtype=np.float32)[None]})["y"].tolist() == expected


def kept(mode, kind="QuantizedDTypePolicy", **settings):
    """A layer whose weights are quantised."""
    policy = {"class_name": kind, "config": {"mode": mode, "source_name": "float32"}}
    return node("Dense", "y", tensor("x"), units=2, use_bias=False, dtype=policy, **settings)


def einsum(mode, equation, shape=(2,)):
    """A product that an equation describes, its weights quantised."""
    held = kept(mode)
    config = {"name": "y", "equation": equation, "output_shape": list(shape), "dtype": held["config"]["dtype"]}
    return {**held, "class_name": "EinsumDense", "config": config}


def rounding(**settings):
    return {"quantization_config": {"config": {"activation_quantizer": settings}}}


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (kept("gptq/4/128", "GPTQDTypePolicy"), "the gptq weights of a layer Dense: Keras leaves their zeros out"),
        (kept("awq/4/128", "AWQDTypePolicy"), "the awq weights"),
        (kept("int8", "MineDTypePolicy"), "the policy 'MineDTypePolicy'"),
        (kept("int2"), "the int2 weights of a layer Dense"),
        (kept("int8"), "holds f32, expected int8"),
        ({**kept("int8"), "class_name": "Conv2D"}, "the int8 weights of a layer Conv2D"),
        (einsum("int4", "ab,cd->ad"), "whose shape the configuration does not tell"),
        (einsum("int4", "abc,cd->abd"), "does not fit an operand of 2 axes"),
        (einsum("int4", "ab,bc->ac", [None]), "whose shape the configuration does not tell"),
        (einsum("int8", "ab,bc->ac"), "lacks its weight 'kernel'"),
    ],
)
def test_weights_that_are_quantised_otherwise(held, expected, tmp_path):
    with pytest.raises(xir.XirError, match=expected):
        xir.load(archive(tmp_path / "m.keras", functional(X, held), WEIGHTS))


def test_heads_whose_products_are_quantised(tmp_path):
    """Keras 3.15 writes such files, and does not load them."""
    x = node("InputLayer", "x", batch_shape=[None, 5, 3])
    heads = node("MultiHeadAttention", "y", tensor("x", shape=[None, 5, 3]), tensor("x"), num_heads=1, key_dim=2)
    held = [np.zeros((3, 1, 2), np.int8), np.zeros((1, 2), np.float32), np.ones((1, 1, 1, 2), np.float32)]
    weights = keras3_weights({"layers/multi_head_attention/query_dense": held})
    with pytest.raises(xir.XirError, match="quantised weights, which Keras does not read back"):
        xir.load(archive(tmp_path / "m.keras", functional(x, heads), weights))


MEL = {"fft_length": 16, "sequence_stride": 8, "num_mel_bins": 4}


def sound(kind="MelSpectrogram", shape=(None, 64), **settings):
    return functional(
        node("InputLayer", "x", batch_shape=list(shape)),
        node(kind, "y", tensor("x", shape=list(shape)), **(MEL if kind[0] == "M" else {}) | settings),
    )


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (sound(window=[1.0, 0.5]), "a window of 2 samples for frames of 16"),
        (sound(window="bartlett"), "window"),
        (sound(sequence_length=17), "frames of 17 samples are longer"),
        (sound(shape=(None, 64, 2)), "a batch of sounds"),
        (sound(min_power=0.0), "the least power is 0.0"),
    ],
)
def test_sounds_that_do_not_fit(model, expected, tmp_path):
    with pytest.raises(xir.XirError, match=expected):
        xir.load(archive(tmp_path / "m.keras", model, keras3_weights({})))


@pytest.mark.parametrize(("slopes", "shared"), [((4,), []), ((3, 1), [])])
def test_slopes_that_do_not_fit(slopes, shared, tmp_path):
    weights = keras3_weights({"layers/p_re_lu": [np.zeros(slopes, np.float32)]})
    model = functional(X, node("PReLU", "y", T, shared_axes=shared))
    with pytest.raises(xir.XirError, match="its slopes have the shape"):
        xir.load(archive(tmp_path / "m.keras", model, weights))


@pytest.mark.parametrize("window", [None, [1.0] * 16])
def test_windows_of_ones(window, tmp_path):
    """None is a window of ones, as is a list of them."""
    held = archive(tmp_path / "m.keras", sound(window=window), keras3_weights({}))
    plain = archive(tmp_path / "p.keras", sound(window="hann"), keras3_weights({}))
    feeds = {"x": np.random.default_rng(1).standard_normal((1, 64)).astype(np.float32)}
    found, other = (xir.run(xir.load(path), feeds)["y"] for path in (held, plain))
    assert found.shape == other.shape
    assert not np.allclose(found, other)


@pytest.mark.parametrize("order", [1, -1])
def test_more_layers_than_calls_may_be_nested(order, tmp_path):
    """Each reads the one before, in whichever order they are told."""
    count = sys.getrecursionlimit() + 500
    layers = [
        node("Activation", f"r{at}", tensor(f"r{at - 1}" if at else "x"), activation="relu") for at in range(count)
    ]
    model = functional(X, *layers[::order], outputs=(f"r{count - 1}",))
    graph = xir.load(archive(tmp_path / "m.keras", model, keras3_weights({})))
    assert len(graph.nodes) == count


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (rounding(class_name="Mine", config={"value_range": [-127, 127]}), "'Mine' quantises"),
        (rounding(class_name="AbsMaxQuantizer", config={"value_range": [-8, 7]}), "quantises"),
        (rounding(class_name="AbsMaxQuantizer"), "a way of their own"),
    ],
)
def test_inputs_that_are_rounded_otherwise(settings, expected, tmp_path):
    weights = keras3_weights({"layers/dense": [np.zeros((3, 2), np.int8), np.ones(2, np.float32)]})
    with pytest.raises(xir.XirError, match=expected):
        xir.load(archive(tmp_path / "m.keras", functional(X, kept("int8", **settings)), weights))


def test_rows_of_inputs_become_8_bits_where_nothing_else_is_said(tmp_path):
    kernel = np.array([[10, 0], [0, 20], [0, 0]], np.int8)
    weights = keras3_weights({"layers/dense": [kernel, np.array([10, 20], np.float32)]})
    graph = xir.load(archive(tmp_path / "m.keras", functional(X, kept("int8")), weights))
    found = xir.run(graph, {"x": np.array([[1.0, 0.5, 0.0]], np.float32)})["y"]
    np.testing.assert_allclose(found, [[1.0, 63 / 127]], rtol=1e-6)  # 1e-7 more than the largest


def test_other_archives_are_none_of_keras(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as file:
        file.writestr("other", "x")
    assert not looks_like_keras_archive(open_mapped(tmp_path / "a.keras"))
    held = io.BytesIO((tmp_path / "a.keras").read_bytes()[:-5])
    (tmp_path / "b.keras").write_bytes(held.getvalue())
    assert not looks_like_keras_archive(open_mapped(tmp_path / "b.keras"))
    (tmp_path / "c.keras").write_bytes(b"PKxx")
    assert not looks_like_keras_archive(open_mapped(tmp_path / "c.keras"))
