"""Which layers of two models pair, and how exact an inner layer must be."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from xir.ir.builder import sourced
from xir.ir.constant import constant_of
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.source import Source
from xir.ir.types import DType, TensorType
from xir.ops.activation import relu
from xir.ops.elementwise import add, mul, sub
from xir.ops.pool import max_pool
from xir.verification.layers import pair_layers

NET = """
name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" batch_norm_param { use_global_stats: true } }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv"
  scale_param { bias_term: true filler { type: "gaussian" std: 2 } bias_filler { type: "gaussian" std: 1 } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
"""


def of(*layers: tuple[str, str, int], framework: str = "caffe") -> tuple[Source, ...]:
    return tuple(Source(framework, file, layer, "Kind", order=order) for file, layer, order in layers)


def one(sources, name="y", how=relu, shape=(2, 3)) -> Graph:
    """A graph of one node with a named result."""
    x = Value(TensorType(DType.FLOAT32, shape))
    with sourced(*sources):
        y = how(x)
    return Graph("g", (x,), (y,), ("out",), names={x: "x", y: name})


def inner(sources, name="y", how=relu, shape=(2, 3)) -> Graph:
    """The same, and one node more after it."""
    graph = one(sources, name, how, shape)
    with sourced(*of(("n", "end", 99))):
        end = relu(graph.outputs[0])
    return Graph("g", graph.inputs, (end,), ("out",), names=graph.names)


@pytest.fixture
def folded(tmp_path):
    """A net with batch normalization, and the ONNX file in which it is folded into the convolution."""
    (tmp_path / "net.prototxt").write_text(NET)
    report = xir.convert(tmp_path / "net.prototxt", tmp_path / "net.onnx")
    assert report.export.operators == {"Conv": 1, "Relu": 1, "MaxPool": 1}
    return tmp_path / "net.prototxt", tmp_path / "net.onnx"


def test_a_folded_layer_pairs_with_the_last_one_that_it_stands_for(folded):
    found = xir.verify(*folded, per_layer=True)
    assert [layer.difference.name for layer in found.layers] == ["scale", "relu", "pool"]
    assert found.unpaired == ("conv", "bn")
    assert found.passed


def test_a_wrong_folded_layer_is_still_found(folded):
    prototxt, file = folded
    other = prototxt.with_name("other.prototxt")
    other.write_text(NET.replace("std: 2", "std: 3"))
    found = xir.verify(other, file, per_layer=True)
    assert found.first_divergence is not None
    assert found.first_divergence.difference.name == "scale"


@pytest.mark.parametrize(
    ("a", "b", "paired"),
    [
        (of(("n", "conv", 1)), of(("n", "conv", 1), ("n", "bn", 2)), False),
        (of(("n", "bn", 2)), of(("n", "conv", 1), ("n", "bn", 2)), True),
        (of(("n", "bn", 2)), of(("m", "conv", 1), ("m", "bn", 2)), True),
        (of(("n", "conv", 1)), of(("m", "conv", 1), ("m", "bn", 2)), False),
        (of(("n", "conv", 1)), of(("b", "conv", 0), framework="onnx"), True),
        (of(("a", "Conv_7", 1), framework="onnx"), of(("b", "Conv_0", 0), framework="onnx"), True),
        (of(("n", "conv", 1)), (), True),
    ],
    ids=["first", "last", "last of another file", "first of another file", "foreign", "two exporters", "no source"],
)
def test_names_pair_only_where_the_sources_agree(a, b, paired):
    pairs, unpaired = pair_layers(inner(a), inner(b))
    assert (len(pairs) == 2) is paired
    assert bool(unpaired) is not paired


def test_a_layer_between_two_onnx_files_of_one_source():
    origin = of(("n", "bn", 2))
    a = inner((*origin, *of(("a", "bn/sub", 4), framework="onnx")), how=lambda x: sub(x, x))
    b = inner((*origin, *of(("a", "bn/sub", 4), ("a", "bn/mul", 5), framework="onnx")), how=lambda x: mul(x, x))
    assert [pair.name for pair in pair_layers(a, b)[0]] == ["end"]


def test_other_sizes_are_a_pair_only_for_one_operator():
    def pool(after):
        return lambda x: max_pool(x, window=(2, 2), strides=(2, 2), padding=((0, after), (0, after)), dilation=(1, 1))

    layer, shape = of(("n", "pool", 1)), (1, 1, 5, 5)
    floor, ceil = inner(layer, how=pool(0), shape=shape), inner(layer, how=pool(1), shape=shape)
    assert [pair.name for pair in pair_layers(floor, ceil)[0]] == ["pool", "end"]
    assert [pair.name for pair in pair_layers(floor, inner(layer, shape=shape))[0]] == ["end"]


def test_inner_layers_are_as_exact_as_their_largest_element():
    """(1e6 + x) - 1e6 is computed in another order, which is no difference; another sum is one."""

    def summed(order, extra=0.0):
        x, w = Value(TensorType(DType.FLOAT32, (64,))), Value(TensorType(DType.FLOAT32, (64,)))
        numbers = np.linspace(1, 3, 64, dtype=np.float32)
        numbers[0] = 1e4
        with sourced(*of(("n", "sum", 1))):
            y = order(x, w)
        with sourced(*of(("n", "end", 2))):
            end = mul(y, y)
        constant = constant_of(numbers + np.float32(extra))
        return Graph("g", (x,), (end,), ("out",), (Parameter(w, constant),), {x: "x", y: "sum"})

    feeds = {"x": np.linspace(-1e4, 0, 64, dtype=np.float32)}
    close = xir.verify(summed(add), summed(add, 0.01), inputs=feeds, per_layer=True)
    assert close.layers[0].atol > 0.9
    assert close.layers[0].difference.equal
    assert not xir.verify(summed(add), summed(add, 20), inputs=feeds, per_layer=True).layers[0].difference.equal


def laid(layout, shape) -> Graph:
    """A layer whose result is stored as `layout` says."""
    return inner((Source("tensorflow", "n.pb", "conv", "Conv2D", layout=layout),), shape=shape)


@pytest.mark.parametrize(
    ("a", "b", "perm"),
    [
        ((None, (1, 4, 5, 3)), ((0, 3, 1, 2), (1, 3, 4, 5)), (0, 2, 3, 1)),
        (((0, 3, 1, 2), (1, 3, 4, 5)), (None, (1, 4, 5, 3)), (0, 3, 1, 2)),
        (((0, 3, 1, 2), (1, 3, 4, 5)), ((0, 3, 1, 2), (1, 3, 4, 5)), None),
        (((0, 3, 1, 2), (1, 3, 4, 5)), ((0, 2, 3, 1), (1, 5, 3, 4)), (0, 2, 3, 1)),
    ],
)
def test_layers_that_are_stored_in_other_orders_pair(a, b, perm) -> None:
    first, second = laid(*a), laid(*b)
    pair = pair_layers(first, second)[0][0]
    assert pair.perm == perm
    moved = pair.b.shape if perm is None else tuple(pair.b.shape[axis] for axis in perm)
    assert moved == pair.a.shape


def test_a_layout_that_does_not_fit_is_not_believed() -> None:
    pairs, _ = pair_layers(laid(None, (1, 4, 3)), laid((0, 3, 1, 2), (1, 4, 3)))
    assert pairs[0].perm is None
