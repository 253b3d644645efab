"""Models whose inputs have other shapes: one clear error, whoever runs the second model."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from xir.errors import MismatchError, UsageError
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.activation import relu
from xir.verification import OnnxRuntimeRunner, ReferenceRunner, has_onnxruntime
from xir.verification.runners import _in_line  # pyright: ignore[reportPrivateUsage]


def net(*shape):
    x = Value(TensorType(DType.FLOAT32, shape))
    return Graph("net", (x,), (relu(x),), ("out",), names={x: "x"})


SIDES = ["reference", pytest.param("onnxruntime", marks=pytest.mark.skipif(not has_onnxruntime(), reason="no runtime"))]


@pytest.fixture(params=SIDES)
def second(request, tmp_path):
    def made(graph):
        path = tmp_path / ("b.onnx" if request.param == "onnxruntime" else "b.xir")
        xir.export(graph, path)
        return path

    return made


@pytest.mark.parametrize(
    ("a", "b", "told", "hint"),
    [
        ((1, 3, 8, 6), (1, 8, 6, 3), r"takes 'x' as \[1,8,6,3\], net gives \[1,3,8,6\]", "--align x=0,2,3,1"),
        ((1, 8, 6, 3), (1, 3, 8, 6), r"takes 'x' as \[1,3,8,6\]", "--align x=0,3,1,2"),
        ((1, 3, 8, 6), (1, 3, 9, 6), r"takes 'x' as \[1,3,9,6\]", "--input x=TYPE"),
        ((1, 3, 8, 6), (3, 8), r"takes 'x' as \[3,8\]", "--input x=TYPE"),
        ((4, 3), (Symbol("N"), 2), r"takes 'x' as \[\?,2\], net gives \[4,3\]", "--input x=TYPE"),
    ],
)
def test_other_shapes(second, a, b, told, hint):
    with pytest.raises(UsageError, match=told) as caught:
        xir.verify(net(*a), second(net(*b)))
    assert hint in (caught.value.hint or "")


def test_sizes_that_are_not_fixed_take_all(second):
    assert xir.verify(net(4, 3), second(net(Symbol("N"), 3))).passed


def test_aligned_shapes_fit(second):
    align = {"x": (0, 2, 3, 1), "out": (0, 2, 3, 1)}
    assert xir.verify(net(1, 3, 8, 6), second(net(1, 8, 6, 3)), align=align).passed


def test_given_inputs_are_looked_at_too(second):
    with pytest.raises(UsageError, match=r"gives \[2,3\]"):
        xir.verify(net(Symbol("N"), 3), second(net(1, 3)), inputs={"x": np.ones((2, 3), np.float32)})


def test_the_shapes_of_a_graph():
    assert ReferenceRunner(net(Symbol("N"), 3)).input_shapes == [(None, 3)]


@pytest.mark.skipif(not has_onnxruntime(), reason="onnxruntime is not installed")
def test_what_a_runtime_says_stands_in_one_line(tmp_path):
    xir.export(net(1, 3), tmp_path / "a.onnx")
    with pytest.raises(MismatchError) as caught:
        OnnxRuntimeRunner(str(tmp_path / "a.onnx")).run({"x": np.ones((2, 3), np.float32)})
    assert "\n" not in caught.value.message
    assert "\\n" not in caught.value.message
    assert "--align" in (caught.value.hint or "")
    assert _in_line("a\\n b\n  c") == "a b c"
