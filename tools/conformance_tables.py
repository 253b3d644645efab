"""Brings the tables of known failures up to date: `known.tsv` from a report, and docs/conformance.md from `known.tsv`.

usage: conformance_tables.py [REPORT.json]

Without a report only the documentation is written. A case that passes leaves the table; one that newly fails comes in
with its message for a reason, to be replaced by a sentence that explains it. Runtimes of other people, and cases that
are not in the report, stay as they are.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

ROOT = Path(__file__).resolve().parent.parent
KNOWN = ROOT / "conformance" / "xir_conformance" / "known.tsv"
DOCUMENT = ROOT / "docs" / "conformance.md"
HEAD = ["case", "runtime", "reason"]
Known = dict[tuple[str, str], str]


def read_known(text: str) -> Known:
    """{(runtime, case): reason} of the table."""
    return {(row[1], row[0]): row[2] for row in csv.reader(text.splitlines(), dialect="excel-tab") if row != HEAD}


def to_text(known: Known) -> str:
    """The table, in the order of runtimes and cases."""
    rows = [HEAD, *([case, runtime, reason] for (runtime, case), reason in sorted(known.items()))]
    return "".join("\t".join(row) + "\n" for row in rows)


def updated(known: Known, report: Mapping[str, object]) -> Known:
    """The table as the report has it."""
    runtimes = _mapping(report["runtimes"])
    ours = [name for name, run in runtimes.items() if not _mapping(run)["peer"]]
    result = dict(known)
    for row in map(_mapping, _sequence(report["cases"])):
        outcomes = _mapping(row["results"])
        for runtime in ours:
            outcome, key = _mapping(outcomes[runtime]), (runtime, str(row["name"]))
            if outcome["status"] in ("passed", "binding"):
                result.pop(key, None)
            else:
                message = re.sub(r"\s+", " ", str(outcome["message"]))[:200]
                result.setdefault(key, f"not explained yet: {outcome['status']}: {message}")
    return result


def table(known: Known, runtime: str) -> str:
    """A Markdown table of what does not pass in a runtime: a line a reason."""
    reasons: dict[str, list[str]] = {}
    for (of, case), reason in sorted(known.items()):
        if of == runtime:
            reasons.setdefault(reason, []).append(f"`{case}`")
    ordered = sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0]))
    lines = [f"| {len(cases)} | {reason} | {', '.join(cases)} |" for reason, cases in ordered]
    return "\n".join(["| cases | reason | which |", "|---|---|---|", *lines])


def with_tables(text: str, known: Known) -> str:
    """The document with the table of each runtime between its marks."""
    return re.sub(
        r"(<!-- known: ([\w-]+) -->\n).*?(<!-- end -->)",
        lambda match: f"{match[1]}{table(known, match[2])}\n{match[3]}",
        text,
        flags=re.DOTALL,
    )


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise SystemExit(f"expected an object in the report, got {value!r}")
    return cast("Mapping[str, object]", value)


def _sequence(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise SystemExit(f"expected a list in the report, got {value!r}")
    return cast("Sequence[object]", value)


def main(arguments: Sequence[str]) -> None:
    """Writes both files."""
    known = read_known(KNOWN.read_text(encoding="utf-8"))
    for path in arguments:
        known = updated(known, _mapping(json.loads(Path(path).read_text(encoding="utf-8"))))
    KNOWN.write_text(to_text(known), encoding="utf-8")
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8"), known), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
