"""Names in the file: inputs and outputs keep theirs, nodes are called like their layers, nothing stands twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xir.backends.export.onnx._plan import Made, Plan, Record, Ref
from xir.ir.node import Value


class Unique:
    """Gives each name once: the second `conv1` becomes `conv1_2`."""

    __slots__ = ("_next", "taken")

    def __init__(self) -> None:
        """Nothing is taken yet."""
        self.taken: set[str] = set()
        self._next: dict[str, int] = {}

    def take(self, wanted: str) -> str:
        """`wanted`, or the first free variation of it."""
        name = wanted or "unnamed"
        number = self._next.get(name, 1)
        chosen = name
        while chosen in self.taken:
            number += 1
            chosen = f"{name}_{number}"
        self._next[name] = number
        self.taken.add(chosen)
        return chosen


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a file.

    Attributes:
        values: {tensor: name}.
        nodes: one name a record, in their order.
        renamed: {wanted: given} for inputs and outputs that could not keep their names.
    """

    values: Mapping[Ref, str]
    nodes: tuple[str, ...]
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])


def name_all(plan: Plan) -> Names:
    """Names for every node and tensor of the plan; they depend on the graph alone.

    The node that completes a layer has the layer's name, its other nodes are `layer/OpType`. Inputs come first, then
    outputs, weights, and values that have a name; other values are called like their nodes.
    """
    nodes = _node_names(plan)
    values, renamed, unique = _boundary_names(plan)
    for record in plan.records:
        for ref in record.outputs:
            if isinstance(ref, Value) and ref not in values and ref in plan.graph.names:
                values[ref] = unique.take(plan.graph.names[ref])
    for record, node in zip(plan.records, nodes, strict=True):
        for index, ref in enumerate(record.outputs):
            if ref is not None and ref not in values:
                values[ref] = unique.take(node if index == 0 else f"{node}:{index}")
    owners = _owners(plan, nodes)
    for made in plan.literals:
        values[made] = unique.take(f"{owners.get(made, 'shared')}/{made.role}")
    return Names(values, nodes, renamed)


def _boundary_names(plan: Plan) -> tuple[dict[Ref, str], dict[str, str], Unique]:
    """Names of inputs, outputs and weights, and which of the outputs could not keep theirs."""
    graph, unique = plan.graph, Unique()
    values: dict[Ref, str] = {}
    renamed: dict[str, str] = {}
    for value, name in zip(graph.inputs, graph.input_names, strict=True):
        values[value] = unique.take(name)
    for value, name in zip(graph.outputs, graph.output_names, strict=True):
        values[value] = unique.take(name)
        if values[value] != name:
            renamed[name] = values[value]
    for parameter in graph.parameters:
        values[parameter.value] = unique.take(graph.name_of(parameter.value))
    return values, renamed, unique


def _node_names(plan: Plan) -> tuple[str, ...]:
    last: dict[str, int] = {}
    layers = [record.source[0].layer if record.source else None for record in plan.records]
    for index, layer in enumerate(layers):
        if layer is not None:
            last[layer] = index
    unique = Unique()
    wanted = {index: layer for layer, index in last.items()}
    names: dict[int, str] = {}
    for index in sorted(wanted):
        names[index] = unique.take(wanted[index])
    for index, record in enumerate(plan.records):
        if index not in names:
            names[index] = unique.take(_fallback(plan, record, layers[index]))
    return tuple(names[index] for index in range(len(plan.records)))


def _fallback(plan: Plan, record: Record, layer: str | None) -> str:
    if layer is not None:
        return f"{layer}/{record.kind}"
    if record.role is not None:
        return f"sizes/{record.role}"
    first = next(ref for ref in record.outputs if ref is not None)
    return plan.graph.names.get(first, record.kind) if isinstance(first, Value) else record.kind


def _owners(plan: Plan, nodes: tuple[str, ...]) -> dict[Made, str]:
    """The first node that reads each literal."""
    owners: dict[Made, str] = {}
    for record, node in zip(plan.records, nodes, strict=True):
        for ref in record.inputs:
            if isinstance(ref, Made):
                owners.setdefault(ref, node)
    return owners
