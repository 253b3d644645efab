"""The NumPy interpreter of the loop IR: the oracle that every emitter is compared with.

Loops whose iterations may run at once become lanes of one vector, so the statements inside run in lockstep: all lanes
finish a statement before the next begins, which is what barriers ask for. Serial loops are loops. A register that is
allocated inside lanes has one element for each lane.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import cast

import numpy as np
from numpy.typing import NDArray

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Symbol, evaluate, to_text
from xir.ir.types import DType
from xir.kernel._functions import compute, convert
from xir.kernel.grammar import (
    SEQUENTIAL,
    Accumulate,
    Allocate,
    Apply,
    AsyncCopy,
    Axis,
    Barrier,
    Bits,
    Buffer,
    Cast,
    Const,
    For,
    If,
    Kernel,
    Let,
    Load,
    Prefetch,
    Region,
    Scalar,
    Select,
    Statement,
    Store,
    TileMultiply,
    Variable,
    Wait,
)

MAX_LANES = 1 << 20
"""Lanes of one vector; independent iterations beyond it run one after another, so memory stays bounded."""

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Memory:
    """The elements of a buffer, [slots, shape...]: one slot for each lane that was there when it was allocated."""

    array: Array
    slots: Integers


@dataclass(slots=True)
class _Frame:
    """What the statements of one block see; each array has one element a lane, or one for all."""

    lanes: int
    active: Mask
    values: dict[str, Array] = field(default_factory=dict[str, Array])
    memories: dict[str, _Memory] = field(default_factory=dict[str, _Memory])

    def inner(self, active: Mask) -> _Frame:
        """The same lanes in an inner scope, some of them at rest."""
        return _Frame(self.lanes, active, dict(self.values), dict(self.memories))

    def spread(self, extent: int, axis: str) -> _Frame:
        """Each lane split into `extent` lanes, counted by `axis`."""
        values = {name: value if value.ndim == 0 else np.repeat(value, extent) for name, value in self.values.items()}
        values[axis] = np.tile(np.arange(extent, dtype=np.int64), self.lanes)
        memories = {name: _Memory(m.array, np.repeat(m.slots, extent)) for name, m in self.memories.items()}
        return _Frame(self.lanes * extent, np.repeat(self.active, extent), values, memories)


def interpret(
    kernel: Kernel,
    inputs: Sequence[Array],
    sizes: Mapping[Symbol, Dim] | None = None,
    held: Sequence[Array | None] = (),
) -> tuple[Array, ...]:
    """The kernel's outputs.

    Args:
        kernel: a kernel that `xir.kernel.verify` accepts.
        inputs: one array for each of the kernel's inputs, of its type and shape.
        sizes: the symbols of the kernel's shapes and extents.
        held: what the outputs hold before, for a kernel that writes parts of them; None: anything.

    Raises:
        InvalidModelError: if an array does not fit, a size is unknown, or an index leaves its buffer.
    """
    return _Interpreter(sizes or {}).run(kernel, inputs, held)


class _Interpreter:
    """One run of a kernel: the sizes, and the copies that are under way."""

    def __init__(self, sizes: Mapping[Symbol, Dim]) -> None:
        self.sizes = sizes
        self.copies: dict[int, list[tuple[_Memory, tuple[slice | int, ...], Array]]] = {}

    def run(self, kernel: Kernel, inputs: Sequence[Array], held: Sequence[Array | None]) -> tuple[Array, ...]:
        frame = _Frame(1, np.ones(1, np.bool_))
        if len(inputs) != len(kernel.inputs):
            raise InvalidModelError(f"kernel {kernel.name} takes {len(kernel.inputs)} arrays, got {len(inputs)}")
        for buffer, array in zip(kernel.inputs, inputs, strict=True):
            if array.shape != self.shape(buffer) or array.dtype != buffer.dtype.dtype:
                raise InvalidModelError(
                    f"kernel {kernel.name}: {buffer.name} is {buffer.dtype}{list(self.shape(buffer))}, "
                    f"got {array.dtype}{list(array.shape)}"
                )
            frame.memories[buffer.name] = _Memory(array[None], np.zeros(1, np.int64))
        for buffer, before in zip_longest(kernel.outputs, held):
            self.allocate(buffer, frame)
            if before is not None:
                frame.memories[buffer.name].array[0] = before
        with np.errstate(all="ignore"):
            self.block(kernel.body, frame)
        return tuple(frame.memories[buffer.name].array[0] for buffer in kernel.outputs)

    def size(self, dim: Dim) -> int:
        known = evaluate(dim, self.sizes)
        if not isinstance(known, int):
            raise InvalidModelError(f"the kernel needs the size {to_text(known)}, which is not known")
        return known

    def shape(self, buffer: Buffer) -> tuple[int, ...]:
        return tuple(self.size(dim) for dim in buffer.shape)

    def allocate(self, buffer: Buffer, frame: _Frame) -> None:
        """Fills with a pattern that shows up: NaN, or the largest integer's half."""
        array = np.zeros((frame.lanes, *self.shape(buffer)), buffer.dtype.dtype)
        if buffer.dtype.is_floating or buffer.dtype.is_integer:
            array[...] = np.nan if buffer.dtype.is_floating else 85
        frame.memories[buffer.name] = _Memory(array, np.arange(frame.lanes, dtype=np.int64))

    def block(self, statements: tuple[Statement, ...], frame: _Frame) -> None:
        for statement in statements:
            self.statement(statement, frame)

    def statement(self, statement: Statement, frame: _Frame) -> None:
        match statement:
            case For():
                self.loop(statement, frame)
            case If():
                self.branch(statement, frame)
            case Let(variable, value):
                frame.values[variable.name] = self.scalar(value, frame)
            case Store() | Accumulate():
                self.write(statement, frame)
            case Allocate(buffer):
                self.allocate(buffer, frame)
            case Barrier():
                pass  # lanes run in lockstep
            case Prefetch(buffer, indices):
                self.scalar(Load(buffer, indices), frame)  # memory is near: what is left is that the element exists
            case AsyncCopy() | Wait() | TileMultiply():
                self.move(statement, frame)

    def branch(self, branch: If, frame: _Frame) -> None:
        holds = self.scalar(branch.condition, frame).astype(np.bool_)
        for body, active in ((branch.then, frame.active & holds), (branch.otherwise, frame.active & ~holds)):
            if body and active.any():
                self.block(body, frame.inner(active))

    def loop(self, loop: For, frame: _Frame) -> None:
        extent = self.size(loop.extent)
        independent = loop.kind in ("vector", "parallel")
        if extent <= 0:
            return
        if loop.kind in SEQUENTIAL or (independent and frame.lanes * extent > MAX_LANES):
            inner = frame.inner(frame.active)
            for count in range(extent):
                inner.values[loop.axis.name] = np.asarray(count, dtype=np.int64)
                self.block(loop.body, inner)
        else:
            self.block(loop.body, frame.spread(extent, loop.axis.name))

    def scalar(self, scalar: Scalar, frame: _Frame) -> Array:
        match scalar:
            case Const(value, dtype):
                known = value if isinstance(value, bool | float) else self.size(value)
                return np.asarray(known).astype(dtype.dtype)
            case Axis(name) | Variable(name):
                return frame.values[name]
            case Apply(function, arguments):
                return compute(function, [self.scalar(argument, frame) for argument in arguments], scalar.dtype)
            case Cast(value, dtype):
                return convert(self.scalar(value, frame), dtype)
            case Bits(value, dtype):
                return self.scalar(value, frame).view(dtype.dtype)
            case Select(condition, then, otherwise):
                sides = (self.scalar(then, frame), self.scalar(otherwise, frame))
                return np.where(self.scalar(condition, frame).astype(np.bool_), *sides)
            case Load():
                return self.load(scalar, frame)

    def load(self, load: Load, frame: _Frame) -> Array:
        active = self.mask(load.mask, frame)
        memory = frame.memories[load.buffer.name]
        result = np.zeros(frame.lanes, load.dtype.dtype)
        if active.any():
            result[active] = memory.array[self.places(load.buffer, load.indices, active, frame)]
        return result

    def mask(self, mask: Scalar | None, frame: _Frame) -> Mask:
        if mask is None:
            return frame.active
        return frame.active & self.scalar(mask, frame).astype(np.bool_)

    def places(self, buffer: Buffer, indices: tuple[Scalar, ...], active: Mask, frame: _Frame) -> tuple[Integers, ...]:
        """Slot and indices of the active lanes; checks that they lie in the buffer."""
        memory = frame.memories[buffer.name]
        found: list[Integers] = [memory.slots[active]]
        for axis, (index, size) in enumerate(zip(indices, memory.array.shape[1:], strict=True)):
            value = np.broadcast_to(self.scalar(index, frame).astype(np.int64), frame.lanes)[active]
            if value.size and (value.min() < 0 or value.max() >= size):
                raise InvalidModelError(
                    f"{buffer.name}: index {int(value.min())}..{int(value.max())} leaves axis {axis} of size {size}"
                )
            found.append(value)
        return tuple(found)

    def write(self, statement: Store | Accumulate, frame: _Frame) -> None:
        active = self.mask(statement.mask, frame)
        if not active.any():
            return
        memory = frame.memories[statement.buffer.name]
        places = self.places(statement.buffer, statement.indices, active, frame)
        value = np.broadcast_to(self.scalar(statement.value, frame), frame.lanes)[active]
        if isinstance(statement, Store):
            memory.array[places] = value
            return
        dtype = statement.buffer.dtype
        flat = np.ravel_multi_index(places, memory.array.shape)
        if np.unique(flat).size == flat.size:
            memory.array[places] = compute(statement.function, [memory.array[places], value], dtype)
            return
        elements = memory.array.reshape(-1)
        for place, item in zip(flat.tolist(), value, strict=True):
            elements[place] = compute(statement.function, [elements[place], item], dtype)

    def box(self, region: Region, lane: int, frame: _Frame) -> tuple[slice | int, ...]:
        """The region of one lane as an index of the memory's array."""
        memory = frame.memories[region.buffer.name]
        found: list[slice | int] = [int(memory.slots[lane])]
        for axis, (start, count) in enumerate(zip(region.starts, region.sizes, strict=True)):
            first = int(np.broadcast_to(self.scalar(start, frame), frame.lanes)[lane])
            if first < 0 or first + count > memory.array.shape[axis + 1]:
                raise InvalidModelError(
                    f"{region.buffer.name}: elements {first}..{first + count - 1} leave axis {axis} "
                    f"of size {memory.array.shape[axis + 1]}"
                )
            found.append(slice(first, first + count))
        return tuple(found)

    def move(self, statement: AsyncCopy | Wait | TileMultiply, frame: _Frame) -> None:
        if isinstance(statement, Wait):
            for memory, place, array in self.copies.pop(statement.group, []):
                memory.array[place] = array
            return
        for lane in np.flatnonzero(frame.active).tolist():
            target = frame.memories[statement.target.buffer.name]
            place = self.box(statement.target, lane, frame)
            if isinstance(statement, AsyncCopy):
                source = frame.memories[statement.source.buffer.name].array[self.box(statement.source, lane, frame)]
                self.copies.setdefault(statement.group, []).append((target, place, source.copy()))
            else:
                dtype = statement.target.buffer.dtype
                left = self.matrix(statement.left, lane, statement.transpose_left, dtype, frame)
                right = self.matrix(statement.right, lane, statement.transpose_right, dtype, frame)
                sums = np.matmul(left, right).reshape(statement.target.sizes)
                target.array[place] = compute("add", [target.array[place], sums], dtype)

    def matrix(self, region: Region, lane: int, transposed: bool, dtype: DType, frame: _Frame) -> NDArray[np.float64]:
        held = frame.memories[region.buffer.name].array[self.box(region, lane, frame)]
        rows, columns = region.sizes[-2:]
        if math.prod(region.sizes) != rows * columns:
            raise InvalidModelError(f"{region.buffer.name}: a tile of sizes {region.sizes} is no matrix")
        matrix = cast("NDArray[np.float64]", held.reshape(rows, columns).astype(dtype.dtype))
        return matrix.T if transposed else matrix
