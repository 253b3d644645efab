"""The environment is made once, made again when it must be, and says what the machine lacks."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tools import environment


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    (tmp_path / "xir" / "__pycache__").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "xir" / "a.py").write_text("x = 1\n")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("place", "editable", "changes"),
    [
        ("pyproject.toml", True, True),
        ("pyproject.toml", False, True),
        ("xir/a.py", True, False),
        ("xir/a.py", False, True),
        ("xir/table.tsv", False, True),
        ("xir/__pycache__/a.pyc", False, False),
        ("notes.md", False, False),
    ],
)
def test_what_the_environment_depends_on(checkout, place, editable, changes):
    before = environment.fingerprint("dev", editable)
    (checkout / place).write_text("changed\n")
    assert (environment.fingerprint("dev", editable) != before) is changes


def test_other_extras_are_another_environment(checkout):
    assert len({environment.fingerprint(extras, True) for extras in ("", "dev", "ort,image")}) == 3


@pytest.fixture
def commands(monkeypatch):
    """The commands that would run, each as text; the environment's folder appears as `venv` would make it."""
    found = []

    def run(command, **_):
        found.append(" ".join(command))
        if "venv" in command:
            (environment.Path(command[-1])).mkdir()

    monkeypatch.setattr(environment.subprocess, "run", run)
    return found


def test_made_once(checkout, commands, tmp_path):
    for _ in range(2):
        environment.make(tmp_path / "e", "dev", True)
    assert len(commands) == 2
    assert commands[0] == f"{sys.executable} -m venv {tmp_path / 'e'}"
    assert commands[1].endswith(f"--editable {checkout}[dev]")


def test_an_interrupted_run_is_done_again(checkout, commands, tmp_path):
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "half").touch()
    environment.make(tmp_path / "e", "", False)
    assert not (tmp_path / "e" / "half").exists()
    assert commands[1].endswith(f"pip install --quiet --disable-pip-version-check {checkout}")


def test_an_old_python_is_told(monkeypatch):
    monkeypatch.setattr(environment.sys, "version_info", type("V", (tuple,), {"major": 3, "minor": 9})((3, 9)))
    assert "3.11 or newer" in environment.missing()


def test_a_python_without_ensurepip_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda _: None)
    assert "-venv" in environment.missing()


def test_a_failing_pip_is_one_line(checkout, monkeypatch, capsys, tmp_path):
    def fail(command, **_):
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(environment.subprocess, "run", fail)
    monkeypatch.setattr("sys.argv", ["environment.py", str(tmp_path / "e")])
    assert environment.main() == 1
    assert capsys.readouterr().err.startswith("error: making")
    assert not (tmp_path / "e" / ".xir-stamp").exists()
