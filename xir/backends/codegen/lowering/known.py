"""Programs for sizes that are known: what was lowered for symbols, with numbers in their place.

All that was chosen stays: algorithms, tiles, the order of sums, and which products are fused with them. So the bits are
those of the program for symbols, and whichever of the two runs a call makes no difference to its results. (A graph that
is compiled with numbers from the beginning may be computed otherwise: by fewer products, or sums in another order.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from xir.backends.codegen.lowering.lowered import Lowered
from xir.backends.codegen.steps import Branch, Choose, Copy, Hosted, Repeat, Row, Run, Step
from xir.ir.dims import Dim, Symbol, evaluate
from xir.kernel.grammar import Kernel
from xir.kernel.sizes import with_sizes


def with_known_sizes(lowered: Lowered, known: Mapping[Symbol, Dim], go_on: Callable[[], None]) -> Lowered:
    """The program for these sizes; its slots have the same numbers.

    Args:
        lowered: the program for symbols.
        known: what is known of them.
        go_on: is called now and then; it may raise to give up.
    """
    walk = _Known(known, go_on)
    slots = [replace(slot, shape=tuple(map(walk.size, slot.shape))) for slot in lowered.slots]
    return replace(lowered, slots=slots, steps=list(walk.steps(lowered.steps)))


@dataclass(slots=True)
class _Known:
    """What is known, and the kernels that were made: equal ones stay one object."""

    known: Mapping[Symbol, Dim]
    go_on: Callable[[], None]
    kernels: dict[int, tuple[Kernel, Kernel]] = field(default_factory=dict[int, "tuple[Kernel, Kernel]"])

    def size(self, size: Dim) -> Dim:
        return evaluate(size, self.known)

    def kernel(self, kernel: Kernel) -> Kernel:
        held = self.kernels.get(id(kernel))
        if held is None:
            self.go_on()
            held = self.kernels[id(kernel)] = kernel, with_sizes(kernel, self.known)
        return held[1]

    def steps(self, steps: Sequence[Step]) -> tuple[Step, ...]:
        return tuple(map(self.step, steps))

    def step(self, step: Step) -> Step:
        match step:
            case Run():
                return replace(step, kernel=self.kernel(step.kernel))
            case Copy():
                return replace(step, bytes=self.size(step.bytes))
            case Repeat():
                return self.repeat(step)
            case Choose():
                return replace(step, then=self.steps(step.then), otherwise=self.steps(step.otherwise))
            case Branch():
                then, otherwise = (replace(arm, steps=self.steps(arm.steps)) for arm in (step.then, step.otherwise))
                return replace(step, then=then, otherwise=otherwise)
            case Hosted():
                return step

    def repeat(self, loop: Repeat) -> Repeat:
        return replace(
            loop,
            body=self.steps(loop.body),
            steps=None if loop.steps is None else self.size(loop.steps),
            carries=tuple(replace(each, bytes=self.size(each.bytes)) for each in loop.carries),
            slices=self.rows(loop.slices),
            stacks=self.rows(loop.stacks),
        )

    def rows(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        return tuple(replace(each, bytes=self.size(each.bytes)) for each in rows)
