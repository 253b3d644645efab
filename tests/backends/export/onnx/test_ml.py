"""Trees, lookups and text in ONNX files: what each opset says, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.backends.export.onnx.shared import by_onnxruntime, checked
from tests.ops.cases.labels import one
from tests.ops.cases.trees import forest, membership, rows, tables, whole
from xir.backends.export.onnx import export_onnx, ml_trees
from xir.errors import UnsafeError, UnsupportedError
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Array, constant_of
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import TensorType, dtype_from_numpy
from xir.ops.labels import lookup, one_hot_categories
from xir.ops.trees import tree_ensemble
from xir.reference import run


def kinds(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


def of_trees(x: Array, attributes: dict[str, Any]) -> Graph:
    value = Value(TensorType(dtype_from_numpy(x.dtype), x.shape))
    made = tree_ensemble(value, **attributes)
    return Graph("g", (value,), (made,), ("y",), names={value: "x"})


X = rows(6)
TWO = np.array([[1, 0], [3, 7], [3, 8], [np.nan, 7]], np.float32)


@pytest.mark.parametrize(
    ("x", "attributes", "opset", "wanted"),
    [
        (X, forest(1), 20, ["TreeEnsembleRegressor"]),
        (X, forest(1), 21, ["TreeEnsemble"]),
        (TWO, membership(), 21, ["TreeEnsemble"]),
        (X, forest(1, votes=2), 15, ["TreeEnsembleRegressor"]),
        (X, forest(1, votes=2), 21, ["TreeEnsemble", "Cast", "Reshape", "Gather", "Reshape", "ReduceSum"]),
        (X.astype(np.float64), forest(1, dtype="float64"), 21, ["TreeEnsemble"]),
        (X.astype(np.float64), forest(1), 21, ["TreeEnsemble", "Cast"]),
    ],
)
def test_trees_at_each_opset(
    x: Array, attributes: dict[str, Any], opset: int, wanted: list[str], tmp_path: Path
) -> None:
    graph = of_trees(x, attributes)
    checked(graph, tmp_path / "m.onnx", opset=opset)
    assert kinds(tmp_path / "m.onnx") == wanted
    want = run(graph, {"x": x})["y"]
    for have in (
        run(import_onnx(tmp_path / "m.onnx"), {"x": x})["y"],
        by_onnxruntime(tmp_path / "m.onnx", {"x": x})[0],
    ):
        np.testing.assert_allclose(have.astype(np.float64), want.astype(np.float64), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("dtype", "opset"), [("float64", 15), ("float16", 20)])
def test_trees_of_types_that_an_opset_has_not_come_apart(dtype: str, opset: int, tmp_path: Path) -> None:
    x = X.astype(dtype)
    graph = of_trees(x, forest(1, dtype=dtype))
    checked(graph, tmp_path / "m.onnx", opset=opset)
    assert "TreeEnsembleRegressor" not in kinds(tmp_path / "m.onnx")
    want = run(graph, {"x": x})["y"].astype(np.float64)
    have = run(import_onnx(tmp_path / "m.onnx"), {"x": x})["y"].astype(np.float64)
    np.testing.assert_allclose(have, want, rtol=1e-10 if dtype == "float64" else 4e-3)


def test_trees_that_share_leaves_with_several_votes_come_apart(tmp_path: Path) -> None:
    votes = {
        "roots": whole(0, 0, -1),
        "vote_leaves": whole(0, 0, 1),
        "vote_targets": whole(0, 1, 1),
        "vote_weights": constant_of(np.array([1, 2, 3], np.float32)),
    }
    graph = of_trees(TWO, tables(**votes))
    checked(graph, tmp_path / "m.onnx", opset=21)
    assert "TreeEnsemble" not in kinds(tmp_path / "m.onnx")
    want = run(graph, {"x": TWO})["y"]
    assert by_onnxruntime(tmp_path / "m.onnx", {"x": TWO})[0].tolist() == want.tolist()
    twice = {"roots": whole(0, 0), "vote_leaves": whole(0, 0, 1), "vote_targets": whole(0, 1, 1)}
    members = of_trees(TWO, {**membership(), **twice})
    with pytest.raises(UnsupportedError, match="trees that share leaves"):
        export_onnx(members, tmp_path / "n.onnx", opset=21)


def test_membership_needs_its_opset(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="members of a list") as caught:
        export_onnx(of_trees(TWO, membership()), tmp_path / "m.onnx", opset=20)
    assert "--opset 21" in (caught.value.hint or "")


def test_lookups_need_their_opset_and_keys(tmp_path: Path) -> None:
    value = Value(TensorType(dtype_from_numpy(np.dtype(np.int16)), (2,)))
    table = constant_of(np.array([1, 2], np.int16))
    made = lookup(value, keys=table, values=table, default=one(0, "i2"))
    graph = Graph("g", (value,), (made,), ("y",), names={value: "x"})
    with pytest.raises(UnsupportedError, match="a lookup from i16 to i16"):
        export_onnx(graph, tmp_path / "m.onnx", opset=19)
    checked(graph, tmp_path / "m.onnx", opset=20)
    whole_value = Value(TensorType(dtype_from_numpy(np.dtype(np.int64)), (2,)))
    nothing = one_hot_categories(whole_value, categories=constant_of(np.zeros(0, np.int64)), allow_unknown=True)
    with pytest.raises(UnsupportedError, match="places among no categories"):
        export_onnx(Graph("g", (whole_value,), (nothing,), ("y",)), tmp_path / "n.onnx", opset=21)


def test_trees_that_share_nodes_do_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ml_trees, "_MOST_ROWS", 20)
    graph = of_trees(TWO, tables(roots=whole(*[0] * 50)))
    with pytest.raises(UnsafeError, match="more than 20 rows"):
        export_onnx(graph, tmp_path / "m.onnx", opset=15)
    checked(graph, tmp_path / "m.onnx", opset=21)
