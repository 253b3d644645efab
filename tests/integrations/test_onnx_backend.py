"""The interface of onnx.backend, as other people's tests call it."""

from __future__ import annotations

import unittest

import numpy as np
import onnx
import onnx.backend.base
import onnx.backend.test
import pytest
from onnx import TensorProto, helper, numpy_helper

import xir.onnx_backend
from xir.errors import InvalidModelError, Problem, UnsupportedError, UsageError
from xir.frontends.onnx import importer

F32 = TensorProto.FLOAT


def model_of(nodes, inputs, outputs, *, opset=21, initializers=()):
    graph = helper.make_graph(nodes, "test", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def tensor(name, shape, dtype=F32):
    return helper.make_tensor_value_info(name, dtype, shape)


@pytest.fixture
def subtraction():
    return model_of(
        [helper.make_node("Sub", ["a", "b"], ["c"])], [tensor("a", [2]), tensor("b", [2])], [tensor("c", [2])]
    )


A, B = np.array([5, 7], np.float32), np.array([1, 2], np.float32)


@pytest.mark.parametrize("inputs", [[A, B], (A, B), {"b": B, "a": A}])
def test_inputs_in_order_or_by_name(subtraction, inputs):
    (result,) = xir.onnx_backend.run_model(subtraction, inputs)
    assert result.tolist() == [4, 5]


def test_one_array_is_one_input():
    model = model_of([helper.make_node("Neg", ["a"], ["c"])], [tensor("a", [2])], [tensor("c", [2])])
    (result,) = xir.onnx_backend.run_model(model, A)
    assert result.tolist() == [-5, -7]


def test_a_model_is_prepared_once_and_run_often(subtraction):
    prepared = xir.onnx_backend.prepare(subtraction)
    assert isinstance(prepared, onnx.backend.base.BackendRep)
    assert prepared.run([A, B])[0].tolist() == [4, 5]
    assert prepared.run([B, A])[0].tolist() == [-4, -5]
    assert prepared.specialized is None


@pytest.mark.parametrize("inputs", [[A], [A, B, A], {"a": A}, {"a": A, "b": B, "c": A}])
def test_too_few_and_too_many_inputs(subtraction, inputs):
    with pytest.raises(UsageError, match="takes"):
        xir.onnx_backend.run_model(subtraction, inputs)


def test_inputs_of_another_type(subtraction):
    with pytest.raises(UsageError, match="float64"):
        xir.onnx_backend.run_model(subtraction, [A, B.astype(np.float64)])


@pytest.mark.parametrize(("device", "expected"), [("CPU", True), ("CPU:0", True), ("CUDA", False), ("CUDA:1", False)])
def test_devices(subtraction, device, expected):
    assert xir.onnx_backend.supports_device(device) is expected
    if not expected:
        with pytest.raises(UsageError, match="CUDA"):
            xir.onnx_backend.prepare(subtraction, device)


def test_unknown_options_are_refused(subtraction):
    with pytest.raises(UsageError, match="speed"):
        xir.onnx_backend.prepare(subtraction, speed=3)
    with pytest.raises(UsageError, match="speed"):
        xir.onnx_backend.prepare(subtraction).run([A, B], speed=3)


def test_what_is_compatible(subtraction):
    assert xir.onnx_backend.is_compatible(subtraction)
    strange = model_of([helper.make_node("Oddity", ["a"], ["c"])], [tensor("a", [2])], [tensor("c", [2])])
    assert not xir.onnx_backend.is_compatible(strange)
    assert not xir.onnx_backend.is_compatible(subtraction, "CUDA")
    with pytest.raises(UnsupportedError, match="Oddity"):
        xir.onnx_backend.prepare(strange)


def test_a_model_that_is_too_large_to_be_written_down():
    class Huge:
        def SerializeToString(self):
            raise ValueError("Message onnx.ModelProto exceeds maximum protobuf size of 2GB")

    with pytest.raises(UsageError, match="exceeds") as caught:
        xir.onnx_backend.prepare(Huge())
    assert "xir.load" in caught.value.hint


def reduction(axes, shape=(2, 3)):
    return model_of(
        [helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=0)],
        [tensor("x", shape), tensor("axes", axes, TensorProto.INT64)],
        [tensor("y", None)],
    )


MATRIX = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def refusing(monkeypatch):
    """An importer that must know the axes of reductions, as every importer must for some operators."""

    def build(model, *, known=None, **more):
        if "axes" not in (known or {}):
            reason = "axes that are computed at run time"
            raise UnsupportedError(reason, problems=(Problem("ReduceSum", ("y",), reason),))
        return importer.build(model, known=known, **more)

    monkeypatch.setattr("xir.integrations.specialized.build", build)


