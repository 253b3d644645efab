"""A model at a glance: its layers with shapes, parameters and operations, and totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xir.frontends.options import Loaded
from xir.inspect.flops import Flops
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.source import Source
from xir.ir.training import TrainingStep
from xir.ir.weights import bytes_in_file, is_weight, weights_in, weights_of


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One layer of the model.

    Attributes:
        name: the layer's name; for a node without a layer its result's name.
        kind: the layer's type, as its framework calls it; for a node without a layer its operator.
        operators: the operators that the layer became, in order.
        outputs: types of what the layer's last node makes.
        parameters: numbers in weights that the layer is the first to read.
        flops: floating-point operations; a multiplication and an addition are two.
    """

    name: str
    kind: str
    operators: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: int
    flops: int

    def to_dict(self) -> dict[str, object]:
        """The layer as plain data."""
        return {
            "name": self.name,
            "kind": self.kind,
            "operators": list(self.operators),
            "outputs": list(self.outputs),
            "parameters": self.parameters,
            "flops": self.flops,
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """A model at a glance.

    Attributes:
        name: the model's name.
        format: the format's short name.
        files: the files that it was read from.
        inputs: (name, type) of each input.
        outputs: (name, type) of each output.
        layers: the layers in order.
        parameters: numbers in all weights.
        bytes: bytes of all weights.
        flops: operations of one run.
        nodes: operators of the graph.
        assumed: sizes that are not known, and what they count as in `flops`.
        notes: what a person should know of how the model was read.
        values: (name, type) of every value, where that was asked for.
        training: what each step of training that the model brings along does, in words.
    """

    name: str
    format: str
    files: tuple[str, ...]
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]
    layers: tuple[LayerSummary, ...]
    parameters: int
    bytes: int
    flops: int
    nodes: int
    assumed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    training: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """The summary as plain data, as `--json` prints it."""
        return {
            "version": 1,
            "name": self.name,
            "format": self.format,
            "files": list(self.files),
            "inputs": _typed(self.inputs),
            "outputs": _typed(self.outputs),
            "layers": [layer.to_dict() for layer in self.layers],
            "parameters": self.parameters,
            "bytes": self.bytes,
            "flops": self.flops,
            "nodes": self.nodes,
            "assumed": list(self.assumed),
            "notes": list(self.notes),
            "values": _typed(self.values),
            "training": list(self.training),
        }


def _typed(values: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "type": type} for name, type in values]


@dataclass(slots=True)
class _Row:
    name: str
    kind: str
    nodes: list[Node] = field(default_factory=list[Node])


def summarize(model: Loaded, *, names: bool = False) -> Summary:
    """The summary of a model that was read.

    Args:
        model: what was read.
        names: also lists every value with its name and type.
    """
    graph = model.graph
    flops = Flops()
    counted: set[Value] = set()
    layers = tuple(_layer(graph, row, flops, counted) for row in _rows(graph))
    values = (value for node in graph.nodes for value in node.outputs) if names else ()
    weights = weights_of(graph)
    return Summary(
        graph.name,
        model.format,
        model.files,
        tuple((name, repr(value.type)) for name, value in zip(graph.input_names, graph.inputs, strict=True)),
        tuple((name, repr(value.type)) for name, value in zip(graph.output_names, graph.outputs, strict=True)),
        layers,
        sum(constant.elements for constant in weights),
        sum(map(bytes_in_file, weights)),
        sum(layer.flops for layer in layers),
        len(graph.nodes),
        flops.assumed,
        model.notes,
        tuple((graph.name_of(value), repr(value.type)) for value in values),
        tuple(map(_step, graph.training)),
    )


def _step(step: TrainingStep) -> str:
    """`initialization 1 node, sets w; algorithm 12 nodes, updates w, v`."""
    told: list[str] = []
    for (what, part, bindings), verb in zip(step.parts, ("sets", "updates"), strict=True):
        if part is not None:
            count = len(part.nodes)
            names = ", ".join(weight for weight, _ in bindings) or "nothing"
            told.append(f"{what} {count} node{'' if count == 1 else 's'}, {verb} {names}")
    return "; ".join(told)


def layer_of(node: Node) -> Source | None:
    """The layer of the file that was read: an ONNX node that xir wrote carries the layers before it too."""
    own = [source for source in node.source if source.framework == "onnx"] or node.source
    return own[-1] if own else None


def layer_count(graph: Graph) -> int:
    """How many layers `summarize` lists: those that became operators; nodes without a layer count each."""
    return len(_rows(graph))


def _rows(graph: Graph) -> list[_Row]:
    rows: dict[object, _Row] = {}
    for node in graph.nodes:
        source = layer_of(node)
        if source is None:
            rows[node] = _Row(graph.name_of(node.outputs[0]) if node.outputs else node.op.name, node.op.name, [node])
            continue
        key = (source.framework, source.file, source.layer, source.order)
        rows.setdefault(key, _Row(source.layer, source.kind)).nodes.append(node)
    return list(rows.values())


def _layer(graph: Graph, row: _Row, flops: Flops, counted: set[Value]) -> LayerSummary:
    parameters = 0
    for node in row.nodes:
        for value in node.inputs:
            constant = None if value is None or value in counted else graph.constant_of(value)
            if value is not None and constant is not None and (value.node is None or is_weight(constant)):
                counted.add(value)
                parameters += constant.elements
        parameters += sum(constant.elements for constant in weights_in(node))
    return LayerSummary(
        row.name,
        row.kind,
        tuple(node.op.name for node in row.nodes),
        tuple(repr(value.type) for value in row.nodes[-1].outputs),
        parameters,
        sum(flops.of(node) for node in row.nodes),
    )
