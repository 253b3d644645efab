"""Measuring: whole processes with their time and anonymous memory, alternating rounds, medians and spreads."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
POLL_SECONDS = 0.004
"""Between two looks at a process's memory."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        name: what was measured.
        value: the median, in `unit`.
        unit: of the value.
        goal: the value to stay at or below, or None where there is none.
        detail: spread, rounds and conditions, in words.
    """

    name: str
    value: float
    unit: str
    goal: float | None = None
    detail: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        return None if self.goal is None else self.value <= self.goal


@dataclass(frozen=True, slots=True)
class Process:
    """A process that ended.

    Attributes:
        seconds: from its start to its end, on the wall.
        cpu_seconds: user and system time.
        anonymous: the largest anonymous resident memory in bytes (proc(5), RssAnon: no pages of files).
        output: what it wrote to standard output.
    """

    seconds: float
    cpu_seconds: float
    anonymous: int
    output: str


@dataclass(slots=True)
class Samples:
    """Repeated measurements of one thing."""

    values: list[float] = field(default_factory=list[float])

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    @property
    def spread(self) -> str:
        """The smallest and the largest value and how many there are."""
        return f"{min(self.values):.3g} to {max(self.values):.3g} in {len(self.values)} rounds"


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of measured processes: this checkout is importable, hash seeds are fixed."""
    paths = [str(REPOSITORY), str(REPOSITORY / "cli"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0", **(extra or {})}


def command(*arguments: str) -> list[str]:
    """The `xir` command of this checkout, run by this interpreter."""
    return [sys.executable, "-c", "import sys; from xir_cli.main import main; sys.exit(main())", *arguments]


def watch(arguments: Sequence[str], extra: Mapping[str, str] | None = None) -> Process:
    """Runs a process to its end and watches its memory.

    Raises:
        RuntimeError: the process failed; the message holds what it wrote.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        child = subprocess.Popen(arguments, stdout=output, stderr=errors, env=environment(extra), cwd=REPOSITORY)
        largest = 0
        while True:
            largest = max(largest, _anonymous(child.pid))
            done, status, usage = os.wait4(child.pid, os.WNOHANG)
            if done:
                break
            time.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        text = output.read().decode(errors="replace")
        if child.returncode:
            told = errors.read().decode(errors="replace")
            raise RuntimeError(f"{' '.join(arguments)} ended with {child.returncode}:\n{text}{told}")
    return Process(seconds, usage.ru_utime + usage.ru_stime, largest, text)


def _anonymous(process: int) -> int:
    try:
        with open(f"/proc/{process}/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) << 10
    except OSError:
        pass
    return 0


def alternate(tasks: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Samples]:
    """Runs the tasks in turn, A B A B, so that a machine that slows down slows all of them down.

    Args:
        tasks: name -> a run, which returns its seconds.
        rounds: how often each runs.
    """
    samples = {name: Samples() for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            samples[name].values.append(task())
    return samples


def timed(task: Callable[[], object]) -> float:
    """Seconds on the wall that a call takes."""
    start = time.perf_counter()
    task()
    return time.perf_counter() - start
