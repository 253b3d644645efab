"""The whole backend suite of the installed onnx: what does not pass is what the documentation says, and all of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import conformance_tables
from xir_conformance.known import read_known
from xir_conformance.onnx_suite import onnx_suite
from xir_conformance.runner import Shard, run_suite

PARTS = 4
RUNTIMES = ("xir", "xir-cpu", "xir-roundtrip", "xir-ort")
LONG = {"xir-cpu": pytest.mark.nightly}
"""What compiles each case takes minutes."""
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"


@pytest.fixture(scope="module")
def suite():
    pytest.importorskip("PIL", reason="without Pillow the suite has no cases of ImageDecoder")
    return onnx_suite()


@pytest.mark.parametrize("part", range(1, PARTS + 1))
@pytest.mark.parametrize("runtime", [pytest.param(name, marks=LONG.get(name, ())) for name in RUNTIMES])
def test_what_does_not_pass_is_what_the_table_says(suite, runtime, part):
    report = run_suite(suite, [runtime], shard=Shard(part, PARTS))
    assert report.surprises(runtime) == []


def test_the_table_names_cases_that_there_are(suite):
    names = {case.name for case in suite.cases}
    assert {case for _, case in read_known()} <= names
    assert {runtime for runtime, _ in read_known()} <= set(RUNTIMES)


def test_every_reason_says_why():
    assert [row for row, reason in read_known().items() if "not explained" in reason] == []


def test_the_documentation_shows_the_table():
    text = DOCUMENT.read_text()
    assert conformance_tables.with_tables(text, read_known()) == text
    assert re.findall(r"<!-- known: (.+) -->", text) == list(RUNTIMES)


def test_the_documentation_counts_what_passes(suite):
    rows = dict(re.findall(r"^\| `([\w-]+)` \| ([\d,]+) \|", DOCUMENT.read_text(), re.MULTILINE))
    for runtime in ("xir", "xir-cpu", "xir-roundtrip"):
        failing = sum(of == runtime for of, _ in read_known())
        assert int(rows[runtime].replace(",", "")) == len(suite.cases) - failing
