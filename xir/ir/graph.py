"""The graph: inputs, outputs, parameters and names. Its nodes are derived from the outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TypeAlias

from xir.errors import InvalidModelError
from xir.ir.constant import Constant
from xir.ir.constraints import Constraint
from xir.ir.node import Node, Value
from xir.ir.training import TrainingStep
from xir.ir.walk import toposort

__all__ = ["Constraint", "Graph", "Parameter"]


Users: TypeAlias = Mapping[Value, Sequence[tuple[Node, int]]]
"""Who reads a value: (node, operand index) pairs."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Parameter:
    """A named weight: the value that stands for it, its elements, and whether training may change it."""

    value: Value
    constant: Constant
    trainable: bool = True


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Graph:
    """An immutable model.

    Attributes:
        name: the model's name.
        inputs: the values that a caller feeds, in order.
        outputs: the values that a caller gets, in order; one value may stand twice.
        output_names: one name an output.
        parameters: the weights.
        names: names of inputs, parameters and any other values; those without one are numbered when printed.
        constraints: what was assumed of symbolic sizes.
        training: the steps of training that the model brings along; bodies have none.
    """

    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    output_names: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    names: Mapping[Value, str] = field(default_factory=dict[Value, str])
    constraints: tuple[Constraint, ...] = ()
    training: tuple[TrainingStep, ...] = ()
    _nodes: list[tuple[Node, ...]] = field(default_factory=list[tuple[Node, ...]], init=False)
    _users: list[Users] = field(default_factory=list[Users], init=False)
    _labels: dict[Value, str] = field(default_factory=dict[Value, str], init=False)
    _constants: dict[Value, Constant] = field(default_factory=dict[Value, Constant], init=False)

    def __post_init__(self) -> None:
        """Names outputs that have none after their values; one that stands again is numbered.

        Raises:
            InvalidModelError: if names and outputs differ in number.
        """
        self._constants.update((parameter.value, parameter.constant) for parameter in self.parameters)
        if not self.output_names:
            object.__setattr__(self, "output_names", _distinct([self.name_of(value) for value in self.outputs]))
        if len(self.output_names) != len(self.outputs):
            raise InvalidModelError(f"{len(self.outputs)} outputs have {len(self.output_names)} names")

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes that the outputs need, in topological order."""
        if not self._nodes:
            self._nodes.append(toposort(self.outputs))
        return self._nodes[0]

    @property
    def users(self) -> Users:
        """For each value that nodes read the (node, operand index) pairs that read it, in topological order."""
        if not self._users:
            found: dict[Value, list[tuple[Node, int]]] = {}
            for node in self.nodes:
                for index, value in enumerate(node.inputs):
                    if value is not None:
                        found.setdefault(value, []).append((node, index))
            self._users.append(found)
        return self._users[0]

    def with_weights(self, parameters: tuple[Parameter, ...], names: Mapping[Value, str]) -> Graph:
        """The graph with other weights and names; its nodes stay as they are, and need not be sorted again."""
        made = replace(self, parameters=parameters, names=names)
        made._nodes.extend(self._nodes)
        made._users.extend(self._users)
        return made

    @property
    def input_names(self) -> tuple[str, ...]:
        """The inputs' names, in order."""
        return tuple(self.name_of(value) for value in self.inputs)

    def name_of(self, value: Value) -> str:
        """The value's name; values without one get a number that depends on the graph alone."""
        named = self.names.get(value)
        if named is not None:
            return named
        if not self._labels:
            self._label()
        return self._labels.get(value, "?")

    def _label(self) -> None:
        taken = set(self.names.values())
        values = [*self.inputs, *(p.value for p in self.parameters), *(v for n in self.nodes for v in n.outputs)]
        number = 0
        for value in values:
            if value in self.names:
                continue
            while str(number) in taken:
                number += 1
            self._labels[value] = str(number)
            number += 1

    @property
    def mutable(self) -> frozenset[Value]:
        """The weights that a step of training changes: what they hold now is no constant."""
        if not self.training:
            return frozenset()
        changed = {name for step in self.training for name in step.changed}
        return frozenset(p.value for p in self.parameters if self.names.get(p.value) in changed)

    def constant_of(self, value: Value) -> Constant | None:
        """The elements of a parameter or of a literal constant node, or None for any other value."""
        if value.node is not None:
            literal = value.node.attributes.get("value") if value.node.op.name == "constant" else None
            return literal if isinstance(literal, Constant) else None
        return self._constants.get(value)

    def __repr__(self) -> str:
        """Name, inputs and outputs; `xir.text` prints the whole."""
        inputs = ", ".join(f"{self.name_of(value)}: {value.type!r}" for value in self.inputs)
        outputs = ", ".join(
            f"{name}: {value.type!r}" for name, value in zip(self.output_names, self.outputs, strict=True)
        )
        return f"<graph {self.name!r} ({inputs}) -> ({outputs}), {len(self.nodes)} nodes>"


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The names in their order; one that stands again is followed by its place, or the first free number after it."""
    given, found = set(names), dict[str, None]()
    for place, name in enumerate(names):
        numbered = (f"{name}.{number}" for number in count(place))
        again = name in found
        found[next(each for each in numbered if each not in given and each not in found) if again else name] = None
    return tuple(found)
