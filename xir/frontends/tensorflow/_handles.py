"""What flows along edges besides tensors: handles of arrays and variables, whose contents are values all the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from xir.errors import InvalidModelError
from xir.ir.node import Value
from xir.ir.types import DType, Type

if TYPE_CHECKING:
    from xir.frontends.tensorflow.lookups import Table


@runtime_checkable
class Handle(Protocol):
    """Something that is no tensor; where branches join and steps hand on, its parts do."""

    def parts(self) -> tuple[Value, ...]:
        """The values that it consists of."""
        ...

    def rebuilt(self, parts: Sequence[Value]) -> Handle:
        """The same with other values."""
        ...


Operand: TypeAlias = Value | Handle
"""What an edge carries."""


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """A handle of which only the name counts: a TensorArray's, whose contents flow along its `flow`.

    Attributes:
        array: the contents as it was made, from which the flow starts.
    """

    array: ArrayState

    def parts(self) -> tuple[Value, ...]:
        """None."""
        return ()

    def rebuilt(self, parts: Sequence[Value]) -> Token:
        """Itself."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class VariableHandle:
    """A handle of a variable, whose elements are a weight of the model.

    Attributes:
        name: the variable's.
        read: what it holds now: a weight, or state; raises XirError where there can be none.
        assign: lets it hold a value from here on; raises XirError where it may not.
    """

    name: str
    read: Callable[[], Value]
    assign: Callable[[Value], None]

    def parts(self) -> tuple[Value, ...]:
        """None: weights are known everywhere."""
        return ()

    def rebuilt(self, parts: Sequence[Value]) -> VariableHandle:
        """Itself."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class ComplexPair:
    """Complex numbers.

    Attributes:
        pairs: their real and imaginary parts along a last axis of 2.
    """

    pairs: Value

    def parts(self) -> tuple[Value, ...]:
        """The pairs."""
        return (self.pairs,)

    def rebuilt(self, parts: Sequence[Value]) -> ComplexPair:
        """Other numbers."""
        return ComplexPair(parts[0])


@dataclass(frozen=True, slots=True, eq=False)
class TableHandle:
    """A handle of a lookup table.

    Attributes:
        read: what the table holds; raises XirError where that is not known.
    """

    read: Callable[[], Table]

    def parts(self) -> tuple[Value, ...]:
        """None: what a table holds is known everywhere."""
        return ()

    def rebuilt(self, parts: Sequence[Value]) -> TableHandle:
        """Itself."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class ArrayState:
    """The contents of a TensorArray or of a list of tensors at one time.

    Attributes:
        dtype: of its elements.
        size: how many elements there are: i64, no axes.
        element: sizes of an element as far as they are told, or None.
        stack: the elements along a new first axis, or None as long as nothing tells what they are.
        grows: whether writing behind the end makes it longer.
    """

    dtype: DType
    size: Value
    element: tuple[int | None, ...] | None
    stack: Value | None
    grows: bool

    @property
    def is_told(self) -> bool:
        """Whether it is known what its elements are."""
        return self.stack is not None

    def parts(self) -> tuple[Value, ...]:
        """The stack, or before there is one the size."""
        return (self.size,) if self.stack is None else (self.stack,)

    def rebuilt(self, parts: Sequence[Value]) -> ArrayState:
        """The contents with another stack."""
        return replace(self, size=parts[0]) if self.stack is None else replace(self, stack=parts[0])


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """A ragged tensor that is handed on whole.

    Attributes:
        splits: where rows end, i64 [rows + 1], of the outer axes first; none where it is a tensor.
        values: the innermost rows, one behind another.
    """

    splits: tuple[Value, ...]
    values: Value

    def parts(self) -> tuple[Value, ...]:
        """The splits and the values."""
        return (*self.splits, self.values)

    def rebuilt(self, parts: Sequence[Value]) -> Ragged:
        """A ragged tensor of other splits and values."""
        return Ragged(tuple(parts[:-1]), parts[-1])


@dataclass(frozen=True, slots=True, eq=False)
class RaggedList:
    """A vector, or a list, of ragged tensors: rows of one that has an axis more.

    Attributes:
        size: how many there are: i64, no axes.
        rows: all of them, or None as long as nothing tells what they are.
    """

    size: Value
    rows: Ragged | None

    @property
    def is_told(self) -> bool:
        """Whether it is known what its elements are."""
        return self.rows is not None

    def parts(self) -> tuple[Value, ...]:
        """What all rows consist of, or before there are any the size."""
        return (self.size,) if self.rows is None else self.rows.parts()

    def rebuilt(self, parts: Sequence[Value]) -> RaggedList:
        """The list with other rows."""
        return replace(self, size=parts[0]) if self.rows is None else replace(self, rows=self.rows.rebuilt(parts))


def flattened(operands: Sequence[Operand]) -> list[Value]:
    """The values that operands consist of, in order."""
    values: list[Value] = []
    for operand in operands:
        values += (operand,) if isinstance(operand, Value) else operand.parts()
    return values


def restored(like: Sequence[Operand], values: Sequence[Value]) -> list[Operand]:
    """Operands like these that consist of other values.

    Raises:
        InvalidModelError: there are too few values.
    """
    rest = list(values)
    found: list[Operand] = []
    for operand in like:
        count = 1 if isinstance(operand, Value) else len(operand.parts())
        if len(rest) < count:
            raise InvalidModelError("what a body hands on is not what it takes")
        found.append(rest[0] if isinstance(operand, Value) else operand.rebuilt(rest[:count]))
        rest = rest[count:]
    return found


def types_of(operands: Sequence[Operand]) -> list[Type]:
    """The types of the values that operands consist of."""
    return [value.type for value in flattened(operands)]
