"""What a file holds is counted, however deep it lies; what it may expand to depends on that."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from tests.frontends.onnx.models import model
from tests.hostile.batches import cases
from xir.errors import UnsafeError
from xir.frontends.load import load_model
from xir.frontends.onnx.reader import read_model
from xir.limits import FREE_INLINED_NODES

FEED = {"x": np.zeros(2, np.float32)}


def _branches(depth: int) -> ModelProto:
    """`If` inside `If`, each with the next in its one branch and an Identity in the other."""
    out = helper.make_tensor_value_info("b", TensorProto.FLOAT, [2])
    inner = helper.make_graph([helper.make_node("Neg", ["x"], ["b"])], "deepest", [], [out])
    other = helper.make_graph([helper.make_node("Identity", ["x"], ["b"])], "other", [], [out])
    for _ in range(depth):
        branch = helper.make_node("If", ["c"], ["b"], then_branch=inner, else_branch=other)
        inner = helper.make_graph([branch], "outer", [], [out])
    nodes = [*inner.node, helper.make_node("Relu", ["b"], ["y"])]
    return model(nodes, FEED, {"c": np.array(True)}, ["y"])


@pytest.mark.parametrize("depth", [0, 1, 7])
def test_nodes_of_bodies_count(depth, tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(_branches(depth).SerializeToString())
    assert read_model(path).held_nodes() == 2 * depth + 2


def test_a_small_file_of_functions_does_not_expand_far(tmp_path):
    (case,) = (case for case in cases("onnx graphs") if case.name == "functions 40")
    content = case.files[case.model]
    assert isinstance(content, bytes)
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    assert read_model(path).held_nodes() == 81
    with pytest.raises(UnsafeError, match=f"expand to more than {FREE_INLINED_NODES} nodes"):
        load_model(str(path))
