"""Reports: counts, surprises, changes; JSON, JUnit and HTML by their structure."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from xir.errors import FormatError
from xir_conformance.cases import Case
from xir_conformance.junit import to_junit
from xir_conformance.known import read_known
from xir_conformance.outcome import STATUSES, Outcome, outcome_of
from xir_conformance.page import to_html
from xir_conformance.report import Change, Report, RuntimeRun, changes, read_outcomes, write_text

EVIL = "<script>alert(1)</script> & \x00 \ud800 ]]>"

CASES = (
    Case("abs", "node", "/cases/abs", ("Abs",)),
    Case("two", "node", "/cases/two", ("Abs", "ai.onnx.ml.Scaler")),
    Case("net", "real", "/cases/net", ("Conv",)),
)
OURS = {
    "abs": Outcome("passed", "", 0.5),
    "two": Outcome("mismatch", EVIL, 0.25, "specialized for values"),
    "net": Outcome("crash", "SIGSEGV", 0.25),
}
THEIRS = {name: Outcome("passed", "", 0.1) for name in OURS} | {"net": Outcome("binding", "no bf16", 0.1)}


def report_of(ours, *, known=None, theirs=THEIRS):
    runs = {
        "ours": RuntimeRun("ours", "xir 1", False, 1.0, ours),
        "theirs": RuntimeRun("theirs", "r 2", True, 2.0, theirs),
    }
    return Report("small", "small-1", "1/1", CASES, runs, known or {})


@pytest.fixture
def report():
    return report_of(OURS, known={("ours", "net"): "a known weakness"})


def test_counts(report):
    assert report.runs["ours"].counts() == dict.fromkeys(STATUSES, 0) | {"passed": 1, "mismatch": 1, "crash": 1}


def test_matrices(report):
    assert report.by_operator("ours") == {"Abs": (1, 2), "Conv": (0, 1), "ai.onnx.ml.Scaler": (0, 1)}
    assert report.by_kind("theirs") == {"node": (2, 2), "real": (0, 1)}


def test_surprises_are_what_the_table_does_not_say(report):
    assert report.surprises("ours") == ["two: mismatch"]
    stale = report_of(OURS, known={("ours", name): "why" for name in OURS})
    assert stale.surprises("ours") == ["abs: passed, but is known to fail"]


def test_what_a_binding_cannot_pass_is_no_surprise(report):
    assert report.surprises("theirs") == []


def test_json_comes_back(report, tmp_path):
    path = tmp_path / "report.json"
    write_text(path, json.dumps(report.to_dict()))
    found = read_outcomes(path)
    assert {name: dict(found[name]) for name in found} == {"ours": OURS, "theirs": THEIRS}
    told = json.loads(path.read_text())
    assert told["runtimes"]["ours"]["version"] == "xir 1"
    assert told["cases"][2]["results"]["ours"]["known"] == "a known weakness"
    assert told["cases"][1]["operators"] == ["Abs", "ai.onnx.ml.Scaler"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": "xir-conformance"}',
        '{"format": "xir-conformance", "cases": [3]}',
        '{"format": "xir-conformance", "cases": [{"name": "a", "results": {"x": {"status": "odd", "seconds": 1}}}]}',
        '{"format": "xir-conformance", "cases": [{"name": "a", "results": {"x": 3}}]}',
    ],
)
def test_files_that_are_no_reports(tmp_path, text):
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(FormatError):
        read_outcomes(path)


@pytest.mark.parametrize("told", [{}, {"status": "odd", "seconds": 1}, {"status": "passed", "seconds": "1"}])
def test_what_is_no_outcome(told):
    with pytest.raises(FormatError, match="expected a status"):
        outcome_of(told)


def test_changes_since_an_earlier_report(report):
    before = {"abs": Outcome("error"), "two": Outcome("passed"), "net": Outcome("timeout"), "old": Outcome("passed")}
    (change,) = changes(report, {"ours": before, "absent": before})
    assert change == Change("ours", ("two",), ("abs",), (("net", "timeout", "crash"),), (), ("old",))
    (change,) = changes(report, {"ours": {}})
    assert change.new == ("abs", "two", "net")
    assert change.to_dict()["new"] == ["abs", "two", "net"]


def test_junit(report):
    root = ElementTree.fromstring(to_junit(report))
    assert [(suite.get("name"), suite.get("tests")) for suite in root] == [("small.ours", "3"), ("small.theirs", "3")]
    ours, theirs = root
    assert (ours.get("failures"), ours.get("errors"), ours.get("skipped")) == ("1", "1", "0")
    assert (theirs.get("failures"), theirs.get("errors")) == ("1", "0")
    tests = {test.get("name"): test for test in ours.iter("testcase")}
    assert list(tests["abs"]) == []
    assert tests["abs"].get("classname") == "small.ours.node"
    (failure,) = tests["two"]
    assert (failure.tag, failure.get("type")) == ("failure", "mismatch")
    assert failure.get("message") == "<script>alert(1)</script> & ? ? ]]>"
    (error,) = tests["net"]
    assert (error.tag, error.get("type"), error.text) == ("error", "crash", "known: a known weakness")


class Page(HTMLParser):
    """The tables of a page by their ids, as rows of (text, class of the cell); its tags and links."""

    VOID = ("meta", "br")

    def __init__(self, text):
        super().__init__()
        self.tables, self.open, self.tags, self.links = {}, [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.tags.append(tag)
        self.links += [told[name] for name in ("src", "href", "srcset", "action") if name in told]
        if tag == "table":
            self.rows = self.tables[told["id"]] = []
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append(["", told.get("class", "")])
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open[-2:]):
            self.rows[-1][-1][0] += data


def words(rows):
    return [[text for text, _ in row] for row in rows]


def test_the_page_is_one_file_that_needs_nothing_else(report):
    text = to_html(report)
    page = Page(text)
    assert page.open == []
    assert page.links == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert "@import" not in text
    assert "url(" not in text


def test_the_pages_matrix_of_operators_by_runtimes(report):
    rows = Page(to_html(report)).tables["operators"]
    assert words(rows) == [
        ["operators", "ours", "theirs"],
        ["Abs", "1/2", "2/2"],
        ["Conv", "0/1", "0/1"],
        ["ai.onnx.ml.Scaler", "0/1", "1/1"],
    ]
    assert [kind.split()[-1] for _, kind in rows[1][1:]] == ["some", "all"]
    assert rows[2][1][1].split()[-1] == "none"


def test_the_pages_totals_and_failures(report):
    tables = Page(to_html(report)).tables
    assert words(tables["totals"])[1][:3] == ["ours", "xir 1", "1"]
    assert words(tables["failures-ours"])[1:] == [
        ["two", "mismatch", EVIL.replace("\x00", "?").replace("\ud800", "?"), ""],
        ["net", "crash", "SIGSEGV", "a known weakness"],
    ]
    assert words(tables["notes-ours"])[1:] == [["two", "specialized for values"]]
    assert words(tables["failures-theirs"])[1:] == [["net", "binding", "no bf16", ""]]
    assert "notes-theirs" not in tables


def test_the_pages_changes(report):
    before = {"abs": Outcome("error"), "two": Outcome("passed"), "net": Outcome("timeout")}
    text = to_html(report, changes(report, {"ours": before}))
    assert '<li class="lost">1 lost <code>two</code></li>' in text
    assert '<li class="gained">1 gained <code>abs</code></li>' in text
    assert "timeout → crash" in text
    assert 'class="changes"' not in to_html(report)


def test_text_that_utf_8_has_not_is_written_all_the_same(report, tmp_path):
    for name, text in (("page.html", to_html(report)), ("junit.xml", to_junit(report))):
        write_text(tmp_path / name, text)
        assert (tmp_path / name).read_bytes()


def test_known_failures_come_from_a_table(tmp_path):
    path = tmp_path / "known.tsv"
    path.write_text("case\truntime\treason\nb\txir\twhy\na\txir\twhy\nc\txir\twhy not\na\tother\tso\n")
    known = read_known(str(path))
    assert known == {("xir", "b"): "why", ("xir", "a"): "why", ("xir", "c"): "why not", ("other", "a"): "so"}


@pytest.mark.parametrize("row", ["a\txir", "a\txir\t", "a\txir\twhy\tmore", "a\txir\twhy\na\txir\twhy"])
def test_tables_that_are_wrong(tmp_path, row):
    path = tmp_path / "known.tsv"
    path.write_text(f"{row}\n")
    with pytest.raises(FormatError, match="expected a case"):
        read_known(str(path))
