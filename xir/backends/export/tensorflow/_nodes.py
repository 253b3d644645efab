"""Nodes of a GraphDef while they are made of the operators of a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from xir.backends.export.tflite._form import Permutation, identity_of
from xir.backends.export.tflite._plan import Plan, Record, Tensor
from xir.flatbuffer.write import Content
from xir.ir.constant import Constant, constant_of
from xir.ir.types import DType


@dataclass(frozen=True, slots=True)
class FunctionName:
    """A function that a node calls."""

    name: str


@dataclass(frozen=True, slots=True)
class Types:
    """The types of operands or results."""

    types: tuple[DType, ...]


@dataclass(frozen=True, slots=True)
class Sizes:
    """A shape."""

    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Texts:
    """Elements that are texts: a vector of them, or one text alone."""

    texts: tuple[str, ...] | str


Attribute: TypeAlias = (
    "int | bool | float | str | DType | Types | Sizes | Texts | FunctionName | Sequence[int] | Constant"
)
"""What a node is told: a number, a word, types, a shape, a function, numbers, or elements."""


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """Known elements that lie in a checkpoint: the names of the nodes of the handle and of what is read of it."""

    name: str
    read: str
    constant: Constant


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One node (NodeDef); an input is `name`, or `name:1` for a second result."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]


@dataclass(slots=True, eq=False)
class Nodes:
    """The nodes of a plan.

    Attributes:
        plan: the operators, in TFLite's words.
        variables_from: bytes from which known elements are variables; None where all are constants.
        nodes: those that were made.
        variables: what lies in a checkpoint.
        names: {tensor of the plan: what it is called here}.
    """

    plan: Plan
    variables_from: int | None = None
    nodes: list[Node] = field(default_factory=list[Node])
    variables: list[Variable] = field(default_factory=list[Variable])
    names: dict[int, str] = field(default_factory=dict[int, str])
    _taken: set[str] = field(default_factory=set[str])
    _held: dict[tuple[object, ...], str] = field(default_factory=dict[tuple[object, ...], str])

    def node(self, op: str, inputs: Sequence[str], wanted: str = "", /, **attributes: Attribute) -> str:
        """One more node; answers its name, which is that of its first result."""
        name = self._fresh(wanted or op)
        self.nodes.append(Node(name, op, tuple(inputs), attributes))
        return name

    def _fresh(self, wanted: str) -> str:
        """A name that TensorFlow takes (node_def_util.cc) and nothing has; case does not tell names apart there."""
        allowed = "".join(char if char.isascii() and (char.isalnum() or char in "_./-") else "_" for char in wanted)
        base = allowed if allowed[:1].isalnum() or allowed[:1] == "." else f"n{allowed}"
        name, number = base, 1
        while name.lower() in self._taken:
            name, number = f"{base}_{number}", number + 1
        self._taken.add(name.lower())
        return name

    def reserved(self, name: str) -> str:
        """A name that nothing else takes."""
        self._taken.add(name)
        return name

    def tensor(self, number: int) -> Tensor:
        """A tensor of the plan."""
        return self.plan.tensors[number]

    def read(self, number: int, perm: Permutation | None = None) -> str:
        """What a tensor is called, its axes in the order `perm` of the plan's own."""
        tensor = self.plan.tensors[number]
        order = identity_of(len(tensor.shape)) if perm is None else perm
        if tensor.constant is not None:
            before = tensor.perm or identity_of(len(tensor.shape))
            return self.constant(tensor.constant, tuple(before[axis] for axis in order), tensor.name)
        name = self.names[number]
        if order == identity_of(len(tensor.shape)):
            return name
        return self.node("Transpose", (name, self.numbers(order)), T=tensor.dtype, Tperm=DType.INT32)

    def constant(self, constant: Constant, perm: Permutation | None = None, name: str = "") -> str:
        """The node of known elements; equal ones are one."""
        order = identity_of(len(constant.shape)) if perm is None else perm
        key = (constant.type, constant.digest(), order)
        if key not in self._held:
            held = constant
            if order != identity_of(len(constant.shape)):
                held = constant_of(constant.array().transpose(order), constant.dtype)
            self._held[key] = self._known(held, name)
        return self._held[key]

    def _known(self, held: Constant, name: str) -> str:
        if self.variables_from is None or held.nbytes < self.variables_from:
            return self.node("Const", (), name or "Const", dtype=held.dtype, value=held)
        handle = self._fresh(name or "Variable")
        told: dict[str, Attribute] = {"dtype": held.dtype, "shape": Sizes(held.shape), "shared_name": handle}
        self.nodes.append(Node(handle, "VarHandleOp", (), told))
        self.variables.append(Variable(handle, self.node("ReadVariableOp", (handle,), dtype=held.dtype), held))
        return self.variables[-1].read

    def numbers(self, numbers: Sequence[int]) -> str:
        """A vector of i32."""
        return self.constant(constant_of(np.array(numbers, np.int32)))

    def number(self, number: float, dtype: DType) -> str:
        """One number."""
        return self.constant(constant_of(np.asarray(number), dtype))


Rule: TypeAlias = Callable[[Nodes, Record], "str | tuple[str, ...]"]
"""Makes the nodes of one operator; answers the names of its results."""


def fields_of(record: Record) -> Mapping[str, Content]:
    """The operator's options that differ from their defaults."""
    return {} if record.options is None else record.options[1]


def number_in(record: Record, name: str, default: int = 0) -> int:
    """An option that is a whole number."""
    found = fields_of(record).get(name, default)
    return found if isinstance(found, int) else default


def real_in(record: Record, name: str) -> float:
    """An option that is a number."""
    found = fields_of(record).get(name, 0.0)
    return float(found) if isinstance(found, int | float) else 0.0
