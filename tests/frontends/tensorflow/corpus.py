"""The frozen graphs of deeplearning4j's tests against their stored outputs.

`python -m tests.frontends.tensorflow.corpus [PATTERN ...]` prints each case that is not equal, then the operators for
which cases are refused, the commonest first, and the counts. XIR_CORPUS names the folder with `tf_graphs.zip`.
"""

from __future__ import annotations

import contextlib
import fnmatch
import io
import os
import sys
import tempfile
import warnings
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import xir
from tests.frontends.tensorflow.freedom import FREEDOMS
from xir.errors import UnsupportedError, XirError
from xir.frontends.tensorflow.importer import build
from xir.frontends.tensorflow.reader import read_graph
from xir.ir.graph import Graph
from xir.ir.types import DType, TensorType, dtype_from_numpy

RTOL, ATOL = 1e-3, 1e-4
"""What the corpus itself was checked with."""

RANDOM = "random"
UNKNOWN = "no-expected-output"


@dataclass(frozen=True)
class Case:
    """One graph: its name, what TensorFlow 2.21 makes of it, and the outputs that are stored."""

    name: str
    status: str
    outputs: tuple[str, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of a case: `equal`, `differs`, `refused`, `fails` or `loads`, and why."""

    case: Case
    kind: str
    detail: str = ""
    kinds: tuple[str, ...] = ()


class Corpus:
    """The archive, opened; a context manager."""

    def __init__(self, folder: str) -> None:
        self.archive = zipfile.ZipFile(Path(folder) / "tf_graphs.zip")
        self.names = set(self.archive.namelist())

    def cases(self) -> list[Case]:
        lines = self.archive.read("index.tsv").decode().splitlines()[1:]
        rows = [line.split("\t") for line in lines]
        return [Case(row[0], row[1], tuple(row[2].split()), tuple(row[3].split())) for row in rows]

    def array(self, case: Case, stem: str, dtype: np.dtype | None) -> np.ndarray:
        """One stored array; a scalar has the shape 0 and one value."""
        shape = [int(size) for size in self.archive.read(f"{case.name}/{stem}.shape").decode().split()]
        text = self.archive.read(f"{case.name}/{stem}.csv").decode().split()
        truth = {"true": 1.0, "false": 0.0}
        flat = np.array([truth.get(item.lower(), item) for item in text], np.float64)
        whole = flat if dtype is None else flat.astype(dtype)
        return whole.reshape(()) if shape in ([0], []) and whole.size == 1 else whole.reshape(shape)

    def feeds(self, case: Case, dtypes: dict[str, DType]) -> dict[str, np.ndarray]:
        prefix, suffix = f"{case.name}/", ".placeholder.shape"
        files = [name for name in self.names if name.startswith(prefix) and name.endswith(suffix)]
        stems = [name[len(prefix) : -len(suffix)] for name in files]
        found: dict[str, np.ndarray] = {}
        for stem in stems:
            name = stem.replace("____", "/")
            name = name if name in dtypes else name.removesuffix(".0")
            if name in dtypes and f"{prefix}{stem}.placeholder.csv" in self.names:
                found[name] = self.array(case, f"{stem}.placeholder", dtypes[name].dtype)
        return found

    def extract(self, case: Case, folder: str) -> str:
        path = os.path.join(folder, "frozen_model.pb")
        Path(path).write_bytes(self.archive.read(f"{case.name}/frozen_model.pb"))
        return path

    def graph(self, case: Case, folder: str) -> tuple[Graph, dict[str, np.ndarray], dict[str, str]]:
        """The graph with the shapes of the stored inputs, these inputs, and {output: stem of its file}."""
        model = read_graph(self.extract(case, folder))
        placeholders = {
            node.name: node.attributes["dtype"].integer("type")
            for node in model.nodes.values()
            if node.kind.startswith("Placeholder")
        }
        from xir.frontends.tensorflow.tensors import DTYPES

        feeds = self.feeds(case, {name: DTYPES[number] for name, number in placeholders.items()})
        types = {name: TensorType(dtype_from_numpy(feed.dtype), feed.shape) for name, feed in feeds.items()}
        wanted = {_edge(stem, set(model.nodes)): stem for stem in case.outputs}
        further = FREEDOMS[case.name].needs if case.name in FREEDOMS else ()
        graph = build(model, inputs=types, outputs=[*wanted, *further] or None)
        return graph, feeds, wanted


def _edge(stem: str, nodes: set[str]) -> str:
    name = stem.replace("____", "/")
    if name in nodes:
        return name
    node, _, index = name.rpartition(".")
    if node not in nodes:  # the corpus writes some names with `-1` for `_1`
        node, _, index = name.rpartition("-")
    return node if index in ("", "0") else f"{node}:{index}"


def check(corpus: Corpus, case: Case, *, compiled: bool = False) -> Outcome:
    """Loads the case, runs it and compares."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            graph, feeds, wanted = corpus.graph(case, folder)
            if compiled:
                executable = xir.compile(graph)
                made = dict(zip(graph.output_names, executable.run(None, feeds), strict=True))
            else:
                made = xir.run(graph, feeds)
        except UnsupportedError as error:
            kinds = tuple(problem.kind for problem in error.problems)
            return Outcome(case, "refused", error.message[:200], kinds)
        except XirError as error:
            return Outcome(case, "fails", f"{error.message[:160]} [{error.source}]")
        except Exception as error:
            return Outcome(case, "crashes", f"{type(error).__name__}: {error}"[:200])
    return _compared(corpus, case, made, wanted)


def _compared(corpus: Corpus, case: Case, made: dict[str, np.ndarray], wanted: dict[str, str]) -> Outcome:
    for name, stem in wanted.items():
        expected = corpus.array(case, f"{stem}.prediction", None)
        got = np.asarray(made[name])
        if case.name in FREEDOMS:
            got = FREEDOMS[case.name].chosen(made, got, expected)
        if got.shape != expected.shape:
            return Outcome(case, "differs", f"{name}: shape {got.shape}, stored {expected.shape}")
        if case.status == RANDOM:
            continue
        with np.errstate(all="ignore"):
            close = np.isclose(got.astype(np.float64), expected, RTOL, ATOL, equal_nan=True)
        if not close.all():
            worst = np.abs(got.astype(np.float64) - expected).max()
            return Outcome(case, "differs", f"{name}: {np.count_nonzero(~close)} of {close.size}, by {worst:.3g}")
    return Outcome(case, "loads" if case.status in (RANDOM, UNKNOWN) else "equal")


def main(arguments: list[str]) -> int:
    compiled = "--compiled" in arguments
    patterns = [each for each in arguments if not each.startswith("--")] or ["*"]
    corpus = Corpus(os.environ["XIR_CORPUS"])
    counts: Counter[tuple[str, str]] = Counter()
    missing: Counter[str] = Counter()
    for case in corpus.cases():
        if not any(fnmatch.fnmatch(case.name, pattern) or pattern in case.operators for pattern in patterns):
            continue
        with contextlib.redirect_stderr(io.StringIO()):
            outcome = check(corpus, case, compiled=compiled)
        group = case.status.partition(":")[0]
        counts[group, outcome.kind] += 1
        missing.update(outcome.kinds)
        if outcome.kind not in ("equal", "loads"):
            print(f"{outcome.kind:8} {case.name} [{group}]: {outcome.detail}", flush=True)
    for kind, count in missing.most_common():
        print(f"missing  {kind} x{count}")
    for (group, kind), count in sorted(counts.items()):
        print(f"total    {group:26} {kind:8} {count}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
