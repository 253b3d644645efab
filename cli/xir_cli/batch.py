"""Several conversions: one after the other, or some at a time in processes of their own."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from xir_cli.failures import as_xir_error, lines_of, terminating
from xir_cli.output import Output, plain
from xir_cli.settings import Settings

Job = Callable[[str, str], Mapping[str, object]]
"""(source, target) -> the report as plain data; raises XirError."""

_BROKEN = 70

_Outputs = Sequence[Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Batch:
    """Conversions to do.

    Attributes:
        targets: (source, file to write) of each.
        keep_going: goes on after a failure.
        jobs: how many at a time.
    """

    targets: tuple[tuple[str, str], ...]
    keep_going: bool
    jobs: int


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one conversion: its report or its error, as plain data, and the error's lines."""

    code: int
    document: Mapping[str, object]
    lines: tuple[str, ...] = ()


def run_batch(settings: Settings, batch: Batch, job: Job) -> int:
    """Does every conversion, says what came of each in their order, and returns the first failure's exit code."""
    output = Output(settings)
    results: list[Result] = []
    total = len(batch.targets)
    pool = _forked if batch.jobs > 1 else _in_turn
    documents: list[Mapping[str, object]] = []
    for number, ((source, target), result) in enumerate(pool(batch, job)):
        results.append(result)
        documents.append({"input": source, "output": target, **result.document})
        place = f"[{number + 1}/{total}] {source}"
        if result.code:
            output.error_line(f"{place}: {result.lines[0]}", head="error ")
            for line in result.lines[1:]:
                output.error_line(line)
        else:
            output.line(f"{place} -> {target}  {result.lines[0]}")
    failed = [result for result in results if result.code]
    left = total - len(results)
    output.document({"conversions": documents, "failed": len(failed), "skipped": left})
    output.line(f"{len(results) - len(failed)} converted, {len(failed)} failed, {left} skipped")
    return failed[0].code if failed else 0


def _attempt(job: Job, source: str, target: str) -> Result:
    try:
        return _succeeded(job(source, target))
    except Exception as error:
        known = as_xir_error(error)
        if known is None:
            raise
        return Result(
            known.exit_code,
            {"error": known.to_dict()},
            (f"{known.code}: {lines_of(known)[0]}", *lines_of(known)[1:], *_hints(known.hint)),
        )


def _hints(hint: str | None) -> tuple[str, ...]:
    return () if hint is None else (f"  hint: {hint}",)


def _succeeded(report: Mapping[str, object]) -> Result:
    certificate = report.get("certificate")
    words = "not verified"
    if isinstance(certificate, Mapping):
        held = cast("Mapping[str, object]", certificate)
        twin = cast("Mapping[str, object]", held.get("random_weights") or {})
        found = (*cast("_Outputs", held["outputs"]), *cast("_Outputs", twin.get("outputs", ())))
        largest = max((each["max_absolute"] for each in found), default=0.0)
        drawn = len(cast("Sequence[str]", held.get("random_outputs", ())))
        words = f"verified{', also with random weights' if twin else ''}: max |d| {largest:.1e}"
        words += f", the shapes alone of {drawn} random outputs" if drawn else ""
    return Result(0, {"report": report}, (words,))


Results = Sequence[tuple[tuple[str, str], Result]]


def _in_turn(batch: Batch, job: Job) -> Results:
    results: list[tuple[tuple[str, str], Result]] = []
    for source, target in batch.targets:
        result = _attempt(job, source, target)
        results.append(((source, target), result))
        if result.code and not batch.keep_going:
            break
    return results


def _forked(batch: Batch, job: Job) -> Results:
    """Each conversion in a process of its own: none can hurt another, and a signal ends them all cleanly."""
    waiting = list(enumerate(batch.targets))
    running: dict[int, tuple[int, int]] = {}
    done: dict[int, Result] = {}
    try:
        while waiting or running:
            stop = not batch.keep_going and any(result.code for result in done.values())
            if stop:
                waiting.clear()
            while waiting and len(running) < batch.jobs:
                number, (source, target) = waiting.pop(0)
                pid, pipe = _fork(job, source, target)
                running[number] = (pid, pipe)
            if running:
                number = next(iter(running))
                done[number] = _collect(*running[number])
                del running[number]
    except BaseException:
        for pid, _ in running.values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        for pid, pipe in running.values():
            _collect(pid, pipe)
        raise
    return [(batch.targets[number], done[number]) for number in sorted(done)]


def _fork(job: Job, source: str, target: str) -> tuple[int, int]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    code = _BROKEN
    try:
        os.close(reading)
        with terminating():
            result = _attempt(job, source, target)
            with os.fdopen(writing, "w", encoding="utf-8") as pipe:
                json.dump(plain({"code": result.code, "document": result.document, "lines": result.lines}), pipe)
        code = 0
    finally:
        os._exit(code)


def _collect(pid: int, pipe: int) -> Result:
    with os.fdopen(pipe, encoding="utf-8") as file:
        text = file.read()
    _, status = os.waitpid(pid, 0)
    if not text:
        words = f"the conversion's process ended with {os.waitstatus_to_exitcode(status)}"
        return Result(_BROKEN, {"error": {"code": "XIR-BUG", "message": words}}, (f"XIR-BUG: {words}",))
    held = cast("Mapping[str, object]", json.loads(text))
    lines = tuple(str(line) for line in cast("Sequence[object]", held["lines"]))
    return Result(cast("int", held["code"]), cast("Mapping[str, object]", held["document"]), lines)
