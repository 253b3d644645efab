"""Networks as archives of Keras 3, which our own reader takes back with equal results."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import xir
from tests.backends.export.tflite.test_export import Net, flattened, image, small_network
from xir.backends.export.forms import AnyOp
from xir.backends.export.keras import export_keras, plan_keras
from xir.backends.export.keras._layers import Entry
from xir.backends.export.keras._order import in_order
from xir.backends.export.tflite.elementwise import like
from xir.errors import UnsupportedError
from xir.frontends.load import recognize
from xir.ir.builder import apply
from xir.ir.constant import constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Attribute, Value
from xir.ir.types import DType, TensorType
from xir.keras_layout import Json
from xir.ops import activation, compare, elementwise, pool
from xir.ops import shape as shapes
from xir.ops.constant import constant
from xir.ops.conv import conv, conv_transpose
from xir.ops.lstm import lstm
from xir.ops.matmul import matmul
from xir.ops.norm import batch_norm, layer_norm
from xir.ops.resize import resize
from xir.ops.rnn import gru, rnn
from xir.reference import run

pytest.importorskip("h5py", reason="Keras keeps weights in HDF5")


def same(graph: Graph, path: Path) -> Graph:
    """Writes the graph, reads it back, compares; answers what was read."""
    export_keras(graph, path)
    again = xir.load(path)
    feeds = dict(xir.random_inputs(graph, seed=3))
    found = run(again, dict(zip(again.input_names, feeds.values(), strict=True)))
    for wanted, held in zip(run(graph, feeds).values(), found.values(), strict=True):
        np.testing.assert_allclose(np.asarray(held), np.asarray(wanted), rtol=1e-4, atol=1e-5)
    return again


def kinds(graph: Graph) -> list[str]:
    return [entry.kind for entry in plan_keras(graph).entries if entry.kind != "InputLayer"]


def test_many_axes_are_repeated_by_tiles(tmp_path: Path) -> None:
    """TensorFlow's BroadcastTo ends the run there."""
    x = image(2, 1, 3, 1, 4, 1)
    graph = Net(x).graph(shapes.broadcast(x, shape=(2, 2, 3, 2, 4, 3)))
    assert kinds(graph) == ["Tile"]
    same(graph, tmp_path / "net.keras")


def test_a_network_is_read_back(tmp_path: Path) -> None:
    graph, path = small_network(), tmp_path / "net.keras"
    report = xir.export(graph, path)
    assert (report.format, recognize(str(path)).name) == ("keras_archive", "keras_archive")
    assert {"Conv2D", "DepthwiseConv2D", "Dense", "MaxPooling2D", "Permute"} <= set(report.operators)
    assert report.operators["Permute"] == 1
    again = same(graph, path)
    assert again.input_names == ("x0",)
    assert again.output_names == ("y0",)


def test_an_image_in_one_row_is_multiplied_as_it_stands(tmp_path: Path) -> None:
    assert kinds(flattened(known=True)).count("Permute") == 1
    same(flattened(known=True), tmp_path / "net.keras")


