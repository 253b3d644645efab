"""Hundreds of hostile files: each ends in success or in one `XirError`, writes nothing, and leaves the old output.

Each batch runs in a process of its own under a memory limit (`worker.py`); a crash of the interpreter is a failure of
its batch that names the case.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.batches import BATCHES
from tests.thinning import at_night

REPOSITORY = Path(__file__).resolve().parent.parent.parent
BATCH_SECONDS = 900
"""Keeps a hang from blocking the tests; a batch takes some seconds."""


def run_batch(batch: str, extra: dict[str, str], *arguments: str) -> list[dict[str, Any]]:
    """The outcomes of a batch, the case that killed the process among them."""
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.run(
        [sys.executable, "-m", "tests.hostile.worker", batch, *arguments],
        cwd=REPOSITORY,
        env=environment | extra,
        capture_output=True,
        text=True,
        timeout=BATCH_SECONDS,
        check=False,
    )
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    outcomes = [line for line in lines if "start" not in line]
    if process.returncode:
        last = lines[-1].get("start", "?") if lines else "the first case"
        problem = f"the process ended with {process.returncode}: {process.stderr[-2000:]}"
        outcomes.append({"name": last, "problem": problem})
    return outcomes


def told(outcomes: list[dict[str, Any]]) -> str:
    wrong = [f"{outcome['name']}: {outcome['problem']}" for outcome in outcomes if outcome["problem"]]
    return f"{len(wrong)} of {len(outcomes)} cases went wrong:\n" + "\n".join(wrong[:10]) if wrong else ""


@pytest.mark.parametrize("batch", [name for name in BATCHES if not name.startswith(("real ", "every "))])
def test_hostile_files_end_in_one_clear_error(batch: str) -> None:
    outcomes = run_batch(batch, {})
    assert outcomes
    assert told(outcomes) == ""


REAL = [name for name in BATCHES if name.startswith("real ")]


@pytest.mark.parametrize("batch", at_night(REAL, [name.endswith(", all") for name in REAL]))
def test_damaged_real_models_end_in_one_clear_error(batch: str, corpus: Path, open_nsfw: Path) -> None:
    cache = open_nsfw.parent.parent
    outcomes = run_batch(batch, {"XIR_CORPUS": str(corpus), "XIR_CORPUS_CACHE": str(cache)})
    assert {outcome["name"].split(":")[0] for outcome in outcomes} >= {"det1", "lenet", "detect", "open_nsfw"}
    assert told(outcomes) == ""


@pytest.mark.nightly
@pytest.mark.parametrize("batch", [name for name in BATCHES if name.startswith("every ")])
def test_every_operator_made_wrong_ends_in_one_clear_error(batch: str) -> None:
    outcomes = run_batch(batch, {})
    assert outcomes
    assert told(outcomes) == ""


VERIFIED = ("onnx graphs",)
"""Batches that are verified too in every run: their models are valid, and onnxruntime refuses them or dies of some."""


@pytest.mark.parametrize(
    "batch",
    [
        *VERIFIED,
        *(
            pytest.param(name, marks=pytest.mark.nightly)
            for name in (
                "numbers",
                "names",
                "onnx",
                "onnx tensors",
                "onnx external data",
                "caffemodel",
                "prototxt",
                "xir",
            )
        ),
    ],
)
def test_verification_of_hostile_files_ends_in_one_clear_error(batch: str) -> None:
    outcomes = run_batch(batch, {}, "verify")
    assert outcomes
    assert told(outcomes) == ""
