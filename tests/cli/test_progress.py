"""The bar of long work: on a terminal alone, which a pseudo-terminal plays here; not with --quiet or --json."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from tests.cli.commands import REPOSITORY, call, environment, small
from xir_cli import progress
from xir_cli.output import Output
from xir_cli.settings import Settings

WORK = """
import sys
from xir_cli import progress
from xir_cli.output import Output
from xir_cli.settings import Settings

progress.PATIENCE = {patience}
with progress.ProgressLine(Output(Settings({settings})), "net.caffemodel") as line:
    line("reading", 0, 1)
    line("verifying", 1, 3)
print("done")
"""


def _on_a_terminal(settings: str = "", patience: float = -1, **more: str) -> tuple[str, str]:
    """Standard output, and what a terminal at standard error received."""
    master, slave = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", WORK.format(settings=settings, patience=patience)],
            env=environment(TERM="xterm", **more),
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=slave,
            check=True,
        )
    finally:
        os.close(slave)
    received = b""
    try:
        while chunk := os.read(master, 4096):
            received += chunk
    except OSError:
        pass  # Linux says EIO where the other side of a terminal is closed (pty(7))
    finally:
        os.close(master)
    return done.stdout.decode(), received.decode()


def test_a_terminal_gets_a_bar_and_standard_output_nothing_of_it() -> None:
    out, received = _on_a_terminal()
    assert out == "done\n"
    assert "reading net.caffemodel" in received
    assert "verifying net.caffemodel" in received
    assert "\N{BOX DRAWINGS HEAVY HORIZONTAL}" in received or "---" in received
    assert "\x1b[?25h" in received  # the cursor is shown again


def test_the_bar_is_taken_away() -> None:
    _, received = _on_a_terminal()
    assert received.rstrip("\r\n").endswith("\x1b[2K")  # the last act is to clear its line


def test_no_color_leaves_the_bar_without_colors() -> None:
    _, received = _on_a_terminal(NO_COLOR="1")
    assert "verifying net.caffemodel" in received
    assert "\x1b[38;" not in received
    assert "\x1b[3" not in received.replace("\x1b[?25", "")


@pytest.mark.parametrize("settings", ["verbosity=-1", "json=True"])
def test_quiet_and_json_get_no_bar(settings: str) -> None:
    out, received = _on_a_terminal(settings)
    assert (out, received) == ("done\n", "")


def test_what_is_over_soon_gets_no_bar() -> None:
    assert _on_a_terminal(patience=1000) == ("done\n", "")


def test_elsewhere_there_are_lines_where_they_are_asked_for(capsys, monkeypatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", -1)
    for settings, expected in (
        (Settings(), ""),
        (Settings(verbosity=1), "reading net\nverifying 2/3 net\n"),
        (Settings(verbosity=1, json=True), "reading net\nverifying 2/3 net\n"),
    ):
        with progress.ProgressLine(Output(settings), "net") as line:
            line("reading", 0, 1)
            line("verifying", 1, 3)
        assert capsys.readouterr().err == expected


def test_a_conversion_through_a_pipe_shows_no_bar(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", -1)
    done = call(capsys, "convert", small(tmp_path), "-o", tmp_path / "a.onnx")
    assert done.code == 0
    assert "\x1b" not in done.err
    assert "verifying" not in done.err
