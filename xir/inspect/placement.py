"""Where each layer of a compiled model runs: in which kernel of machine code, together with what, or on the host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from xir.backends.codegen.engine import host
from xir.backends.codegen.lowering.lower import expand, lower
from xir.backends.codegen.steps import Branch, Choose, Hosted, Repeat, Run, Step
from xir.inspect.summary import layer_of
from xir.ir.graph import Graph
from xir.ir.node import Node
from xir.ir.source import Source
from xir.passes import optimize

MACHINE, HOST, NOTHING = "machine code", "host", "nothing to do"


@dataclass(frozen=True, slots=True)
class PlacedStep:
    """A step of the program: a kernel, or a node of the host.

    Attributes:
        number: its number, from 0 on.
        where: `machine code` or `host`.
        operators: what it computes, in order.
        layers: the layers that these stand for, in order.
        inside: `loop` or `branch` where it stands in one, outermost first.
        reason: why it is no machine code; empty where it is.
    """

    number: int
    where: str
    operators: tuple[str, ...]
    layers: tuple[str, ...]
    inside: tuple[str, ...] = ()
    reason: str = ""

    def to_dict(self) -> dict[str, object]:
        """The step as plain data."""
        return {
            "number": self.number,
            "where": self.where,
            "operators": list(self.operators),
            "layers": list(self.layers),
            "inside": list(self.inside),
            "reason": self.reason or None,
        }


@dataclass(frozen=True, slots=True)
class PlacedLayer:
    """A layer of the model.

    Attributes:
        name: the layer's name; for a node without a layer its result's name.
        kind: the layer's type; for a node without a layer its operator.
        where: `machine code`, `host` (if any of it runs there), or `nothing to do` (it only looks at elements in
            another way, was computed before the run, or does nothing in inference).
        steps: numbers of the steps that compute it.
        reason: why something of it is no machine code.
    """

    name: str
    kind: str
    where: str
    steps: tuple[int, ...]
    reason: str = ""

    def to_dict(self) -> dict[str, object]:
        """The layer as plain data."""
        return {
            "name": self.name,
            "kind": self.kind,
            "where": self.where,
            "steps": list(self.steps),
            "reason": self.reason or None,
        }


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model runs.

    Attributes:
        cpu: the processor, as LLVM calls it.
        steps: the program's steps, those of loops and branches once.
        layers: the model's layers in order.
    """

    cpu: str
    steps: tuple[PlacedStep, ...]
    layers: tuple[PlacedLayer, ...]

    @property
    def kernels(self) -> int:
        """How many steps are machine code."""
        return sum(step.where == MACHINE for step in self.steps)

    @property
    def hosted(self) -> int:
        """How many steps run on the host."""
        return len(self.steps) - self.kernels

    def to_dict(self) -> dict[str, object]:
        """The placement as plain data, as `--json` prints it."""
        return {
            "cpu": self.cpu,
            "kernels": self.kernels,
            "hosted": self.hosted,
            "steps": [step.to_dict() for step in self.steps],
            "layers": [layer.to_dict() for layer in self.layers],
        }


def place(graph: Graph) -> Placement:
    """Where the layers of a graph run when it is compiled for this machine; nothing is compiled.

    Raises:
        UnsupportedError: if the machine is no Linux on x86-64 with AVX2.
        MissingExtraError: if llvmlite is not installed.
    """
    machine = host()
    expanded = expand(optimize(graph))
    steps: list[PlacedStep] = []
    rows: dict[_Key, _Row] = {
        _key(source): _Row(source.layer, source.kind) for node in graph.nodes for source in _own(node)
    }
    for step, inside in every(lower(expanded, machine).steps):
        nodes = nodes_of(step)
        where = HOST if isinstance(step, Hosted) else MACHINE
        reason = step.reason if isinstance(step, Hosted) else ""
        layers = dict.fromkeys(layer_name(node, expanded) for node in nodes)
        operators = tuple(node.op.name for node in nodes) or ("copy",)
        steps.append(PlacedStep(len(steps), where, operators, tuple(layers), inside, reason))
        for node in nodes:
            own = _own(node)
            keys: Sequence[_Key] = [_key(source) for source in own] or [expanded.name_of(node.outputs[0])]
            for key, source in zip(keys, own or (None,), strict=True):
                name, kind = (source.layer, source.kind) if source else (str(key), node.op.name)
                rows.setdefault(key, _Row(name, kind)).steps[len(steps) - 1] = None
    return Placement(machine.cpu, tuple(steps), tuple(_layer(row, steps) for row in rows.values()))


_Key: TypeAlias = "tuple[str, str, str, int] | str"


@dataclass(slots=True)
class _Row:
    name: str
    kind: str
    steps: dict[int, None] = field(default_factory=dict[int, None])


def _key(source: Source) -> tuple[str, str, str, int]:
    return source.framework, source.file, source.layer, source.order


def _own(node: Node) -> Sequence[Source]:
    """The layers of the file that was read (see `layer_of`) of a node, all where several were fused."""
    last = layer_of(node)
    return [] if last is None else [source for source in node.source if source.framework == last.framework]


def _layer(row: _Row, steps: Sequence[PlacedStep]) -> PlacedLayer:
    hosted = [steps[number] for number in row.steps if steps[number].where == HOST]
    where = HOST if hosted else MACHINE if row.steps else NOTHING
    return PlacedLayer(row.name, row.kind, where, tuple(row.steps), hosted[0].reason if hosted else "")


def layer_name(node: Node, graph: Graph) -> str:
    """The name of a node's layer; where it has none that of its result, or its operator's."""
    source = layer_of(node)
    if source is not None:
        return source.layer
    named = graph.names.get(node.outputs[0]) if node.outputs else None
    return node.op.name if named is None else named


def every(steps: Sequence[Step]) -> Iterator[tuple[Step, tuple[str, ...]]]:
    """The steps that compute, those of loops and branches too, with what they stand in."""
    pending: list[tuple[Step, tuple[str, ...]]] = [(step, ()) for step in reversed(steps)]
    while pending:
        step, inside = pending.pop()
        within: Sequence[Step] = ()
        match step:
            case Repeat():
                within, inside = step.body, (*inside, "loop")
            case Choose():
                within, inside = (*step.then, *step.otherwise), (*inside, "branch")
            case Branch():
                within, inside = (*step.then.steps, *step.otherwise.steps), (*inside, "branch")
            case _:
                yield step, inside
        pending += [(each, inside) for each in reversed(within)]


def nodes_of(step: Step) -> tuple[Node, ...]:
    """What a step computes, with all that stands in it; nothing for a copy."""
    found: list[Node] = []
    for each, _ in every([step]):
        match each:
            case Run():
                found += each.nodes
            case Hosted():
                found.append(each.node)
            case _:
                pass
    return tuple(found)
