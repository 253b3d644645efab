"""The examples of docs/commands.md, run in their order in one folder."""

from __future__ import annotations

import re
import shlex

from tests.cli.commands import REPOSITORY, call, small


def test_the_examples_of_the_manual_work(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small(tmp_path, name="model.prototxt")
    text = (REPOSITORY / "docs" / "commands.md").read_text()
    lines = re.findall(r"^\$ xir (.+)$", text, re.MULTILINE)
    assert len(lines) > 15
    for line in lines:
        done = call(capsys, *shlex.split(line))
        assert done.code == 0, f"xir {line}: {done.err}"
