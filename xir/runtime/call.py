"""A call of a compiled program: the tables that machine code reads, and the steps, one after another.

What depends only on the sizes of the inputs is found once for them and kept (`_Frame`); a call with sizes that were
seen before only says where its inputs and outputs lie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from xir.errors import UnsafeError, UsageError
from xir.ir.constant import Array
from xir.ir.constraints import check_constraints
from xir.ir.dims import Dim, Shape, Symbol
from xir.ir.types import TensorType
from xir.limits import MAX_BODY_RUNS, MAX_LOOP_STEPS
from xir.reference.sizes import Arrival, Sizes
from xir.runtime.memory import ALIGNMENT, Plan, address_of, byte_count, numbers_of, plan
from xir.runtime.program import (
    Branch,
    HostCall,
    Key,
    Port,
    Program,
    Step,
    Stretch,
    every_step,
    is_own,
    is_small,
    sizes_of,
    temporaries,
)
from xir.runtime.recent import REMEMBERED, Recent
from xir.runtime.results import Spare, result
from xir.runtime.team import Team

_N = TypeVar("_N", np.int64, np.uint64)


@dataclass(slots=True)
class _Measured:
    """Sizes that are known at some point of a run.

    Attributes:
        table: those that machine code reads.
        address: where the table lies.
        outputs: the shapes of the outputs, as far as they are known.
        shapes: other shapes as numbers, as they are asked for.
        fresh: {address of a stretch: (slot, shape, type) of what it makes outside of the arena}.
        alone: {address of a stretch: whether it is too little work for more than one worker}.
    """

    table: NDArray[np.int64]
    address: int
    outputs: tuple[tuple[int, ...] | None, ...]
    shapes: dict[Shape, tuple[int, ...]] = field(default_factory=dict[Shape, "tuple[int, ...]"])
    fresh: dict[int, list[_Fresh]] = field(default_factory=dict[int, "list[_Fresh]"])
    alone: dict[int, bool] = field(default_factory=dict[int, bool])


_Fresh: TypeAlias = tuple[int, tuple[int, ...], np.dtype[np.generic]]


@dataclass(slots=True)
class _Frame:
    """What a call needs for inputs of certain sizes.

    Attributes:
        sizes: what the inputs tell.
        plan: where temporary buffers lie in the arena.
        table: where each slot lies.
        address: where the table lies.
        measured: the sizes that the inputs tell.
        base: where the arena was when the table was filled.
    """

    sizes: Sizes
    plan: Plan
    table: NDArray[np.uint64]
    address: int
    measured: _Measured
    base: int


class Call:
    """The memory of one call at a time.

    Attributes:
        program: what it runs.
        constants: {slot: its elements}, in row-major order.
        threads: at most so many work on it.
    """

    def __init__(self, program: Program, constants: Mapping[int, Array], threads: int) -> None:
        """Nothing is planned before the first call."""
        self.program = program
        self.threads = threads
        self.constants = constants
        self.nothing = aligned(ALIGNMENT)
        self.arena = aligned(0)
        self.base = address_of(self.arena)
        self.frames: Recent[Key, _Frame] = Recent()
        self.measures: Recent[tuple[tuple[Symbol, Dim], ...], _Measured] = Recent()
        told = REMEMBERED * sum(1 for _ in every_step(program.steps))
        self.learnt: Recent[tuple[Sizes, int, Key], tuple[Sizes, _Measured]] = Recent(told)
        self.checked: Recent[tuple[Sizes, int], bool] = Recent(told)
        self.assumed = program.constraints
        self.arrays: dict[int, Array] = {}
        self.spare: Spare = {}
        self.bound: Mapping[int, Array] = {}
        self.fed_slots = tuple(port.slot for port in program.inputs)
        self.shared = {*self.fed_slots, *constants, *(port.slot for port in program.outputs)}
        self.stretches = tuple(step for step in program.steps if isinstance(step, Stretch))
        self.is_native = len(self.stretches) == len(program.steps)
        self.all_slots = (*self.fed_slots, *(port.slot for port in program.outputs))
        self.nowhere = address_of(self.nothing)
        self.owned_ports = tuple(is_own(program, port) for port in program.outputs)
        self.frame: _Frame
        self.sizes: Sizes
        self.measured: _Measured
        self.counting: Sizes | None = None
        self.table: NDArray[np.uint64]

    def run(self, key: Key, fed: Sequence[Array], targets: Mapping[int, Array], team: Team | None) -> list[Array]:
        """The outputs, made with the help of the team.

        Args:
            key: the shapes of what is fed.
            fed: the inputs, tensors in row-major order.
            targets: {number of an output: where it is wanted}, of its type; none overlaps another.
            team: who helps.
        """
        self.begin(key)
        if not self.is_native:
            self.counting = Sizes()
        try:
            for slot, array in zip(self.fed_slots, fed, strict=True):
                self.hold(slot, array)
            if targets:
                self.bound = self.direct(fed, targets)
            self.steps(self.program.steps, team)
            return [self.answer(number, targets.get(number)) for number in range(len(self.program.outputs))]
        finally:  # what was fed and made belongs to the caller alone
            self.arrays.clear()
            self.bound = {}

    def run_at(self, key: Key, sources: Sequence[int], targets: Sequence[int], team: Team | None) -> None:
        """Runs a program of which `takes_addresses` holds.

        Args:
            key: the shapes of the inputs.
            sources: the addresses of the inputs, in row-major order; 0 of one without elements.
            targets: the addresses of the outputs, likewise; none overlaps another.
            team: who helps.
        """
        self.begin(key)
        for slot, address in zip(self.all_slots, (*sources, *targets), strict=True):
            self.table[slot] = address or self.nowhere
        for step in self.stretches:
            self.launch(step, team)

    def begin(self, key: Key) -> None:
        """Takes up what is known for inputs of these shapes."""
        frame = self.frames.get(key)
        if frame is None:
            frame = self.frames.keep(key, self.framed(key))
        if frame.base != self.base:
            self.place(frame)
        self.frame, self.sizes, self.measured, self.table = frame, frame.sizes, frame.measured, frame.table

    def direct(self, fed: Sequence[Array], targets: Mapping[int, Array]) -> dict[int, Array]:
        """{slot: where machine code writes it} of outputs that need no copy: what it writes overlaps nothing it reads.

        Raises:
            UsageError: if a place has not the sizes of its output.
        """
        found: dict[int, Array] = {}
        for number, array in targets.items():
            shape, port = self.measured.outputs[number], self.program.outputs[number]
            if shape is None:
                continue
            _check_place(port, array, shape)
            overlaps = any(
                isinstance(cast("object", each), np.ndarray) and np.may_share_memory(each, array) for each in fed
            )
            if self.owned_ports[number] and contiguous(array) is array and not overlaps:
                found[port.slot] = array
        return found

    def framed(self, key: Key) -> _Frame:
        """What is needed for inputs of these shapes.

        Raises:
            UsageError: if the model does not take them.
        """
        sizes = sizes_of(self.program, key)
        planned = self.planned(sizes)
        table = self.memory(np.zeros(max(len(self.program.slots), 1), np.uint64))
        for slot, array in self.constants.items():
            if self.program.slots[slot].dtype is not None:
                table[slot] = self.pointer(array)
        return _Frame(sizes, planned, table, address_of(table), self.measure(sizes), 0)

    def planned(self, sizes: Sizes) -> Plan:
        """Where temporary buffers lie."""
        return plan(temporaries(self.program, sizes.known))

    def memory(self, table: NDArray[_N]) -> NDArray[_N]:
        """The table, where machine code reads it."""
        return table

    def place(self, frame: _Frame) -> None:
        """Says where temporary buffers lie, in an arena that has room for them."""
        if frame.plan.bytes > len(self.arena):
            self.arena = aligned(frame.plan.bytes)
            self.base = address_of(self.arena)
        for slot, offset in frame.plan.offsets.items():
            frame.table[slot] = self.base + offset
        frame.base = self.base

    def pointer(self, array: Array) -> int:
        """Where elements lie; where there are none, somewhere that may be read."""
        return address_of(array) if array.size else self.nowhere

    def hold(self, slot: int, array: Array) -> None:
        """Keeps what a slot holds; machine code finds tensors through the table."""
        self.arrays[slot] = array
        if self.program.slots[slot].dtype is not None:
            self.table[slot] = self.pointer(array)

    def measure(self, sizes: Sizes) -> _Measured:
        """The sizes that are known by now, as machine code reads them."""
        key = tuple(sizes.known.items())
        found = self.measures.get(key)
        if found is not None:
            return found
        numbers = [numbers_of((dim,), sizes.known) for dim in self.program.sizes]
        table = self.memory(np.array([0 if each is None else each[0] for each in numbers] or [0], np.int64))
        outputs = tuple(
            None if port.shape is None else numbers_of(port.shape, sizes.known) for port in self.program.outputs
        )
        return self.measures.keep(key, _Measured(table, address_of(table), outputs))

    def learned(self, step: HostCall | Branch, shapes: Key, sizes: Sizes) -> None:
        """Takes up the sizes that a step has told: machine code after it relies on what was assumed of them.

        Args:
            step: the step.
            shapes: those of its results.
            sizes: what was known before, and what they tell.
        """
        if self.assumed and len(sizes.known) != len(self.sizes.known):
            check_constraints(self.assumed, sizes.known)
        self.enter(self.learnt.keep((self.sizes, id(step), shapes), (sizes, self.measure(sizes))))

    def enter(self, known: tuple[Sizes, _Measured]) -> None:
        """Goes on with these sizes; nobody changes them any more."""
        self.sizes, self.measured = known

    def shape(self, shape: Shape) -> tuple[int, ...] | None:
        """The sizes as numbers, if they are known."""
        found = self.measured.shapes.get(shape)
        if found is None:
            found = numbers_of(shape, self.sizes.known)
            if found is not None:
                self.measured.shapes[shape] = found
        return found

    def steps(self, steps: Sequence[Step], team: Team | None) -> None:
        """Runs the steps."""
        for step in steps:
            match step:
                case Stretch():
                    self.native(step, team)
                case HostCall():
                    self.host(step)
                case Branch():
                    self.branch(step, team)

    def native(self, stretch: Stretch, team: Team | None) -> None:
        """Runs machine code."""
        fresh = self.measured.fresh.get(stretch.address)
        if fresh is None:
            fresh = self.measured.fresh[stretch.address] = self.fresh(stretch)
        for slot, shape, dtype in fresh:
            array = self.bound.get(slot)
            self.hold(slot, result(shape, dtype, self.spare, slot) if array is None else array)
        self.launch(stretch, team)

    def launch(self, stretch: Stretch, team: Team | None) -> None:
        """Runs machine code; all that it touches has a place."""
        alone = team is None or self.measured.alone.get(stretch.address)
        if alone is None:
            alone = self.measured.alone[stretch.address] = is_small(stretch.work, self.sizes.known)
        table, numbers = self.frame.address, self.measured.address
        if alone or team is None or not team.run(stretch.address, table, numbers, self.threads):
            stretch.entry(table, numbers, 0, 1, 0)
        if stretch.fault is not None:
            _check_ended(int(self.read(stretch.fault, ())))

    def fresh(self, stretch: Stretch) -> list[_Fresh]:
        """What a stretch makes outside of the arena: outputs, and what has sizes that the inputs do not tell."""
        found: list[_Fresh] = []
        for slot in stretch.writes:
            if slot not in self.frame.plan.offsets:
                shape, dtype = self.shape(self.program.slots[slot].shape), self.program.slots[slot].dtype
                if shape is None or dtype is None:
                    raise UsageError(f"the sizes of a buffer of {self.program.name!r} are not known")
                found.append((slot, shape, dtype.dtype))
        return found

    def branch(self, branch: Branch, team: Team | None) -> None:
        """Runs the side that its condition tells."""
        arm = branch.then if self.read(*branch.condition).reshape(()) else branch.otherwise
        around = self.assumed
        self.assumed = (*around, *arm.constraints)
        try:
            if self.checked.get((self.sizes, id(arm))) is None:
                check_constraints(arm.constraints, self.sizes.known)
                self.checked.keep((self.sizes, id(arm)), True)
            self.steps(arm.steps, team)
        finally:
            self.assumed = around
        made = [self.read(source, type.shape if isinstance(type, TensorType) else ()) for source, type in arm.results]
        for (slot, _), array in zip(branch.results, made, strict=True):
            self.hold(slot, _copied(array))
        shapes = _shapes(made)
        known = self.learnt.get((self.sizes, id(branch), shapes))
        if known is not None:
            self.enter(known)
            return
        sizes = self.sizes.copy()
        sizes.learn(
            [
                Arrival(f"the result of {branch.name}", type, array.shape)
                for (_, type), array in zip(branch.results, made, strict=True)
                if isinstance(type, TensorType)
            ]
        )
        self.learned(branch, shapes, sizes)

    def host(self, call: HostCall) -> None:
        """Runs what Python computes."""
        given = [None if each is None else self.read(*each) for each in call.inputs]
        if call.is_check:
            known = self.learnt.get((self.sizes, id(call), _shapes(given)))
            if known is not None:  # these sizes fitted before
                self.hold(call.outputs[0], self.viewed(call, given[0]))
                self.enter(known)
                return
        sizes = self.sizes.copy(self.counting)
        results = call.run(given, sizes)
        for slot, array in zip(call.outputs, results, strict=True):
            self.hold(slot, _owned(array, given))
        shapes = _shapes(results)
        known = self.learnt.get((self.sizes, id(call), shapes))
        if known is None:
            self.learned(call, shapes, sizes)
        else:
            self.enter(known)

    def viewed(self, check: HostCall, array: Array | None) -> Array:
        """The operand of a check as its result: a copy only where the caller has one of both, or others will lie."""
        slots = {slot for slot, _ in filter(None, check.inputs)} | set(check.outputs)
        if array is None or slots & self.shared or not slots.isdisjoint(self.frame.plan.offsets):
            return np.array(array, order="C")
        return contiguous(array)

    def read(self, slot: int, sizes_there: Shape) -> Array:
        """The elements of a slot as an array of these sizes."""
        dtype = self.program.slots[slot].dtype
        if dtype is None:
            return self.arrays[slot]
        shape = self.shape(sizes_there)
        if slot in self.frame.plan.offsets and shape is not None:
            start, item = self.frame.plan.offsets[slot], dtype.dtype
            made: Array = self.arena[start : start + byte_count(item, shape)].view(item).reshape(shape)
            return made
        array = self.arrays[slot] if slot in self.arrays else self.constants[slot]
        return array if shape is None else array.reshape(shape)

    def answer(self, number: int, target: Array | None) -> Array:
        """An output, which the caller may keep."""
        port, shape = self.program.outputs[number], self.measured.outputs[number]
        array = self.arrays[port.slot] if port.slot in self.arrays else self.constants[port.slot]
        if not isinstance(cast("object", array), np.ndarray):
            return _copied(array)
        if shape is not None and array.shape != shape:
            array = array.reshape(shape)
        if target is None:
            return array if self.owned_ports[number] else np.array(array)
        if array is not target:
            _check_place(port, target, array.shape)
            np.copyto(target, array)
        return target


def _check_place(port: Port, array: Array, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise UsageError(
            f"the array for the output {port.name!r} has the shape {list(array.shape)}, needed is {list(shape)}"
        )


def _shapes(arrays: Sequence[object]) -> Key:
    return tuple([cast("Array", array).shape if isinstance(array, np.ndarray) else () for array in arrays])


def _copied(held: object) -> Array:
    """A sequence with copies of its elements, or whatever else it is."""
    if isinstance(held, list):
        return cast("Array", [_copied(each) for each in cast("list[object]", held)])
    return np.array(cast("Array", held)) if isinstance(held, np.ndarray) else cast("Array", held)


def _owned(array: Array, given: Sequence[Array | None]) -> Array:
    """The array, or a copy if its elements may lie where others will."""
    if not isinstance(cast("object", array), np.ndarray):
        return _copied(array)
    own = array.base is None and not any(array is each for each in given)
    return contiguous(array) if own else np.array(array, order="C")


def contiguous(array: Array) -> Array:
    """The array as machine code reads it, in row-major order at addresses that its type has.

    It is a copy only if it must be (NumPy's own function makes a vector of a scalar).
    """
    flags = array.flags
    return array if flags.c_contiguous and flags.aligned else array.copy(order="C")


def aligned(count: int) -> NDArray[np.uint8]:
    """Bytes at an address that is a multiple of `ALIGNMENT`."""
    raw = np.empty(count + ALIGNMENT, np.uint8)
    start = -address_of(raw) % ALIGNMENT
    return raw[start : start + count]


def _check_ended(fault: int) -> None:
    """Raises what the reference raises for loops without end."""
    if fault == 1:
        raise UnsafeError(
            f"a loop has not ended after {MAX_LOOP_STEPS} steps", number=806, hint="does anything end it?"
        )
    if fault == 2:
        raise UnsafeError(
            f"bodies have run more than {MAX_BODY_RUNS} times", number=806, hint="does anything end the loops?"
        )
