"""Examples of every operator, for the one table test (`tests/ops/test_table.py`).

Each file here holds the examples of one family in a function `cases()`. Every operator needs at least one. Arrays say
the element types; a run-time or optional operand that is absent is None. What the table test does with an example:
it infers the type and compares it with what the reference makes, runs the decomposition, differences the gradient,
and sends the graph through the textual form.
"""

from __future__ import annotations

import importlib
import pkgutil
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, Type
from xir.ops import OpDef

AnyOp = OpDef[..., Value] | OpDef[..., tuple[Value, ...]]


@dataclass(frozen=True)
class Case:
    """One application of an operator.

    Attributes:
        op: the operator.
        inputs: an array for each operand, a list of arrays for a sequence, None where an optional one is absent.
        attributes: the attributes that have no default, and any others.
        note: what is special about it, for the test's name.
        wrt: operands whose gradient is differenced; None: all that are floating. () where the example stands on a
            kink, where a difference tells nothing.
        tolerance: how far decomposition and reference may differ, relative and absolute; None: by element type.
        types: the operands' types where arrays do not tell them (sequences, optionals); None: those of the arrays.
    """

    op: AnyOp
    inputs: tuple[Array | None, ...]
    attributes: Mapping[str, object] = field(default_factory=dict[str, object])
    note: str = ""
    wrt: tuple[int, ...] | None = None
    tolerance: float | None = None
    types: tuple[Type | None, ...] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is tensors in and out and no body: what gradients, batches and kernels are tested on."""
        tensors = self.types is None or all(isinstance(type, TensorType) for type in self.types)
        return tensors and not any(isinstance(value, Graph) for value in self.attributes.values())

    def typed(self, *types: Type | None) -> Case:
        """The same with operands of these types."""
        return replace(self, types=types)

    def noted(self, note: str) -> Case:
        """The same with a note."""
        return replace(self, note=note)

    def differenced(self, *wrt: int) -> Case:
        """The same with the gradient differenced in these operands alone."""
        return replace(self, wrt=wrt)

    def within(self, tolerance: float) -> Case:
        """The same with another tolerance."""
        return replace(self, tolerance=tolerance)

    def __str__(self) -> str:
        """Operator, element types and note."""
        types = ",".join(_kind(array) for array in self.inputs)
        return f"{self.op.name}({types}){':' if self.note else ''}{self.note}"


def _kind(given: object) -> str:
    if given is None:
        return "-"
    return str(given.dtype) if isinstance(given, np.ndarray) else "sequence"


def case(op: AnyOp, *inputs: Array | Sequence[Array] | None, **attributes: object) -> Case:
    """An example of `op`."""
    given = tuple(np.asarray(each) if isinstance(each, np.generic) else each for each in inputs)
    return Case(op, typing.cast("tuple[Array | None, ...]", given), attributes)


def essential(cases: Sequence[Case]) -> list[bool]:
    """Whether each example shows something that none before it shows of its operator: element types, or a note."""
    shown = set[tuple[str, ...]]()
    found: list[bool] = []
    for each in cases:
        types = (each.op.name, *map(_kind, each.inputs))
        note = (each.op.name, ":", each.note)
        found.append(not {types, note} <= shown)
        shown |= {types, note}
    return found


def normal(*shape: int, seed: int = 0, dtype: DType = DType.FLOAT32, away: float = 0.0) -> Array:
    """Normal numbers, none nearer to 0 than `away` (so that a difference does not step over a kink)."""
    drawn = np.random.default_rng([seed, *shape]).normal(size=shape)
    return np.asarray(drawn + np.copysign(away, drawn)).astype(dtype.dtype)


def all_cases() -> Iterable[Case]:
    """The examples of every family, by the files' names."""
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name):
        yield from importlib.import_module(f"{__name__}.{module.name}").cases()
