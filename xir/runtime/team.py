"""The team: threads that run a stretch of machine code together with whoever calls it.

A stretch is one function that every worker runs (SPMD); between its phases all of them meet. Worker 0 is the caller's
own thread. The others are threads of machine code without a Python state: they begin at a generated address, wait for
work by looking for a bounded time and then asleep in futex(2), and never touch the interpreter.

There is one team in a process. It is made when a call first wants it, grows to the most threads that were wanted, and
serves one call at a time: a call that finds it busy runs alone, for waiting would take longer. When the last model is
closed or forgotten, and when the interpreter ends, the threads end, too.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from xir.runtime.memory import address_of
from xir.runtime.processors import MAX_THREADS

GENERATION, MAILBOXES, MAILBOX = 128, 256, 128
"""Bytes: where the count of meetings lies in a team's memory, where the workers' mailboxes begin, and how long one is.

Each has two cache lines of its own, as processors fetch lines in pairs (Intel optimization manual, "spatial
prefetcher"). At the start of the memory stands how many have arrived.
"""
TEAM_PLACE, NUMBER_PLACE, PROCESS_PLACE, CALLER_PLACE = 40, 48, 56, 60
"""Bytes into a mailbox: the address of the team's memory, the worker's number, the process, the caller's processor."""
PATIENCE = 10.0
"""Seconds to wait, when the interpreter ends, for a call that is still under way in a thread that nobody joins."""

_SYNCHRONOUS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP)


@dataclass(frozen=True, slots=True)
class TeamCode:
    """The machine code that a team runs on.

    Attributes:
        work: the address at which a worker's thread begins; it is given its mailbox.
        launch: (team, stretch, table of buffers, table of sizes, workers): runs a stretch and returns when all have.
        dismiss: (mailbox): tells a worker to end.
        owner: what keeps the code alive.
    """

    work: int
    launch: Callable[[int, int, int, int, int], None]
    dismiss: Callable[[int], None]
    owner: object


def _memory() -> NDArray[np.uint64]:
    """Zeros at an address that is a multiple of `MAILBOX`; pages that nobody uses cost nothing."""
    raw = np.zeros((MAILBOXES + MAILBOX * (MAX_THREADS + 1)) // 8, np.uint64)
    start = -address_of(raw) % MAILBOX
    return raw[start // 8 :]


@dataclass(slots=True)
class _Members:
    """The threads of a team and what they share; it outlives the team until they have ended.

    Attributes:
        busy: held while a call uses the team.
        gone: whether nobody may be hired any more.
        place: the address of the memory.
    """

    code: TeamCode
    process: int = field(default_factory=os.getpid)
    memory: NDArray[np.uint64] = field(default_factory=_memory)
    threads: list[ctypes.c_ulong] = field(default_factory=list[ctypes.c_ulong])
    busy: threading.Lock = field(default_factory=threading.Lock)
    gone: bool = False
    place: int = field(init=False)

    def __post_init__(self) -> None:
        self.place = address_of(self.memory)

    def mailbox(self, number: int) -> int:
        """The address of a worker's mailbox."""
        return self.place + MAILBOXES + MAILBOX * number

    def hire(self, workers: int) -> int:
        """How many can work, the caller among them, after threads were started up to `workers`."""
        while len(self.threads) + 1 < min(workers, MAX_THREADS) and self._started(len(self.threads) + 1):
            pass
        return min(workers, len(self.threads) + 1)

    def _started(self, number: int) -> bool:
        """Starts a worker, or says that the system has no thread for it."""
        start = (MAILBOXES + MAILBOX * number) // 8
        self.memory[start : start + MAILBOX // 8] = 0
        self.memory[start + TEAM_PLACE // 8] = self.place
        self.memory[start + NUMBER_PLACE // 8] = number
        self.memory[start + PROCESS_PLACE // 8] = self.process  # the half above it is the caller's processor
        thread = ctypes.c_ulong()
        library = ctypes.CDLL(None)
        # A signal that a worker took would not wake the interpreter's main thread, which handles it. What a thread's
        # own instruction raises stays with it, so that a crash is reported as one.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - set(_SYNCHRONOUS))
        try:
            failed = library.pthread_create(
                ctypes.byref(thread), None, ctypes.c_void_p(self.code.work), ctypes.c_void_p(self.mailbox(number))
            )
            if not failed:
                self.threads.append(thread)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if failed:
            return False
        library.pthread_setname_np(thread, b"xir-worker")
        return True

    def dismiss(self, patience: float = -1) -> None:
        """Ends the threads and waits until they have ended; nothing in a process that was forked off."""
        if self.process != os.getpid() or not self.busy.acquire(timeout=patience):
            return
        try:
            self.gone = True
            library = ctypes.CDLL(None)
            for number in range(1, len(self.threads) + 1):
                self.code.dismiss(self.mailbox(number))
            while self.threads:
                library.pthread_join(self.threads.pop(), None)
        finally:
            self.busy.release()


class Team:
    """Threads that work together; they end when nobody refers to the team any more."""

    def __init__(self, code: TeamCode) -> None:
        """A team on this machine code, without threads yet."""
        self._code = code
        self._gather()

    def _gather(self) -> None:
        self._members = _Members(code=self._code)
        self._end = weakref.finalize(self, self._members.dismiss, PATIENCE)

    @property
    def threads(self) -> int:
        """How many threads there are beside the callers'."""
        return len(self._members.threads)

    def run(self, stretch: int, table: int, sizes: int, workers: int) -> bool:
        """Runs a stretch on up to `workers` workers, or says that the team has no time or no threads.

        Args:
            stretch: its address.
            table: the address of the table of buffers.
            sizes: the address of the table of sizes.
            workers: at most so many, the caller among them.
        """
        members = self._members
        if not members.busy.acquire(blocking=False):
            return False
        try:
            hired = 1 if members.gone else members.hire(workers)
            if hired > 1:
                members.code.launch(members.place, stretch, table, sizes, hired)
            return hired > 1
        finally:
            members.busy.release()

    def close(self) -> None:
        """Ends the threads and waits for that; the next call starts new ones."""
        self._members.dismiss()
        self.forget()

    def forget(self) -> None:
        """Begins anew without threads: in a process that was forked off there are none of the old ones."""
        self._end.detach()
        self._gather()


class _Office:
    """Who knows the team of the process, without keeping it alive."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._team: Callable[[], Team | None] = lambda: None
        os.register_at_fork(after_in_child=self._forked)

    def team(self, code: Callable[[], TeamCode]) -> Team:
        with self._lock:
            found = self._team()
            if found is None:
                found = Team(code())
                self._team = weakref.ref(found)
            return found

    def _forked(self) -> None:
        self._lock = threading.Lock()
        found = self._team()
        if found is not None:
            found.forget()


@cache
def _office() -> _Office:
    return _Office()


def shared_team(code: Callable[[], TeamCode]) -> Team:
    """The team of this process; `code` makes what it runs on where there is none yet."""
    return _office().team(code)
