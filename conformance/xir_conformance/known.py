"""Which cases do not pass, and why: the table `known.tsv`, which the tests hold to be exact."""

from __future__ import annotations

import csv
import os
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
