"""Whole programs, with loops, branches and arrays, against what TensorFlow made of them (`record_programs.py`)."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.frontends.tensorflow.programs import names, recorded, unpack

RECORDED = recorded()


@pytest.mark.parametrize("name", names())
def test_the_results_are_those_of_tensorflow(name: str, tmp_path):
    expected = RECORDED[name]["out"]
    graph = xir.load(unpack(name, tmp_path), outputs=list(expected))
    feeds = {key: _fed(array) for key, array in RECORDED[name].get("in", {}).items() if key in graph.input_names}
    for key, got in xir.run(graph, feeds).items():
        array = expected[key]
        assert np.shape(got) == array.shape
        if array.dtype.kind == "S":
            assert [str(each).encode() for each in np.asarray(got).reshape(-1)] == array.reshape(-1).tolist()
            continue
        assert got.dtype == array.dtype
        np.testing.assert_allclose(got, array, rtol=2e-5, atol=2e-6)


def _fed(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "S":
        return array
    flat = np.empty(array.size, object)
    flat[:] = [item.decode() for item in array.reshape(-1).tolist()]
    return flat.reshape(array.shape)