@pytest.mark.usefixtures("refusing")
def test_axes_that_are_fed_are_specialized_by_value_and_kept():
    prepared = xir.onnx_backend.prepare(reduction([1]))
    for axis, expected in ((0, [3, 5, 7]), (1, [3, 12]), (0, [3, 5, 7])):
        (result,) = prepared.run([MATRIX, np.array([axis])])
        assert result.tolist() == expected
    assert prepared.specialized == "values"
    assert prepared.model.counts == {"types": 0, "values": 2}


@pytest.mark.usefixtures("refusing")
def test_only_so_many_graphs_are_kept(monkeypatch):
    monkeypatch.setattr("xir.integrations.specialized.MAX_GRAPHS", 2)
    prepared = xir.onnx_backend.prepare(reduction([1]))
    for axis in (0, 1, 0, 1):
        prepared.run([MATRIX, np.array([axis])])
    assert prepared.model.counts["values"] == 4


def test_ranks_that_are_fed_are_specialized_by_type():
    model = model_of([helper.make_node("Flatten", ["x"], ["y"])], [tensor("x", None)], [tensor("y", None)])
    prepared = xir.onnx_backend.prepare(model)
    for shape, expected in (((2, 3, 4), (2, 12)), ((3, 2), (3, 2))):
        (result,) = prepared.run([np.zeros(shape, np.float32)])
        assert result.shape == expected
    assert prepared.specialized == "types"
    assert prepared.model.counts == {"types": 2, "values": 0}


@pytest.mark.usefixtures("refusing")
def test_what_no_value_lifts_is_refused_at_the_run():
    prepared = xir.onnx_backend.prepare(reduction([2000], (2,) * 3))
    with pytest.raises(UnsupportedError, match="run time"):
        prepared.run([np.zeros((2, 2, 2), np.float32), np.zeros(2000, np.int64)])


def test_what_is_wrong_with_a_model_whatever_is_fed():
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    sequence = helper.make_tensor_sequence_value_info("x", F32, None)
    with pytest.raises(InvalidModelError, match="sequence"):
        xir.onnx_backend.prepare(model_of(nodes, [sequence], [tensor("y", None)]))


def test_a_node_alone():
    (result,) = xir.onnx_backend.run_node(helper.make_node("Neg", ["x"], ["y"]), [A])
    assert result.tolist() == [-5, -7]


def test_a_node_of_an_older_opset_without_an_optional_input():
    node = helper.make_node("Clip", ["x"], ["y"], min=6.0)
    (result,) = xir.onnx_backend.run_node(node, A, opset_version=6)
    assert result.tolist() == [6, 7]
    node = helper.make_node("Clip", ["x", "", "high"], ["y"])
    (result,) = xir.onnx_backend.run_node(node, [A, np.float32(6)])
    assert result.tolist() == [5, 6]


def test_a_node_that_takes_a_sequence():
    node = helper.make_node("ConcatFromSequence", ["s"], ["y"], axis=0)
    (result,) = xir.onnx_backend.run_node(node, [[A, B[:1]]])
    assert result.tolist() == [5, 7, 1]
    with pytest.raises(UsageError, match="empty sequence"):
        xir.onnx_backend.run_node(node, [[]])


def test_a_node_with_too_few_inputs():
    with pytest.raises(UsageError, match="'a', 'b'"):
        xir.onnx_backend.run_node(helper.make_node("Add", ["a", "b"], ["c"]), [A])


def test_the_suite_of_onnx_takes_the_module():
    suite = onnx.backend.test.BackendTest(xir.onnx_backend, __name__).include("^test_(softmax|reduce_sum)_.*_cpu$")
    result = unittest.TestResult()
    suite.test_suite.run(result)
    assert (result.failures, result.errors) == ([], [])
    assert result.testsRun - len(result.skipped) > 20


def test_a_run_that_takes_the_branch_of_the_other_rank_is_specialized_by_value():
    """The graph is built for the rank of the first branch; what is fed tells which one the run takes."""
    scalar, row = (numpy_helper.from_array(np.full(shape, 5.0, np.float32), "k") for shape in ((), (1,)))
    then, other = (
        helper.make_graph([helper.make_node("Constant", [], ["r"], value=value)], "b", [], [tensor("r", None)])
        for value in (scalar, row)
    )
    nodes = [
        helper.make_node("Equal", ["n", "zero"], ["c"]),
        helper.make_node("Not", ["c"], ["no"]),
        helper.make_node("If", ["no"], ["r"], then_branch=then, else_branch=other),
        helper.make_node("Neg", ["r"], ["y"]),
    ]
    made = model_of(nodes, [tensor("n", [], TensorProto.INT64)], [tensor("y", None)])
    made.graph.initializer.append(numpy_helper.from_array(np.int64(0), "zero"))
    prepared = xir.onnx_backend.prepare(made)
    assert prepared.run([np.int64(1)])[0].shape == ()
    assert prepared.specialized is None
    assert prepared.run([np.int64(0)])[0].shape == (1,)
    assert prepared.specialized == "values"
