"""Runs a suite on runtimes: worker processes side by side, every case to its end, whatever happens to one of them."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from xir.errors import UsageError
from xir_conformance.cases import Case
from xir_conformance.outcome import Outcome
from xir_conformance.pool import Limits, Worker
from xir_conformance.report import Report, RuntimeRun
from xir_conformance.suites import Suite

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told what is being done, how many of its steps are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of a suite: every `count`-th case, from the `index`-th on; the first is 1."""

    index: int = 1
    count: int = 1

    def __str__(self) -> str:
        """`1/4`."""
        return f"{self.index}/{self.count}"


def shard_from_text(text: str) -> Shard:
    """The shard that `1/4` names.

    Raises:
        UsageError: it names none.
    """
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"{text!r} is no shard", hint="the second of four is 2/4")
    return Shard(int(match[1]), int(match[2]))


def chosen_cases(suite: Suite, match: str | None, shard: Shard) -> tuple[Case, ...]:
    """The cases whose names hold the regular expression `match`, of this shard alone.

    Raises:
        UsageError: `match` is no regular expression, or fits no case.
    """
    try:
        pattern = re.compile(match or "")
    except re.error as error:
        raise UsageError(f"{match!r} is no regular expression: {error}") from error
    found = [case for case in suite.cases if pattern.search(case.name)]
    if not found:
        raise UsageError(f"no case of suite {suite.name!r} is called like {match!r}")
    return tuple(found[shard.index - 1 :: shard.count])


def run_suite(
    suite: Suite,
    runtimes: Sequence[str],
    *,
    match: str | None = None,
    shard: Shard | None = None,
    jobs: int = 1,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Report:
    """Runs the suite.

    Args:
        suite: the cases.
        runtimes: names of the runtimes.
        match: only the cases whose names hold this regular expression.
        shard: only this part of them.
        jobs: worker processes at once.
        limits: what a case may take.
        progress: told how far each runtime is.

    Raises:
        UsageError: a runtime does not start, or no case is chosen.
        MissingExtraError: a library that a runtime needs is not installed.
    """
    chosen = shard or Shard()
    cases = chosen_cases(suite, match, chosen)
    runs = {
        name: _Run(name, cases, min(jobs, len(cases)) or 1, limits or Limits(), progress).finished()
        for name in runtimes
    }
    return Report(suite.name, suite.version, str(chosen), cases, runs, suite.known)


class _Run:
    """One runtime on all cases."""

    def __init__(
        self, runtime: str, cases: Sequence[Case], jobs: int, limits: Limits, progress: Progress | None
    ) -> None:
        self._runtime = runtime
        self._cases = cases
        self._workers = [Worker(runtime, limits) for _ in range(jobs)]
        self._progress = progress
        self._pending: queue.SimpleQueue[Case] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[Case, Outcome] | BaseException] = queue.SimpleQueue()
        for case in cases:
            self._pending.put(case)

    def finished(self) -> RuntimeRun:
        """All outcomes, in the order of the cases."""
        start = time.monotonic()
        threads = [threading.Thread(target=self._work, args=(worker,), daemon=True) for worker in self._workers]
        started: list[threading.Thread] = []
        try:
            self._workers[0].started()
            for thread in threads:
                thread.start()
                started.append(thread)
            outcomes = self._collected()
        except BaseException:
            for worker in self._workers:
                worker.stop()
            raise
        finally:
            for thread in started:
                thread.join()
            for worker in self._workers:
                worker.close()
        first = self._workers[0]
        return RuntimeRun(self._runtime, first.version, first.peer, round(time.monotonic() - start, 3), outcomes)

    def _collected(self) -> dict[str, Outcome]:
        outcomes: dict[str, Outcome] = {}
        for done in range(len(self._cases)):
            if self._progress is not None:
                self._progress(self._runtime, done, len(self._cases))
            result = self._results.get()
            if isinstance(result, BaseException):
                raise result
            case, outcome = result
            outcomes[case.name] = outcome
        return {case.name: outcomes[case.name] for case in self._cases}

    def _work(self, worker: Worker) -> None:
        try:
            while True:
                case = self._pending.get_nowait()
                self._results.put((case, worker.run(case)))
        except queue.Empty:
            return
        except BaseException as error:
            self._results.put(error)
