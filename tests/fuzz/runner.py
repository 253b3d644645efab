"""Runs random graphs through their judges in processes of their own; `differential.py` is the command.

Each graph has a limit on time and memory; what kills a process (onnxruntime on some models) is a finding like others.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import select
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import IO, cast

import numpy as np

from tests.fuzz.explained import explanation
from tests.fuzz.judges import OPSETS, Finding, Judged
from tests.fuzz.programs import random_sample
from tests.fuzz.sample import Sample
from xir.errors import XirError
from xir.ir.types import dtype_from_name, dtype_from_numpy
from xir.text import parse_graph, print_graph

COMMAND = Path(__file__).resolve().parent / "differential.py"
"""The script that a process of its own runs."""

FOLDER = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""In memory where there is such a folder: each graph is written four times."""

MEMORY = 6 << 30
"""Bytes of address space of a process: onnxruntime maps much that it never touches."""

SECONDS = 60.0
"""What one graph may take; an ordinary one takes a tenth of one."""

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "XIR_CACHE": "off"}
"""Each process works on one thread, and machine code of random graphs is not kept."""

GRAPHS_A_PROCESS = 400
"""After so many graphs a process is replaced, so that nothing that leaks adds up."""


@dataclass
class Outcome:
    """What became of one graph.

    Attributes:
        index: its number.
        operators: what it consists of.
        findings: the disagreements.
        refused: the judges that had nothing to compare, for the other side lacks something.
    """

    index: int
    operators: list[str] = field(default_factory=list[str])
    findings: list[Finding] = field(default_factory=list[Finding])
    refused: list[str] = field(default_factory=list[str])

    def line(self) -> str:
        """As a line of JSON."""
        return json.dumps({**asdict(self), "findings": [asdict(each) for each in self.findings]})

    @staticmethod
    def read(line: str) -> Outcome:
        """From a line of JSON."""
        held = cast("dict[str, object]", json.loads(line))
        findings = [Finding(**each) for each in cast("list[dict[str, str]]", held["findings"])]
        operators, refused = cast("list[str]", held["operators"]), cast("list[str]", held["refused"])
        return Outcome(cast("int", held["index"]), operators, findings, refused)


def sample_of(seed: int, index: int) -> tuple[Sample, int]:
    """The graph of that number, and the opset of its round trip."""
    random = Random(seed * 1_000_003 + index)
    return random_sample(random), random.choice(OPSETS)


def judged(seed: int, index: int, folder: Path, judges: Sequence[str] = ()) -> Outcome:
    """One graph before all judges, or those that are called.

    What comes next goes to standard error, for the one who finds us dead.
    """

    def stage(name: str) -> None:
        print(f"{index} {name}", file=sys.stderr, flush=True)

    stage("generator")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sample, opset = sample_of(seed, index)
        stage("reference " + "+".join(sample.operators))
        try:
            before = Judged(sample, folder, opset, stage)
        except XirError as error:
            finding = Finding("reference", "+".join(sample.operators), type(error).__name__, str(error))
            return Outcome(index, list(sample.operators), [finding])
        found = before.findings(judges)
    return Outcome(index, list(sample.operators), found, before.refused)


