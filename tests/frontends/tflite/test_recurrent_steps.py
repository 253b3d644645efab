"""LSTMs that are a scan over their steps: what they keep, and what is refused; their numbers: `test_cases.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.frontends.tflite.cases import recurrent_steps
from tests.frontends.tflite.models import Case
from xir.errors import XirError
from xir.frontends.load import load_model

CASES = {case.name: case for case in recurrent_steps.CASES}


def run(case: Case, path: Path) -> list[np.ndarray]:
    """The results of a case that is fed its first state, then what it keeps."""
    path.write_bytes(case.data)
    loaded = load_model(str(path))
    feeds = dict(zip(loaded.graph.input_names, case.feeds, strict=False))
    made = xir.run(loaded.graph, feeds | {name: held.array() for name, held in loaded.state.items()})
    return list(made.values())


@pytest.mark.parametrize("kind", ["projection", "normalised"])
def test_the_last_result_is_kept(kind: str, tmp_path: Path) -> None:
    y, h, c = run(CASES[f"UNIDIRECTIONAL_SEQUENCE_LSTM {kind}"], tmp_path / "m.tflite")
    np.testing.assert_array_equal(y[:, -1], h)
    assert c.shape == (recurrent_steps.N, recurrent_steps.H)


def test_the_basic_kernel_keeps_its_results_where_its_states_are_variable(tmp_path: Path) -> None:
    made = run(CASES["LSTM basic"], tmp_path / "m.tflite")
    np.testing.assert_array_equal(made[:2], made[4:])
    assert len(run(CASES["LSTM basic integers"], tmp_path / "n.tflite")) == 4


@pytest.mark.parametrize("told", recurrent_steps.recurrent_with())
def test_what_litert_does_not_compute_is_refused(told: str, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(recurrent_steps.recurrent_with()[told])
    with pytest.raises(XirError, match=told):
        xir.load(path)
