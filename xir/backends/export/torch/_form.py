"""How one operator is said in PyTorch: the vocabulary of the tables.

A form looks at one node and answers one of four things: an expression (`Say`), a layer of `torch.nn` (`Layer`), simpler
operators of ours (a value or a tuple of values), or why not (`Refusal`). All code is text of this room; what comes of a
model is an argument, written as a literal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from xir.backends.export import legal
from xir.backends.export.forms import AnyOp, Table
from xir.backends.export.legal import Refusal as Refusal
from xir.backends.export.nodes import again as again
from xir.backends.export.nodes import ints as ints
from xir.backends.export.nodes import operand as operand
from xir.backends.export.nodes import pairs as pairs
from xir.backends.export.nodes import real as real
from xir.backends.export.nodes import shape_in as shape_in
from xir.backends.export.nodes import whole as whole
from xir.ir.dims import Dim, Polynomial, Quotient, Symbol, as_dim
from xir.ir.dims import Extremum as ExtremumDim
from xir.ir.node import Attribute, Node, Value
from xir.ir.types import DType, TensorType


class Say:
    """An expression: our text with `{}` where arguments stand; one that makes several results makes a tuple."""

    __slots__ = ("arguments", "helper", "template")

    def __init__(self, template: str, *arguments: Argument, helper: str = "") -> None:
        """`template.format(*arguments)`, each argument written as the code that it is.

        Args:
            template: our text; `{device}` is where new tensors are made.
            arguments: what stands in it.
            helper: the function of `_helpers` that it calls.
        """
        self.template, self.arguments, self.helper = template, arguments, helper


def helped(helper: str, *arguments: Argument) -> Say:
    """A call of a function of `_helpers`."""
    return Say(f"{helper}({', '.join(['{}'] * len(arguments))})", *arguments, helper=helper)


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A layer of `torch.nn` where its weights are weights of the model, else an expression.

    Attributes:
        kind: the class (`Conv2d`).
        arguments: of its constructor.
        keywords: those that differ from the class's own.
        weights: {name in the layer: (the weight, the order of axes in which it is stored)}; None as it is, () flat.
        operands: what it is called with.
        otherwise: the same with weights that are computed, or that other nodes read too.
        buffers: those of `weights` that training does not change.
        blank: names in the layer that have no value of ours, with the element type and shape of their zeros.
    """

    kind: str
    arguments: tuple[Argument, ...]
    keywords: Mapping[str, Argument]
    weights: Mapping[str, tuple[Value, tuple[int, ...] | None]]
    operands: tuple[Value, ...]
    otherwise: Say
    blank: Mapping[str, TensorType] = field(default_factory=dict[str, TensorType])


@dataclass(frozen=True, slots=True)
class Block:
    """Control flow, which is written as Python's own by `_flow`."""

    kind: str


Argument: TypeAlias = (
    Value | Say | Dim | int | float | bool | str | DType | tuple["Argument", ...] | list["Argument"] | None
)
Answer: TypeAlias = Say | Layer | Block | Refusal | Value | tuple[Value, ...]
Form: TypeAlias = Callable[[Node], Answer]


class Forms(Table[Form]):
    """A family's table: operator -> form in PyTorch."""

    __slots__ = ()

    def says(self, operator: AnyOp, template: str) -> None:
        """Enters `operator` as an expression of its operands."""

        def form(node: Node) -> Answer:
            return Say(template, *node.inputs)

        self._enter(operator.name, form)


def size_of(item: Attribute) -> Dim:
    """An attribute that is a size.

    Raises:
        TypeError: it is none: a mistake of the form.
    """
    if isinstance(item, int | Symbol | Quotient | ExtremumDim | Polynomial):
        return as_dim(item)
    raise TypeError(f"{item!r} is no size")


def known_pairs(padding: tuple[tuple[Dim, Dim], ...]) -> tuple[tuple[int, int], ...] | None:
    """The pairs, where all of them are numbers."""
    known = tuple((a, b) for a, b in padding if isinstance(a, int) and isinstance(b, int))
    return known if len(known) == len(padding) else None


def decomposed(node: Node) -> Answer:
    """The node by its operator's own decomposition, or a refusal where it has none."""
    return legal.decomposed(node, "PyTorch")
