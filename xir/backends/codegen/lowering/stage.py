"""Stages: kernels whose buffers are slots of the program, and the elements that a stage computes one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from xir.backends.codegen.steps import Step
from xir.ir.dims import Dim, Shape, multiply, product
from xir.ir.node import Node
from xir.kernel import build
from xir.kernel._simplify import simplify, simplify_statements
from xir.kernel._substitute import substitute
from xir.kernel.grammar import (
    Accumulate,
    Allocate,
    Axis,
    Buffer,
    Const,
    For,
    Kernel,
    Let,
    Load,
    Scalar,
    Select,
    Statement,
    Store,
)
from xir.kernel.walk import loads, parallel_loops, rewrite_blocks, statements

MAX_BUFFERS = 24
"""Buffers of one fused kernel: pointers that a processor can hold or fetch."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A kernel on slots.

    Attributes:
        kernel: its buffers are called after their slots (`name_of`) and have one axis.
        nodes: what it computes, in order; the last one gives it its name.
        reads: the slots that it reads.
        writes: the slots that it makes.
    """

    kernel: Kernel
    nodes: tuple[Node, ...]
    reads: tuple[int, ...] = field(init=False)
    writes: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Finds the slots of the kernel's buffers."""
        object.__setattr__(self, "reads", tuple(map(slot_of, self.kernel.inputs)))
        object.__setattr__(self, "writes", tuple(map(slot_of, self.kernel.outputs)))


Item: TypeAlias = Stage | Step
"""A stage, or anything else that happens in between and may read any slot (a host call)."""


def name_of(slot: int) -> str:
    """What the buffer of a slot is called in kernels."""
    return f"s{slot}"


def slot_of(buffer: Buffer) -> int:
    """The slot of a buffer that is called so."""
    return int(buffer.name[1:])


Layout: TypeAlias = tuple[int, ...]
"""The axes of a value in the order in which they lie in memory, outermost first."""


def staged(
    kernel: Kernel,
    slots: Sequence[int],
    node: Node,
    number: int,
    layouts: Mapping[int, Layout] | None = None,
    numbers: Mapping[int, Const] | None = None,
) -> Stage:
    """The stage of a kernel on slots.

    Args:
        kernel: a kernel as operators lower to it.
        slots: the slots of its buffers, in the kernel's order.
        node: what it computes.
        number: makes the names of its loops and registers its own.
        layouts: {slot: how it lies in memory}; the others lie in row-major order.
        numbers: {slot: its one element}, of those that need not be read.
    """
    layouts, numbers = layouts or {}, numbers or {}
    order = {
        buffer.name: layouts.get(slot, tuple(range(len(buffer.shape))))
        for buffer, slot in zip((*kernel.inputs, *kernel.outputs), slots, strict=True)
    }
    given = (*kernel.inputs, *kernel.outputs)
    shapes = {buffer.name: buffer.shape for buffer in given}
    flat = {
        buffer.name: Buffer(name_of(slot), buffer.dtype, (product(buffer.shape),))
        for buffer, slot in zip(given, slots, strict=True)
    }
    renamed = {axis: Axis(f"{axis}_{number}") for axis in _axes(kernel.body)}
    local = {name: replace(buffer, name=f"{name}_{number}") for name, buffer in _allocated(kernel.body)}

    def place(load: Load) -> Scalar | None:
        shape = shapes.get(load.buffer.name)
        if shape is None:
            return None
        known = numbers.get(slot_of(flat[load.buffer.name]))
        if known is not None:
            return known if load.mask is None else Select(load.mask, known, build.number(0, known.dtype))
        return Load(flat[load.buffer.name], (_place(load.indices, shape, order[load.buffer.name]),), load.mask)

    def store(statement: Statement) -> Sequence[Statement]:
        if isinstance(statement, Store | Accumulate) and statement.buffer.name in shapes:
            index = _place(statement.indices, shapes[statement.buffer.name], order[statement.buffer.name])
            return [replace(statement, buffer=flat[statement.buffer.name], indices=(index,))]
        return [statement]

    laid = tuple(_in_order(each, order[kernel.outputs[0].name]) for each in kernel.body)
    body = tuple(substitute(each, renamed, place, buffers=local) for each in laid)
    body = simplify_statements(rewrite_blocks(body, store), {})
    inputs = dict.fromkeys(flat[b.name] for b in kernel.inputs if slot_of(flat[b.name]) not in numbers)
    outputs = tuple(flat[buffer.name] for buffer in kernel.outputs)
    return Stage(Kernel(kernel.name, tuple(inputs), outputs, body), (node,))


def _place(indices: Sequence[Scalar], shape: Shape, layout: Layout) -> Scalar:
    """The flat index of an element that lies so."""
    return build.flatten(tuple(indices[axis] for axis in layout), tuple(shape[axis] for axis in layout))


def _in_order(statement: Statement, layout: Layout) -> Statement:
    """The parallel loops over a result in the order in which it lies in memory."""
    loops, body = parallel_loops((statement,))
    if len(loops) != len(layout):
        return statement
    for axis in reversed(layout):
        body = (replace(loops[axis], body=body),)
    return body[0]


def _axes(body: Sequence[Statement]) -> Iterator[str]:
    return (each.axis.name for each in statements(body) if isinstance(each, For))


def _allocated(body: Sequence[Statement]) -> Iterator[tuple[str, Buffer]]:
    return ((each.buffer.name, each.buffer) for each in statements(body) if isinstance(each, Allocate))


@dataclass(frozen=True, slots=True)
class Elements:
    """What a stage computes element by element: parallel loops around one store.

    Attributes:
        loops: the loops, outermost first.
        store: the store; it goes to the element that the loops count, in row-major order.
    """

    loops: tuple[For, ...]
    store: Store

    @property
    def count(self) -> Dim:
        """How many elements there are."""
        return product(tuple(loop.extent for loop in self.loops))

    def at(self, place: Scalar, extents: Mapping[str, Dim]) -> Scalar:
        """The value of the element at a place of the result, where loops of these extents stand around."""
        indices = build.unflatten(place, tuple(loop.extent for loop in self.loops))
        named = {loop.axis.name: index for loop, index in zip(self.loops, indices, strict=True)}
        return simplify(substitute(self.store.value, named), extents)


def elements(stage: Stage) -> Elements | None:
    """How the stage computes its one result element by element; None where it does otherwise."""
    loops, body = parallel_loops(stage.kernel.body)
    store = body[0] if len(body) == 1 else None
    if not isinstance(store, Store) or store.mask is not None or len(stage.kernel.outputs) != 1:
        return None
    extents = tuple(loop.extent for loop in loops)
    whole = build.flatten(tuple(loop.axis for loop in loops), extents)
    around = {loop.axis.name: loop.extent for loop in loops}
    in_order = simplify(whole, around) == simplify(store.indices[0], around)
    return Elements(loops, store) if in_order else None


def iterations(body: Sequence[Statement], slot: int, around: Dim = 1) -> Iterator[tuple[Load, Dim]]:
    """Every load of a slot, with how often it happens."""
    for statement in body:
        match statement:
            case For(_, extent, _, inner):
                yield from iterations(inner, slot, multiply(around, extent))
            case Let() | Store() | Accumulate():
                yield from ((load, around) for load in loads([statement]) if load.buffer.name == name_of(slot))
            case _:
                yield from ((load, around) for load in loads([statement]) if load.buffer.name == name_of(slot))
