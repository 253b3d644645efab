"""Nodes and values: one application of an operator, and what comes out of it.

A graph is a web of immutable nodes; there is no list of nodes to keep in step. Nodes and values compare by identity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, SupportsIndex, TypeAlias, Union, overload

from xir.errors import InvalidModelError
from xir.ir.constant import Constant
from xir.ir.dims import Dim
from xir.ir.source import Sources
from xir.ir.types import DType, TensorType, Type, UnrankedType

if TYPE_CHECKING:
    from xir.ir.graph import Graph

# A recursive alias needs the old spelling of unions before Python 3.12.
Attribute: TypeAlias = Union[bool, int, float, str, DType, Dim, Constant, "Graph", tuple["Attribute", ...], None]

UNKNOWN_RANK = 506
"""The number of the InvalidModelError that goes away once the types of the inputs are told."""


class Op(Protocol):
    """What the graph needs to know of an operator; `xir.ops` has the real ones."""

    @property
    def name(self) -> str:
        """The operator's name, unique in the one namespace."""
        ...

    @property
    def has_effect(self) -> bool:
        """Whether applying it does more than compute its outputs (Assert, Print)."""
        ...

    def infer(self, inputs: Sequence[Value | None], attributes: Mapping[str, Attribute]) -> tuple[Type, ...]:
        """The types of the outputs; raises InvalidModelError when inputs or attributes do not fit."""
        ...


class Value:
    """A tensor (or sequence, or optional) in a graph: an output of a node, an input, or a parameter."""

    __slots__ = ("index", "node", "type")

    def __init__(self, type: Type, node: Node | None = None, index: int = 0) -> None:
        """A value of `type`: output `index` of `node`, or an input or parameter when there is no node."""
        self.type = type
        self.node = node
        self.index = index

    @property
    def tensor(self) -> TensorType:
        """The type, known to be a tensor of known rank.

        Raises:
            InvalidModelError: if it is a sequence, an optional, or a tensor of unknown rank.
        """
        if not isinstance(self.type, TensorType):
            raise InvalidModelError(
                f"a tensor of known rank is needed, got {self.type!r}",
                number=UNKNOWN_RANK if isinstance(self.type, UnrankedType) else None,
                hint="tell the input's type with --input NAME=f32[...]",
            )
        return self.type

    @property
    def shape(self) -> tuple[Dim, ...]:
        """The shape of the tensor."""
        return self.tensor.shape

    @property
    def dtype(self) -> DType:
        """The element type of the tensor."""
        return self.tensor.dtype

    @property
    def rank(self) -> int:
        """The number of axes of the tensor."""
        return len(self.tensor.shape)

    def __repr__(self) -> str:
        """The operator and type, never the graph behind it."""
        made = "input" if self.node is None else f"{self.node.op.name}#{self.index}"
        return f"<{made}: {self.type!r}>"


class PatternValue(Value):
    """A stand-in that an operator call answers with another stand-in instead of a typed value.

    Rewrite rules call ordinary operators on pattern values; the web of stand-ins is the pattern (`xir.passes`).

    Attributes:
        op: the operator that this stands for, or None for a variable that matches anything.
        inputs: the operands of the pattern.
        attributes: the attributes of the pattern; values may be attribute variables.
        name: the variable's name.
        siblings: the outputs of the same application, when the operator has several; else None.
    """

    __slots__ = ("attributes", "inputs", "name", "op", "siblings")

    def __init__(
        self,
        name: str = "",
        op: Op | None = None,
        inputs: tuple[Value | None, ...] = (),
        attributes: Mapping[str, object] | None = None,
        index: int = 0,
    ) -> None:
        """A variable, or the pattern of one application of `op`."""
        super().__init__(TensorType(DType.FLOAT32, ()), None, index)
        self.name = name
        self.op = op
        self.inputs = inputs
        self.attributes = dict(attributes or {})
        self.siblings: PatternOutputs | None = None


class PatternOutputs(tuple[Value, ...]):
    """The outputs of the pattern of an operator with several: `values, indices = top_k(...)`, or `split(...)[0]`.

    Where the number of outputs depends on attributes (`split`) it is not known: outputs are made as they are asked
    for by index, and unpacking is refused.
    """

    known: int | None
    _made: dict[int, PatternValue]
    _parts: tuple[Op, tuple[Value | None, ...], Mapping[str, object]]

    @classmethod
    def of(
        cls, op: Op, inputs: tuple[Value | None, ...], attributes: Mapping[str, object], known: int | None
    ) -> PatternOutputs:
        """The outputs of `op`, `known` of them, or any number."""
        made = cls()
        made.known, made._made, made._parts = known, {}, (op, inputs, attributes)
        return made

    def _output(self, index: int) -> PatternValue:
        if index < 0 or (self.known is not None and index >= self.known):
            raise IndexError(f"{self._parts[0].name} has no output {index} in a pattern")
        if index not in self._made:
            op, inputs, attributes = self._parts
            self._made[index] = PatternValue(op=op, inputs=inputs, attributes=attributes, index=index)
            self._made[index].siblings = self
        return self._made[index]

    @property
    def made(self) -> tuple[PatternValue, ...]:
        """The outputs that the pattern names, by index."""
        return tuple(self._made[index] for index in sorted(self._made))

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> Value: ...
    @overload
    def __getitem__(self, key: slice, /) -> tuple[Value, ...]: ...
    def __getitem__(self, key: SupportsIndex | slice, /) -> Value | tuple[Value, ...]:
        """One output, or several."""
        if isinstance(key, slice):
            return tuple(self)[key]
        return self._output(key.__index__())

    def __len__(self) -> int:
        """The number of outputs.

        Raises:
            TypeError: if it is not known.
        """
        if self.known is None:
            raise TypeError(f"how many outputs {self._parts[0].name} has depends on its attributes: index the pattern")
        return self.known

    def __iter__(self) -> Iterator[Value]:
        """The outputs in order."""
        return iter([self._output(index) for index in range(len(self))])


class Node:
    """One application of an operator.

    Attributes:
        op: the operator.
        inputs: the operands in the order of the op's signature; None for an optional one that is absent.
        attributes: every keyword of the op's signature, with its value.
        outputs: the results.
        source: the foreign layers that this node stands for.
    """

    __slots__ = ("attributes", "inputs", "op", "outputs", "source")

    def __init__(
        self,
        op: Op,
        inputs: tuple[Value | None, ...],
        attributes: Mapping[str, Attribute],
        types: tuple[Type, ...],
        source: Sources = (),
    ) -> None:
        """Builds the node as given; `xir.ir.builder.apply` infers the types and checks the operands."""
        self.op = op
        self.inputs = inputs
        self.attributes = attributes
        self.source = source
        self.outputs = tuple(Value(type, self, index) for index, type in enumerate(types))

    def __repr__(self) -> str:
        """The operator and its result types, never the graph behind it."""
        return f"<{self.op.name} -> {', '.join(repr(value.type) for value in self.outputs)}>"
