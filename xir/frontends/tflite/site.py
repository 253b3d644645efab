"""What a handler sees of one TFLite operator: its options, checked, and what is known of its operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from xir.frontends._bodies import Body
from xir.frontends._operands import Knowledge, Operands
from xir.frontends.tflite._quantized import quantization_of
from xir.frontends.tflite.model import Quantization, TfliteOperator, TfliteTensor
from xir.ir.constant import Constant, constant_of
from xir.ir.dims import Shape, Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import elementwise
from xir.ops.activation import tanh
from xir.ops.constant import constant


@dataclass(frozen=True, slots=True)
class Handle:
    """A resource that a value of the file refers to: a variable or a table, by a name of its own."""

    name: str


Operand: TypeAlias = "Value | None"
"""An operand of a tensor, where one may be left out."""

Argument: TypeAlias = "Value | Handle"
"""What a tensor of the file stands for."""

Results: TypeAlias = "Argument | Sequence[Argument]"

Handler: TypeAlias = Callable[..., Results]
"""(the operator's site, *its operands) -> its results."""


class Flow(Protocol):
    """What operators of control flow and state ask of the importer."""

    def run(self, subgraph: int, operands: Sequence[Argument]) -> tuple[Argument, ...]:
        """The results of a subgraph, its operators being part of the graph around."""
        ...

    def body(self, inputs: Sequence[Value], build: Callable[[], Sequence[Value]]) -> Body:
        """What `build` makes of these inputs, as a closed graph."""
        ...

    def read(self, handle: Handle, type: TensorType) -> Value:
        """What a variable holds now."""
        ...

    def assign(self, handle: Handle, value: Value) -> None:
        """Lets a variable hold a value from here on."""
        ...

    def update(self, operator: TfliteOperator, index: int, value: Value) -> None:
        """Lets an operand that keeps its elements from run to run hold a value from here on."""
        ...

    def preparing(self) -> AbstractContextManager[None]:
        """What is assigned inside is what variables begin with."""
        ...

    def tables(self) -> dict[str, tuple[Constant, Constant]]:
        """{table: its keys and values}."""
        ...


class Site(Operands):
    """One operator of the file, as its handler sees it.

    Every option that the file gives must be asked for: one that no handler knows is an error, never dropped.

    Attributes:
        operator: the operator as it stands in the file.
        operands: the file's tensors that it reads, None where one is left out.
        results: the file's tensors that it makes.
        flow: runs subgraphs and keeps state; for the operators that do.
        intermediates: the file's tensors that say how what it computes on the way is quantised.
    """

    __slots__ = ("_asked", "flow", "intermediates", "operands", "operator", "results")

    def __init__(
        self,
        operator: TfliteOperator,
        operands: tuple[TfliteTensor | None, ...],
        results: tuple[TfliteTensor | None, ...],
        knowledge: Knowledge,
        flow: Flow,
        intermediates: tuple[TfliteTensor, ...] = (),
    ) -> None:
        """The site of an operator."""
        super().__init__(knowledge)
        self.operator = operator
        self.operands = operands
        self.results = results
        self.flow = flow
        self.intermediates = intermediates
        self._asked: set[str] = set()

    def integer(self, name: str, default: int = 0) -> int:
        """An option that is a whole number; `default` where the operator has no options at all."""
        self._asked.add(name)
        options = self.operator.options
        return default if options is None else options.integer(name)

    def flag(self, name: str) -> bool:
        """An option that holds or not."""
        return bool(self.integer(name))

    def number(self, name: str) -> float:
        """An option that is a number."""
        self._asked.add(name)
        options = self.operator.options
        return 0.0 if options is None else float(options.number(name))

    def integers(self, name: str) -> tuple[int, ...]:
        """An option that is a vector of whole numbers."""
        self._asked.add(name)
        options = self.operator.options
        return () if options is None else options.integers(name)

    def numbers_of(self, name: str) -> tuple[float, ...]:
        """An option that is a vector of numbers."""
        self._asked.add(name)
        options = self.operator.options
        return () if options is None else tuple(float(item) for item in options.numbers(name) or ())

    def word(self, name: str, default: str) -> str:
        """An option that is of an enumeration, by its name; `default` where the operator has no options at all."""
        self._asked.add(name)
        options = self.operator.options
        return default if options is None else options.word(name)

    def text(self, name: str) -> str:
        """An option that is text."""
        self._asked.add(name)
        options = self.operator.options
        return "" if options is None else options.text(name) or ""

    def ignore(self, *names: str) -> None:
        """Passes over options that change nothing in the result."""
        self._asked.update(names)

    def unknown(self) -> tuple[str, ...]:
        """Options that the file gives and nobody asked for."""
        options = self.operator.options
        return () if options is None else tuple(name for name in options.given() if name not in self._asked)

    def operand_quantization(self, index: int) -> Quantization | None:
        """How the integers of an operand stand for real numbers, or None."""
        return quantization_of(self.operands[index] if index < len(self.operands) else None)

    def result_quantization(self, index: int = 0) -> Quantization | None:
        """How the integers of a result stand for real numbers, or None."""
        return quantization_of(self.results[index] if index < len(self.results) else None)

    def intermediate_quantization(self, index: int) -> Quantization | None:
        """How the integers of what is computed on the way stand for real numbers, or None."""
        return quantization_of(self.intermediates[index] if index < len(self.intermediates) else None)

    def known(self, value: Value) -> tuple[int, ...] | None:
        """The elements of an operand when all of them are known numbers, else None."""
        found = self.sizes(value)
        if found is None:
            held = self.knowledge.constant_of(value)
            return None if held is None else tuple(int(item) for item in held.array().reshape(-1).tolist())
        numbers = tuple(size for size in found if isinstance(size, int))
        return numbers if len(numbers) == len(found) else None

    def numbers(self, value: Value, what: str) -> tuple[int, ...]:
        """The elements of an operand that must be known numbers (axes, paddings); raises UnsupportedError else."""
        found = self.known(value)
        if found is None:
            self.refuse(f"{what} that are computed at run time", "fold them into constants first")
        return found

    def axes(self, axes: Sequence[int], rank: int) -> tuple[int, ...]:
        """Axes counted from the front, each once, in order."""
        return tuple(sorted({self.axis(axis, rank) for axis in axes}))

    def activated(self, value: Value) -> Value:
        """The result with the operator's fused activation."""
        return activated(self, value, self.word("fused_activation_function", "NONE"))


def activated(site: Site, value: Value, name: str) -> Value:
    """An activation of ActivationFunctionType (tensorflow/lite/kernels/internal/common.h)."""
    match name:
        case "NONE":
            return value
        case "RELU":
            return elementwise.clip(value, minimum=0.0, maximum=None)
        case "RELU_N1_TO_1":
            return elementwise.clip(value, minimum=-1.0, maximum=1.0)
        case "RELU6":
            return elementwise.clip(value, minimum=0.0, maximum=6.0)
        case "TANH":
            return tanh(value)
        case _:
            site.refuse(f"the fused activation {name}")


def whole(value: Value) -> Value:
    """The operand in i64."""
    return value if value.dtype is DType.INT64 else elementwise.cast(value, dtype=DType.INT64)


def as_dtype(value: Value, dtype: DType) -> Value:
    """The operand in a type."""
    return value if value.dtype is dtype else elementwise.cast(value, dtype=dtype)


def unknown_sizes(count: int) -> Shape:
    """Sizes that only the run tells."""
    return tuple(Symbol() for _ in range(count))


def literal(numbers: object, dtype: DType) -> Value:
    """A constant of plain numbers."""
    return constant(value=constant_of(np.asarray(numbers), dtype))
