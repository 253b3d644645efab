"""`xir conformance` on the command line."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from tests.cli.commands import call

pytestmark = pytest.mark.usefixtures("plugin")


def test_reports_and_the_table(capsys, folder, tmp_path):
    out, junit, html = (tmp_path / name for name in ("r.json", "r.xml", "r.html"))
    done = call(
        capsys, "conformance", "--suite", folder, "--runtime", "xir,test-peer", "-j", 2,
        "--out", out, "--junit", junit, "--html", html,
    )  # fmt: skip
    assert done.code == 0, done.err
    head, _, ours, theirs = done.out.splitlines()
    assert head.split() == ["runtime", "passed", "mismatch", "seconds"]
    assert ours.split()[:3] == ["xir", "3", "0"]
    assert theirs.split()[:3] == ["test-peer", "0", "3"]
    assert list(json.loads(out.read_text())["runtimes"]) == ["xir", "test-peer"]
    assert len(ElementTree.fromstring(junit.read_text())) == 2
    assert html.read_text().startswith("<!DOCTYPE html>")


def test_failures_that_nobody_knows_are_named(capsys, folder):
    done = call(capsys, "conformance", "--suite", folder, "--runtime", "test-wrong")
    assert done.code == 6
    assert "test-wrong: b/double: mismatch" in done.out.splitlines()


def test_long_lists_are_cut(capsys, folder, monkeypatch):
    monkeypatch.setattr("xir_cli.conformance.MAX_LINES", 2)
    done = call(capsys, "conformance", "--suite", folder, "--runtime", "test-wrong")
    assert done.out.splitlines()[-1] == "... and 1 more"


def test_what_was_lost_since_an_earlier_report(capsys, folder, tmp_path):
    before = tmp_path / "before.json"
    assert call(capsys, "conformance", "--suite", folder, "--runtime", "test-right", "--out", before).code == 0
    told = json.loads(before.read_text())
    for row in told["cases"]:
        row["results"]["test-peer"] = row["results"].pop("test-right")
    before.write_text(json.dumps(told))
    done = call(capsys, "conformance", "--suite", folder, "--runtime", "test-peer", "--compare", before)
    assert done.code == 6
    assert "test-peer: 3 lost, 0 gained, 0 new, 0 gone since the earlier report" in done.out
    assert "test-peer: a/minus: lost" in done.out


def test_the_document_can_be_compared_with(capsys, folder, tmp_path):
    done = call(capsys, "conformance", "--suite", folder, "--runtime", "test-right", "--json")
    assert done.code == 0
    assert done.document["surprises"] == []
    (tmp_path / "before.json").write_text(done.out)
    again = call(
        capsys, "conformance", "--suite", folder, "--runtime", "test-right", "--json", "--compare",
        tmp_path / "before.json", "--match", "minus",
    )  # fmt: skip
    assert again.document["changes"]["test-right"]["gone"] == ["b/double"]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--runtime", "nobody"], 2, "no runtime 'nobody'"),
        (["--runtime", " , "], 2, "names none"),
        (["--shard", "3/2"], 2, "no shard"),
        (["--match", "nowhere"], 2, "no case"),
        (["--runtime", "test-absent"], 7, "pip install gizmo"),
        (["--out", "a", "--html", "a"], 2, "one file"),
        (["--compare", "nowhere.json"], 9, "nowhere.json"),
    ],
)
def test_what_is_refused(capsys, folder, options, code, words):
    done = call(capsys, "conformance", "--suite", folder, *options)
    assert done.code == code
    assert words in done.err


def test_onnx_is_missing(capsys, monkeypatch, folder):
    import sys

    for name in [name for name in sys.modules if name.startswith("xir_conformance")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    done = call(capsys, "conformance", "--suite", folder)
    assert done.code == 7
    assert "pip install 'onnx>=1.23'" in done.err
