"""Counts of layers, parameters and operations."""

from __future__ import annotations

import numpy as np
import pytest

from tests.frontends.caffe.nets import declare, layer
from xir.frontends.caffe.load import load_caffe
from xir.frontends.options import Loaded, LoadOptions
from xir.inspect.conversion import source_to_dict
from xir.inspect.flops import Flops
from xir.inspect.results import report_run
from xir.inspect.summary import layer_count, summarize
from xir.ir.builder import sourced
from xir.ir.constant import constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.source import Source
from xir.ir.types import DType, TensorType
from xir.ops.activation import relu
from xir.ops.conv import conv, conv_transpose
from xir.ops.elementwise import add, mul
from xir.ops.matmul import gemm, matmul
from xir.ops.norm import softmax
from xir.ops.pool import max_pool
from xir.ops.reduce import reduce_sum
from xir.ops.shape import reshape

F32 = DType.FLOAT32


def value(*shape):
    return Value(TensorType(F32, shape))


def convolution(x, w, bias=None, groups=1):
    return conv(
        x, w, bias, strides=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), input_dilation=(1, 1), groups=groups
    )


CASES = [
    (lambda: convolution(value(1, 3, 8, 8), value(4, 3, 3, 3)), 2 * 4 * 36 * 27),
    (lambda: convolution(value(1, 3, 8, 8), value(4, 3, 3, 3), value(4)), 2 * 4 * 36 * 27 + 144),
    (lambda: convolution(value(1, 4, 8, 8), value(4, 1, 3, 3), groups=4), 2 * 4 * 36 * 9),
    (lambda: matmul(value(5, 7), value(7, 3)), 2 * 15 * 7),
    (
        lambda: gemm(value(5, 7), value(3, 7), value(5, 3), alpha=1.0, beta=1.0, transpose_a=False, transpose_b=True),
        2 * 15 * 7 + 15,
    ),
    (lambda: reduce_sum(value(4, 5), axes=(1,), keep_dims=False), 20),
    (lambda: reshape(value(4, 5), shape=(20,)), 0),
    (lambda: add(value(4, 5), value(4, 5)), 20),
    (lambda: relu(value(4, 5)), 20),
    # greatest, less it, exp, sum; a reciprocal for each of the two rows; a product with it
    (lambda: softmax(value(2, 5), axis=1), 10 + 10 + 10 + 10 + 2 + 10),
]


@pytest.mark.parametrize(("build", "expected"), CASES)
def test_operations_of_one_node(build, expected):
    assert Flops().of(build().node) == expected


def test_operations_of_a_pool_and_a_transposed_convolution():
    pool = max_pool(value(1, 2, 4, 4), window=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0)), dilation=(1, 1))
    assert Flops().of(pool.node) == 2 * 4 * 4
    up = conv_transpose(
        value(1, 4, 5, 5),
        value(4, 2, 3, 3),
        strides=(2, 2),
        padding=((0, 0), (0, 0)),
        dilation=(1, 1),
        output_padding=(0, 0),
        groups=1,
    )
    assert Flops().of(up.node) == 2 * 100 * 18


def test_unknown_sizes_count_as_the_least_and_are_told():
    count = Flops()
    size = Symbol("N")
    assert count.of(add(value(size, 5), value(size, 5)).node) == 5
    assert count.assumed == ("N=1",)


def shared_weights():
    w = value(2, 2)
    x = value(2, 2)
    with sourced(Source("caffe", "f", "first", "InnerProduct", order=0)):
        y = relu(matmul(x, w))
    with sourced(Source("caffe", "f", "second", "InnerProduct", order=1)):
        z = matmul(y, w)
    parameter = Parameter(w, constant_of(np.ones((2, 2), np.float32)))
    return Graph("g", (x,), (mul(z, z),), ("out",), (parameter,), {x: "x", w: "w"})


def test_a_layer_is_a_row_and_weights_count_once():
    summary = summarize(Loaded(shared_weights(), "caffe", ("f",), 2), names=True)
    assert [(row.kind, row.parameters) for row in summary.layers] == [
        ("InnerProduct", 4),
        ("InnerProduct", 0),
        ("mul", 0),
    ]
    assert [row.name for row in summary.layers[:2]] == ["first", "second"]
    assert summary.layers[0].operators == ("matmul", "relu")
    assert (summary.parameters, summary.bytes, summary.nodes) == (4, 16, 4)
    assert len(summary.values) == 4
    assert summary.to_dict()["inputs"] == [{"name": "x", "type": "f32[2,2]"}]


def test_results_name_the_largest_elements():
    report = report_run("m", {}, {"y": np.array([[1.0, np.nan, 3.0]], np.float32), "t": np.array(["a"], object)})
    first, text = report.outputs
    assert first.top[:2] == (((0, 2), 3.0), ((0, 0), 1.0))
    assert (first.minimum, first.maximum, first.nonfinite) == (1.0, 3.0, 1)
    assert (text.dtype, text.top) == ("str", ())


def test_results_of_nothing():
    (only,) = report_run("m", {}, {"y": np.zeros((0, 4), np.float32)}).outputs
    assert (only.minimum, only.top) == (None, ())


def test_the_number_of_layers_is_that_of_the_table(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        declare({"data": (1, 3)})
        + layer("a", "ReLU", "data", "a")
        + layer("b", "Dropout", "a", "b")
        + layer("loss", "EuclideanLoss", "b data", "loss")
    )
    loaded = load_caffe(str(path), LoadOptions())
    assert layer_count(loaded.graph) == len(summarize(loaded).layers) == 2
    assert source_to_dict(loaded)["layers"] == 2
