"""Compiled programs as the runtime sees them: slots of memory, and steps that work on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from xir.ir.constant import Array, Constant
from xir.ir.constraints import Constraint, check_constraints
from xir.ir.dims import Dim, Shape, Symbol
from xir.ir.types import DType, TensorType, Type, UnrankedType
from xir.reference.sizes import Arrival, Sizes
from xir.runtime.memory import Life, byte_count, in_use, numbers_of

Entry: TypeAlias = Callable[[int, int, int, int, int], None]
"""(table of buffers, table of sizes, worker, workers, team): a stretch of machine code."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A buffer of a program: its element type and its sizes.

    No element type: what only the host knows (a sequence, an optional, a tensor of which the axes are not known).
    """

    dtype: DType | None
    shape: Shape


Key: TypeAlias = "tuple[tuple[int, ...], ...]"
"""The shapes of all that is fed; of what is no tensor none."""
Work: TypeAlias = tuple[tuple[int, Dim], ...]
"""A sum of numbers times sizes: the scalars that are computed, or vectors of them."""
SMALL = 50_000
"""Work that one worker does alone: 20 microseconds, at an instruction each and 2.5 GHz; waking another takes ten."""


def is_small(work: Work | None, known: Mapping[Symbol, Dim]) -> bool:
    """Whether work of these sizes is one worker's; that of sizes that are not known may be any."""
    if work is None:
        return False
    numbers = numbers_of(tuple(size for _, size in work), known)
    return numbers is not None and sum(times * size for (times, _), size in zip(work, numbers, strict=True)) < SMALL


@dataclass(frozen=True, slots=True)
class Stretch:
    """Machine code that runs without the host.

    Attributes:
        name: of the function.
        entry: the code.
        address: where it begins.
        moments: the slots that it touches, kernel by kernel; a loop is one moment.
        writes: those of them that it makes.
        work: how much it does; None for too much to be one worker's, whatever the sizes.
        fault: the slot in which its loops say that they were given up: 0 for not at all, 1 for a loop that has not
            ended after `MAX_LOOP_STEPS`, 2 for more than `MAX_BODY_RUNS` of all of them; None where it has no loops.
    """

    name: str
    entry: Entry
    address: int
    moments: tuple[tuple[int, ...], ...]
    writes: tuple[int, ...]
    work: Work | None = None
    fault: int | None = None

    @property
    def slots(self) -> tuple[int, ...]:
        """The slots that it touches."""
        return tuple(dict.fromkeys(slot for moment in self.moments for slot in moment))


@dataclass(frozen=True, slots=True)
class HostCall:
    """A step that Python computes.

    Attributes:
        name: the operator.
        run: arrays (None where an operand is absent) and what is known of sizes to results.
        inputs: slots of the operands, and the sizes with which they are read.
        outputs: slots of the results.
        place: the node's place in the graph that was lowered; None inside of branches.
        is_check: whether its result is its operand, if the sizes of that fit; those that fitted once always do.
    """

    name: str
    run: Callable[[Sequence[Array | None], Sizes], tuple[Array, ...]]
    inputs: tuple[tuple[int, Shape] | None, ...]
    outputs: tuple[int, ...]
    place: int | None = None
    is_check: bool = False

    @property
    def slots(self) -> tuple[int, ...]:
        """The slots that it reads."""
        return tuple(each[0] for each in self.inputs if each is not None)


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a branch: its steps, the slot and type of each result, and what it assumes of sizes."""

    steps: tuple[Step, ...]
    results: tuple[tuple[int, Type], ...]
    constraints: tuple[Constraint, ...] = ()

    @property
    def slots(self) -> tuple[int, ...]:
        """The slots that it touches."""
        return (*(slot for step in self.steps for slot in step.slots), *(slot for slot, _ in self.results))


@dataclass(frozen=True, slots=True)
class Branch:
    """One of two lists of steps.

    Attributes:
        name: the operator.
        condition: the slot of the condition, and the sizes with which it is read.
        then: what happens where it holds.
        otherwise: what happens where it does not.
        results: the slot and type of each result.
    """

    name: str
    condition: tuple[int, Shape]
    then: Arm
    otherwise: Arm
    results: tuple[tuple[int, Type], ...]

    @property
    def slots(self) -> tuple[int, ...]:
        """The slots that it touches."""
        results = (slot for slot, _ in self.results)
        return (self.condition[0], *self.then.slots, *self.otherwise.slots, *results)


Step: TypeAlias = Stretch | HostCall | Branch


def every_step(steps: Sequence[Step]) -> Iterator[Step]:
    """The steps and those inside of branches, each branch before what is inside."""
    for step in steps:
        yield step
        if isinstance(step, Branch):
            yield from every_step(step.then.steps)
            yield from every_step(step.otherwise.steps)


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a program, as onnxruntime describes its own.

    Attributes:
        name: its name.
        value: its type.
        slot: where its elements lie.
    """

    name: str
    value: Type
    slot: int

    @property
    def shape(self) -> Shape | None:
        """The sizes; None where they are not known or it is no tensor."""
        return self.value.shape if isinstance(self.value, TensorType) else None

    @property
    def type(self) -> DType | None:
        """The element type; None if it is no tensor."""
        return self.value.dtype if isinstance(self.value, TensorType | UnrankedType) else None


