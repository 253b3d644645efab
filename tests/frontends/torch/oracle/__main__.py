"""The command: which cases of a module are equal to torch."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections import Counter
from pathlib import Path

from tests.frontends.torch.oracle.judge import WAYS, judged


def _function(text: str):
    place, _, name = text.partition(":")
    if not place.endswith(".py"):
        return getattr(importlib.import_module(place), name or "cases")
    spec = importlib.util.spec_from_file_location("cases", place)
    module = importlib.util.module_from_spec(spec)
    sys.modules["cases"] = module
    spec.loader.exec_module(module)
    return getattr(module, name or "cases")


def main() -> int:
    """Runs the cases that the command line names; 1 where one of them is not equal."""
    parser = argparse.ArgumentParser(prog="oracle", description=__doc__)
    parser.add_argument("cases", help="module:function or file.py:function; the function yields cases")
    parser.add_argument("--only", default="", help="cases whose names hold this text")
    parser.add_argument("--on", choices=WAYS, help="runs them on the reference alone, or compiled alone")
    parser.add_argument("--keep", type=Path, help="a folder in which archives and results stay")
    parser.add_argument("--quiet", action="store_true", help="shows those that are not equal alone")
    chosen = parser.parse_args()
    wanted = (case for case in _function(chosen.cases)() if chosen.only in case.name)
    counts: Counter[str] = Counter()
    for verdict in judged(wanted, ways=WAYS if chosen.on is None else (chosen.on,), keep=chosen.keep):
        counts[verdict.status] += 1
        if verdict.status != "equal" or not chosen.quiet:
            print(f"{verdict.status:13} {verdict.name:40} {verdict.error:9.2g} {verdict.told}", flush=True)
    print(", ".join(f"{count} {status}" for status, count in counts.items()))
    return int(set(counts) - {"equal"} != set())


if __name__ == "__main__":
    sys.exit(main())
