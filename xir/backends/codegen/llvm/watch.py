"""Watched programs: machine code that notes when each of its steps begins, for profiles.

Between two steps all workers meet, and worker 0 reads CLOCK_MONOTONIC (clock_gettime(2)) into memory beside the code.
That is one meeting and one reading of the clock a step more than in programs that nobody watches, which have neither.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from xir.backends.codegen.engine import Code
from xir.backends.codegen.llvm.control import StretchText
from xir.backends.codegen.steps import Hosted, Step
from xir.ir.constant import Array
from xir.ir.dims import Dim, Symbol
from xir.reference.sizes import Sizes

HostRun = Callable[[Sequence[Array | None], Sizes], tuple[Array, ...]]
"""What a step of the host does: arrays and what is known of sizes to results."""


@dataclass(frozen=True, slots=True)
class Span:
    """A step that ran.

    Attributes:
        step: the step.
        begin: nanoseconds of CLOCK_MONOTONIC.
        end: likewise.
    """

    step: Step
    begin: int
    end: int


@dataclass(slots=True)
class Watch:
    """The moments of one program.

    Attributes:
        steps: the step that begins at each mark of the machine code, None where a stretch ends.
        sizes: symbolic sizes that the host's steps knew.
    """

    steps: list[Step | None] = field(default_factory=list[Step | None])
    sizes: dict[Symbol, Dim] = field(default_factory=dict[Symbol, Dim])
    _hosted: list[Span] = field(default_factory=list[Span])
    _moments: ctypes.Array[ctypes.c_int64] | None = None

    def write(self, written: StretchText, steps: Sequence[Step]) -> None:
        """Writes native steps with a mark before each and one behind the last."""
        for step in steps:
            self._mark(written, step)
            written.steps([step])
        self._mark(written, None)

    def _mark(self, written: StretchText, step: Step | None) -> None:
        written.meet()
        written.do(f"call void @mark(i64 {len(self.steps)}, i64 %worker)")
        self.steps.append(step)

    def text(self) -> str:
        """The text of `@mark(number, worker)`, and of `@moments()`, which says where the moments lie."""
        kind = f"[{max(len(self.steps), 1)} x i64]"
        return f"""\
@noted = internal global {kind} zeroinitializer, align 64
declare i32 @clock_gettime(i32, ptr)

define ptr @moments() nounwind {{
  ret ptr @noted
}}

define internal void @mark(i64 %number, i64 %worker) nounwind noinline {{
  %time = alloca [2 x i64], align 8
  %first = icmp eq i64 %worker, 0
  br i1 %first, label %take, label %done
take:
  %r = call i32 @clock_gettime(i32 {time.CLOCK_MONOTONIC}, ptr %time)
  %seconds = load i64, ptr %time, align 8
  %place = getelementptr i64, ptr %time, i64 1
  %rest = load i64, ptr %place, align 8
  %whole = mul i64 %seconds, 1000000000
  %now = add i64 %whole, %rest
  %target = getelementptr i64, ptr @noted, i64 %number
  store i64 %now, ptr %target, align 8
  br label %done
done:
  ret void
}}
"""

    def open(self, code: Code) -> None:
        """Finds the moments in assembled code; they are there as long as the code is."""
        place = ctypes.CFUNCTYPE(ctypes.c_void_p)(code.address("moments"))()
        self._moments = (ctypes.c_int64 * max(len(self.steps), 1)).from_address(place)

    def timed(self, step: Hosted, run: HostRun) -> HostRun:
        """The same as `run`, and notes when."""

        def noted(arrays: Sequence[Array | None], sizes: Sizes) -> tuple[Array, ...]:
            begin = time.monotonic_ns()
            results = run(arrays, sizes)
            self._hosted.append(Span(step, begin, time.monotonic_ns()))
            self.sizes.update(sizes.known)
            return results

        return noted

    def clear(self) -> None:
        """Forgets what was noted, before a run."""
        self._hosted.clear()
        if self._moments is not None:
            self._moments[:] = [0] * len(self._moments)

    def spans(self) -> list[Span]:
        """What ran since the last `clear`, in the order of time; the side of a branch that was not taken did not."""
        return sorted([*self._hosted, *self._native()], key=lambda span: span.begin)

    def _native(self) -> Iterator[Span]:
        times: list[int] = [] if self._moments is None else list(self._moments)
        for number, step in enumerate(self.steps):
            if step is not None and times[number] and times[number + 1] >= times[number]:
                yield Span(step, times[number], times[number + 1])
