"""Normalizations in operator sets that do not have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.passes.helpers import F32, F64, Net, literal
from xir.api import load
from xir.backends.export.onnx import export_onnx
from xir.backends.export.onnx.legalize import legalize
from xir.ir.graph import Graph
from xir.ir.types import DType
from xir.ops.norm import group_norm, instance_norm
from xir.ops.shape import broadcast
from xir.reference import random_inputs, run


def groups(dtype: DType = F32) -> Graph:
    net = Net()
    scale, shift = net.weight(6, dtype=dtype), net.weight(6, dtype=dtype)
    return net.graph(group_norm(net.input(2, 6, 4, 5, dtype=dtype), scale, shift, groups=3, epsilon=1e-5))


def kinds(graph: Graph, path: Path, opset: int) -> list[str]:
    export_onnx(graph, path, opset=opset)
    return [node.op_type for node in onnx.load(path).graph.node]


OF_PLANES = ["Reshape", "InstanceNormalization", "Reshape", "Reshape", "Mul", "Reshape", "Add"]


def test_groups_of_channels_become_planes_before_opset_21(tmp_path: Path) -> None:
    graph = groups()
    assert kinds(graph, tmp_path / "m.onnx", 13) == OF_PLANES
    feeds = random_inputs(graph)
    got, wanted = run(load(tmp_path / "m.onnx"), feeds), run(graph, feeds)
    for name, array in wanted.items():  # both sum 40 elements, in the same order
        np.testing.assert_allclose(got[name], array, rtol=1e-6, atol=1e-6)


def test_groups_of_channels_are_an_operator_from_opset_21_on(tmp_path: Path) -> None:
    assert kinds(groups(), tmp_path / "m.onnx", 21) == ["GroupNormalization"]


@pytest.mark.parametrize("dtype", [DType.FLOAT16, F64])
def test_groups_of_other_types_come_apart(tmp_path: Path, dtype: DType) -> None:
    found = kinds(groups(dtype), tmp_path / "m.onnx", 13)
    assert "ReduceMean" in found
    assert "InstanceNormalization" not in found


def test_scales_that_are_repeated_literals_stand_in_the_file() -> None:
    """ONNX's normalizations repeat nothing: an Expand for each scale of ones would be needed."""
    net = Net()
    one, zero = (broadcast(literal(number), shape=(6,)) for number in (1.0, 0.0))
    x = net.input(2, 6, 4, 5)
    graph = net.graph(instance_norm(x, one, zero, epsilon=1e-5), group_norm(x, one, zero, groups=3, epsilon=1e-5))
    legal = legalize(graph, 21)
    assert sorted(node.op.name for node in legal.nodes) == ["constant"] * 4 + ["group_norm", "instance_norm"]
    feeds = random_inputs(graph)
    for want, have in zip(run(graph, feeds).values(), run(legal, feeds).values(), strict=True):
        np.testing.assert_array_equal(have, want)
