"""The tool that brings the tables of known failures up to date."""

from __future__ import annotations

import pytest

from tools import conformance_tables

KNOWN = {("xir", "a"): "why", ("xir", "b"): "why", ("xir", "c"): "why not", ("other", "a"): "so"}


def report(**statuses):
    rows = [
        {"name": name, "results": {"xir": {"status": status, "message": "it\n failed"}, "peer": {"status": "error"}}}
        for name, status in statuses.items()
    ]
    return {"runtimes": {"xir": {"peer": False}, "peer": {"peer": True}}, "cases": rows}


def test_the_table_follows_the_report():
    found = conformance_tables.updated(KNOWN, report(a="passed", b="error", d="mismatch", e="binding"))
    assert found == {
        ("xir", "b"): "why",
        ("xir", "c"): "why not",
        ("other", "a"): "so",
        ("xir", "d"): "not explained yet: mismatch: it failed",
    }


def test_the_file_comes_back_in_order():
    text = conformance_tables.to_text(KNOWN)
    assert text.splitlines()[:2] == ["case\truntime\treason", "a\tother\tso"]
    assert conformance_tables.read_known(text) == KNOWN


def test_the_document_gets_its_tables():
    text = "before\n<!-- known: xir -->\nold\n<!-- end -->\nafter\n"
    table = "| cases | reason | which |\n|---|---|---|\n| 2 | why | `a`, `b` |\n| 1 | why not | `c` |\n"
    expected = f"before\n<!-- known: xir -->\n{table}<!-- end -->\nafter\n"
    assert conformance_tables.with_tables(text, KNOWN) == expected
    assert conformance_tables.with_tables(expected, KNOWN) == expected


@pytest.mark.parametrize("damaged", [{"runtimes": 3}, {"runtimes": {}, "cases": 3}])
def test_what_is_no_report(damaged):
    with pytest.raises(SystemExit, match="expected"):
        conformance_tables.updated({}, damaged)


def test_both_files_are_written(tmp_path, monkeypatch):
    known, document, told = tmp_path / "known.tsv", tmp_path / "conformance.md", tmp_path / "report.json"
    known.write_text(conformance_tables.to_text(KNOWN))
    document.write_text("<!-- known: xir -->\n<!-- end -->\n")
    told.write_text('{"runtimes": {"xir": {"peer": false}}, "cases": [{"name": "c", "results": '
                    '{"xir": {"status": "passed", "message": ""}}}]}')  # fmt: skip
    monkeypatch.setattr(conformance_tables, "KNOWN", known)
    monkeypatch.setattr(conformance_tables, "DOCUMENT", document)
    conformance_tables.main([str(told)])
    assert ("xir", "c") not in conformance_tables.read_known(known.read_text())
    assert "| 2 | why | `a`, `b` |" in document.read_text()
