"""The size report counts, and refuses what is too long."""

from __future__ import annotations

import pytest

from tools import size_report


def function(lines, decorator=""):
    return f"{decorator}def f():\n" + "    x = 1\n" * (lines - 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n" * 499, None),
        ("x = 1\n" * 500, "file has 500 lines"),
        (function(59), None),
        (function(60), "function f has 60 lines"),
        (function(59, "@decorated\n"), "function f has 60 lines"),
        ("class C:\n" + "".join(f"    {line}\n" for line in function(60).splitlines()), "function f has 60 lines"),
        ("async " + function(60), "function f has 60 lines"),
    ],
)
def test_limits(tmp_path, capsys, text, words):
    (tmp_path / "a.py").write_text(text)
    assert size_report.main([str(tmp_path)]) == (0 if words is None else 1)
    assert (words or "") in capsys.readouterr().err


def test_table(tmp_path, capsys):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.py").write_text("x = 1\n" * 3)
    (tmp_path / "sub" / "b.py").write_text("x = 1\n" * 4)
    (tmp_path / "sub" / "c.py").write_text("x = 1\n")
    assert size_report.main([str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["3", "5", "8", "largest:"]
    assert lines[-1].startswith(f"largest: {tmp_path}/sub/b.py 4")
