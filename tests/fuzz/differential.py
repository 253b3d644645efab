"""The differential fuzzer: random graphs (`programs.py`), and everything that must agree on them (`judges.py`).

`python tests/fuzz/differential.py --graphs 10000 --seed 0 -j 2` runs them in processes of their own, each graph with a
limit on time and memory, and prints the disagreements by judge, operator and cause: first those that are not
explained (`explained.py`), then how often each explanation was needed. `--results FILE` keeps a line a graph, and goes
on where a run was broken off; `--show NUMBER` prints one graph and what is found on it. The exit status is 1 where
anything is left unexplained.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
    sys.exit(import_module("tests.fuzz.runner").main())
