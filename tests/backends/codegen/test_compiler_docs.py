"""The program of docs/compiler.md, run as it stands; the files that the page names are there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import xir
from tests.cli.commands import REPOSITORY, small

PAGE = (REPOSITORY / "docs" / "compiler.md").read_text()


@pytest.mark.filterwarnings("ignore:no weights in the file")
def test_the_program_of_the_manual_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    xir.export(xir.load(small(tmp_path), inputs={"data": "f32[1,3,8,8]"}), "model.onnx")
    first = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    held: dict[str, np.ndarray] = {}
    exec(first, held)
    np.testing.assert_array_equal(held["bound"], held["scores"])
    expected = xir.run(xir.load("model.onnx"), {"data": held["image"]})
    np.testing.assert_allclose(held["bound"], next(iter(expected.values())), rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:no weights in the file")
def test_the_program_for_sizes_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    xir.export(xir.load(small(tmp_path), inputs={"data": "f32[N,3,8,8]"}), "model.onnx")
    sizes = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    image = np.zeros((2, 3, 8, 8), np.float32)
    exec(sizes, {"xir": xir, "model": xir.compile(xir.load("model.onnx")), "image": image})
    assert capsys.readouterr().out == "(((2, 3, 8, 8),),)\n"


def test_the_files_that_the_manual_names_are_there() -> None:
    rows = re.findall(r"^\|.*\| (.*) \|$", PAGE, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert len(named) > 15
    for name in named:
        places = [REPOSITORY / name, *(REPOSITORY / "xir/backends/codegen").rglob(name)]
        places += (REPOSITORY / "xir/backends/codegen").glob(name)
        places += (REPOSITORY / "xir/backends/codegen/lowering").rglob(name)
        assert any(place.exists() for place in places), name
