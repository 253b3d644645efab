"""The environment of the real Caffe: found where it can be, said aloud where it cannot."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "real_caffe.py"


@pytest.fixture
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("real_caffe", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_this_python_is_not_taken_for_python_3_8(tool: ModuleType) -> None:
    assert not tool.is_python38(sys.executable)


def test_what_cannot_run_is_not_taken(tool: ModuleType, tmp_path: Path) -> None:
    assert not tool.is_python38(str(tmp_path / "absent"))


def test_without_python_3_8_it_says_so(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tool, "candidates", lambda: iter(()))
    assert tool.main([str(tmp_path / "env")]) == 0
    assert "will skip" in capsys.readouterr().out
    assert not (tmp_path / "env").exists()


def test_a_failed_install_leaves_nothing(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_interpreter: str, folder: Path) -> None:
        folder.mkdir()
        raise OSError("no network")

    monkeypatch.setattr(tool, "candidates", lambda: iter(("python3.8",)))
    monkeypatch.setattr(tool, "is_python38", lambda _interpreter: True)
    monkeypatch.setattr(tool, "make", fail)
    assert tool.main([str(tmp_path / "env")]) == 0
    assert "no network" in capsys.readouterr().out
    assert not (tmp_path / "env").exists()


def test_a_finished_environment_is_kept(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / tool.STAMP).write_text("\n".join(tool.PINS))
    monkeypatch.setattr(tool, "candidates", lambda: pytest.fail("it looked again"))
    assert tool.main([str(tmp_path)]) == 0