def test_the_same_model_makes_the_same_bytes(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.keras", "b.keras")]
    for path in files:
        xir.export(small_network(), path)
    assert files[0].read_bytes() == files[1].read_bytes()
    with zipfile.ZipFile(files[0]) as archive:
        assert json.loads(archive.read("metadata.json")) == {"keras_version": "3.15.1"}
        config = json.loads(archive.read("config.json"))["config"]
    assert config["input_layers"] == [["x0", 0, 0]]
    assert config["output_layers"] == [["y0", 0, 0]]


def test_conversion_verifies_what_it_wrote(tmp_path: Path) -> None:
    xir.export(small_network(), tmp_path / "net.xir")
    report = xir.convert(tmp_path / "net.xir", tmp_path / "net.keras")
    assert report.certificate is not None
    assert report.certificate.passed


def test_convolutions_over_one_two_and_three_axes(tmp_path: Path) -> None:
    for sizes in ((9,), (9, 8), (5, 6, 7)):
        x = image(2, 4, *sizes)
        net, axes = Net(x), len(sizes)
        window = (3,) * axes
        common = {"input_dilation": (1,) * axes, "groups": 1}
        padding = ((1, 0),) * axes
        odd = conv(
            x, net.weight(6, 4, *window), net.weight(6), strides=(2,) * axes, padding=padding, dilation=(1,) * axes,
            **common,
        )  # fmt: skip
        wide = conv(
            x, net.weight(6, 4, *window), None, strides=(1,) * axes, padding=((2, 2),) * axes, dilation=(2,) * axes,
            **common,
        )  # fmt: skip
        thin = conv(
            x, net.weight(2, 4, *window), None, strides=(2,) * axes, padding=((3, 2),) * axes, dilation=(2,) * axes,
            **common,
        )  # fmt: skip
        back = conv_transpose(
            x, net.weight(4, 3, *window), net.weight(3), strides=(2,) * axes, padding=((1, 1),) * axes,
            dilation=(1,) * axes, output_padding=(0,) * axes, groups=1,
        )  # fmt: skip
        graph = net.graph(odd, wide, thin, back)
        assert {f"Conv{axes}D", f"Conv{axes}DTranspose"} <= set(kinds(graph))
        same(graph, tmp_path / "net.keras")


@pytest.mark.parametrize(("padding", "extra"), [((0, -1), 0), ((-1, 1), 0), ((1, 1), 1), ((0, 0), 1)])
def test_places_that_a_transposed_convolution_grows_by_have_its_bias(
    padding: tuple[int, int], extra: int, tmp_path: Path
) -> None:
    net = Net(image(2, 4, 7, 6))
    made = conv_transpose(
        net.inputs[0], net.weight(4, 3, 3, 2), net.weight(3), strides=(2, 3), padding=(padding, (0, 0)),
        dilation=(1, 1), output_padding=(extra, 0), groups=1,
    )  # fmt: skip
    assert "Conv2DTranspose" in kinds(net.graph(made))
    same(net.graph(made), tmp_path / "net.keras")


def test_pools(tmp_path: Path) -> None:
    for sizes in ((9,), (9, 8), (5, 6, 7)):
        x, axes = image(2, 4, *sizes), len(sizes)
        steps = {"window": (3,) * axes, "strides": (2,) * axes, "dilation": (1,) * axes}
        odd, none = ((1, 0),) * axes, ((0, 0),) * axes
        graph = Net(x).graph(
            pool.max_pool(x, **steps, padding=odd),
            pool.average_pool(x, **steps, padding=none, counted_padding=none),
            pool.average_pool(x, **steps, padding=odd, counted_padding=odd),
        )
        assert {f"MaxPooling{axes}D", f"AveragePooling{axes}D"} <= set(kinds(graph))
        same(graph, tmp_path / "net.keras")


def test_normalisations_are_layers(tmp_path: Path) -> None:
    x = image(2, 4, 5, 3)
    net = Net(x)
    variance = elementwise.mul(net.weight(4), constant(value=constant_of(np.zeros(4, np.float32))))
    variance = elementwise.add(variance, constant(value=constant_of(np.ones(4, np.float32))))
    graph = net.graph(
        batch_norm(x, net.weight(4), net.weight(4), net.weight(4), variance, epsilon=1e-3),
        layer_norm(x, net.weight(5, 3), net.weight(5, 3), axis=2, epsilon=1e-3),
        layer_norm(x, net.weight(3), None, axis=3, epsilon=1e-3),
    )
    assert sorted(kinds(graph)).count("LayerNormalization") == 2
    assert "BatchNormalization" in kinds(graph)
    same(graph, tmp_path / "net.keras")


def test_known_elements_are_arguments_or_weights(tmp_path: Path) -> None:
    """Few stand in the configuration; many are the row of an Embedding."""
    x = image(2, 300)
    net = Net(x)
    few = elementwise.mul(x, shapes.broadcast(net.weight(1, 1), shape=x.shape))
    many = elementwise.add(x, shapes.broadcast(net.weight(1, 300), shape=x.shape))
    whole = Value(TensorType(DType.INT64, (3,)))
    numbers = constant(value=constant_of(np.arange(3)))
    graph = Graph("net", (x, whole), (few, many, elementwise.add(whole, numbers), numbers), ("a", "b", "c", "d"),
                  tuple(net.weights), {x: "x", whole: "n"})  # fmt: skip
    found = kinds(graph)
    assert found.count("Embedding") == 1
    again = same(graph, tmp_path / "net.keras")
    assert [value.dtype for value in again.outputs[2:]] == [DType.INT64, DType.INT64]


def test_names_are_those_of_keras(tmp_path: Path) -> None:
    x = image(2, 2)
    y = activation.relu(x)
    graph = Graph("a/net", (x,), (y, y, x), ("a/b", "c", "d"), (), {x: "in/x"})
    report = export_keras(graph, tmp_path / "net.keras")
    assert report.renamed == {"in/x": "in_x"}
    layers = plan_keras(graph)
    assert layers.outputs == [("a_b", 0), ("c", 0), ("d", 0)]
    assert all("/" not in entry.name for entry in layers.entries)
    same(graph, tmp_path / "net.keras")


def test_what_has_no_form_is_told_at_once() -> None:
    x = image(2, 2)
    narrow = elementwise.cast(elementwise.cast(x, dtype=DType.BFLOAT16), dtype=DType.FLOAT32)
    with pytest.raises(UnsupportedError, match="nodes have no form in Keras"):
        plan_keras(Net(x).graph(narrow))
    text = constant(value=constant_of(np.array(["a"], object)))
    with pytest.raises(UnsupportedError, match="no elements of str"):
        plan_keras(Net().graph(text))
    kernel, y = image(3, 3, 3, 3), image(1, 3, 8, 8)
    net = Net(y, kernel)
    made = conv(
        y, kernel, None, strides=(1, 1), padding=((0, 0),) * 2, dilation=(1, 1), input_dilation=(1, 1), groups=1
    )
    with pytest.raises(UnsupportedError, match="computed at run time"):
        plan_keras(net.graph(activation.relu(made)))


def entry(name: str, *reads: str) -> Entry:
    """A layer that is called with the results of others."""
    called: list[Json] = [
        {"class_name": "__keras_tensor__", "config": {"shape": [], "dtype": "float32", "keras_history": [each, 0, 0]}}
        for each in reads
    ]
    return Entry("Dense", name, "keras.layers", {}, called if reads else None)


@pytest.mark.parametrize(
    ("entries", "outputs", "wanted"),
    [
        # The longer branch comes first, whatever stands first in the graph.
        (["x", "short:x", "long1:x", "long2:long1", "end:short,long2"], ["end"], "x long1 short long2 end"),
        # As far as each other: in the order in which the walk from the outputs meets them.
        (["x", "a:x", "b:x"], ["b", "a"], "x b a"),
        # What no output reads is dropped, but for inputs, which come last of those at the end, yet before them.
        (["x", "unread", "a:x", "dead:x"], ["a"], "x unread a"),
    ],
)
def test_layers_are_counted_as_keras_counts_them(entries: list[str], outputs: list[str], wanted: str) -> None:
    made = [
        entry(name, *reads.split(",") if reads else ()) for name, _, reads in (each.partition(":") for each in entries)
    ]
    inputs = [each.name for each in made if each.arguments is None]
    assert " ".join(each.name for each in in_order(made, inputs, outputs)) == wanted


def lengths_of(x: Value) -> Value:
    """Lengths of 0 to 5 steps, i32[N], of the first elements of x [T, N, I]."""
    first = shapes.slice_(x, axes=(0, 2), starts=(0, 0), stops=(1, 1), steps=(1, 1))
    steps = elementwise.clip(elementwise.abs_(elementwise.mul(first, like(first, 4.0))), minimum=0.0, maximum=5.0)
    return elementwise.cast(shapes.reshape(steps, shape=(x.shape[1],)), dtype=DType.INT32)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("operator", [lstm, gru, rnn], ids=["lstm", "gru", "rnn"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_recurrent_layers(operator: AnyOp, direction: str, masked: bool, tmp_path: Path) -> None:
    gates, functions = {
        "lstm": (4, (("sigmoid", 0.0, 0.0), ("tanh", 0.0, 0.0), ("tanh", 0.0, 0.0))),
        "gru": (3, (("sigmoid", 0.0, 0.0), ("tanh", 0.0, 0.0))),
        "rnn": (1, (("relu", 0.0, 0.0),)),
    }[operator.name]
    count = 2 if direction == "bidirectional" else 1
    batch = Symbol("N")
    x, state = image(5, batch, 3), image(count, batch, 4)
    net = Net(x, state)
    weights = (net.weight(count, 4 * gates, 3), net.weight(count, 4 * gates, 4), net.weight(count, 8 * gates))
    settings: dict[str, Attribute] = {"direction": direction, "functions": functions * count, "clip": None}
    settings |= {"lstm": {"coupled": False}, "gru": {"linear_before_reset": True}}.get(operator.name, {})
    states = (state, state, None) if operator is lstm else (state,)
    lengths = lengths_of(x) if masked else None
    made = apply(operator, (x, *weights, lengths, *states), settings).outputs
    graph = net.graph(*made)
    assert kinds(graph).count({"lstm": "LSTM", "gru": "GRU", "rnn": "SimpleRNN"}[operator.name]) == count
    same(graph, tmp_path / "net.keras")


def test_sequences_whose_most_steps_only_the_run_tells_are_refused() -> None:
    x = image(Symbol("T"), 2, 3)
    net = Net(x)
    functions = (("tanh", 0.0, 0.0),)
    made = rnn(
        x,
        net.weight(1, 4, 3),
        net.weight(1, 4, 4),
        None,
        lengths_of(x),
        direction="forward",
        functions=functions,
        clip=None,
    )
    with pytest.raises(UnsupportedError, match="only the run tells the most"):
        plan_keras(net.graph(*made))


def test_sizes_that_the_run_tells(tmp_path: Path) -> None:
    """The first axis is kept, and one more size may be open; what computes it is not said."""
    batch, side = Symbol("N"), Symbol("h")
    x = image(batch, 4, side, 6)
    flat = shapes.reshape(x, shape=(batch, 4, side * 6))
    net = Net(x)
    up = resize(x, sizes=(side * 2, 12), mode="nearest", coordinates="asymmetric", rounding="floor", scales=(2.0, 2.0))
    weight = shapes.broadcast(shapes.reshape(net.weight(4, 5), shape=(1, 4, 5)), shape=(batch, 4, 5))
    graph = net.graph(flat, matmul(shapes.transpose(flat, perm=(0, 2, 1)), weight), up)
    assert {"Reshape", "Dense", "UpSampling2D"} <= set(kinds(graph))
    same(graph, tmp_path / "net.keras")
    open_sizes = shapes.reshape(x, shape=(batch * 4, side * 6))
    with pytest.raises(UnsupportedError, match="sizes that are computed at run time"):
        plan_keras(Net(x).graph(open_sizes))


def test_repeats_to_sizes_that_the_run_tells(tmp_path: Path) -> None:
    """Known sizes are tiled; along the batch zeros of its size are added, to truth values without changing them."""
    batch, steps = Symbol("N"), Symbol("T")
    x, y = image(batch, 1, 3), image(steps, 2)
    row, cell = image(1, 1, 3), image(1, 1)
    net = Net(x, y, row, cell)
    truth = compare.less(row, elementwise.sub(row, row))
    graph = net.graph(
        shapes.broadcast(x, shape=(batch, 4, 3)),
        shapes.broadcast(row, shape=(batch, 4, 3)),
        shapes.broadcast(truth, shape=(batch, steps, 3)),
        shapes.broadcast(cell, shape=(steps, 1)),
        shapes.broadcast(cell, shape=(steps, 4, 1)),
        shapes.broadcast(cell, shape=(batch, 1, 1)),
    )
    assert sorted(set(kinds(graph)) & {"BroadcastTo", "LogicalOr", "Tile"}) == ["LogicalOr", "Tile"]
    same(graph, tmp_path / "net.keras")


@pytest.mark.parametrize("empty", [False, True])
def test_repeats_to_sizes_that_no_input_has(empty: bool) -> None:
    batch = Symbol("N")
    x = image(batch, 0 if empty else 2)
    row = image(1, 3)
    with pytest.raises(UnsupportedError, match="sizes that are computed at run time"):
        plan_keras(Net(x, row).graph(shapes.broadcast(row, shape=(batch if empty else batch * 2, 3))))
