"""Asking a predicate in a process of its own: what it crashes or hangs on does not take us along."""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias

from xir.errors import XirError
from xir.ir.constant import Array
from xir.ir.graph import Graph

Feeds: TypeAlias = Mapping[str, Array]

Predicate: TypeAlias = Callable[[Graph, Feeds], "bool | str"]
"""Whether a model fails on inputs. A text is a failure with a name: only those of one name are the same."""

Kind = Literal["passes", "fails", "crashes", "hangs", "unfit"]

_ANSWER_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a predicate says of a model.

    Attributes:
        kind: `passes`; `fails`; `crashes` (the process died of a signal, or left without an answer); `hangs` (it took
            too long); `unfit` (the predicate could not tell: it raised).
        detail: the failure's name, the signal, or what was raised.
    """

    kind: Kind
    detail: str = ""

    @property
    def is_failure(self) -> bool:
        """Whether this can be reduced."""
        return self.kind in ("fails", "crashes", "hangs")

    def __str__(self) -> str:
        """`fails: differs`, `crashes: SIGSEGV`."""
        return f"{self.kind}: {self.detail}" if self.detail else self.kind


def judge(predicate: Predicate, graph: Graph, feeds: Feeds, seconds: float) -> Verdict:
    """The verdict of a predicate, which is asked in a fork of this process.

    A fork and not a new process: a predicate is any function, and nothing of it must be turned into bytes. What it
    prints goes nowhere, and whatever it starts ends with it.

    Args:
        predicate: what is asked.
        graph: the model.
        feeds: its inputs by name.
        seconds: how long it may take.
    """
    answers, asked = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(predicate, graph, feeds, asked)
    os.close(asked)
    text = None
    try:
        text = _listen(answers, seconds)
    finally:
        os.close(answers)
        status = _end(child)
    return _verdict(text, status)


def _end(child: int) -> int:
    """Ends a process and everything that it started, and answers its status.

    One that has ended by itself keeps its own status, for a signal does not reach the dead.
    """
    for stop in (os.killpg, os.kill):  # it may not have its own group yet
        with suppress(ProcessLookupError, PermissionError):
            stop(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _listen(answers: int, seconds: float) -> bytes | None:
    """What the child writes until it ends; None where it takes too long."""
    pieces: list[bytes] = []
    limit = time.monotonic() + seconds
    while True:
        left = limit - time.monotonic()
        if left <= 0 or not select.select([answers], [], [], left)[0]:
            return None
        piece = os.read(answers, _ANSWER_BYTES)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


def _verdict(text: bytes | None, status: int) -> Verdict:
    if text is None:
        return Verdict("hangs")
    if not text.endswith(b"\n"):
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        return Verdict("crashes", signal.Signals(number).name if number else f"exit code {os.WEXITSTATUS(status)}")
    answer: dict[str, str] = json.loads(text)
    if "error" in answer:
        return Verdict("unfit", answer["error"])
    failure = answer["failure"]
    return Verdict("fails", failure) if answer["fails"] else Verdict("passes")


def _answer(predicate: Predicate, graph: Graph, feeds: Feeds, asked: int) -> NoReturn:
    """The child's side: asks, writes one line of JSON, and leaves without any cleaning up of the parent's things."""
    try:
        with suppress(OSError):
            os.setpgid(0, 0)
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        answer = _asked(predicate, graph, feeds)
        os.write(asked, json.dumps(answer).encode() + b"\n")
    finally:
        os._exit(0)


def _asked(predicate: Predicate, graph: Graph, feeds: Feeds) -> dict[str, object]:
    """The predicate's answer as plain data; whatever it raises means that it cannot tell."""
    try:
        found = predicate(graph, feeds)
    except XirError as error:
        return {"error": str(error)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"fails": bool(found), "failure": found if isinstance(found, str) else ""}
