"""The angles of points: NumPy's arctan2, with the signs of zeros, in the reference, compiled and in onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

import xir
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._angle import atan2

EDGES = np.array([0.0, -0.0, 1.0, -1.0, 1e-30, -3e30, np.inf, -np.inf, np.nan])
Y, X = np.repeat(EDGES, EDGES.size), np.tile(EDGES, EDGES.size)


def graph(dtype: DType) -> Graph:
    y, x = (Value(TensorType(dtype, Y.shape)) for _ in range(2))
    return Graph("angle", (y, x), (atan2(y, x),), ("angle",), names={y: "y", x: "x"})


def fed(dtype: DType) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The inputs, and NumPy's angles."""
    with np.errstate(over="ignore"):
        feeds = {"y": Y.astype(dtype.dtype), "x": X.astype(dtype.dtype)}
    return feeds, np.arctan2(feeds["y"].astype(np.float64), feeds["x"].astype(np.float64))


@pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.FLOAT32, DType.FLOAT16])
def test_angles_are_those_of_numpy(dtype: DType) -> None:
    made, feeds, wanted = graph(dtype), *fed(dtype)
    tolerance = 1e-3 if dtype is DType.FLOAT16 else 1e-6
    for found in (xir.run(made, feeds)["angle"], xir.compile(made).run(None, feeds)[0]):
        assert found.dtype == dtype.dtype
        np.testing.assert_allclose(found.astype(np.float64), wanted, tolerance, tolerance)
        known = ~np.isnan(wanted)
        assert np.array_equal(np.signbit(found.astype(np.float64))[known], np.signbit(wanted)[known])


def test_angles_are_the_same_in_onnxruntime(tmp_path: Path) -> None:
    """But for the sign of an angle of 0: its Where adds up what it chooses and 0."""
    feeds, wanted = fed(DType.FLOAT32)
    path = str(tmp_path / "angle.onnx")
    xir.export(graph(DType.FLOAT32), path)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(np.asarray(session.run(None, feeds)[0], np.float64), wanted, 1e-6, 1e-6)
