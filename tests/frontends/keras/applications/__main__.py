"""The command: networks of keras.applications in every format, beside TensorFlow's converters.

    python -m tests.frontends.keras.applications --keras PYTHON [--table FILE] [NAME ...]

PYTHON is an interpreter that has Keras 3, TensorFlow, tf2onnx and LiteRT, and needs nothing of xir.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.frontends.keras.applications import table
from tests.frontends.keras.applications.architectures import SIZES
from tests.frontends.keras.applications.ways import WAYS, Measured, ways_of


def main() -> int:
    """Measures what the command line names and the results lack; 1 where xir fails."""
    parser = argparse.ArgumentParser(prog="applications", description=__doc__)
    parser.add_argument("names", nargs="*", help="networks; all without a name")
    parser.add_argument("--keras", required=True, help="the other interpreter")
    parser.add_argument("--ways", default=",".join(WAYS), help=f"of {', '.join(WAYS)}")
    parser.add_argument("--results", type=Path, default=table.MEASURED, help="lines of JSON, added to")
    parser.add_argument("--again", action="store_true", help="also what --results holds already")
    parser.add_argument("--table", type=Path, help="writes the table of all results into this Markdown file")
    chosen = parser.parse_args()
    asked = chosen.ways.split(",")
    if unknown := sorted({*chosen.names, *asked} - {*SIZES, *WAYS}):
        parser.error(f"unknown: {', '.join(unknown)}")
    done = table.results(chosen.results)
    failed = False
    for name in chosen.names or SIZES:
        ways = [way for way in ways_of(name) if way in asked and (chosen.again or (name, way) not in done)]
        failed |= bool(ways) and _measure(name, chosen.keras, ways, chosen.results)
        if chosen.table is not None:
            table.write(chosen.table, table.results(chosen.results), list(SIZES))
    return int(failed)


def _measure(name: str, python: str, ways: list[str], results: Path) -> bool:
    """Adds a line for each way of a network; whether xir fails in one."""
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for way, answer in Measured(name, python, Path(folder)).answers(ways):
            failed |= table.wrong(way, answer)
            with results.open("a") as lines:
                lines.write(json.dumps(table.kept(name, way, answer)) + "\n")
            print(f"{name:20} {way:12} {json.dumps(answer)}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
