"""What a run of a suite found: counts, failures with their reasons, and what changed since an earlier run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from xir.errors import FormatError
from xir.files import PathLike, atomic_write, read_text
from xir_conformance.cases import Case
from xir_conformance.outcome import STATUSES, Outcome, outcome_of

FORMAT: Final = "xir-conformance"


@dataclass(frozen=True, slots=True)
class RuntimeRun:
    """One runtime on the cases.

    Attributes:
        name: of the runtime.
        version: what ran.
        peer: whether it is somebody else's, whose failures fail nothing.
        seconds: from the first case to the last.
        outcomes: by case.
    """

    name: str
    version: str
    peer: bool
    seconds: float
    outcomes: Mapping[str, Outcome]

    def counts(self) -> dict[str, int]:
        """How many cases have each status."""
        found = [outcome.status for outcome in self.outcomes.values()]
        return {status: found.count(status) for status in STATUSES}


@dataclass(frozen=True, slots=True)
class Report:
    """A suite on runtimes.

    Attributes:
        suite: its name.
        version: what it was made from.
        shard: which part was run: `1/1` is all.
        cases: in their order.
        runs: by runtime.
        known: {(runtime, case): why it does not pass}.
    """

    suite: str
    version: str
    shard: str
    cases: Sequence[Case]
    runs: Mapping[str, RuntimeRun]
    known: Mapping[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    def failures(self, runtime: str) -> Iterator[tuple[Case, Outcome, str | None]]:
        """The cases that do not pass, with the reason where it is known."""
        for case in self.cases:
            outcome = self.runs[runtime].outcomes[case.name]
            if not outcome.passed:
                yield case, outcome, self.known.get((runtime, case.name))

    def surprises(self, runtime: str) -> list[str]:
        """What is not as the table of known failures has it: failures without a reason, reasons without a failure.

        What a runtime's Python interface cannot pass (`binding`) is no failure: nobody knows what would come out.
        """
        found = [
            f"{case.name}: {outcome.status}"
            for case, outcome, why in self.failures(runtime)
            if why is None and outcome.status != "binding"
        ]
        for name, outcome in self.runs[runtime].outcomes.items():
            if outcome.passed and (runtime, name) in self.known:
                found.append(f"{name}: passed, but is known to fail")
        return found

    def by_operator(self, runtime: str) -> dict[str, tuple[int, int]]:
        """{operator: (cases passed, cases)}; a case counts for every operator that its model holds."""
        return self._tally(runtime, [(case, case.operators) for case in self.cases])

    def by_kind(self, runtime: str) -> dict[str, tuple[int, int]]:
        """{kind of case: (cases passed, cases)}."""
        return self._tally(runtime, [(case, (case.kind,)) for case in self.cases])

    def _tally(self, runtime: str, groups: Sequence[tuple[Case, Sequence[str]]]) -> dict[str, tuple[int, int]]:
        found: dict[str, list[bool]] = {}
        for case, names in groups:
            for name in names:
                found.setdefault(name, []).append(self.runs[runtime].outcomes[case.name].passed)
        return {name: (sum(passed), len(passed)) for name, passed in sorted(found.items())}

    def to_dict(self) -> dict[str, object]:
        """The report as JSON has it."""
        return {
            "format": FORMAT,
            "suite": self.suite,
            "suite_version": self.version,
            "shard": self.shard,
            "runtimes": {
                name: {"version": run.version, "peer": run.peer, "seconds": run.seconds, "counts": run.counts()}
                for name, run in self.runs.items()
            },
            "cases": [self._row(case) for case in self.cases],
        }

    def _row(self, case: Case) -> dict[str, object]:
        results = {
            name: run.outcomes[case.name].to_dict() | {"known": self.known.get((name, case.name))}
            for name, run in self.runs.items()
        }
        return {"name": case.name, "kind": case.kind, "operators": list(case.operators), "results": results}


def write_text(path: PathLike, text: str) -> None:
    """Writes a report, whole or not at all.

    Raises:
        FileError: the file cannot be written.
    """
    with atomic_write(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def read_outcomes(path: PathLike) -> dict[str, dict[str, Outcome]]:
    """{runtime: {case: outcome}} of a report in JSON.

    Raises:
        FormatError: the file is no report.
        FileError: it cannot be read.
    """
    try:
        told: object = json.loads(read_text(path))
        if not isinstance(told, dict) or cast("dict[str, object]", told).get("format") != FORMAT:
            raise FormatError("the file is no report of xir conformance", file=str(path), hint="--out FILE writes one")
        rows = cast("dict[str, list[dict[str, object]]]", told)["cases"]
        found: dict[str, dict[str, Outcome]] = {}
        for row in rows:
            for runtime, result in cast("dict[str, dict[str, object]]", row["results"]).items():
                found.setdefault(runtime, {})[str(row["name"])] = outcome_of(result)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"the report is damaged: {error}", file=str(path)) from error
    return found


@dataclass(frozen=True, slots=True)
class Change:
    """What changed on one runtime since an earlier report.

    Attributes:
        lost: cases that passed before.
        gained: cases that pass now.
        changed: cases that fail in another way: (case, status before, status now).
        new: cases that were not there.
        gone: cases that are no longer there.
    """

    runtime: str
    lost: tuple[str, ...]
    gained: tuple[str, ...]
    changed: tuple[tuple[str, str, str], ...]
    new: tuple[str, ...]
    gone: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """The change as JSON has it."""
        return {
            "lost": list(self.lost),
            "gained": list(self.gained),
            "changed": [list(each) for each in self.changed],
            "new": list(self.new),
            "gone": list(self.gone),
        }


def changes(report: Report, before: Mapping[str, Mapping[str, Outcome]]) -> list[Change]:
    """What changed on each runtime that both reports have."""
    return [_change(name, before[name], run.outcomes) for name, run in report.runs.items() if name in before]


def _change(runtime: str, before: Mapping[str, Outcome], now: Mapping[str, Outcome]) -> Change:
    both = [name for name in now if name in before]
    return Change(
        runtime,
        tuple(name for name in both if before[name].passed and not now[name].passed),
        tuple(name for name in both if not before[name].passed and now[name].passed),
        tuple(
            (name, before[name].status, now[name].status)
            for name in both
            if before[name].status != now[name].status and not before[name].passed and not now[name].passed
        ),
        tuple(name for name in now if name not in before),
        tuple(name for name in before if name not in now),
    )
