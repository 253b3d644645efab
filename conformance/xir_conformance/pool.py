"""The other side of a worker process: starts it, ends it when it takes too long, and starts it again when it died."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Final, cast

from xir.errors import MissingExtraError, UsageError
from xir.limits import GIBI, MEBI
from xir_conformance.cases import Case
from xir_conformance.outcome import Outcome, outcome_of

MAX_ANSWER: Final = MEBI
PATIENCE: Final = 5.0
"""Seconds in which a process that has nothing more to do may end by itself."""
LAST_WORDS: Final = 300
"""Bytes of standard error that are told of a process that died."""
_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a case may take.

    Attributes:
        seconds: of one case.
        memory: bytes beyond what the runtime takes by itself.
        start: seconds in which a runtime must be there.
        cases: that one process runs before a fresh one takes over.
    """

    seconds: float = 60.0
    memory: int = 4 * GIBI
    start: float = 120.0
    cases: int = 500


class _LateError(Exception):
    """No answer in time."""


class Worker:
    """A worker process for one runtime; it is started when a case needs it.

    Attributes:
        version: of the runtime, once it runs.
        peer: whether it is somebody else's.
    """

    def __init__(self, runtime: str, limits: Limits) -> None:
        """Runs cases on the runtime of that name."""
        self._runtime = runtime
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._said = -1
        self._held = bytearray()
        self._done = 0
        self._stopped = False
        self.version = ""
        self.peer = False

    def run(self, case: Case) -> Outcome:
        """What became of the case.

        A process that dies after other cases may have died of them: the case gets a second chance, alone.

        Raises:
            MissingExtraError: a library that the runtime needs is not installed.
            UsageError: the runtime does not start.
        """
        if self._done >= self._limits.cases:
            self.close()
        outcome = self._run(case)
        if outcome.status == "crash" and self._done > 1:
            self.close()
            again = self._run(case)
            note = f"{again.note}; after other cases: {outcome.message}" if again.passed else again.note
            return Outcome(again.status, again.message, again.seconds, note.removeprefix("; "))
        return outcome

    def _run(self, case: Case) -> Outcome:
        process = self.started()
        self._done += 1
        told = {"name": case.name, "kind": case.kind, "folder": case.folder, "rtol": case.rtol, "atol": case.atol}
        start = time.monotonic()
        try:
            _pipe(process.stdin).write(json.dumps(told).encode() + b"\n")
            _pipe(process.stdin).flush()
            return outcome_of(self._answer(process, self._limits.seconds))
        except _LateError:
            self._end()
            return Outcome("timeout", f"more than {self._limits.seconds:g} s", self._limits.seconds)
        except (OSError, EOFError):
            outcome = Outcome("crash", self._cause(process), round(time.monotonic() - start, 4))
            self._end()
            return outcome

    def started(self) -> subprocess.Popen[bytes]:
        """The process, which is ready.

        Raises:
            MissingExtraError: a library that the runtime needs is not installed.
            UsageError: the runtime does not start.
        """
        if self._process is not None:
            return self._process
        self._go_on()
        self._held.clear()
        self._done = 0
        self._said = os.memfd_create("said", os.MFD_CLOEXEC)
        limits = self._limits
        folders = os.pathsep.join(folder for folder in sys.path if folder)
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "xir_conformance.worker"),
                *(self._runtime, str(limits.memory), str(limits.seconds)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={**os.environ, **_ONE_THREAD, "PYTHONPATH": folders},
            start_new_session=True,
        )
        self._go_on()  # `stop` saw no process where it was called while this one was made
        try:
            told = self._answer(self._process, limits.start)
        except (_LateError, OSError, EOFError) as error:
            cause = "no sign of life" if isinstance(error, _LateError) else self._cause(self._process)
            self._end()
            raise UsageError(f"runtime {self._runtime!r} does not start: {cause}") from error
        if "error" in told:
            self._end()
            hint = str(told["hint"]) if told.get("hint") else None
            kind = MissingExtraError if told.get("number") == 7 else UsageError
            raise kind(f"runtime {self._runtime!r} does not start: {told['error']}", hint=hint)
        self.version, self.peer = str(told["version"]), bool(told["peer"])
        return self._process

    def _go_on(self) -> None:
        """Ends the process where `stop` was called.

        Raises:
            UsageError: it was.
        """
        if self._stopped:
            self._end()
            raise UsageError(f"runtime {self._runtime!r} was stopped")

    def _answer(self, process: subprocess.Popen[bytes], seconds: float) -> Mapping[str, object]:
        """The next line that the process says.

        Raises:
            _LateError: it says none in time.
            EOFError: it is gone, or says more than a line may hold.
        """
        end = time.monotonic() + seconds
        descriptor = _pipe(process.stdout).fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while b"\n" not in self._held:
                if not selector.select(max(0.0, end - time.monotonic())):
                    raise _LateError
                data = os.read(descriptor, 1 << 16)
                if not data or len(self._held) > MAX_ANSWER:
                    raise EOFError
                self._held += data
        line, _, rest = bytes(self._held).partition(b"\n")
        self._held[:] = rest
        return cast("Mapping[str, object]", json.loads(line))

    def _cause(self, process: subprocess.Popen[bytes]) -> str:
        """Why the process is gone: a signal or an exit code, and its last words."""
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        code = process.poll()
        if code is None:
            return "the process closed its pipe"
        cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        last = os.pread(self._said, LAST_WORDS, max(0, os.fstat(self._said).st_size - LAST_WORDS))
        words = " ".join(last.decode("utf-8", "replace").split())
        return f"{cause}: {words}" if words else cause

    def _end(self) -> None:
        """Ends the process and whatever it started."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(self._said)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def close(self) -> None:
        """Lets the process end when it has no more questions, or ends it; the next case gets a fresh one."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError, subprocess.TimeoutExpired):
                self._process.stdin.close()
                self._process.wait(PATIENCE)
        self._end()

    def stop(self) -> None:
        """Ends the process at once, whatever it does; no other one is started."""
        self._stopped = True
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise EOFError
    return pipe
