"""Calling compiled programs: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xir.errors import UnsafeError, UsageError
from xir.ir.constant import Array
from xir.ir.constraints import check_constraints
from xir.ir.dims import Dim, Shape, Symbol, evaluate
from xir.ir.types import TensorType
from xir.limits import MAX_BODY_RUNS, MAX_LOOP_STEPS
from xir.reference.execute import converted
from xir.reference.sizes import Arrival, Sizes
from xir.runtime.memory import ALIGNMENT, Life, Plan, plan
from xir.runtime.program import Branch, HostCall, Port, Program, Step, Stretch, every_step
from xir.runtime.team import Team


class Executable:
    """A compiled model: `f(*arrays) -> tuple`, or `f.run(None, {name: array}) -> list` as onnxruntime's sessions.

    It may be called from many threads at once; each call that is under way has memory of its own. The first of them
    is helped by the team of threads that all models of the process share, the others run on their callers' threads.
    In a process that was forked off it works as in the first one. `close`, the end of a `with` block, or nobody
    referring to it any more gives back memory and, after the last model, the threads.

    Attributes:
        program: what it runs.
        threads: at most so many work on a call.
    """

    def __init__(self, program: Program, team: Team | None = None, threads: int = 1) -> None:
        """Takes over a program; `team` helps up to `threads` in number, the caller among them."""
        self.program = program
        self.threads = threads
        self._team = team
        self._constants = {slot: constant.array() for slot, constant in program.constants.items()}
        self._idle: list[_Call] = []
        self._closed = False

    def __repr__(self) -> str:
        """`Executable('lenet', inputs: data f32[1,1,28,28], outputs: prob f32[1,10], threads: 2)`."""
        fed, made = (", ".join(f"{port.name} {port.value}" for port in ports) for ports in self._ports)
        hosted = f", on the host: {', '.join(self.hosted)}" if self.hosted else ""
        state = ", closed" if self._closed else ""
        return (
            f"Executable({self.program.name!r}, inputs: {fed}, outputs: {made}, threads: {self.threads}{hosted}{state})"
        )

    @property
    def _ports(self) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
        return self.program.inputs, self.program.outputs

    def __enter__(self) -> Self:
        """The model itself; the end of the block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the model."""
        self.close()

    def close(self) -> None:
        """Gives back memory, and the threads if no other model needs them; calls are refused from then on.

        A call that is under way in another thread ends as if nothing had happened.
        """
        self._closed = True
        self._team = None
        self._idle = []
        self._constants = {}

    def get_inputs(self) -> tuple[Port, ...]:
        """The inputs, with `.name`, `.type` and `.shape`."""
        return self.program.inputs

    def get_outputs(self) -> tuple[Port, ...]:
        """The outputs, with `.name`, `.type` and `.shape`."""
        return self.program.outputs

    @property
    def hosted(self) -> tuple[str, ...]:
        """The operators that run in Python, in order."""
        return tuple(step.name for step in every_step(self.program.steps) if isinstance(step, HostCall))

    def __call__(self, *arrays: ArrayLike) -> tuple[Array, ...]:
        """The outputs, in order.

        Raises:
            UsageError: if arrays are missing, too many, or of another type or shape, or the model is closed.
        """
        team, constants, idle = self._team, self._constants, self._idle
        if self._closed:
            raise UsageError(f"the model {self.program.name!r} is closed", hint="compile it again")
        ports = self.program.inputs
        if len(arrays) != len(ports):
            raise UsageError(
                f"the model takes {len(ports)} arrays ({[port.name for port in ports]}), got {len(arrays)}"
            )
        fed = [_array(given, port) for given, port in zip(arrays, ports, strict=True)]
        try:  # no lock around the list: a process that is forked off while it is held would wait for ever
            call = idle.pop()
        except IndexError:
            call = _Call(self.program, constants, self.threads)
        try:
            return call.run(fed, team)
        finally:
            idle.append(call)

    def run(self, output_names: Sequence[str] | None, feeds: Mapping[str, ArrayLike]) -> list[Array]:
        """The named outputs, or all for None.

        Raises:
            UsageError: if a name is unknown or missing, or an array of another type or shape.
        """
        names = [port.name for port in self.program.inputs]
        if unknown := [name for name in feeds if name not in names]:
            raise UsageError(f"the model has no inputs {unknown}; it takes {names}")
        if missing := [name for name in names if name not in feeds]:
            raise UsageError(f"the inputs {missing} are missing")
        results = self(*(feeds[name] for name in names))
        found = dict(zip((port.name for port in self.program.outputs), results, strict=True))
        if output_names is None:
            return list(results)
        if unknown := [name for name in output_names if name not in found]:
            raise UsageError(f"the model has no outputs {unknown}; it has {list(found)}")
        return [found[name] for name in output_names]


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


def _lives(program: Program, sizes: Sizes) -> dict[int, Life]:
    """The temporary buffers whose sizes are known, and when they are in use."""
    fixed = {port.slot for port in (*program.inputs, *program.outputs)} | program.constants.keys()
    spans: dict[int, tuple[int, int]] = {}
    for place, moment in enumerate(_moments(program.steps)):
        for slot in moment:
            spans[slot] = (spans.get(slot, (place, place))[0], place)
    made = {slot for step in every_step(program.steps) if isinstance(step, Stretch) for slot in step.writes}
    lives: dict[int, Life] = {}
    for slot, (first, last) in spans.items():
        dtype, shape = program.slots[slot].dtype, _evaluated(program.slots[slot].shape, sizes.known)
        if slot in made and slot not in fixed and shape is not None and dtype is not None:
            lives[slot] = Life(_bytes(dtype.dtype.itemsize, shape), first, last)
    return lives


def planned_bytes(executable: Executable) -> int:
    """Bytes of temporary memory of one call, as far as no input decides them."""
    return plan(_lives(executable.program, Sizes())).bytes


def _array(given: ArrayLike, port: Port) -> Array:
    found = converted(given, port.value, f"input {port.name!r}")
    return _contiguous(found) if isinstance(port.value, TensorType) else found


def _copied(held: object) -> Array:
    """A sequence with copies of its elements, or whatever else it is."""
    if isinstance(held, list):
        return cast("Array", [_copied(each) for each in cast("list[object]", held)])
    return np.array(cast("Array", held)) if isinstance(held, np.ndarray) else cast("Array", held)


def _contiguous(array: Array) -> Array:
    """The array in row-major order; NumPy's own function makes a vector of a scalar."""
    return array if array.flags.c_contiguous else array.copy(order="C")


