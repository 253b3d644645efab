"""Sizes that are met again and again get machine code of their own, made in the background.

A program for symbols serves all sizes; with numbers in their place its loops end where they end, and places are sums of
numbers. The bits are the same, so nobody sees which of the two runs a call. Sizes are hot when calls with them have
taken as long as it takes to make code for them: then no more time goes into that than went into the calls, however few
more there are (the rule for renting or buying skis: R. Karp, "On-line algorithms versus off-line algorithms", 1992).

One thread at a time does that for a model. It is a daemon, ends when the model is closed or forgotten, and what it
cannot make is told by a warning; the model runs on as before.
"""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeAlias, TypeVar

from xir.errors import XirError
from xir.ir.dims import Dim, Symbol
from xir.runtime.call import Call
from xir.runtime.loaded import Loaded
from xir.runtime.program import Key, Program, Stretch, every_step, sizes_of
from xir.runtime.recent import Recent

KEPT = 4
"""Sizes of a model that have code of their own at a time; each has temporary memory of its own, too."""
SEEN = 256
"""Sizes of a model whose time is counted."""
SAMPLED = 8
"""One call in so many is timed, as looking at the clock twice takes a hundredth of a small call."""
PRICE = 0.1
"""Seconds that it takes to make code for a kernel: 0.04 to 0.15 on an AMD EPYC (Zen 5) for eight public models of 6
to 196 kernels: PNet and RNet of mtcnn, OCR of ddddocr and PP-OCRv4, openWakeWord's spectrogram, nudenet, brainmaze."""

_T = TypeVar("_T")
Make: TypeAlias = Callable[[Mapping[Symbol, Dim], Callable[[], None]], Program]
"""Makes the program for sizes; calls the second argument now and then, which raises when nobody wants it any more."""


class _Unwanted(Exception):
    """The model was closed or forgotten."""


@dataclass(slots=True)
class _Heat:
    """Calls with some sizes, and the seconds that they took; `told`: nobody need look at them any more."""

    calls: int = 0
    seconds: float = 0.0
    told: bool = False


@dataclass(slots=True)
class _Own:
    """Code for some sizes, and whether it was called since others got theirs."""

    loaded: Loaded
    used: bool = True


@dataclass(slots=True)
class _Maker:
    """The thread that makes code; it knows the model only as long as others do."""

    make: Make
    unwanted: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    starting: threading.Lock = field(default_factory=threading.Lock)

    def busy(self) -> bool:
        """Whether it is at work; in a process that was forked off it is not, and can begin anew."""
        return self.thread is not None and self.thread.is_alive()

    def begin(self, model: weakref.ref[Hot], key: Key) -> bool:
        """Starts making code for sizes, or says that it is busy."""
        if self.busy() or not self.starting.acquire(blocking=False):
            return False
        try:
            if self.busy() or self.unwanted.is_set():
                return False
            thread = threading.Thread(target=self.work, args=(model, key), name="xir-specialize", daemon=True)
            thread.start()
            self.thread = thread
            return True
        finally:
            self.starting.release()

    def work(self, model: weakref.ref[Hot], key: Key) -> None:
        found = model()
        if found is None:
            return
        name, known = found.program.name, sizes_of(found.program, key).known
        del found
        try:
            made = self.make(known, self.go_on)
        except _Unwanted:
            return
        except XirError as error:
            warnings.warn(f"{name!r} has no code for the sizes {list(key)}: {error}", RuntimeWarning, stacklevel=2)
            return
        found = model()
        if found is not None and not self.unwanted.is_set():
            found.take_in(key, made)

    def go_on(self) -> None:
        if self.unwanted.is_set():
            raise _Unwanted

    def end(self) -> None:
        """Nobody wants code any more; returns when the thread has ended."""
        self.unwanted.set()
        self.wait()

    def wait(self) -> None:
        """Until the thread has ended."""
        thread = self.thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()


class Hot:
    """A program for symbols, and code of their own for sizes that are hot; called as `Loaded`.

    Attributes:
        program: the program for symbols.
    """

    def __init__(self, program: Program, threads: int, make: Make, *, watching: bool = True) -> None:
        """Takes over a program.

        Args:
            program: the program for symbols.
            threads: at most so many work on a call.
            make: makes programs for sizes that are known.
            watching: whether code is made in the background; otherwise only where it is asked for.
        """
        self.program = program
        self._all = Loaded(program, threads)
        self._own: dict[Key, _Own] = {}
        self._watching = watching
        self._heat: Recent[Key, _Heat] = Recent(SEEN)
        kernels = sum(len(step.moments) for step in every_step(program.steps) if isinstance(step, Stretch))
        self._price = PRICE * kernels
        self._maker = _Maker(make)
        self._forgotten = weakref.finalize(self, self._maker.unwanted.set)

    def run(self, key: Key, work: Callable[[Call], _T]) -> _T:
        """What `work` makes of a call, as `Loaded.run`."""
        own = self._own.get(key)
        if own is not None:
            own.used = True
            return own.loaded.run(key, work)
        if not self._watching:
            return self._all.run(key, work)
        heat = self._heat.get(key)
        if heat is None:
            heat = self._heat.keep(key, _Heat())
        heat.calls += 1
        if heat.told or heat.calls % SAMPLED:
            return self._all.run(key, work)
        begun = perf_counter()
        results = self._all.run(key, work)
        heat.seconds += SAMPLED * (perf_counter() - begun)
        if heat.seconds >= self._price:
            heat.told = self._maker.begin(weakref.ref(self), key)
        return results

    @property
    def sizes(self) -> tuple[Key, ...]:
        """The shapes of inputs that have code of their own."""
        return tuple(self._own)

    def specialize(self, key: Key) -> None:
        """Makes code for sizes at once, if there is none."""
        self._maker.wait()
        if key not in self._own:
            self.take_in(key, self._maker.make(sizes_of(self.program, key).known, lambda: None))

    def take_in(self, key: Key, program: Program) -> None:
        """Calls with these sizes run that program from now on; what nobody called goes if there are too many."""
        kept = dict(self._own)
        while len(kept) >= KEPT:
            gone = next((each for each, own in kept.items() if not own.used), next(iter(kept)))
            del kept[gone]
            self._heat.keep(gone, _Heat())
        for own in kept.values():
            own.used = False
        kept[key] = _Own(self._all.like(program))
        self._own = kept  # all at once: calls that are under way have what they run
        self._all.rest()

    def close(self) -> None:
        """Ends the thread, if there is one, and waits for that."""
        self._maker.end()
