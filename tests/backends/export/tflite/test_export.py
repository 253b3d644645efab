"""Networks as TFLite files: layout, fused activations, versions, sizes that are not known, what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import xir
from xir.backends.export.tflite import export_tflite, plan_tflite
from xir.backends.export.tflite._plan import Plan
from xir.backends.export.tflite._versions import runtime_of, version_of
from xir.errors import UnsupportedError
from xir.frontends.tflite.reader import read_tflite
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import activation, elementwise, pool
from xir.ops import shape as shapes
from xir.ops.conv import conv, conv_transpose
from xir.ops.matmul import gemm, matmul
from xir.ops.norm import batch_norm
from xir.ops.reduce import reduce_mean
from xir.passes import optimize, tidied
from xir.reference import run


class Net:
    """A graph that is put together piece by piece."""

    def __init__(self, *inputs: Value) -> None:
        self.inputs = inputs
        self.weights: list[Parameter] = []
        self.generator = np.random.default_rng(7)

    def weight(self, *sizes: int) -> Value:
        return self.held(self.generator.standard_normal(sizes).astype(np.float32))

    def held(self, array: Array) -> Value:
        made = constant_of(array)
        self.weights.append(Parameter(Value(made.type), made))
        return self.weights[-1].value

    def conv(self, x: Value, channels: int, window: int, **more: int) -> Value:
        groups, stride = more.get("groups", 1), more.get("stride", 1)
        own = x.shape[1]
        assert isinstance(own, int)
        pad = more.get("pad", 0)
        return conv(
            x,
            self.weight(channels, own // groups, window, window),
            self.weight(channels),
            strides=(stride, stride),
            padding=((pad, pad),) * 2,
            dilation=(1, 1),
            input_dilation=(1, 1),
            groups=groups,
        )

    def graph(self, *outputs: Value) -> Graph:
        names = {value: f"x{index}" for index, value in enumerate(self.inputs)}
        labels = tuple(f"y{index}" for index in range(len(outputs)))
        return Graph("net", self.inputs, outputs, labels, tuple(self.weights), names)


def image(*sizes: Dim) -> Value:
    return Value(TensorType(DType.FLOAT32, sizes))


def kinds(plan: Plan) -> list[str]:
    return [record.kind for record in plan.records]


def round_trip(graph: Graph, path: Path, **sizes: int) -> None:
    """Writes the graph, reads it back, and compares."""
    from xir.verification import workable_sizes

    export_tflite(graph, path, least=workable_sizes(graph))
    feeds = xir.random_inputs(graph, seed=3)
    again = run(xir.load(path), feeds)
    for wanted, found in zip(run(graph, feeds).values(), again.values(), strict=True):
        np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=1e-4, atol=1e-5)


def small_network() -> Graph:
    """Two branches that meet, pools with overhang, an end of products."""
    x = image(1, 3, 17, 17)
    net = Net(x)
    first = activation.relu(net.conv(x, 8, 3, stride=2, pad=1))
    pooled = pool.max_pool(first, window=(3, 3), strides=(2, 2), padding=((0, 1), (0, 1)), dilation=(1, 1))
    left = activation.relu(net.conv(pooled, 8, 3, pad=1, groups=8))
    right = elementwise.clip(net.conv(pooled, 8, 1), minimum=0.0, maximum=6.0)
    joined = shapes.concat(elementwise.add(left, pooled), right, axis=1)
    mean = reduce_mean(joined, axes=(2, 3), keep_dims=False)
    result = gemm(mean, net.weight(5, 16), None, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=True)
    return net.graph(activation.sigmoid(result))


def test_a_network_has_one_transpose_and_fused_activations(tmp_path: Path) -> None:
    plan = plan_tflite(small_network())
    assert kinds(plan).count("TRANSPOSE") == 1
    assert not {"RELU", "RELU6"} & set(kinds(plan))
    fused = [dict(record.options[1]).get("fused_activation_function") for record in plan.records if record.options]
    assert fused.count("RELU") == 2
    assert fused.count("RELU6") == 1
    round_trip(small_network(), tmp_path / "net.tflite")


def test_a_batch_norm_before_its_layer_is_a_product_and_a_sum_that_takes_the_activation(tmp_path: Path) -> None:
    x = image(1, 3, 6, 6)
    net = Net(x)
    variance = net.held(np.array([0.5, 1.0, 2.0], np.float32))
    normed = batch_norm(x, net.weight(3), net.weight(3), net.weight(3), variance, epsilon=1e-3)
    graph = net.graph(net.conv(activation.relu(normed), 4, 3, pad=1))
    assert all(each.trainable for each in graph.parameters)
    plan = plan_tflite(graph, tidied)
    assert [kind for kind in kinds(plan) if kind not in ("TRANSPOSE", "PAD")] == ["MUL", "ADD", "CONV_2D"]
    added = next(record for record in plan.records if record.kind == "ADD")
    assert added.options == ("AddOptions", {"fused_activation_function": "RELU"})
    round_trip(graph, tmp_path / "net.tflite")


def test_an_image_with_channels_last_has_no_transpose() -> None:
    x = image(1, 8, 8, 3)
    net = Net(x)
    made = net.conv(shapes.transpose(x, perm=(0, 3, 1, 2)), 4, 3)
    plan = plan_tflite(net.graph(shapes.transpose(made, perm=(0, 2, 3, 1))))
    assert kinds(plan) == ["CONV_2D"]


def flattened(*, known: bool, twice: bool = False) -> Graph:
    """A convolution, all of whose elements are multiplied; weights may be known to the run alone."""
    x, given = image(2, 3, 6, 6), image(5, 64)
    net = Net(x) if known else Net(x, given)
    row = shapes.reshape(net.conv(x, 4, 3), shape=(2, 64))
    weights = net.weight(5, 64) if known else given
    made = gemm(row, weights, net.weight(2, 5), alpha=1.0, beta=1.0, transpose_a=False, transpose_b=True)
    other = [matmul(row, net.weight(64, 7)), row] if twice else []
    return net.graph(made, *other)


def test_an_image_in_one_row_is_multiplied_as_it_stands(tmp_path: Path) -> None:
    """The weights' columns take the order of the channels last."""
    assert kinds(plan_tflite(flattened(known=True))) == ["TRANSPOSE", "CONV_2D", "RESHAPE", "FULLY_CONNECTED", "ADD"]
    round_trip(flattened(known=True), tmp_path / "net.tflite")