def _aligned(count: int) -> NDArray[np.uint8]:
    raw = np.empty(count + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + count]


REMEMBERED = 16
"""Tables of sizes that a call keeps: models mostly see the same few sizes again."""


@dataclass(frozen=True, slots=True)
class _Measured:
    """Sizes that are known at some point of a run: the table that machine code reads, and shapes as numbers."""

    table: NDArray[np.int64]
    shapes: dict[Shape, tuple[int, ...]]


class _Call:
    """The memory of one call at a time."""

    def __init__(self, program: Program, constants: Mapping[int, Array], threads: int) -> None:
        self.program = program
        self.threads = threads
        self.constants = {slot: _contiguous(array) for slot, array in constants.items()}
        self.table = np.zeros(max(len(program.slots), 1), np.uint64)
        self.nothing = _aligned(ALIGNMENT)
        self.arena = _aligned(0)
        self.plan = Plan({}, 0)
        self.planned: dict[Symbol, Dim] | None = None
        self.sizes = np.zeros(max(len(program.sizes), 1), np.int64)
        self.measured: dict[tuple[tuple[Symbol, Dim], ...], _Measured] = {}
        self.latest = _Measured(self.sizes[:0], {})
        self.assumed = program.constraints
        self.arrays: dict[int, Array] = {}
        self.shapes: dict[Shape, tuple[int, ...]] = {}
        for slot, array in self.constants.items():
            self.point(slot, array)

    def point(self, slot: int, array: Array) -> None:
        """Says where a slot's elements lie; where there are none, somewhere that may be read."""
        self.table[slot] = array.ctypes.data if array.size else self.nothing.ctypes.data

    def hold(self, slot: int, array: Array) -> None:
        """Keeps what a slot holds; machine code finds tensors through the table."""
        self.arrays[slot] = array
        if self.program.slots[slot].dtype is not None:
            self.point(slot, array)

    def run(self, fed: Sequence[Array], team: Team | None) -> tuple[Array, ...]:
        """The outputs, made with the help of the team."""
        sizes = Sizes()
        arrivals = [
            Arrival(f"input {port.name!r}", port.value, array.shape)
            for port, array in zip(self.program.inputs, fed, strict=True)
            if isinstance(port.value, TensorType)
        ]
        sizes.learn(arrivals)
        check_constraints(self.program.constraints, sizes.known)
        self.assumed = self.program.constraints
        self.arrays = dict(self.constants)
        for port, array in zip(self.program.inputs, fed, strict=True):
            self.hold(port.slot, array)
        self.arrange(sizes)
        self.steps(self.program.steps, sizes, team)
        return tuple(self.answer(port, sizes) for port in self.program.outputs)

    def steps(self, steps: Sequence[Step], sizes: Sizes, team: Team | None) -> None:
        for step in steps:
            match step:
                case Stretch():
                    self.native(step, sizes, team)
                case HostCall():
                    self.host(step, sizes)
                case Branch():
                    self.branch(step, sizes, team)

    def branch(self, branch: Branch, sizes: Sizes, team: Team | None) -> None:
        known = len(sizes.known)
        arm = branch.then if self.read(*branch.condition, sizes).reshape(()) else branch.otherwise
        around = self.assumed
        self.assumed = (*around, *arm.constraints)
        check_constraints(arm.constraints, sizes.known)
        self.steps(arm.steps, sizes, team)
        self.assumed = around
        arrivals: list[Arrival] = []
        for (slot, type), (source, made) in zip(branch.results, arm.results, strict=True):
            array = self.read(source, made.shape if isinstance(made, TensorType) else (), sizes)
            self.hold(slot, _copied(array))
            if isinstance(type, TensorType):
                arrivals.append(Arrival(f"the result of {branch.name}", type, array.shape))
        sizes.learn(arrivals)
        if len(sizes.known) != known:
            self.learned(sizes)

    def arrange(self, sizes: Sizes) -> None:
        """Plans memory anew when sizes are others than in the last call."""
        if self.planned is not None and self.planned == sizes.known:
            self.latest = _Measured(self.sizes[:0], {})  # what only the last run told is not known yet
            return
        self.shapes.clear()
        self.plan = plan(_lives(self.program, sizes))
        if self.plan.bytes > len(self.arena):
            self.arena = _aligned(self.plan.bytes)
        for slot, offset in self.plan.offsets.items():
            self.table[slot] = self.arena.ctypes.data + offset
        self.measure(sizes)
        self.planned = dict(sizes.known)

    def learned(self, sizes: Sizes) -> None:
        """Takes up sizes that a step has told: machine code after it relies on what was assumed of them."""
        if self.assumed:
            check_constraints(self.assumed, sizes.known)
        self.measure(sizes)

    def measure(self, sizes: Sizes) -> None:
        """Fills the table of sizes with those that are known by now; what was known lately is remembered."""
        key = tuple(sizes.known.items())
        known = self.measured.get(key)
        if known is None:
            found = (evaluate(dim, sizes.known) for dim in self.program.sizes)
            table = np.array([size if isinstance(size, int) else 0 for size in found], np.int64)
            if len(self.measured) >= REMEMBERED:
                self.measured.clear()
            known = self.measured[key] = _Measured(table, {})
        self.sizes[: len(known.table)] = known.table
        self.latest = known

    def shape(self, shape: Shape, sizes: Sizes) -> tuple[int, ...] | None:
        """The sizes as numbers, as soon as they are known; they are remembered for the next call."""
        found = self.shapes.get(shape)
        if found is not None:
            return found
        found = _evaluated(shape, self.planned or {})
        if found is not None:
            self.shapes[shape] = found
            return found
        found = self.latest.shapes.get(shape) or _evaluated(shape, sizes.known)
        if found is not None:
            self.latest.shapes[shape] = found
        return found

    def native(self, stretch: Stretch, sizes: Sizes, team: Team | None) -> None:
        for slot in stretch.writes:
            if slot in self.plan.offsets:
                continue
            shape, dtype = self.shape(self.program.slots[slot].shape, sizes), self.program.slots[slot].dtype
            if shape is None or dtype is None:
                raise UsageError(f"the sizes of a buffer of {self.program.name!r} are not known")
            self.hold(slot, np.empty(shape, dtype.dtype))
        table, numbers = self.table.ctypes.data, self.sizes.ctypes.data
        if team is None or stretch.alone or not team.run(stretch.address, table, numbers, self.threads):
            stretch.entry(table, numbers, 0, 1, 0)
        if stretch.fault is not None:
            _check_ended(int(self.read(stretch.fault, (), sizes)))

    def host(self, call: HostCall, sizes: Sizes) -> None:
        before = len(sizes.known)
        given = [None if each is None else self.read(*each, sizes) for each in call.inputs]
        results = call.run(given, sizes)
        for slot, array in zip(call.outputs, results, strict=True):
            self.hold(slot, self.owned(array, given))
        if len(sizes.known) != before:
            self.learned(sizes)

    def owned(self, array: Array, given: Sequence[Array | None]) -> Array:
        """The array, or a copy if its elements may lie where others will."""
        if not isinstance(cast("object", array), np.ndarray):
            return _copied(array)
        own = array.base is None and not any(array is each for each in given)
        return _contiguous(array) if own else np.array(array, order="C")

    def read(self, slot: int, sizes_there: Shape, sizes: Sizes) -> Array:
        """The elements of a slot as an array of these sizes."""
        dtype = self.program.slots[slot].dtype
        if dtype is None:
            return self.arrays[slot]
        shape = self.shape(sizes_there, sizes)
        if slot in self.plan.offsets and shape is not None:
            start, item = self.plan.offsets[slot], dtype.dtype
            count = _bytes(item.itemsize, shape)
            made: Array = self.arena[start : start + count].view(item).reshape(shape)
            return made
        array = self.arrays[slot]
        return array if shape is None else array.reshape(shape)

    def answer(self, port: Port, sizes: Sizes) -> Array:
        """An output, which the caller may keep."""
        array = self.read(port.slot, port.shape or (), sizes)
        if not isinstance(cast("object", array), np.ndarray):
            return _copied(array)
        fresh = port.slot not in self.plan.offsets and port.slot not in self.constants
        given = any(port.slot == each.slot for each in self.program.inputs)
        shared = sum(port.slot == each.slot for each in self.program.outputs) > 1
        return array if fresh and not given and not shared else np.array(array)


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


def _evaluated(shape: Shape, known: Mapping[Symbol, Dim]) -> tuple[int, ...] | None:
    numbers = [evaluate(dim, known) for dim in shape]
    whole = tuple(dim for dim in numbers if isinstance(dim, int))
    return whole if len(whole) == len(numbers) else None


def _bytes(item: int, shape: Sequence[int]) -> int:
    count = item
    for size in shape:
        count *= size
    return count
