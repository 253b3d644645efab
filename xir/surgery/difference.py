"""What two models differ in: operators, attributes, types, names, inputs and outputs, weights, and the file's head."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from xir._loading import Model, read, second_options
from xir.frontends.options import Loaded, LoadOptions
from xir.ir.constant import Constant
from xir.ir.dims import SymbolicDim, as_dim, to_text
from xir.ir.graph import Graph
from xir.ir.node import Attribute, Node, Value
from xir.ir.training import TrainingStep
from xir.surgery.alignment import Alignment
from xir.surgery.fingerprint import Keys, is_literal
from xir.surgery.names import last_layer
from xir.surgery.weights import WeightChange, compare_weights

SHOWN_ITEMS = 16
"""Items of a long attribute that are put into words."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not the same: `field` was `a` and is `b`; None where it is not there."""

    field: str
    a: str | None
    b: str | None

    def to_dict(self) -> dict[str, object]:
        """The change as plain data."""
        return {"field": self.field, "a": self.a, "b": self.b}


@dataclass(frozen=True, slots=True)
class NodeChange:
    """What became of one operator.

    Attributes:
        kind: `added`, `removed` or `changed`.
        layer: the layer that it stands for, or the name of its result; bodies as `loop/body/layer`.
        op: the operator, of the first model where it is there.
        changes: of a changed one, everything that differs: `operator`, `attribute NAME`, `operand N`, `result N`,
            `name`.
    """

    kind: str
    layer: str
    op: str
    changes: tuple[Change, ...] = ()

    @property
    def is_consequence(self) -> bool:
        """Whether only types or names of results differ: the operator itself is the same."""
        return bool(self.changes) and all(each.field.startswith(("result", "name")) for each in self.changes)

    def to_dict(self) -> dict[str, object]:
        """The change as plain data."""
        return {
            "kind": self.kind,
            "layer": self.layer,
            "op": self.op,
            "changes": [change.to_dict() for change in self.changes],
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that two models differ in.

    Attributes:
        a: the first model's name.
        b: the second model's name.
        nodes: how many operators the two have, bodies and literals not counted.
        model: what differs in the heads of two files of one format: opset, ir_version, producer, metadata.
        inputs: inputs that differ in name, type or place; `field` is the name, `place of NAME`, or
            `OLD -> NEW` where only the name says that they are two.
        outputs: outputs, likewise.
        operators: operators that differ.
        weights: weights that differ.
        same_operators: how many operators are the same.
        same_weights: how many weights are the same.
        training: steps of training that only one model has, and what they change; their operators and weights stand
            with those of the models, as `training 1/algorithm/layer`.
    """

    a: str
    b: str
    nodes: tuple[int, int] = (0, 0)
    model: tuple[Change, ...] = ()
    inputs: tuple[Change, ...] = ()
    outputs: tuple[Change, ...] = ()
    operators: tuple[NodeChange, ...] = ()
    weights: tuple[WeightChange, ...] = ()
    same_operators: int = 0
    same_weights: int = 0
    training: tuple[Change, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether nothing differs, not even a name."""
        return self.same_structure and not (self.model or self.weights)

    @property
    def same_structure(self) -> bool:
        """Whether inputs, outputs, operators and training are the same."""
        return not (self.inputs or self.outputs or self.operators or self.training)

    def to_dict(self) -> dict[str, object]:
        """The difference as plain data, as `--json` prints it."""
        return {
            "version": 1,
            "a": self.a,
            "b": self.b,
            "equal": self.equal,
            "nodes": list(self.nodes),
            "model": [change.to_dict() for change in self.model],
            "inputs": [change.to_dict() for change in self.inputs],
            "outputs": [change.to_dict() for change in self.outputs],
            "operators": [change.to_dict() for change in self.operators],
            "weights": [change.to_dict() for change in self.weights],
            "same_operators": self.same_operators,
            "same_weights": self.same_weights,
            "training": [change.to_dict() for change in self.training],
        }


def diff(a: Model, b: Model, *, options: LoadOptions | None = None) -> Difference:
    """What two models differ in, whatever formats they come from.

    Operators are aligned by names and source layers first, then by structure (`xir.surgery.alignment`), so models that
    other tools wrote, with names of their own, align too. Numbers are compared bit by bit, never run.

    Args:
        a: the first model: a file, or a graph.
        b: the second model.
        options: how to read the first file; the second one is told only what concerns every format.

    Raises:
        XirError: everything that reading raises.
    """
    first, second = read(a, options), read(b, second_options(options))
    found = _diff_graphs(first.graph, second.graph)
    return replace(found, a=_name(a), b=_name(b), model=tuple(_head_changes(first, second)))


def _name(model: Model) -> str:
    return model.name if isinstance(model, Graph) else os.path.basename(os.fspath(model))


@dataclass(slots=True)
class _Findings:
    """What was found so far, over a graph and its bodies."""

    operators: list[NodeChange] = field(default_factory=list[NodeChange])
    weights: list[WeightChange] = field(default_factory=list[WeightChange])
    same_operators: int = 0
    same_weights: int = 0


def _diff_graphs(a: Graph, b: Graph) -> Difference:
    keys, found = Keys(), _Findings()
    training, steps = _training(a, b)
    pending = [*reversed(steps), ("", a, b)]
    while pending:
        path, mine, theirs = pending.pop()
        sides = _Sides(mine, theirs, keys, path)
        found.operators += sides.operators()
        found.same_operators += sides.same
        changes, same = compare_weights(mine, theirs, sides.alignment.pairs, path)
        found.weights += changes
        found.same_weights += same
        pending += reversed(sides.bodies)
        if path:
            found.operators += [
                NodeChange("changed", path.rstrip("/"), "body", (change,))
                for kind in ("input", "output")
                for change in _interface(mine, theirs, kind)
            ]
    return Difference(
        a.name,
        b.name,
        (_count(a), _count(b)),
        (),
        tuple(_interface(a, b, "input")),
        tuple(_interface(a, b, "output")),
        tuple(found.operators),
        tuple(found.weights),
        found.same_operators,
        found.same_weights,
        training,
    )


def _training(a: Graph, b: Graph) -> tuple[tuple[Change, ...], list[tuple[str, Graph, Graph]]]:
    """What differs in the steps of training, and (where, graph, graph) of those that both have."""
    changes: list[Change] = []
    pairs: list[tuple[str, Graph, Graph]] = []
    for number, (mine, theirs) in enumerate(zip_longest(a.training, b.training), 1):
        sides = [TrainingStep() if step is None else step for step in (mine, theirs)]
        for (what, x, bound), (_, y, other) in zip(sides[0].parts, sides[1].parts, strict=True):
            name = f"training {number}/{what}"
            if x is not None and y is not None:
                pairs.append((f"{name}/", x, y))
            elif x is not y:
                changes.append(Change(name, *(None if part is None else words_of(part) for part in (x, y))))
            for weight in dict.fromkeys((*dict(bound), *dict(other))):
                old, new = dict(bound).get(weight), dict(other).get(weight)
                if old != new:
                    changes.append(Change(f"{name} {weight}", old, new))
    return tuple(changes), pairs


def _count(graph: Graph) -> int:
    return sum(not is_literal(node) for node in graph.nodes)


class _Sides:
    """Two graphs, aligned."""

    def __init__(self, a: Graph, b: Graph, keys: Keys, path: str) -> None:
        self.a, self.b, self.keys, self.path = a, b, keys, path
        self.alignment = Alignment(a, b, keys)
        self.same = 0
        self.bodies: list[tuple[str, Graph, Graph]] = []
        self._names = [dict(zip(graph.outputs, graph.output_names, strict=True)) for graph in (a, b)]
        self._places = [{value: index for index, value in enumerate(graph.inputs)} for graph in (a, b)]

    def operators(self) -> list[NodeChange]:
        """What became of every operator: in the first graph's order, new ones last."""
        found: list[NodeChange] = []
        for node in self.a.nodes:
            partner = self.alignment.forward.get(node)
            if is_literal(node):
                continue
            if partner is None:
                found.append(NodeChange("removed", self._layer(node, 0), node.op.name))
                continue
            changes = tuple(self._changes(node, partner))
            if changes:
                found.append(NodeChange("changed", self._layer(node, 0), node.op.name, changes))
            else:
                self.same += 1
        return found + [NodeChange("added", self._layer(n, 1), n.op.name) for n in self.alignment.only_b]

    def _layer(self, node: Node, side: int) -> str:
        return self.path + (last_layer(node) or self._value(node.outputs[0] if node.outputs else None, side))

    def _value(self, value: Value | None, side: int) -> str:
        """A value's name as the model's reader would say it."""
        if value is None:
            return "nothing"
        graph = (self.a, self.b)[side]
        return graph.names.get(value) or self._names[side].get(value) or graph.name_of(value)

    def _changes(self, a: Node, b: Node) -> Iterator[Change]:
        if a.op.name != b.op.name:
            yield Change("operator", a.op.name, b.op.name)
        for name in dict.fromkeys((*a.attributes, *b.attributes)):
            yield from self._attribute(a, b, name)
        for place in range(max(len(a.inputs), len(b.inputs))):
            x, y = (node.inputs[place] if place < len(node.inputs) else None for node in (a, b))
            if not self._same_operand(x, y):
                yield Change(f"operand {place}", self._value(x, 0), self._value(y, 1))
        yield from self._results(a, b)

    def _attribute(self, a: Node, b: Node, name: str) -> Iterator[Change]:
        absent = name not in a.attributes or name not in b.attributes
        x, y = a.attributes.get(name), b.attributes.get(name)
        if isinstance(x, Graph) and isinstance(y, Graph):
            self.bodies.append((f"{self._layer(a, 0)}/{name}/", x, y))
        elif absent or self.keys.attribute(x) != self.keys.attribute(y):
            words = (words_of(each) if name in node.attributes else None for node, each in ((a, x), (b, y)))
            yield Change(f"attribute {name}", *words)

    def _same_operand(self, x: Value | None, y: Value | None) -> bool:
        """Whether two operands are the same thing; which numbers a weight holds is not the matter here."""
        if x is None or y is None:
            return x is y
        made = [value.node if value.node is None or not is_literal(value.node) else None for value in (x, y)]
        if made[0] is None or made[1] is None:
            both = made[0] is made[1]
            places = self._places[0].get(x), self._places[1].get(y)
            named = self.a.names.get(x) == self.b.names.get(y)
            return both and (places[0] == places[1] or (None not in places and named))
        return self.alignment.forward.get(made[0]) is made[1] and x.index == y.index

    def _results(self, a: Node, b: Node) -> Iterator[Change]:
        if len(a.outputs) != len(b.outputs):
            yield Change("results", str(len(a.outputs)), str(len(b.outputs)))
        for index, (x, y) in enumerate(zip(a.outputs, b.outputs, strict=False)):
            if repr(x.type) != repr(y.type):
                yield Change(f"result {index}", repr(x.type), repr(y.type))
            names = [self.a.names.get(x), self.b.names.get(y)]
            if None not in names and names[0] != names[1]:
                yield Change("name", *names)


def words_of(attribute: Attribute) -> str:
    """An attribute's value in words."""
    match attribute:
        case tuple() if len(attribute) > SHOWN_ITEMS:
            return f"[{', '.join(map(words_of, attribute[:SHOWN_ITEMS]))}, ... {len(attribute)} items]"
        case tuple():
            return f"[{', '.join(map(words_of, attribute))}]"
        case Constant():
            few = attribute.elements <= SHOWN_ITEMS
            return f"{attribute.type!r} {attribute.array().tolist() if few else attribute.digest()[:12]}"
        case SymbolicDim():
            return to_text(as_dim(attribute))
        case Graph():
            return f"a body of {len(attribute.nodes)} operators"
        case _:
            return str(attribute)


def _interface(a: Graph, b: Graph, kind: str) -> Iterator[Change]:
    """Inputs (or outputs) that differ: those of one name in type and place, others by their place."""
    sides: list[dict[str, Value]] = []
    for graph in (a, b):
        names, values = (graph.input_names, graph.inputs) if kind == "input" else (graph.output_names, graph.outputs)
        sides.append(dict(zip(names, values, strict=True)))
    mine, theirs = sides
    places: Mapping[str, int] = {name: index for index, name in enumerate(theirs)}
    others = {index: name for name, index in places.items() if name not in mine}
    for index, (name, value) in enumerate(mine.items()):
        if name in theirs:
            if repr(value.type) != repr(theirs[name].type):
                yield Change(name, repr(value.type), repr(theirs[name].type))
            if places[name] != index:
                yield Change(f"place of {name}", str(index), str(places[name]))
        elif index in others:
            other = others.pop(index)
            yield Change(f"{name} -> {other}", repr(value.type), repr(theirs[other].type))
        else:
            yield Change(name, repr(value.type), None)
    for name in others.values():
        yield Change(name, None, repr(theirs[name].type))


def _head_changes(a: Loaded, b: Loaded) -> Iterator[Change]:
    """What two ONNX files differ in beside their graphs."""
    if a.format != "onnx" or b.format != "onnx":
        return
    heads = [_head(loaded.files[0]) for loaded in (a, b)]
    for key in dict.fromkeys((*heads[0], *heads[1])):
        old, new = heads[0].get(key), heads[1].get(key)
        if old != new:
            yield Change(key, old, new)


def _head(path: str) -> dict[str, str]:
    from xir.frontends.onnx.reader import read_model

    model = read_model(path)
    found = {f"opset {domain or 'ai.onnx'}": str(version) for domain, version in sorted(model.opsets.items())}
    found["ir_version"] = str(model.ir_version)
    found |= {"producer": model.producer} if model.producer else {}
    found |= {"graph name": model.graph.name} if model.graph.name else {}
    return found | {f"metadata {key}": value for key, value in sorted(model.metadata.items())}
