"""TensorFlow's files without TensorFlow or protobuf's pools, and beside TensorFlow in one process."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.frontends.tensorflow.saved import unpack

ROOT = Path(__file__).parents[3]
FOREIGN = {"tensorflow", "keras", "tf_keras", "flatbuffers", "google.protobuf", "onnx", "torch"}


def modules(python: str, folder: Path, when: str) -> set[str]:
    """What is imported at the end of `beside.py`."""
    arguments = [python, "-m", "tests.frontends.tensorflow.beside", str(unpack("dense", folder)), when]
    ended = subprocess.run(
        arguments, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return set(ended.stdout.splitlines()[-1].split())


def test_no_framework_and_no_pool_of_messages_is_there(tmp_path: Path) -> None:
    assert not modules(sys.executable, tmp_path, "never") & FOREIGN


@pytest.mark.parametrize("when", ["before", "after"])
def test_tensorflow_is_imported(when: str, tmp_path: Path) -> None:
    python = os.environ.get("XIR_TENSORFLOW_PYTHON") or (sys.executable if find_spec("tensorflow") else "")
    if not python:
        pytest.skip("TensorFlow is not here: set XIR_TENSORFLOW_PYTHON to a Python with tensorflow-cpu==2.21.0")
    assert {"tensorflow", "xir"} <= modules(python, tmp_path, when)
