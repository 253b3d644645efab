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
        nodes: {plan: one name a record, in their order}, for the model's plan and those of bodies.
        renamed: {wanted: given} for inputs and outputs that could not keep their names.
    """

    values: Mapping[Ref, str]
    nodes: Mapping[Plan, tuple[str, ...]]
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])


def name_all(plan: Plan) -> Names:
    """Names for every node and tensor of the plan; they depend on the graph alone.

    The node that completes a layer has the layer's name, its other nodes are `layer/OpType`. Inputs come first, then
    outputs, weights, and values that have a name; other values are called like their nodes. No name of a body stands
    anywhere else; what it reads of the graph around has its name there.
    """
    namer = _Namer()
    namer.name(plan, plan.graph.inputs)
    for number, step in enumerate(plan.training, 1):
        namer.values.update((ours, namer.values[theirs]) for ours, theirs in step.shared.items())
        for part in step.parts:
            namer.name(part, step.own_inputs(part), f"training_{number}/")
    return Names(namer.values, namer.nodes, namer.renamed)


@dataclass(slots=True)
class _Namer:
    values: dict[Ref, str] = field(default_factory=dict[Ref, str])
    nodes: dict[Plan, tuple[str, ...]] = field(default_factory=dict["Plan", tuple[str, ...]])
    renamed: dict[str, str] = field(default_factory=dict[str, str])
    unique: Unique = field(default_factory=Unique)
    unique_nodes: Unique = field(default_factory=Unique)

    def name(self, plan: Plan, inputs: tuple[Value, ...], prefix: str = "") -> None:
        nodes = self.nodes[plan] = _node_names(plan, self.unique_nodes, prefix)
        self._name_boundary(plan, inputs, prefix)
        self._name_results(plan, nodes)
        owners = _owners(plan, nodes)
        for made in plan.literals:
            owner = owners.get(made, "shared").removeprefix(prefix)
            self.values[made] = self.unique.take(f"{prefix}{owner}/{made.role}")
        for record, node in zip(plan.records, nodes, strict=True):
            for nested in record.nested:
                body = nested.body
                captured = body.graph.inputs[len(body.formal) :]
                for inside, outside in zip(captured, nested.captured, strict=True):
                    self.values[inside] = self.values[outside]
                self.name(nested.plan, body.formal, f"{node}/")

    def _name_results(self, plan: Plan, nodes: tuple[str, ...]) -> None:
        """Names of what the nodes make: their own, where they have one, else that of the node."""
        values, unique = self.values, self.unique
        for record in plan.records:
            for ref in record.outputs:
                if isinstance(ref, Value) and ref not in values and ref in plan.graph.names:
                    values[ref] = unique.take(plan.graph.names[ref])
        for record, node in zip(plan.records, nodes, strict=True):
            for index, ref in enumerate(record.outputs):
                if ref is not None and ref not in values:
                    values[ref] = unique.take(node if index == 0 else f"{node}:{index}")

    def _name_boundary(self, plan: Plan, inputs: tuple[Value, ...], prefix: str) -> None:
        """Names of inputs, outputs and weights, and which of the model's outputs could not keep theirs."""
        graph, values, unique = plan.graph, self.values, self.unique
        for value in inputs:
            values[value] = unique.take(graph.name_of(value))
        for value, name in zip(graph.outputs, graph.output_names, strict=True):
            if value in values:
                continue  # of a step of training: an output of the model
            values[value] = unique.take(name)
            if values[value] != name and not prefix:
                self.renamed[name] = values[value]
        for parameter in graph.parameters:
            if parameter.value not in values:
                values[parameter.value] = unique.take(graph.name_of(parameter.value))


def _node_names(plan: Plan, unique: Unique, prefix: str) -> tuple[str, ...]:
    last: dict[str, int] = {}
    layers = [record.source[0].layer if record.source else None for record in plan.records]
    for index, layer in enumerate(layers):
        if layer is not None:
            last[layer] = index
    wanted = {index: layer for layer, index in last.items()}
    names: dict[int, str] = {}
    for index in sorted(wanted):
        names[index] = unique.take(wanted[index])
    for index, record in enumerate(plan.records):
        if index not in names:
            names[index] = unique.take(prefix + _fallback(plan, record, layers[index]))
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
