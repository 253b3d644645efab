"""The program IR: what happens to slots, in order.

    Step   = Run(kernel, slots)                     a kernel on buffers
           | Hosted(node, inputs, outputs, reason)  a node that runs by its reference
           | Copy(source, target, bytes)
           | Repeat(body, ...)                      a loop whose steps are machine code, and itself machine code
           | Choose(condition, then, otherwise)     a branch of machine code
           | Branch(condition, then, otherwise)     a branch in which nodes run by their reference; Python decides

Loops and branches work on the slots of the whole program: what a body captures is read where it lies. What a loop
hands from step to step is not copied: a step writes where the next one reads (`Carry`), and what steps stack or take
apart are rows of one buffer (`Row`). Only pointers change, and every worker has its own copy of those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from xir.ir.constraints import Constraint
from xir.ir.dims import Dim
from xir.ir.node import Node
from xir.ir.types import Type
from xir.kernel.grammar import Kernel


@dataclass(frozen=True, slots=True)
class Run:
    """A kernel on buffers: the slots that it reads and writes, in the kernel's order, and the nodes behind it."""

    kernel: Kernel
    slots: tuple[int, ...]
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Hosted:
    """A node that runs by its reference, and why; None where an operand is absent."""

    node: Node
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Copy:
    """The elements of one slot into another."""

    source: int
    target: int
    bytes: Dim


@dataclass(frozen=True, slots=True)
class Carry:
    """What a loop hands from step to step.

    Attributes:
        start: the slot of the value before the first step; it is only read.
        inside: the slot that a step reads.
        made: the slot that a step writes.
        result: the slot of the value after the last step; in between it is the second place for what steps write.
        bytes: of the value.
    """

    start: int
    inside: int
    made: int
    result: int
    bytes: Dim


@dataclass(frozen=True, slots=True)
class Row:
    """What a step reads or writes of a buffer of all steps.

    Attributes:
        whole: the slot of all steps, the step its first axis.
        inside: the slot of one step.
        bytes: of one step.
        backward: whether the first step has the last row.
    """

    whole: int
    inside: int
    bytes: Dim
    backward: bool


@dataclass(frozen=True, slots=True)
class Repeat:
    """Steps again and again; all slots that it touches hold something from its beginning to its end.

    Attributes:
        body: the steps; all of them machine code.
        steps: how often, where sizes tell; None: as often as `count` and the conditions say.
        count: the slot of the number of steps, i64.
        condition: the slot of the condition of the first step.
        going: the slot of the condition of the next step, which the body makes.
        counter: the slot in which the body reads the number of the step, i64; of each worker's own.
        flag: the slot in which the body reads that the condition holds; of each worker's own.
        carries: what steps hand on.
        slices: what steps read row by row.
        stacks: what steps write row by row.
        fault: the slot that says why the loop was given up, i64: 0 for not at all.
    """

    body: tuple[Step, ...]
    steps: Dim | None
    count: int | None
    condition: int | None
    going: int | None
    counter: int | None
    flag: int | None
    carries: tuple[Carry, ...]
    slices: tuple[Row, ...]
    stacks: tuple[Row, ...]
    fault: int

    @property
    def own(self) -> frozenset[int]:
        """The slots that exist only inside: each worker knows where they lie."""
        rows = (each.inside for each in (*self.slices, *self.stacks))
        carried = (each.inside for each in self.carries)
        return frozenset((*rows, *carried, *(slot for slot in (self.counter, self.flag) if slot is not None)))


@dataclass(frozen=True, slots=True)
class Choose:
    """One of two lists of steps, all of them machine code, which fill the same slots."""

    condition: int
    then: tuple[Step, ...]
    otherwise: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a `Branch`: its steps, the slots and types of what it makes, and what it assumes of sizes."""

    steps: tuple[Step, ...]
    results: tuple[tuple[int, Type], ...]
    constraints: tuple[Constraint, ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """One of two lists of steps, as Python finds the condition; what an arm makes becomes the results."""

    node: Node
    condition: int
    then: Arm
    otherwise: Arm
    results: tuple[int, ...]


Step: TypeAlias = Run | Hosted | Copy | Repeat | Choose | Branch
Native: TypeAlias = Run | Copy | Repeat | Choose
"""The steps that machine code makes without Python."""


def is_native(steps: Sequence[Step]) -> bool:
    """Whether all steps are machine code; what stands inside loops and `Choose` is."""
    return not any(isinstance(step, Hosted | Branch) for step in steps)


def reads(step: Step) -> Iterator[int]:
    """The slots that a step reads from outside of it, and some that it makes itself."""
    match step:
        case Run(kernel, slots):
            yield from slots[: len(kernel.inputs)]
        case Hosted(_, inputs):
            yield from (slot for slot in inputs if slot is not None)
        case Copy(source):
            yield source
        case Repeat():
            own = step.own
            yield from (slot for each in step.body for slot in reads(each) if slot not in own)
            yield from (each.start for each in step.carries)
            yield from (each.whole for each in step.slices)
            yield from (slot for slot in (step.count, step.condition, step.going) if slot is not None)
        case Choose(condition, then, otherwise):
            yield condition
            yield from (slot for each in (*then, *otherwise) for slot in reads(each))
        case Branch(_, condition, then, otherwise, _):
            yield condition
            for arm in (then, otherwise):
                yield from (slot for each in arm.steps for slot in reads(each))
                yield from (slot for slot, _ in arm.results)


def writes(step: Step) -> Iterator[int]:
    """The slots that a step makes."""
    match step:
        case Run(kernel, slots):
            yield from slots[len(kernel.inputs) :]
        case Hosted(_, _, outputs):
            yield from outputs
        case Copy(_, target):
            yield target
        case Repeat():
            stacked = {each.inside for each in step.stacks}
            yield from (slot for each in step.body for slot in writes(each) if slot not in stacked)
            yield from (each.result for each in step.carries)
            yield from (each.whole for each in step.stacks)
            yield step.fault
        case Choose(_, then, otherwise):
            yield from (slot for each in (*then, *otherwise) for slot in writes(each))
        case Branch(_, _, then, otherwise, results):
            yield from (slot for arm in (then, otherwise) for each in arm.steps for slot in writes(each))
            yield from results


def kernels(steps: Iterable[Step]) -> Iterator[Kernel]:
    """The kernels of steps, those of a loop once."""
    for step in steps:
        match step:
            case Run(kernel):
                yield kernel
            case Repeat():
                yield from kernels(step.body)
            case Choose(_, then, otherwise):
                yield from kernels((*then, *otherwise))
            case _:
                pass
