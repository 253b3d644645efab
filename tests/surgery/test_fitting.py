"""Weights of a file in a graph: by name, after prefixes; everything that does not fit is told."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import safetensors.numpy

import xir
from tests.frontends.torch.pickles.checkpoints import Stored, floats, storage, tensor, zip_bytes
from xir.errors import UnsupportedError, UsageError
from xir.files import FileSlice
from xir.ir.constant import constant_of
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.arithmetic import add
from xir.ops.matmul import matmul
from xir.ops.shape import reshape


def net(prefix="", dtype=DType.FLOAT32, axes=False):
    x = Value(TensorType(dtype, (1, 2)))
    weight, bias = (constant_of(np.zeros(shape), dtype) for shape in ((2, 3), (3,)))
    parameters = [Parameter(Value(constant.type), constant) for constant in (weight, bias)]
    y = add(matmul(x, parameters[0].value), reshape(parameters[1].value, shape=(1, 3)))
    names = {x: "x", parameters[0].value: f"{prefix}fc.weight", parameters[1].value: f"{prefix}fc.bias"}
    if axes:
        held = constant_of(np.array([7]))
        parameters.append(Parameter(Value(held.type), held))
        names[parameters[-1].value] = "axes"
    return Graph("net", (x,), (y,), ("y",), tuple(parameters), names)


WEIGHTS = {"fc.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "fc.bias": np.float32([1, 2, 3])}


def save(folder, tensors, prefix=""):
    safetensors.numpy.save_file({prefix + name: array for name, array in tensors.items()}, folder / "w.safetensors")
    return folder / "w.safetensors"


def result(graph):
    return xir.run(graph, {"x": np.ones((1, 2), graph.inputs[0].type.dtype.dtype)})["y"].astype(float).tolist()


def test_weights_go_by_their_names_and_stay_in_the_file(tmp_path):
    fitted = xir.with_weights(net(), save(tmp_path, WEIGHTS))
    assert result(fitted) == [[4, 7, 10]]
    assert all(isinstance(parameter.constant.data, FileSlice) for parameter in fitted.parameters)
    assert result(net()) == [[0, 0, 0]]


@pytest.mark.parametrize(("own", "theirs"), [("", "module."), ("model.", ""), ("model.", "module.net."), ("a.", "a.")])
def test_a_prefix_of_all_names_is_left_out(tmp_path, own, theirs):
    path = save(tmp_path, WEIGHTS, theirs)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert result(xir.with_weights(net(own), path)) == [[4, 7, 10]]
    assert len(told) == (own != theirs) * (bool(own) + bool(theirs))


def test_the_table_of_the_model_and_counters_of_training(tmp_path):
    stored, counted = floats(9), Stored("LongStorage", bytes(8), 1)
    model = {
        "module.fc.weight": tensor(storage("0", stored), (2, 3)),
        "module.fc.bias": tensor(storage("0", stored), (3,), offset=6),
        "module.norm.num_batches_tracked": tensor(storage("1", counted), ()),
    }
    value = {"epoch": 1, "optimizer": {"w": tensor(storage("0", stored), (9,))}, "net_g": model}
    (tmp_path / "a.ckpt").write_bytes(zip_bytes(value, {"0": stored, "1": counted}))
    with pytest.warns(UserWarning, match=r"'net_g\.module\.' is left out of the file's names"):
        assert result(xir.with_weights(net(), tmp_path / "a.ckpt")) == [[9, 12, 15]]


@pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.FLOAT16, DType.BFLOAT16])
def test_floating_elements_are_rounded_to_the_graphs_type(tmp_path, dtype):
    fitted = xir.with_weights(net(dtype=dtype), save(tmp_path, WEIGHTS))
    assert fitted.parameters[0].constant.dtype is dtype
    assert result(fitted) == [[4, 7, 10]]


WRONG = {
    "missing": ({"fc.weight": WEIGHTS["fc.weight"]}, r"missing: fc\.bias"),
    "a name spelt otherwise": (
        {"fc.weight": WEIGHTS["fc.weight"], "fc.biases": WEIGHTS["fc.bias"]},
        r"missing: fc\.bias \(is it fc\.biases\?\); left over: fc\.biases",
    ),
    "left over": (WEIGHTS | {"other.weight": np.ones(1)}, r"left over: other\.weight"),
    "another shape": (WEIGHTS | {"fc.bias": np.float32([1])}, r"fc\.bias: f32\[1\] for f32\[3\]"),
    "transposed": (WEIGHTS | {"fc.weight": np.zeros((3, 2), np.float32)}, r"fc\.weight: f32\[3,2\] for f32\[2,3\]"),
    "whole numbers": (WEIGHTS | {"fc.bias": np.int64([1, 2, 3])}, r"fc\.bias: i64\[3\] for f32\[3\]"),
}


@pytest.mark.parametrize("title", WRONG)
def test_what_does_not_fit_is_told(tmp_path, title):
    tensors, told = WRONG[title]
    with pytest.raises(UsageError, match=told):
        xir.with_weights(net(), save(tmp_path, tensors))


def test_all_that_is_missing_is_told_at_once(tmp_path):
    with pytest.raises(UsageError, match=r"missing: fc\.weight, fc\.bias; left over: a, b"):
        xir.with_weights(net(), save(tmp_path, {"a": np.ones(1), "b": np.ones(1)}))


def test_what_is_left_over_may_be_left(tmp_path):
    path = save(tmp_path, WEIGHTS | {"other.weight": np.ones(1)})
    assert result(xir.with_weights(net(), path, strict=False)) == [[4, 7, 10]]


def test_whole_numbers_of_the_graph_stay(tmp_path):
    fitted = xir.with_weights(net(axes=True), save(tmp_path, WEIGHTS))
    assert fitted.parameters[2].constant.array().tolist() == [7]


def test_elements_without_a_type_are_told(tmp_path):
    stored = Stored("QUInt2x4Storage", bytes(3), 3)
    value = {"fc.weight": tensor(storage("0", floats(6)), (2, 3)), "fc.bias": tensor(storage("1", stored), (3,))}
    (tmp_path / "a.pth").write_bytes(zip_bytes(value, {"0": floats(6), "1": stored}))
    with pytest.raises(UnsupportedError, match=r"fc\.bias: elements of torch\.quint2x4"):
        xir.with_weights(net(), tmp_path / "a.pth")
