"""A program while it is made: its slots, and what values they hold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TypeAlias

from xir.backends.codegen.lowering.made import Made, Weight
from xir.backends.codegen.lowering.products.contraction import Pick
from xir.backends.codegen.lowering.products.pack import Packing
from xir.backends.codegen.lowering.products.sums import Border
from xir.backends.codegen.lowering.stage import Layout, Stage
from xir.backends.codegen.steps import Step
from xir.ir.constant import Constant
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.kernel.grammar import Const, Kernel
from xir.kernel.signature import Signature
from xir.runtime.program import Slot

NUMBERS = frozenset({DType.FLOAT32, DType.FLOAT64, DType.INT32, DType.INT64})
"""Types of single numbers that are written into kernels: what is known of them makes instructions fewer."""


@dataclass(frozen=True, slots=True)
class Arranged:
    """A stage whose loops are arranged for the processor; stages that differ from it in names alone share it.

    Attributes:
        stage: the stage.
        kernel: its kernel in another arrangement.
        packings: the weights that it wants packed.
        panels: the other operands that it wants packed, and the kernels that do it.
    """

    stage: Stage
    kernel: Kernel
    packings: tuple[Packing, ...] = ()
    panels: tuple[tuple[Packing, Kernel], ...] = ()


Arrangement: TypeAlias = tuple[Signature, tuple[tuple[bool, Border | None], ...]]
"""A kernel but for names; which of the buffers that it reads are constants, and the zeros around them."""


@dataclass(slots=True)
class Lowered:
    """A program, and what its buffers are.

    Attributes:
        slots: the buffers.
        steps: what happens.
        numbers: {value: the number of its slot}.
        hosted: the nodes that run by their reference, in order.
        constants: {slot: its elements}; those that were packed are only made when they are written.
        outputs: the graph's outputs.
        layouts: {slot: how it lies in memory}, where that is not row-major order.
        borders: {slot: the zeros around what it holds}, which sums of products need not go through.
        kernels: {node: what it lowers to}.
        reasons: {node: why it lowers to no kernel} of the others.
        wide: {slot of halves: the slot of the same numbers in f32}, where products read them so.
        faults: the slot in which loops say that they were given up, once there is a loop.
        exact: whether sums are taken product by product, and never in fewer products.
        pick: chooses among tiles whose results are the same bits; without it a cost model does.
        arranged: {what is known of a kernel but for names: its arrangement}.
    """

    slots: list[Slot] = field(default_factory=list[Slot])
    steps: list[Step] = field(default_factory=list[Step])
    numbers: dict[Value, int] = field(default_factory=dict[Value, int])
    hosted: list[Node] = field(default_factory=list[Node])
    constants: dict[int, Weight] = field(default_factory=dict[int, Weight])
    outputs: tuple[Value, ...] = ()
    layouts: dict[int, Layout] = field(default_factory=dict[int, Layout])
    borders: dict[int, Border] = field(default_factory=dict[int, Border])
    kernels: dict[Node, Kernel] = field(default_factory=dict[Node, Kernel])
    reasons: dict[Node, str] = field(default_factory=dict[Node, str])
    wide: dict[int, int] = field(default_factory=dict[int, int])
    faults: list[int] = field(default_factory=list[int])
    exact: bool = False
    pick: Pick | None = None
    arranged: dict[Arrangement, Arranged] = field(default_factory=dict[Arrangement, Arranged])

    def slot(self, value: Value) -> int:
        """The number of the value's buffer."""
        if value not in self.numbers:
            self.numbers[value] = len(self.slots)
            known = isinstance(value.type, TensorType)
            self.slots.append(Slot(value.dtype, value.shape) if known else Slot(None, ()))
        return self.numbers[value]

    def number(self, slot: int) -> Const | None:
        """The one element of a constant, as kernels have numbers; None of any other slot."""
        held = self.constants.get(slot)
        if not isinstance(held, Constant) or held.elements != 1 or held.dtype not in NUMBERS:
            return None
        value = held.array().reshape(()).item()
        return Const(value, held.dtype) if isinstance(value, int | float) and isfinite(value) else None

    def pack(self, packing: Packing, source: int) -> int:
        """The number of the slot of a packed weight; `source` is the slot of the weight as it lies."""
        type = TensorType(packing.target.dtype, packing.target.shape)
        number = self.fresh(type)
        self.constants[number] = Made(type, self.constants[source], packing.pieces)
        return number

    def fresh(self, type: TensorType) -> int:
        """The number of a new buffer."""
        self.slots.append(Slot(type.dtype, type.shape))
        return len(self.slots) - 1

    def fault(self) -> int:
        """The number of the slot in which loops say that they were given up."""
        if not self.faults:
            self.faults.append(self.fresh(TensorType(DType.INT64, ())))
        return self.faults[0]

    def scope(self) -> Lowered:
        """The same program, for the values of a body."""
        return replace(self, steps=[], numbers={}, wide={}, outputs=())