def work(seed: int, judges: Sequence[str] = ()) -> None:
    """The child's side: a number a line comes in, an outcome a line goes out."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory(prefix="xir-differential-", dir=FOLDER) as folder:
        for line in sys.stdin:
            answers.write(judged(seed, int(line), Path(folder), judges).line() + "\n")
            answers.flush()


class Worker:
    """A process that judges graphs one after the other."""

    def __init__(self, seed: int, judges: Sequence[str] = ()) -> None:
        """Starts it."""
        called = [word for name in judges for word in ("--judge", name)]
        self.log = io.TextIOWrapper(io.FileIO(os.memfd_create("differential"), "w+"), write_through=True)
        self.process = subprocess.Popen(
            [sys.executable, str(COMMAND), "--seed", str(seed), "--work", *called],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env={**os.environ, **ENVIRONMENT},
        )
        pipe = self.process.stdout
        if pipe is None:
            raise RuntimeError("the process has no standard output")
        self.answers = pipe
        self.index: int | None = None
        self.since = 0.0
        self.done = 0

    def give(self, index: int) -> None:
        """Hands it a graph."""
        self.index, self.since = index, time.monotonic()
        pipe = self.process.stdin
        with suppress(OSError):  # it is dead, which its end of the other pipe tells
            if pipe is not None:
                pipe.write(f"{index}\n")
                pipe.flush()

    def stage(self) -> str:
        """What it was about when it died."""
        self.log.seek(0)
        lines = [line.split(" ", 1)[-1] for line in self.log.read().splitlines() if line.startswith(f"{self.index} ")]
        graph = next((line.removeprefix("reference ") for line in lines if line.startswith("reference ")), "")
        return f"{lines[-1] if lines else 'start'}|{graph}"

    def dead(self, how: str) -> Outcome:
        """The outcome of the graph that it did not survive."""
        stage, operators = self.stage().split("|", 1)
        judge = stage.split(" ")[0] if stage.startswith("reference") else stage
        return Outcome(self.index or 0, operators.split("+"), [Finding(judge, operators, how, "")])

    def end(self) -> None:
        """Ends it."""
        self.process.kill()
        self.process.wait()
        self.log.close()


@dataclass
class _Run:
    """A run on its way: what waits, what is done, and the processes at work."""

    seed: int
    waiting: list[int]
    results: Path | None
    judges: Sequence[str] = ()
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    workers: dict[IO[str], Worker] = field(default_factory=dict["IO[str]", Worker])

    def start(self) -> None:
        """One more process, if anything waits."""
        if self.waiting:
            worker = Worker(self.seed, self.judges)
            self.workers[worker.answers] = worker
            worker.give(self.waiting.pop())

    def keep(self, outcome: Outcome) -> None:
        """Keeps an outcome, in the file too."""
        self.outcomes.append(outcome)
        if self.results is not None:
            with self.results.open("a", encoding="utf-8") as kept:
                kept.write(outcome.line() + "\n")

    def hear(self, pipe: IO[str]) -> None:
        """What a process answers, or that it is dead; then it gets the next graph, or its successor does."""
        worker = self.workers[pipe]
        line = pipe.readline()
        if not line:
            code = worker.process.wait()
            self.keep(worker.dead(f"dies: {-code if code < 0 else code}"))
            self.replace(worker)
            return
        self.keep(Outcome.read(line))
        worker.done += 1
        if self.waiting and worker.done < GRAPHS_A_PROCESS:
            worker.give(self.waiting.pop())
        else:
            self.replace(worker)

    def replace(self, worker: Worker) -> None:
        """Ends a process and starts another."""
        del self.workers[worker.answers]
        worker.end()
        self.start()

    def end_late(self) -> None:
        """Ends the processes that take too long."""
        for worker in list(self.workers.values()):
            if time.monotonic() - worker.since > SECONDS:
                self.keep(worker.dead("takes too long"))
                self.replace(worker)


def run_all(
    seed: int, indices: Sequence[int], workers: int, results: Path | None = None, judges: Sequence[str] = ()
) -> list[Outcome]:
    """Judges the graphs of these numbers in `workers` processes."""
    on = _Run(seed, list(reversed(indices)), results, judges)
    for _ in range(workers):
        on.start()
    while on.workers:
        ready, _, _ = select.select(list(on.workers), [], [], 1.0)
        for pipe in ready:
            on.hear(pipe)
        on.end_late()
    return on.outcomes


def unexplained(outcomes: Iterable[Outcome]) -> list[tuple[int, Finding]]:
    """The findings that no note explains, with their graphs' numbers."""
    return [(each.index, found) for each in outcomes for found in each.findings if explanation(found) is None]


