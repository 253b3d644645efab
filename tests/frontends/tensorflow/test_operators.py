"""Every handler against what TensorFlow made of the same node (recorded by `record.py`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.frontends.tensorflow.all_cases import cases
from tests.frontends.tensorflow.cases import Case
from tests.frontends.tensorflow.graphs import write
from tests.frontends.tensorflow.record import FIXTURE
from xir.frontends.tensorflow.handlers import HANDLERS
from xir.ops._texts import as_bytes, words

UNRECORDED = frozenset(
    (
        "Assign", "AssignAdd", "AssignSub", "BatchSelfAdjointEigV2", "BatchSvd", "CudnnRNN", "CudnnRNNV2",
        "CudnnRNNV3", "FusedDepthwiseConv2dNative", "Multinomial", "Prelu",
        "RandomShuffle", "RandomStandardNormal", "RandomUniform", "RandomUniformInt",
        "ScatterAdd", "ScatterDiv", "ScatterMax", "ScatterMin", "ScatterMul", "ScatterNdAdd", "ScatterNdMax",
        "ScatterNdMin", "ScatterNdSub", "ScatterNdUpdate", "ScatterSub", "ScatterUpdate", "TopK", "TruncatedNormal",
    )
)  # fmt: skip
"""Operators of variables, which a graph of constants does not run in TensorFlow, of random numbers, of JavaScript, of
cuDNN (test_cudnn.py); and names that TensorFlow gave up with version 13 of graphs (core/ops/linalg_ops.cc), whose new
ones are recorded."""

RECORDED = np.load(FIXTURE)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_the_result_is_that_of_tensorflow(case: Case, tmp_path: Path) -> None:
    graph = xir.load(write(tmp_path, *case.graph()), outputs=case.names())
    feeds = {name: feed for name, feed in case.feeds().items() if name in graph.input_names}
    made = xir.run(graph, feeds)
    for name, place in zip(case.names(), case.outputs, strict=True):
        expected = RECORDED[f"{case.name}/{place}"]
        got = np.asarray(made[name])
        assert got.shape == expected.shape
        if expected.dtype.kind == "S":
            assert [as_bytes(item) for item in words(got)] == expected.reshape(-1).tolist()
            continue
        assert got.dtype == expected.dtype
        wide = np.result_type(got, np.float64)
        absolute = case.tolerance if expected.dtype.kind == "f" else 0
        np.testing.assert_allclose(got.astype(wide), expected.astype(wide), rtol=case.tolerance, atol=absolute)


def test_every_handler_has_a_case() -> None:
    assert set(HANDLERS.kinds()) - {case.kind for case in cases()} == UNRECORDED


def test_names_of_cases_differ() -> None:
    names = [case.name for case in cases()]
    assert len(names) == len(set(names))
