"""Versions of a model's code: what each needs to know of its buffers, for one processor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xir.backends.codegen.ahead._processors import Processor
from xir.backends.codegen.ahead._weights import Weights
from xir.backends.codegen.llvm.module import Module
from xir.backends.codegen.lowering.lower import lower
from xir.backends.codegen.lowering.lowered import Lowered
from xir.backends.codegen.lowering.work import work
from xir.backends.codegen.steps import Arm, Branch, Hosted, Step, is_native, kernels, reads, writes
from xir.errors import Problem, UnsupportedError
from xir.ir.constraints import Constraint
from xir.ir.dims import Dim, Shape, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.runtime.memory import in_use
from xir.runtime.program import Port, is_small


@dataclass(frozen=True, slots=True)
class Shared:
    """What all versions have in common.

    Attributes:
        name: what the functions' names begin with.
        inputs: what is fed.
        outputs: what is answered.
        symbols: the sizes that the caller gives.
        constraints: what is assumed of them.
        processors: what each version is for.
        identity: what the file of weights begins with; None if they lie in the object.
        sums: the check sums of that file.
        weight_bytes: bytes of all weights, with what lies between.
    """

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    symbols: tuple[Symbol, ...]
    constraints: tuple[Constraint, ...]
    processors: tuple[Processor, ...]
    identity: bytes | None
    sums: bytes
    weight_bytes: int

    @property
    def beside(self) -> bool:
        """Whether the weights lie in a file of their own."""
        return self.identity is not None


@dataclass(frozen=True, slots=True)
class Buffer:
    """A buffer in the block of temporary memory: its slot, bytes of an element, sizes, first and last use."""

    slot: int
    item: int
    shape: Shape
    life: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Given:
    """A caller's array: its slot, bytes of an element, sizes, and whether the slot's elements lie there."""

    slot: int
    item: int
    shape: Shape
    direct: bool


@dataclass(frozen=True, slots=True)
class Version:
    """The code for one processor.

    Attributes:
        module: the machine code's text.
        stretch: the function that does the work, or None if there is none to do.
        slots: how many buffers there are.
        planned: the temporary ones, in the order of their slots.
        weights: {slot: where it begins among the weights}.
        given: the caller's arrays: inputs, then outputs.
        fault: the slot that says whether loops were given up, or None.
        alone: whether it is too little work for several threads.
    """

    module: Module
    stretch: str | None
    slots: int
    planned: tuple[Buffer, ...]
    weights: Mapping[int, int]
    given: tuple[Given, ...]
    fault: int | None
    alone: bool

    @property
    def sizes(self) -> Sequence[Dim]:
        """What the machine code reads from its table of sizes."""
        return self.module.sizes


def version_of(graph: Graph, processor: Processor, label: str, exact: bool, weights: Weights) -> Version:
    """The code for a processor; the weights that it reads are added to `weights`.

    Raises:
        UnsupportedError: if there are layers that only the reference computes.
    """
    lowered = lower(graph, processor.machine, exact=exact)
    _check_native(lowered)
    module = Module(processor.machine, label=label, attributes=processor.attributes)
    stretch = module.stretch(lowered.steps) if lowered.steps else None
    touched = {slot for step in lowered.steps for slot in (*reads(step), *writes(step))}
    touched.update(lowered.slot(value) for value in lowered.outputs)
    held = {slot: weights.place(lowered.constants[slot]) for slot in sorted(touched) if slot in lowered.constants}
    given = tuple(_given(lowered, graph.inputs, held.keys()))
    made = {slot for step in lowered.steps for slot in writes(step)}
    fault = next((slot for slot in lowered.faults if slot in made), None)
    fixed = {*held, *(each.slot for each in given if each.direct)}
    return Version(
        module,
        stretch,
        len(lowered.slots),
        tuple(_planned(lowered, made - fixed, fault)),
        held,
        given,
        fault,
        is_small(work(kernels(lowered.steps), processor.machine.lanes), {}),
    )


def _given(lowered: Lowered, inputs: Sequence[Value], held: Iterable[int]) -> Iterator[Given]:
    taken = set(held)
    for value in inputs:
        taken.add(lowered.slot(value))
        yield _array(lowered, lowered.slot(value), direct=True)
    for value in lowered.outputs:
        slot = lowered.slot(value)
        yield _array(lowered, slot, direct=slot not in taken)
        taken.add(slot)


def _array(lowered: Lowered, slot: int, direct: bool) -> Given:
    return Given(slot, *_measured(lowered, slot), direct)


def _planned(lowered: Lowered, slots: set[int], fault: int | None) -> Iterator[Buffer]:
    """Temporary buffers; what loops say is cleared before all steps and looked at after them."""
    said = () if fault is None else (fault,)
    spans = in_use([said, *((*reads(step), *writes(step)) for step in lowered.steps), said])
    for slot in sorted(slots):
        yield Buffer(slot, *_measured(lowered, slot), spans[slot])


def _measured(lowered: Lowered, slot: int) -> tuple[int, Shape]:
    """Bytes of an element, and the sizes."""
    held = lowered.slots[slot]
    if held.dtype is None:
        raise UnsupportedError("a buffer holds something that is no tensor")
    return held.dtype.dtype.itemsize, held.shape


def _check_native(lowered: Lowered) -> None:
    """Refuses what only the reference computes, all of it at once."""
    if is_native(lowered.steps):
        return
    kinds: dict[str, list[str]] = {}
    for node in _hosted(lowered.steps):
        kinds.setdefault(node.op.name, []).append(_layer(node))
    problems = tuple(
        Problem(kind, tuple(layers), "there is no machine code for it, only the reference")
        for kind, layers in kinds.items()
    )
    listed = "; ".join(f"{each.kind} ({', '.join(map(repr, each.layers))})" for each in problems)
    raise UnsupportedError(
        f"ahead of time all is machine code, but these run by the reference: {listed}",
        problems=problems,
        hint="xir.compile runs them, with Python; xir extract cuts a model in front of them",
    )


def _layer(node: Node) -> str:
    return node.source[0].layer if node.source else node.op.name


def _hosted(steps: Sequence[Step]) -> Iterator[Node]:
    pending = list(reversed(steps))
    while pending:
        match pending.pop():
            case Hosted(node):
                yield node
            case Branch(_, _, Arm(then), Arm(otherwise), _):
                pending += reversed([*then, *otherwise])
            case _:
                pass
