"""Any nodes of a graph as a graph: what the others would have made becomes inputs, fed with what was recorded.

With the recorded sizes as numbers every subset of the nodes is a model that runs, so a search for the guilty ones never
meets one that does not. With open sizes a subset may lack what tells a size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xir.ir.builder import apply, sourced
from xir.ir.constant import Array
from xir.ir.constraints import collecting
from xir.ir.dims import Dim, Symbol, equal
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Node, Value
from xir.ir.rewrite import evaluate_attribute
from xir.ir.types import TensorType, Type
from xir.limits import GIBI
from xir.reference import run
from xir.reference.sizes import Arrival, Sizes
from xir.surgery.fingerprint import is_literal
from xir.surgery.names import fresh

MAX_HELD_BYTES = GIBI
"""Bytes of results that a recording keeps; where there are more, each subset runs the whole graph again."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A model with its inputs."""

    graph: Graph
    feeds: Mapping[str, Array]

    @property
    def nodes(self) -> list[Node]:
        """The operators; literals only hold numbers."""
        return [node for node in self.graph.nodes if not is_literal(node)]

    @property
    def elements(self) -> int:
        """How many numbers inputs and weights hold."""
        weights = sum(parameter.constant.elements for parameter in self.graph.parameters)
        return weights + sum(array.size for array in self.tensors.values())

    @property
    def tensors(self) -> dict[str, Array]:
        """The inputs that are tensors, by name; the others are sequences, optionals and maps."""
        named = zip(self.graph.input_names, self.graph.inputs, strict=True)
        return {name: self.feeds[name] for name, value in named if isinstance(value.type, TensorType)}


class Recording:
    """What every value of a case is, by the reference."""

    def __init__(self, case: Case, *, limit: int = MAX_HELD_BYTES) -> None:
        """Runs the case once.

        Raises:
            XirError: if the reference cannot run it.
        """
        self.case = case
        self._sizes = Sizes()
        self._held: dict[Value, Array] | None = {}
        self._limit = limit
        self._bytes = 0
        graph = case.graph
        for name, value in zip(graph.input_names, graph.inputs, strict=True):
            self._keep(value, case.feeds[name])
        run(graph, case.feeds, observe=self._observe)

    @property
    def sizes(self) -> Mapping[Symbol, Dim]:
        """What each symbol turned out to be."""
        return self._sizes.known

    def _observe(self, node: Node, results: tuple[Array, ...]) -> None:
        for value, array in zip(node.outputs, results, strict=True):
            self._keep(value, array)

    def _keep(self, value: Value, array: Array) -> None:
        if isinstance(value.type, TensorType):
            self._sizes.learn([Arrival("a recorded value", value.type, array.shape)])
            self._bytes += array.nbytes
        if self._bytes > self._limit:
            self._held = None
        elif self._held is not None:
            self._held[value] = array

    def arrays(self, values: Sequence[Value]) -> dict[Value, Array]:
        """What some inputs and results of nodes are."""
        if self._held is not None:
            return {value: self._held[value] for value in values}
        graph, wanted, found = self.case.graph, set(values), dict[Value, Array]()

        def observe(node: Node, results: tuple[Array, ...]) -> None:
            found.update((v, array) for v, array in zip(node.outputs, results, strict=True) if v in wanted)

        named = zip(graph.input_names, graph.inputs, strict=True)
        found.update((value, self.case.feeds[name]) for name, value in named if value in wanted)
        run(graph, self.case.feeds, observe=observe)
        return found


class Subset:
    """Some nodes of a recorded case, being built as a case of their own."""

    def __init__(self, recording: Recording, kept: Sequence[Node], *, fixed: bool) -> None:
        """Builds the nodes `kept`, in their order; sizes become numbers where `fixed`."""
        self._recording = recording
        self._graph = recording.case.graph
        self._kept = kept
        self._fixed = fixed
        self._parameters = {parameter.value: parameter for parameter in self._graph.parameters}
        self._new: dict[Value, Value] = {}
        self._used: dict[Value, Parameter] = {}

    def case(self) -> Case:
        """The case.

        Raises:
            InvalidModelError: if an operator does not fit the recorded sizes.
        """
        made = {value for node in self._kept for value in node.outputs}
        read = dict.fromkeys(value for node in self._kept for value in node.inputs if value is not None)
        cut = [v for v in read if v not in made and v not in self._parameters and not (v.node and is_literal(v.node))]
        arrays = self._recording.arrays(cut)
        inputs = {value: Value(self._type(value.type, arrays[value])) for value in cut}
        self._new.update(inputs)
        with collecting(() if self._fixed else self._graph.constraints) as assumed:
            for node in self._kept:
                self._build(node)
        names: dict[Value, str] = {}
        taken: set[str] = set()
        for old, value in (*inputs.items(), *((v, p.value) for v, p in self._used.items()), *self._new.items()):
            held = self._graph.names.get(old)
            if value not in names and (held is not None or old in inputs):
                names[value] = fresh(held or self._graph.name_of(old), taken)
        ends = self._ends()
        graph = Graph(
            self._graph.name,
            tuple(inputs.values()),
            tuple(self._new[value] for value in ends.values()),
            tuple(ends),
            tuple(self._used.values()),
            names,
            tuple(assumed),
        )
        return Case(graph, {graph.name_of(value): arrays[old] for old, value in inputs.items()})

    def _type(self, type: Type, array: Array) -> Type:
        return type.with_shape(array.shape) if self._fixed and isinstance(type, TensorType) else type

    def _build(self, node: Node) -> None:
        operands = tuple(None if value is None else self._operand(value) for value in node.inputs)
        attributes = node.attributes
        if self._fixed:
            sizes = self._recording.sizes
            attributes = {name: evaluate_attribute(value, sizes) for name, value in attributes.items()}
        with sourced(*node.source):
            built = apply(node.op, operands, attributes)
        self._new.update(zip(node.outputs, built.outputs, strict=True))

    def _operand(self, value: Value) -> Value:
        if value in self._parameters:
            self._used[value] = self._parameters[value]
            return value
        return self._new.get(value, value)

    def _ends(self) -> dict[str, Value]:
        """The outputs by name: what the graph gives, and what a node reads that is not kept."""
        inside = set(self._kept)
        made = {value for node in self._kept for value in node.outputs}
        found: dict[str, Value] = {}
        taken: set[str] = set()
        for name, value in zip(self._graph.output_names, self._graph.outputs, strict=True):
            if value in made:
                found[fresh(name, taken)] = value
        outside = (v for node in self._graph.nodes if node not in inside for v in node.inputs)
        for value in dict.fromkeys(v for v in outside if v is not None and v in made and v not in self._graph.outputs):
            found[fresh(self._graph.name_of(value), taken)] = value
        return found


def same_type(a: Value, b: Value) -> bool:
    """Whether one value can stand in the place of another: the same type, every size surely the same."""
    if isinstance(a.type, TensorType) and isinstance(b.type, TensorType):
        sizes = zip(a.type.shape, b.type.shape, strict=False)
        return a.type.dtype is b.type.dtype and a.rank == b.rank and all(equal(x, y) for x, y in sizes)
    return a.type == b.type
