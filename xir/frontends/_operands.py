"""What a handler knows of the operands of a node, whatever the format: sizes, literals, axes, broadcasting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends._contents import Contents
from xir.frontends._folding import Folding
from xir.ir.broadcasting import join, needs_broadcast
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.dims import Dim, Shape, equal
from xir.ir.node import Value
from xir.ops.shape import broadcast

MAX_FOLDED = 1 << 22
"""Elements of any value that is computed while a model is read."""


@dataclass(slots=True)
class Knowledge:
    """What all nodes of one import share.

    Attributes:
        contents: what is known of small integer tensors.
        constants: weights by their values.
    """

    contents: Contents
    constants: dict[Value, Constant]
    _broadcasts: dict[tuple[Value, Shape], Value] = field(default_factory=dict[tuple[Value, Shape], Value], init=False)
    _folding: Folding = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is folded yet."""
        self._folding = Folding(self._told, MAX_FOLDED)

    def broadcast(self, value: Value, shape: Shape) -> Value:
        """`value` repeated to `shape`; one node for all that ask the same, itself where nothing is to repeat."""
        if not needs_broadcast(value.shape, shape):
            return value
        key = (value, shape)
        if key not in self._broadcasts:
            self._broadcasts[key] = broadcast(value, shape=shape)
        return self._broadcasts[key]

    def constant_of(self, value: Value) -> Constant | None:
        """The elements of a weight or literal, or None."""
        if value.node is None:
            return self.constants.get(value)
        literal = value.node.attributes.get("value") if value.node.op.name == "constant" else None
        return literal if isinstance(literal, Constant) else None

    def folded(self, value: Value) -> Constant | None:
        """The elements of a value that depends on constants alone; None where inputs of the model decide them."""
        found = self._folding.constant_of(value)
        if found is not None and value.node is not None:
            self.constants[value] = found
        return found

    def _told(self, value: Value) -> Constant | None:
        """The elements of a constant, or sizes all of which are numbers."""
        held = self.constant_of(value)
        if held is not None or value.node is None or value.node.op.name != "shape_of":
            return held
        sizes = self.contents.of(value)
        numbers = None if sizes is None else known(sizes)
        return None if numbers is None else constant_of(list(numbers), value.dtype)


class Operands:
    """One node, as far as its handler asks about operands.

    Attributes:
        knowledge: what all nodes share.
    """

    __slots__ = ("knowledge",)

    def __init__(self, knowledge: Knowledge) -> None:
        """A node of the import that shares `knowledge`."""
        self.knowledge = knowledge

    def refuse(self, reason: str, hint: str | None = None) -> NoReturn:
        """Raises UnsupportedError: xir has no operator that does this."""
        raise UnsupportedError(reason, hint=hint)

    def invalid(self, message: str) -> NoReturn:
        """Raises InvalidModelError: the node contradicts the rules of its format."""
        raise InvalidModelError(message)

    def sizes(self, value: Value) -> Shape | None:
        """The elements of an operand of sizes, as far as they are known before the run, else None."""
        return self.knowledge.contents.of(value)

    def numbers(self, value: Value, what: str) -> tuple[int, ...]:
        """The elements of an operand that must be known numbers (axes, steps).

        Raises:
            UnsupportedError: they are computed at run time.
        """
        found = self.sizes(value)
        known = () if found is None else tuple(size for size in found if isinstance(size, int))
        if found is None or len(known) != len(found):
            self.refuse(f"{what} that are computed at run time", "fold them into constants first")
        return known

    def array(self, value: Value, what: str) -> Array:
        """The elements of an operand that must be a constant.

        Raises:
            UnsupportedError: they are computed at run time.
        """
        constant = self.knowledge.constant_of(value)
        if constant is None:
            self.refuse(f"{what} that is computed at run time", "fold it into a constant first")
        return constant.array()

    def scalar(self, value: Value, what: str) -> float:
        """The one element of an operand that must be a constant."""
        array = self.array(value, what)
        if array.size != 1:
            self.invalid(f"{what} has {array.size} elements, expected one")
        return float(array.reshape(-1).astype("float64")[0])

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front; negative ones count from the end."""
        if not -rank <= axis < rank:
            self.invalid(f"axis {axis} does not exist among {rank}")
        return axis + rank if axis < 0 else axis

    def axes(self, axes: Sequence[int], rank: int) -> tuple[int, ...]:
        """Axes counted from the front, each once."""
        counted = tuple(self.axis(axis, rank) for axis in axes)
        if len(set(counted)) != len(counted):
            self.invalid(f"axes {list(axes)} name one axis twice")
        return counted

    def aligned(self, *values: Value) -> tuple[Value, ...]:
        """The operands, each repeated to the shape that all broadcast to."""
        shape = join([value.shape for value in values])
        return tuple(self.knowledge.broadcast(value, shape) for value in values)

    def repeated(self, value: Value, shape: Shape) -> Value:
        """The operand repeated to `shape` (unidirectional broadcasting)."""
        joined = join([value.shape, shape])
        if len(joined) != len(shape) or any(equal(m, n) is False for m, n in zip(joined, shape, strict=True)):
            self.invalid(f"{value.type!r} does not broadcast to {list(shape)}")
        return self.knowledge.broadcast(value, shape)


def known(sizes: Shape) -> tuple[int, ...] | None:
    """The sizes when all of them are numbers, else None."""
    numbers = tuple(size for size in sizes if isinstance(size, int))
    return numbers if len(numbers) == len(sizes) else None


def product_of(sizes: Sequence[Dim]) -> Dim:
    """The product of sizes."""
    result: Dim = 1
    for size in sizes:
        result = result * size
    return result
