"""Models whose outputs show nothing: said aloud, and verified with random weights where weights are made up."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import xir
from xir.errors import MismatchError
from xir.ir.constant import constant_of
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.elementwise import add
from xir.ops.matmul import matmul
from xir.ops.shape import broadcast
from xir.verification import twin as twins
from xir.verification.twin import twin_of

ZERO = """
name: "zero"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 6 dim: 6 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 FILLER } }
layer { name: "prob" type: "Softmax" bottom: "conv" top: "prob" }
"""


def net(tmp_path, filler=""):
    path = tmp_path / "net.prototxt"
    path.write_text(ZERO.replace("FILLER", filler))
    return path


def model(weight, bias):
    x, w, b = (Value(TensorType(DType.FLOAT32, shape)) for shape in ((2, 3), (3, 4), (4,)))
    parameters = (Parameter(w, constant_of(weight)), Parameter(b, constant_of(bias)))
    return Graph(
        "g", (x,), (add(matmul(x, w), broadcast(b, shape=(2, 4))),), ("out",), parameters, {x: "x", w: "w", b: "b"}
    )


def ramp(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def zeros(*shape):
    return np.zeros(shape, np.float32)


def values(graph):
    return {graph.names[each.value]: each.constant.array() for each in graph.parameters}


def test_weights_that_are_all_zero_are_verified_by_a_twin(tmp_path):
    certificate = xir.convert(net(tmp_path), tmp_path / "net.onnx").certificate
    assert certificate is not None
    assert certificate.constant == ("prob",)
    assert certificate.twin is not None
    assert certificate.twin.constant == ()
    assert certificate.passed
    assert certificate.summary().startswith("verified on 3 random inputs, also with random weights: max |d| ")
    held = json.loads(certificate.to_json())
    assert held["constant_outputs"] == ["prob"]
    assert held["random_weights"]["passed"] is True
    written = xir.load(tmp_path / "net.onnx")
    assert not any(array.any() for array in values(written).values())


def test_a_twin_finds_what_zeros_hide(tmp_path, monkeypatch):
    monkeypatch.setattr("xir._job.Job.optimize", double_weights)
    with pytest.raises(MismatchError, match=r"also with random weights.*outputs \['prob'\]"):
        xir.convert(net(tmp_path), tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()


def double_weights(job, loaded, *options):
    """An optimizer that doubles every weight, which no zero shows."""

    def doubled(graph):
        constants = [constant_of(each.constant.array() * np.float32(2)) for each in graph.parameters]
        pairs = zip(graph.parameters, constants, strict=True)
        return replace(graph, parameters=tuple(replace(each, constant=constant) for each, constant in pairs))

    job.again = doubled
    return doubled(loaded.graph)


def test_weights_with_numbers_of_their_own_need_no_twin(tmp_path):
    certificate = xir.convert(net(tmp_path, "weight_filler { type: 'xavier' }"), tmp_path / "net.onnx").certificate
    assert certificate is not None
    assert (certificate.twin, certificate.constant) == (None, ())


def test_constant_outputs_are_said_where_there_is_no_twin(tmp_path):
    found = xir.verify(net(tmp_path), net(tmp_path))
    assert found.passed
    assert found.summary().endswith("; output 'prob' is constant or empty: this shows little")


def test_many_constant_outputs_are_said_in_few_words():
    x = Value(TensorType(DType.FLOAT32, (0, 3)))
    graph = Graph("g", (x,), tuple(add(x, x) for _ in range(5)), tuple("abcde"), names={x: "x"})
    assert "outputs 'a', 'b', 'c', ... are constant or empty" in xir.verify(graph, graph).summary()


def test_one_number_alone_is_not_called_constant():
    x = Value(TensorType(DType.FLOAT32, (1,)))
    graph = Graph("g", (x,), (add(x, x),), ("y",), names={x: "x"})
    assert xir.verify(graph, graph, inputs={"x": np.ones(1, np.float32)}).constant == ()


def test_only_constant_weights_that_were_made_up_are_drawn():
    twin = twin_of(model(zeros(3, 4), ramp(4)), ("w", "b"))
    assert twin is not None
    assert np.ptp(values(twin)["w"]) > 0
    assert values(twin)["b"].tolist() == [0, 1, 2, 3]
    again = twin_of(model(zeros(3, 4), ramp(4)), ("w", "b"))
    assert again is not None
    assert np.array_equal(values(again)["w"], values(twin)["w"])


@pytest.mark.parametrize(
    ("weight", "bias", "made_up"),
    [(zeros(3, 4), zeros(4), ()), (ramp(3, 4), zeros(4), ("w", "b")), (ramp(3, 4), ramp(4), ("w", "b"))],
    ids=["from a file", "only a bias", "numbers"],
)
def test_no_twin(weight, bias, made_up):
    assert twin_of(model(weight, bias), made_up) is None


def test_a_bias_counts_where_outputs_are_constant():
    twin = twin_of(model(ramp(3, 4), zeros(4)), ("w", "b"), always=True)
    assert twin is not None
    assert np.all(values(twin)["b"] >= 0.5)


def test_a_twin_that_is_too_large_is_left_out(monkeypatch):
    monkeypatch.setattr(twins, "MAX_TWIN_BYTES", 47)
    assert twin_of(model(zeros(3, 4), ramp(4)), ("w",)) is None