@dataclass(frozen=True, slots=True)
class Program:
    """What a graph was compiled to.

    Attributes:
        name: the model's name.
        slots: the buffers.
        steps: what happens, in order.
        inputs: what is fed.
        outputs: what is answered; a slot that stands twice, or that is an input or a constant, is copied.
        constants: {slot: its elements}.
        sizes: the sizes that the code reads, in the order of its table.
        constraints: what was assumed of symbolic sizes.
        owner: what keeps the machine code alive.
    """

    name: str
    slots: tuple[Slot, ...]
    steps: tuple[Step, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    constants: dict[int, Constant]
    sizes: tuple[Dim, ...]
    constraints: tuple[Constraint, ...]
    owner: object


def _moments(steps: Sequence[Step]) -> Iterator[tuple[int, ...]]:
    """The slots that are touched, one moment after another."""
    for step in steps:
        if isinstance(step, Stretch):
            said = () if step.fault is None else (step.fault,)
            yield said  # it is cleared before all else, and looked at afterwards
            yield from step.moments
            yield said
        else:
            yield step.slots


def temporaries(program: Program, known: Mapping[Symbol, Dim]) -> dict[int, Life]:
    """The temporary buffers of which these sizes tell how large they are, and when they are in use."""
    fixed = {port.slot for port in (*program.inputs, *program.outputs)} | program.constants.keys()
    made = {slot for step in every_step(program.steps) if isinstance(step, Stretch) for slot in step.writes} - fixed
    found: dict[int, Life] = {}
    for slot, span in in_use(_moments(program.steps)).items():
        dtype, shape = program.slots[slot].dtype, numbers_of(program.slots[slot].shape, known)
        if slot in made and dtype is not None and shape is not None:
            found[slot] = Life(byte_count(dtype.dtype, shape), *span)
    return found


def sizes_of(program: Program, key: Key) -> Sizes:
    """What the shapes of inputs tell.

    Raises:
        UsageError: if the model does not take them.
    """
    sizes = Sizes()
    sizes.learn(
        [
            Arrival(f"input {port.name!r}", port.value, shape)
            for port, shape in zip(program.inputs, key, strict=True)
            if isinstance(port.value, TensorType)
        ]
    )
    check_constraints(program.constraints, sizes.known)
    return sizes


def is_own(program: Program, port: Port) -> bool:
    """Whether an output's slot is nothing but that output."""
    given = any(port.slot == each.slot for each in program.inputs)
    shared = sum(port.slot == each.slot for each in program.outputs) > 1
    return not given and not shared and port.slot not in program.constants


def takes_addresses(program: Program) -> bool:
    """Whether a call needs nothing but addresses: machine code alone makes all outputs, each in a place of its own."""
    stretches = [step for step in program.steps if isinstance(step, Stretch)]
    made = {slot for step in stretches for slot in step.writes}
    is_native = len(stretches) == len(program.steps) and all(port.type is not None for port in program.inputs)
    return is_native and all(port.slot in made and is_own(program, port) for port in program.outputs)
