"""Every handler against what LiteRT makes of small models (`record.py`)."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.frontends.tflite.cases import cases
from tests.frontends.tflite.record import EXPECTED

CASES = cases()


@pytest.fixture(scope="module")
def expected():
    """{case/result: array}."""
    with np.load(EXPECTED) as held:
        return dict(held)


def close(got, want, case):
    """Compares one result: shape and type, then the elements within the case's tolerance."""
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    if want.dtype.kind in "ui" and case.steps:
        assert int(np.abs(got.astype(np.int64) - want.astype(np.int64)).max(initial=0)) <= case.steps
    elif want.dtype.kind == "f":
        largest = max(1.0, float(np.abs(want).max(initial=0)))
        np.testing.assert_allclose(got, want, rtol=0, atol=case.tolerance * largest)
    else:
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_the_results_are_those_of_litert(case, expected, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(case.data)
    graph = xir.load(str(path))
    made = xir.run(graph, dict(zip(graph.input_names, case.feeds, strict=True)))
    for place, got in enumerate(made.values()):
        close(np.asarray(got), expected[f"{case.name}/{place}"], case)
