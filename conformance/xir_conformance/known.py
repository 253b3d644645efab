"""Which cases do not pass, and why: the table `known.tsv`, which the tests hold to be exact."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from typing import Final

from xir.errors import FormatError

PATH: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "known.tsv")


def read_known(path: str = PATH) -> dict[tuple[str, str], str]:
    """{(runtime, case): why it does not pass there}.

    Raises:
        FormatError: a line has no case, runtime and reason, or stands twice.
    """
    found: dict[tuple[str, str], str] = {}
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.reader(file, dialect="excel-tab"):
            if row == ["case", "runtime", "reason"]:
                continue
            if len(row) != 3 or not all(row) or (row[1], row[0]) in found:
                raise FormatError(f"expected a case, a runtime and a reason, once; got {row}", file=path)
            found[row[1], row[0]] = row[2]
    return found


def known_table(known: Mapping[tuple[str, str], str], runtime: str) -> list[str]:
    """The lines of a Markdown table of what does not pass in a runtime, one a reason."""
    reasons: dict[str, list[str]] = {}
    for (of, case), reason in sorted(known.items(), key=lambda item: item[0][1]):
        if of == runtime:
            reasons.setdefault(reason, []).append(case)
    lines = ["| cases | reason | which |", "|---|---|---|"]
    for reason, cases in sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0])):
        lines.append(f"| {len(cases)} | {reason} | {', '.join(f'`{case}`' for case in cases)} |")
    return lines
