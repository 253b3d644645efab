"""The programs of docs/ahead_of_time.md, run as they stand."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

import xir
from tests.backends.codegen.ahead_programs import FLAGS, SECONDS, tool
from tests.cli.commands import REPOSITORY, small


@pytest.mark.filterwarnings("ignore:no weights in the file")
def test_the_programs_of_the_manual_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    compiler = tool("cc")
    monkeypatch.chdir(tmp_path)
    small(tmp_path, name="model.prototxt")
    text = (REPOSITORY / "docs" / "ahead_of_time.md").read_text()
    programs = dict(re.findall(r"```(python|c)\n(.*?)```", text, re.DOTALL))
    exec(programs["python"], {})
    said = capsys.readouterr().out
    assert "('model.so', 'model.h')" in said
    assert "x86-64-v3 verified" in said
    (tmp_path / "main.c").write_text(programs["c"])
    command = [compiler, *FLAGS, "main.c", "./model.so", "-o", "main", f"-Wl,-rpath,{tmp_path}"]
    subprocess.run(command, check=True, timeout=SECONDS)
    done = subprocess.run(["./main"], capture_output=True, text=True, check=True, timeout=SECONDS)
    graph = xir.load("model.prototxt", inputs={"data": "f32[2,3,8,8]"})
    (expected,) = xir.run(graph, {"data": np.zeros((2, 3, 8, 8), np.float32)}).values()
    np.testing.assert_allclose([float(line) for line in done.stdout.split()], expected.ravel(), rtol=1e-5, atol=1e-6)
