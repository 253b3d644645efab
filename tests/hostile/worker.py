"""Runs one batch under limits and prints a line of JSON for each case: `python -m tests.hostile.worker BATCH [verify]`.

Every case must end in success or in one `XirError` with one of the case's exit codes; on an error nothing is written
and an old output file stays as it was. Memory is limited by RLIMIT_AS; the time limit only keeps a hang from blocking
the tests.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from itertools import islice
from pathlib import Path
from typing import NoReturn

from tests.hostile.batches import cases
from tests.hostile.case import Case
from xir import api
from xir.errors import XirError

MEMORY = 500 << 20
"""Bytes of address space that a case may take beyond what the process has before."""

HANG_SECONDS = 60
"""Of the processor's time, far above the promise of 2 s: a busy machine must not fail here."""

MAX_WARNINGS = 30
"""Warnings that one file may give; more are a storm in which none is read."""

OLD = b"the old file"
OUTPUT = "out.onnx"


FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect", "ctypes.dlopen")
"""What no model may make xir do (audit events of Python); verifying runs a process of its own."""


class Hang(BaseException):
    """A case did not end."""


def lay_out(case: Case, folder: Path) -> Path:
    """Writes the files of a case and an old output; returns the model's path."""
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        else:
            path.write_bytes(content)
    (folder / OUTPUT).write_bytes(OLD)
    return folder / case.model


def run(case: Case, folder: Path, verify: bool) -> dict[str, object]:
    """One case, judged: `problem` is None where everything is right.

    With `verify`, the conversion is verified too, and exit code 6 is right as well: onnxruntime may refuse the file,
    or die of it.
    """
    model = lay_out(case, folder)
    before = sorted(os.listdir(folder))
    start, exit_code, code, told, problem = time.process_time(), 0, "", "", None
    _seen.clear()
    given: list[warnings.WarningMessage] = []
    _reset_peak()
    try:
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("default")
            if case.weights:
                api.convert_weights(model, folder / OUTPUT)
            else:
                api.convert(model, folder / OUTPUT, verify=verify)
    except XirError as error:
        exit_code, code, told = error.exit_code, error.code, str(error)
    except (Exception, Hang):  # whatever escapes is what is looked for
        problem, exit_code = traceback.format_exc(limit=-6), 1
    seconds = time.process_time() - start
    if len(given) > MAX_WARNINGS:
        problem = problem or f"{len(given)} warnings, the first one: {given[0].message}"
    if _seen and not verify:
        problem = problem or f"did what no model may make it do: {_seen}"
    problem = problem or _judge(case.endings | ({6} if verify else set()), folder, before, exit_code, told)
    return {
        "name": case.name,
        "exit": exit_code,
        "code": code,
        "message": told[:300],
        "problem": problem,
        "seconds": round(seconds, 3),
        "peak": _peak() >> 20,
        "warnings": len(given),
    }


_seen: list[str] = []


def _on_audit(event: str, _arguments: object) -> None:
    if event in FORBIDDEN:
        _seen.append(event)


def _judge(endings: frozenset[int], folder: Path, before: list[str], exit_code: int, told: str) -> str | None:
    if exit_code not in endings:
        return f"ended with {exit_code}; expected one of {sorted(endings)}: {told}"
    if exit_code and (folder / OUTPUT).read_bytes() != OLD:
        return "the old output is gone"
    if exit_code and sorted(os.listdir(folder)) != before:
        return f"wrote {sorted(set(os.listdir(folder)) - set(before))}"
    return None


def _reset_peak() -> None:
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def _peak() -> int:
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        return next((int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:")), 0)


def address_space() -> int:
    """Bytes of address space that the process has."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _on_alarm(_signal: int, _frame: object) -> NoReturn:
    raise Hang


def main(batch: str, verify: bool) -> int:
    """Runs a batch; the exit code is 0 where every case could be run."""
    signal.signal(signal.SIGPROF, _on_alarm)
    os.fsync = lambda file: None  # as in tests/conftest.py
    for first in islice(cases(batch), 1):  # loads what is loaded lazily, before the limit is set
        with tempfile.TemporaryDirectory() as name:
            run(first, Path(name), verify)
    limit = address_space() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for case in cases(batch):
        with tempfile.TemporaryDirectory(prefix="xir-hostile-") as name:
            sys.stdout.write(json.dumps({"start": case.name}) + "\n")
            sys.stdout.flush()
            signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
            outcome = run(case, Path(name), verify)
            signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.write(json.dumps(outcome) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], "verify" in sys.argv[2:]))