def test_an_image_in_one_row_stands_in_our_order_for_other_readers(tmp_path: Path) -> None:
    assert kinds(plan_tflite(flattened(known=False))).count("TRANSPOSE") == 2
    round_trip(flattened(known=False), tmp_path / "given.tflite")
    assert kinds(plan_tflite(flattened(known=True, twice=True))).count("TRANSPOSE") == 2
    round_trip(flattened(known=True, twice=True), tmp_path / "twice.tflite")


def test_the_signature_names_the_tensors_of_the_file(tmp_path: Path) -> None:
    """Fused activations leave tensors that are not written, which the signature must not count."""
    path = tmp_path / "net.tflite"
    export_tflite(small_network(), path)
    model = read_tflite(path)
    main = model.subgraphs[0]
    (signature,) = model.signatures
    assert [main.tensors[index].name for index in signature.outputs.values()] == ["y0"]
    assert [main.tensors[index].name for index in signature.inputs.values()] == ["x0"]


def test_reshapes_that_undo_each_other_are_not_written(tmp_path: Path) -> None:
    x = image(1, 8, 8, 1)
    net = Net(x)
    turned = shapes.transpose(x, perm=(0, 3, 1, 2))  # one channel: no element changes its place
    graph = net.graph(net.conv(turned, 4, 3), shapes.reshape(shapes.reshape(x, shape=(64,)), shape=(4, 16)))
    assert sorted(kinds(plan_tflite(graph))) == ["CONV_2D", "RESHAPE", "TRANSPOSE"]
    round_trip(graph, tmp_path / "net.tflite")


PADDINGS = (
    ((0, 0), "VALID", 0),
    ((1, 1), "SAME", 0),
    ((2, 0), "VALID", 1),
    ((2, 2), "VALID", 1),
)


@pytest.mark.parametrize(("pair", "scheme", "pads"), PADDINGS)
def test_padding_is_named_where_it_has_a_name(pair: tuple[int, int], scheme: str, pads: int, tmp_path: Path) -> None:
    x = image(2, 3, 9, 9)
    net = Net(x)
    w = net.weight(4, 3, 3, 3)
    made = conv(x, w, strides=(1, 1), padding=(pair, pair), dilation=(1, 1), input_dilation=(1, 1), groups=1)
    plan = plan_tflite(net.graph(made))
    assert kinds(plan).count("PAD") == pads
    options = next(record.options for record in plan.records if record.kind == "CONV_2D")
    assert options is not None
    assert options[1]["padding"] == scheme
    round_trip(net.graph(made), tmp_path / "net.tflite")


