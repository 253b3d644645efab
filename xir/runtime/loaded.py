"""A program and the memory of its calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from xir.ir.constant import Array
from xir.runtime.call import Call, contiguous
from xir.runtime.program import Key, Program

_T = TypeVar("_T")


class Loaded:
    """A program that may be called from many threads at once: each call that is under way has memory of its own."""

    def __init__(self, program: Program, threads: int, constants: Mapping[int, Array] | None = None) -> None:
        """Takes over a program; at most so many threads work on a call. `constants`: where they lie already."""
        self._program = program
        self._threads = threads
        if constants is None:
            constants = {slot: contiguous(constant.array()) for slot, constant in program.constants.items()}
        self._constants = constants
        self._idle: list[Call] = []

    def like(self, program: Program) -> Loaded:
        """Another program that has the same constants, where they lie."""
        return Loaded(program, self._threads, self._constants)

    def rest(self) -> None:
        """Gives back the memory of calls; the next ones take new memory."""
        self._idle.clear()

    def run(self, key: Key, work: Callable[[Call], _T]) -> _T:
        """What `work` makes of a call that nobody else uses; it is for inputs of the shapes `key`."""
        idle = self._idle
        try:  # no lock around the list: a process that is forked off while it is held would wait for ever
            call = idle.pop()
        except IndexError:
            call = Call(self._program, self._constants, self._threads)
        try:
            return work(call)
        finally:
            idle.append(call)
