"""Tensors of a PyTorch program: they may share memory and be written, values of a graph may not.

A `Tensor` is a place that holds a value of the graph. A view is a place that reads through another one: after a write
to either, the other one reads what PyTorch's would. The rules are those of torch's functionalization
(aten/src/ATen/FunctionalTensorWrapper.cpp): a write through a view makes a new value of what it is a view of; views
are read again from there where it has changed since.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

from xir.errors import UnsupportedError
from xir.ir.dims import Dim, SymbolicDim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.index import scatter_elements
from xir.ops.shape import iota, reshape


@dataclass(frozen=True, slots=True, eq=False)
class Lens:
    """How a view lies in what it is a view of.

    Attributes:
        get: the view's elements, from those of the whole.
        put: the whole with other elements of the view in it: (whole, elements of the view) -> whole; None where the
            places are found by looking at numbers through `get`.
    """

    get: Callable[[Value], Value]
    put: Callable[[Value, Value], Value] | None = None

    def replaced(self, whole: Value, part: Value) -> Value:
        """`whole` with `part` where the view lies."""
        if self.put is not None:
            return self.put(whole, part)
        if part.dtype is not whole.dtype or part.dtype in (DType.COMPLEX64, DType.COMPLEX128):
            raise UnsupportedError(f"a write of {part.dtype} through a view of {whole.dtype}")
        count = whole.tensor.elements
        numbers = iota(shape=(count,), axis=0, dtype=DType.INT64)
        places = self.get(reshape(numbers, shape=whole.shape))
        flat = (places.tensor.elements,)
        lines = reshape(whole, shape=(count,)), reshape(places, shape=flat), reshape(part, shape=flat)
        return reshape(scatter_elements(*lines, axis=0, reduction="none"), shape=whole.shape)


WHOLE = Lens(lambda whole: whole, lambda _, part: part)
"""The lens of a view of all elements, each where it was."""

Mark: TypeAlias = "tuple[Value, int, int, Tensor | None, Lens | None]"
"""What a place holds at one moment: its value, how often it was written, which writes it has seen, and what it is a
view of, through which lens."""


class Tensor:
    """A place that holds a value, or shows a part of another place.

    Attributes:
        base: the place that this one is a view of, or None.
    """

    __slots__ = ("_lens", "_seen", "_value", "_writes", "base")

    def __init__(self, value: Value, base: Tensor | None = None, lens: Lens | None = None) -> None:
        """A place that holds `value`; with `base` and `lens` a view whose value this is now."""
        self.base = base
        self._value = value
        self._lens = lens
        self._writes = 0
        self._seen: int = 0 if base is None else base.writes

    @property
    def writes(self) -> int:
        """How often this place or what it is a view of was written."""
        return self._writes if self.base is None else self._writes + self.base.writes

    @property
    def value(self) -> Value:
        """The elements that it holds now."""
        if self.base is not None and self._lens is not None and self.base.writes != self._seen:
            self._value = self._lens.get(self.base.value)
            self._seen = self.base.writes
        return self._value

    def write(self, value: Value) -> None:
        """Gives it other elements; what it is a view of, and all other views of that, change with it."""
        if self.base is not None and self._lens is not None:
            self.base.write(self._lens.replaced(self.base.value, value))
            self._seen = self.base.writes
        else:
            self._writes += 1
        self._value = value

    def turn(self, value: Value, lens: Lens) -> None:
        """Shows its own elements through a lens from now on, as `t_` and `unsqueeze_` make it."""
        if self.base is None or self._lens is None:
            self.base, self._lens = Tensor(self._value), lens
            self._seen = self.base.writes
        else:
            before = self._lens
            self._lens = Lens(
                lambda whole: lens.get(before.get(whole)),
                lambda whole, part: before.replaced(whole, lens.replaced(before.get(whole), part)),
            )
        self._value = value

    def mark(self) -> Mark:
        """What it holds now, for `reset`."""
        return self._value, self._writes, self._seen, self.base, self._lens

    def reset(self, mark: Mark) -> None:
        """Gives it back what it held; whoever undoes writes must undo those of all views of a place."""
        self._value, self._writes, self._seen, self.base, self._lens = mark

    def view(self, value: Value, lens: Lens) -> Tensor:
        """A view of this place whose value is now `value`."""
        return Tensor(value, self, lens)


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """A number that only the run knows.

    Attributes:
        value: i64, f64 or bool, without axes.
    """

    value: Value


def is_size(number: object) -> TypeGuard[Dim]:
    """Whether a number is whole and known, or a formula of sizes."""
    return isinstance(number, int | SymbolicDim)


Number: TypeAlias = bool | float | complex | Dim | Computed
"""A number of a PyTorch program: known, a size with symbols, or computed in the run."""
