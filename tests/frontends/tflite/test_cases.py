"""Every handler against what LiteRT, or JAX, makes of small models (`record.py`, `regions.py`)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xir
from tests.frontends.tflite.cases import cases
from tests.frontends.tflite.models import Case
from tests.frontends.tflite.record import EXPECTED
from tests.frontends.tflite.regions import EXPECTED as EXPECTED_OF_REGIONS
from tests.frontends.tflite.regions import REGIONS
from tests.frontends.tflite.test_stablehlo import CASES as STABLEHLO
from xir.frontends.load import load_model
from xir.frontends.tflite.handlers import HANDLERS
from xir.frontends.tflite.model import TfliteModel
from xir.frontends.tflite.reader import read_tflite

CASES = cases()
OF_REGIONS = tuple(each.case for each in REGIONS)


def read_written(data: bytes) -> TfliteModel:
    """A file in memory, read."""
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        file.write(data)
        file.flush()
        return read_tflite(file.name)


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """{case/result: array}, of LiteRT and of JAX."""
    with np.load(EXPECTED) as held, np.load(EXPECTED_OF_REGIONS) as of_regions:
        return {**held, **of_regions}


def close(got: Any, want: Any, case: Case) -> None:
    """Compares one result: shape and type, then the elements within the case's tolerance."""
    if got.dtype == object:
        got = np.array([text.encode() for text in got.reshape(-1)], want.dtype).reshape(got.shape)
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    if want.dtype.kind in "ui" and case.steps:
        assert int(np.abs(got.astype(np.int64) - want.astype(np.int64)).max(initial=0)) <= case.steps
    elif want.dtype.kind == "f":
        largest = max(1.0, float(np.abs(want).max(initial=0)))
        np.testing.assert_allclose(got, want, rtol=0, atol=case.tolerance * largest)
    else:
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("case", [*CASES, *OF_REGIONS], ids=lambda case: case.name.replace(" ", "-"))
def test_the_results_are_those_of_litert_or_jax(case: Case, expected: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(case.data)
    loaded = load_model(str(path))
    state = {name: constant.array() for name, constant in loaded.state.items()}
    names = loaded.graph.input_names[: len(case.feeds)]
    made = xir.run(loaded.graph, dict(zip(names, case.feeds, strict=True)) | state)
    results = list(made.values())[: len(made) - len(state)]
    assert f"{case.name}/{len(results)}" not in expected
    for place, got in enumerate(results):
        close(np.asarray(got), expected[f"{case.name}/{place}"], case)


OWN = {
    "CUSTOM:Convolution2DTransposeBias": "LiteRT does not have it; test_flow.py",
    "RANDOM_UNIFORM": "random; test_flow.py",
    "RANDOM_STANDARD_NORMAL": "random; test_flow.py",
    "MULTINOMIAL": "random; test_flow.py",
}
"""Operators without a case of LiteRT's, and why."""


def test_every_handler_has_a_case() -> None:
    seen = set(OWN) | {f"STABLEHLO_{name}" for name in STABLEHLO}
    for case in (*CASES, *OF_REGIONS):
        for subgraph in read_written(case.data).subgraphs:
            seen |= {operator.kind for operator in subgraph.operators}
    assert sorted(set(HANDLERS) - seen) == []
