"""A process of its own for what a model may crash or keep busy: asked over pipes, and ended when it takes long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, BinaryIO, cast

from xir.errors import MismatchError, UnsafeError
from xir.verification._child import Header, Result, receive, send


class ChildProcess:
    """A module that runs as a process and answers frames (`_child`); it ends when nobody refers to it any more."""

    def __init__(self, module: str, file: str | None, *, dies: str, stays: str) -> None:
        """Starts the process.

        Args:
            module: the module's name.
            file: the file that errors name.
            dies: what to do where the process dies.
            stays: what to do where it does not come to an end.
        """
        self._file, self._dies, self._stays = file, dies, stays
        self._late = threading.Event()
        self._process = _start(module)
        weakref.finalize(self, _stop, self._process)

    def ask(
        self, header: Mapping[str, object], arrays: Sequence[Result], limit: float, who: tuple[str, str]
    ) -> tuple[Header, list[Result]]:
        """The answer to a frame.

        Args:
            header: what is asked.
            arrays: what goes with it.
            limit: seconds after which the process is ended.
            who: what runs in it, and what it is asked to do, in words.

        Raises:
            MismatchError: if the process dies.
            UnsafeError: if it takes longer.
        """
        with _killed_after(limit, self._process, self._late):
            try:
                send(_pipe(self._process.stdin), header, arrays)
                return receive(_pipe(self._process.stdout))
            except (OSError, EOFError) as error:
                code = self._process.wait()
                if self._late.is_set():
                    raise self._too_slow(limit, who) from error
                died = signal.Signals(-code).name if code < 0 else f"exit code {code}"
                raise MismatchError(
                    f"{who[0]} died of the model: {died}", number=602, file=self._file, hint=self._dies
                ) from error

    def _too_slow(self, limit: float, who: tuple[str, str]) -> UnsafeError:
        return UnsafeError(
            f"{who[0]} needs more than {limit:.0f} s to {who[1]}, and was ended",
            number=811,
            file=self._file,
            hint=self._stays,
        )


@contextmanager
def _killed_after(seconds: float, process: subprocess.Popen[bytes], late: threading.Event) -> Generator[None]:
    """Kills the process when the block takes longer, and sets `late` before: the pipes end, and so does the wait."""

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _start(module: str) -> subprocess.Popen[bytes]:
    """A process that waits for a model; it imports what this one can import, and nothing of the current folder."""
    folders = os.pathsep.join(folder for folder in sys.path if folder)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": folders},
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _pipe(pipe: IO[bytes] | None) -> BinaryIO:
    if pipe is None:
        raise EOFError
    return cast("BinaryIO", pipe)