def report(outcomes: Sequence[Outcome]) -> str:
    """Disagreements by judge, operator and cause, and how much was judged."""
    lines: list[str] = []
    groups: dict[tuple[str, str, str], list[tuple[int, Finding]]] = {}
    for index, found in unexplained(outcomes):
        groups.setdefault((found.judge, found.op, found.cause), []).append((index, found))
    for (judge, op, cause), members in sorted(groups.items(), key=lambda group: (-len(group[1]), group[0])):
        lines += [f"{judge}: {op}: {cause}  ({len(members)}: {[index for index, _ in members][:5]})"]
        lines += [f"    {members[0][1].detail[:400]}"]
    notes = Counter(note for each in outcomes for found in each.findings if (note := explanation(found)) is not None)
    lines += [f"explained {count} times: {note}" for note, count in notes.most_common()]
    operators = Counter(name for each in outcomes for name in each.operators)
    refused = Counter(name for each in outcomes for name in each.refused)
    lines.append(f"{len(outcomes)} graphs of {len(operators)} operators; nothing to compare with: {dict(refused)}")
    lines.append(f"{sum(map(len, groups.values()))} disagreements in {len(groups)} groups are not explained")
    return "\n".join(lines)


def save(sample: Sample, path: Path) -> None:
    """Writes a graph as text (at most 64 elements of each weight), and its feeds beside it."""
    feeds = {name: (str(dtype_from_numpy(array.dtype)), array.tolist()) for name, array in sample.feeds.items()}
    path.write_text(print_graph(sample.graph), encoding="utf-8")
    path.with_suffix(".json").write_text(json.dumps(feeds) + "\n", encoding="utf-8")


def load(path: Path) -> Sample:
    """The graph and the feeds that `save` wrote."""
    held = cast("dict[str, tuple[str, object]]", json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
    feeds = {name: np.array(values, dtype_from_name(dtype).dtype) for name, (dtype, values) in held.items()}
    return Sample(parse_graph(path.read_text(encoding="utf-8")), feeds)


def judged_file(path: Path, folder: Path) -> list[Finding]:
    """What is found on a graph that `save` wrote, at an old opset and a new one, and not explained."""
    found: list[Finding] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for opset in (OPSETS[0], OPSETS[-1]):
            found += Judged(load(path), folder, opset, lambda _: None).findings()
    return [each for each in found if explanation(each) is None]


def show(seed: int, index: int, judges: Sequence[str] = ()) -> None:
    """Prints one graph and what is found on it."""
    sample, opset = sample_of(seed, index)
    print(print_graph(sample.graph))
    print({name: getattr(array, "tolist", lambda held=array: held)() for name, array in sample.feeds.items()})
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        outcome = judged(seed, index, Path(folder), judges)
    for found in outcome.findings:
        print(f"{found.judge}: {found.op}: {found.cause}: {explanation(found)}\n    {found.detail}")
    print(f"opset {opset}; nothing to compare with: {outcome.refused}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Random graphs, and everything that must agree on them.")
    parser.add_argument("--graphs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-j", "--workers", type=int, default=2)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--show", type=int)
    parser.add_argument("--save", type=Path, help="where to write the graph that --show names, for the corpus")
    parser.add_argument("--judge", action="append", default=[], help="this one and no other; may stand more than once")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    told = parser.parse_args(arguments)
    if told.work:
        work(told.seed, told.judge)
        return 0
    if told.show is not None:
        show(told.seed, told.show, told.judge)
        if told.save is not None:
            save(sample_of(told.seed, told.show)[0], told.save)
        return 0
    before: Mapping[int, Outcome] = {}
    if told.results is not None and told.results.exists():
        lines = told.results.read_text(encoding="utf-8").splitlines()
        before = {outcome.index: outcome for outcome in map(Outcome.read, lines)}
    missing = [index for index in range(told.graphs) if index not in before]
    outcomes = [*before.values(), *run_all(told.seed, missing, told.workers, told.results, told.judge)]
    print(report(outcomes))
    return int(bool(unexplained(outcomes)))
