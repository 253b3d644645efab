"""How one operator is said in TFLite: the vocabulary of the tables.

TFLite's kernels lay channels last. A form therefore says of each operand in which order of axes it is needed (`Laid`),
or leaves the order to the plan (`Free`), which takes the one that costs the fewest transposes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from xir.backends.export import legal
from xir.backends.export.forms import Table
from xir.backends.export.legal import Refusal as Refusal
from xir.backends.export.nodes import again as again
from xir.backends.export.nodes import ints as ints
from xir.backends.export.nodes import operand as operand
from xir.backends.export.nodes import pairs as pairs
from xir.backends.export.nodes import real as real
from xir.backends.export.nodes import shape_in as shape_in
from xir.backends.export.nodes import whole as whole
from xir.flatbuffer.write import Content
from xir.ir.constant import Array, Constant
from xir.ir.dims import Dim, Shape, equal
from xir.ir.node import Node, Value
from xir.ir.types import DType

if TYPE_CHECKING:
    from xir.backends.export.tflite._plan import Plan

Permutation: TypeAlias = tuple[int, ...]
"""An order of axes: axis i of the file's tensor is axis p[i] of ours."""


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """An operand with its axes in an order."""

    value: Value
    perm: Permutation


@dataclass(frozen=True, slots=True, eq=False)
class Fixed:
    """An operand that the form knows."""

    array: Array


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes as i32: a vector, or a matrix of pairs."""

    dims: Shape
    paired: bool = False


Operand: TypeAlias = Value | Laid | Fixed | Sizes | int | None
"""A number is that of a tensor of the file."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One operator of TFLite.

    Attributes:
        kind: its name in BuiltinOperator.
        inputs: its operands.
        options: the name of its table of options, and the fields that differ from their defaults; None has none.
        perm: the order of axes in which it makes its first result; None our own.
        types: {result: the element type that the kernel gives it, where it is not ours}.
    """

    kind: str
    inputs: Sequence[Operand]
    options: tuple[str, Mapping[str, Content]] | None = None
    perm: Permutation | None = None
    types: Mapping[int, DType] = field(default_factory=dict[int, DType])


@dataclass(frozen=True, slots=True, eq=False)
class Free:
    """An operator that works in any order of axes.

    Attributes:
        leads: the operands whose order counts, all of one rank.
        make: the operator in an order.
    """

    leads: tuple[Value, ...]
    make: Callable[[Permutation], Call]


@dataclass(frozen=True, slots=True, eq=False)
class Reordered:
    """No operator at all: the operand with its axes in another order."""

    value: Value
    perm: Permutation


@dataclass(frozen=True, slots=True, eq=False)
class Reshaped:
    """The operand's elements in another shape; whatever order keeps them neighbours is kept."""

    value: Value


@dataclass(frozen=True, slots=True, eq=False)
class Late:
    """An operator that is written only where its result itself is read: a broadcast, a literal."""

    call: Free | None


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """Integers of real numbers, or back, by scales that the file knows.

    Attributes:
        kind: QUANTIZE or DEQUANTIZE.
        value: the operand.
        scale: of one element, or one for each place of `axis`.
        zero: in the scale's shape; None is 0.
        axis: of ours.
    """

    kind: str
    value: Value
    scale: Value
    zero: Value | None
    axis: int


@dataclass(frozen=True, slots=True)
class Steps:
    """Several operators, subgraphs among them, that the form writes into the plan itself."""

    write: Callable[[Plan, Node], None]


Said: TypeAlias = Call | Free | Reordered | Reshaped | Late | Scaled | Steps
Answer: TypeAlias = Said | Refusal | Value | tuple[Value, ...]
Form: TypeAlias = Callable[[Node], Answer]


class Forms(Table[Form]):
    """A family's table: operator -> form in TFLite."""

    __slots__ = ()


def identity_of(rank: int) -> Permutation:
    """Our own order."""
    return tuple(range(rank))


def channels_last(rank: int) -> Permutation:
    """[N, C, spatial...] as [N, spatial..., C]."""
    return (0, *range(2, rank), 1) if rank > 1 else identity_of(rank)


def places(perm: Permutation, axes: Sequence[int]) -> tuple[int, ...]:
    """Where axes of ours stand in the file."""
    return tuple(perm.index(axis) for axis in axes)


def ordered(perm: Permutation, items: Sequence[Dim]) -> Shape:
    """What stands for each axis of ours, in the file's order."""
    return tuple(items[axis] for axis in perm)


def vector(numbers: Sequence[int]) -> Fixed:
    """Numbers as i32."""
    return Fixed(np.array(numbers, np.int32))


def scalar(number: int) -> Fixed:
    """A number as i32."""
    return Fixed(np.array(number, np.int32))


def literal_of(value: Value | None) -> Constant | None:
    """The elements of a literal, or None for any other value."""
    node = None if value is None else value.node
    held = node.attributes.get("value") if node is not None and node.op.name == "constant" else None
    return held if isinstance(held, Constant) else None


def bare(value: Value) -> Value:
    """What a broadcast to known sizes repeats, or the value itself."""
    node = value.node
    if node is None or node.op.name != "broadcast" or node.inputs[1] is not None:
        return value
    source = operand(node)
    return source if source.rank == value.rank else value


def loose(node: Node) -> list[Value]:
    """The operands without broadcasts that the kernel makes itself; at least one has the result's size on each axis."""
    values = [operand(node, index) for index in range(len(node.inputs))]
    chosen = [bare(value) for value in values]
    shape = node.outputs[0].shape
    reached = all(any(equal(value.shape[axis], size) is True for value in chosen) for axis, size in enumerate(shape))
    return chosen if reached else values


def free(kind: str, values: Sequence[Value], options: str | None = None, **fields: Content) -> Free:
    """An operator on operands of one rank that it takes element by element."""
    return Free(
        tuple(values),
        lambda perm: Call(
            kind, tuple(Laid(value, perm) for value in values), None if options is None else (options, fields), perm
        ),
    )


def decomposed(node: Node) -> Answer:
    """The node by its operator's own decomposition, or a refusal where it has none."""
    return legal.decomposed(node, "TFLite")
