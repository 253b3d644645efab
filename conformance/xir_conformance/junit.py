"""Reports as JUnit XML, which continuous integration reads: a test suite a runtime, a test case a case."""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree

from xir_conformance.outcome import Outcome, writable
from xir_conformance.report import Report

ERRORS: Final = ("error", "crash", "timeout")
"""What JUnit calls an error; everything else that does not pass is a failure. Nothing is told as skipped."""


def to_junit(report: Report) -> str:
    """The report as a document."""
    root = ElementTree.Element("testsuites", name=report.suite)
    for name, run in report.runs.items():
        counts = run.counts()
        errors = sum(counts[status] for status in ERRORS)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=f"{report.suite}.{name}",
            tests=str(len(report.cases)),
            failures=str(len(report.cases) - counts["passed"] - errors),
            errors=str(errors),
            skipped="0",
            time=f"{run.seconds:.3f}",
        )
        properties = ElementTree.SubElement(suite, "properties")
        for key, value in (("runtime", run.version), ("suite", report.version), ("shard", report.shard)):
            ElementTree.SubElement(properties, "property", name=key, value=writable(value))
        for case in report.cases:
            outcome = run.outcomes[case.name]
            place = f"{report.suite}.{name}.{case.kind}"
            element = ElementTree.SubElement(
                suite, "testcase", classname=writable(place), name=writable(case.name), time=f"{outcome.seconds:.4f}"
            )
            if not outcome.passed:
                _add_failure(element, outcome, report.known.get((name, case.name)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add_failure(element: ElementTree.Element, outcome: Outcome, known: str | None) -> None:
    tag = "error" if outcome.status in ERRORS else "failure"
    failure = ElementTree.SubElement(element, tag, type=outcome.status, message=writable(outcome.message))
    if known is not None:
        failure.text = writable(f"known: {known}")