@pytest.mark.parametrize(("padding", "extra"), [((0, 0), 0), ((1, 1), 0), ((1, 1), 1), ((0, 1), 0)])
def test_transposed_convolutions(padding: tuple[int, int], extra: int, tmp_path: Path) -> None:
    x = image(1, 3, 5, 5)
    net = Net(x)
    made = conv_transpose(
        x,
        net.weight(3, 4, 3, 3),
        net.weight(4),
        strides=(2, 2),
        padding=(padding, padding),
        dilation=(1, 1),
        output_padding=(extra, extra),
        groups=1,
    )
    round_trip(net.graph(made), tmp_path / "net.tflite")


@pytest.mark.parametrize(
    ("padding", "counted"),
    [(((1, 1), (1, 1)), ((1, 1), (1, 1))), (((1, 2), (1, 2)), ((1, 1), (1, 1))), (((0, 1), (0, 1)), ((0, 0), (0, 0)))],
)
def test_averages_divide_by_what_counts(
    padding: tuple[tuple[int, int], ...], counted: tuple[tuple[int, int], ...], tmp_path: Path
) -> None:
    x = image(1, 2, 7, 7)
    made = pool.average_pool(
        x, window=(3, 3), strides=(2, 2), padding=padding, counted_padding=counted, dilation=(1, 1)
    )
    round_trip(Net(x).graph(made), tmp_path / "net.tflite")


def test_sizes_of_the_run_time(tmp_path: Path) -> None:
    batch, rows = Symbol("N"), Symbol("H")
    x = image(batch, 3, rows, 8)
    net = Net(x)
    pooled = pool.max_pool(
        net.conv(x, 4, 3, pad=1), window=(2, 2), strides=(2, 2), padding=((0, 0),) * 2, dilation=(1, 1)
    )
    flat = shapes.reshape(pooled, shape=(batch, 4, pooled.shape[2] * 4))
    padded = shapes.pad(flat, padding=((0, 0), (1, 1), (0, pooled.shape[2])))
    repeated = shapes.broadcast(net.weight(1, 1, 4), shape=(batch, 6, 4))
    graph = net.graph(padded, repeated)
    path = tmp_path / "net.tflite"
    round_trip(graph, path)
    sizes = xir.load(path).inputs[0].shape
    assert [isinstance(size, int) for size in sizes] == [False, True, False, True]


def test_products_of_matrices(tmp_path: Path) -> None:
    x, y = image(2, 3, 4), image(2, 5, 4)
    net = Net(x, y)
    product = matmul(x, shapes.transpose(y, perm=(0, 2, 1)))
    weights = shapes.broadcast(shapes.reshape(net.weight(5, 6), shape=(1, 5, 6)), shape=(2, 5, 6))
    graph = net.graph(matmul(product, weights))
    assert kinds(plan_tflite(graph)) == ["BATCH_MATMUL", "FULLY_CONNECTED"]
    round_trip(graph, tmp_path / "net.tflite")


def test_everything_that_has_no_form_is_told() -> None:
    x = Value(TensorType(DType.FLOAT64, (2, 3)))
    exp, log = elementwise.exp(x), elementwise.log(x)
    with pytest.raises(UnsupportedError) as caught:
        plan_tflite(Net(x).graph(exp, log))
    assert len(caught.value.problems) == 2
    wide = Value(TensorType(DType.FLOAT8E8M0, (2,)))
    with pytest.raises(UnsupportedError, match="no elements of f8e8m0"):
        plan_tflite(Net(wide).graph(wide))


def versions(graph: Graph) -> Sequence[tuple[str, int]]:
    plan = plan_tflite(graph)
    return [(record.kind, version_of(record, plan.tensors)) for record in plan.records]


def test_versions_follow_from_the_use() -> None:
    assert set(versions(small_network())) >= {("FULLY_CONNECTED", 6), ("CONV_2D", 1), ("DEPTHWISE_CONV_2D", 1)}
    x = Value(TensorType(DType.INT64, (2, 1, 2, 2, 2, 2)))
    moved = shapes.transpose(x, perm=(5, 4, 3, 2, 0, 1))
    assert versions(Net(x).graph(elementwise.add(moved, moved)))[:2] == [("ADD", 4), ("TRANSPOSE", 6)]
    assert runtime_of([("ADD", 4), ("TRANSPOSE", 6)]) == "2.12.0"
    assert runtime_of([]) == "1.5.0"


def test_conversion_writes_and_verifies(tmp_path: Path) -> None:
    xir.export(optimize(small_network()), tmp_path / "net.xir")
    report = xir.convert(tmp_path / "net.xir", tmp_path / "net.tflite")
    assert report.certificate is not None
    assert report.certificate.passed
    assert report.export is not None
    assert report.export.transposes == 1
