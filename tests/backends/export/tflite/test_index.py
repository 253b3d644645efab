"""Writing at places: what falls on one place, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.backends.export.tflite.test_export import Net, image, kinds
from xir.backends.export.tflite import export_tflite, plan_tflite
from xir.errors import UnsupportedError
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.index import Reduction
from xir.ops.places import scatter_nd
from xir.reference import run


def written(reduction: Reduction, places: Dim, rows: Dim = 5) -> Graph:
    """Rows of 3 numbers written at places of as many rows."""
    x, updates = image(rows, 3), image(places, 3)
    indices = Value(TensorType(DType.INT64, (places, 1)))
    return Net(x, indices, updates).graph(scatter_nd(x, indices, updates, reduction=reduction))


@pytest.mark.parametrize("reduction", ["none", "add"])
def test_what_falls_on_one_place_is_summed_or_the_last_stays(reduction: Reduction, tmp_path: Path) -> None:
    graph, path = written(reduction, 5), tmp_path / "net.tflite"
    assert ("SCATTER_ND" if reduction == "add" else "UNSORTED_SEGMENT_MAX") in kinds(plan_tflite(graph))
    export_tflite(graph, path)
    x, updates = (np.random.default_rng(seed).standard_normal((5, 3)).astype(np.float32) for seed in (1, 2))
    feeds = {"x0": x, "x1": np.array([[3], [-5], [3], [1], [-2]], np.int64), "x2": updates}
    want = x.copy()
    if reduction == "add":
        np.add.at(want, [3, 0, 3, 1, 3], updates)
    else:
        want[[0, 1, 3]] = updates[[1, 3, 4]]
    np.testing.assert_allclose(np.asarray(run(xir.load(path), feeds)["y0"], np.float64), want, rtol=1e-6)


@pytest.mark.parametrize(
    ("graph", "told"),
    [
        (written("max", Symbol("N")), "not known before the run"),
        (written("add", Symbol("N")), "not known before the run"),
    ],
)
def test_what_cannot_be_written_is_told(graph: Graph, told: str) -> None:
    with pytest.raises(UnsupportedError, match=told):
        plan_tflite(graph)


def test_nothing_is_written_at_no_places() -> None:
    assert kinds(plan_tflite(written("max", 0))) == ["RESHAPE"]
