"""Which nodes of a graph share a box: those of one layer; what only prepares weights and sizes has none.

A drawing of operators is no drawing of a model: one BatchNorm is six operators, four of them about its weights. So a
box is a layer of the file that was read, and a node without a layer is a box of its own. Left out are nodes that
depend on weights alone and make no layer of a net (a weight's transpose), and arithmetic on sizes; what their readers
get stands in the reader's box.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from xir.inspect.summary import layer_of
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.source import Source
from xir.ir.types import TensorType

Nature = Literal["data", "weights", "sizes"]
"""What a node's results are: computed from inputs, from weights alone, or sizes of something."""


@dataclass(frozen=True, slots=True)
class Group:
    """The nodes of one box, in topological order.

    Attributes:
        nodes: the nodes.
        source: the layer, or None where a node has none.
    """

    nodes: tuple[Node, ...]
    source: Source | None


def groups_of(graph: Graph) -> list[Group]:
    """The groups that are drawn, each behind those that it reads."""
    natures = _natures(graph)
    by_layer: dict[object, list[Node]] = {}
    for node in graph.nodes:
        by_layer.setdefault(_key(node), []).append(node)
    members = _without_cycles(list(by_layer.values()))
    kept = frozenset(graph.outputs)
    shown = [nodes for nodes in members if _is_drawn(nodes, natures, kept)]
    return [Group(tuple(shown[place]), layer_of(shown[place][0])) for place in _sorted(_readers(shown))]


def _key(node: Node) -> object:
    source = layer_of(node)
    return node if source is None else (source.framework, source.file, source.layer, source.order)


# --- what is drawn -------------------------------------------------------------------------------------------------


def _natures(graph: Graph) -> dict[Node, Nature]:
    """The nature of every node; one without operands computes data, unless it is a literal."""
    found: dict[Node, Nature] = {}
    inputs = frozenset(graph.inputs)
    for node in graph.nodes:
        found[node] = _nature(node, inputs, found)
    return found


def _nature(node: Node, inputs: frozenset[Value], found: dict[Node, Nature]) -> Nature:
    operands = [value for value in node.inputs if value is not None]
    if node.op.name == "shape_of":
        return "sizes"
    if not operands:
        return "weights" if node.op.name == "constant" else "data"
    natures = {
        found[value.node] if value.node is not None else ("data" if value in inputs else "weights")
        for value in operands
    }
    if "data" in natures:
        return "data"
    if "sizes" in natures:
        return "sizes" if all(_is_small(value) for value in node.outputs) else "data"
    return "weights"


def _is_small(value: Value) -> bool:
    """Whether it is a list of whole numbers, as sizes are."""
    type = value.type
    return isinstance(type, TensorType) and type.dtype.is_integer and type.rank <= 1


def _is_drawn(nodes: Sequence[Node], natures: dict[Node, Nature], kept: frozenset[Value]) -> bool:
    """Whether a group makes data or results, or is a layer of a net of layers (Caffe's PriorBox, Parameter)."""
    source = layer_of(nodes[0])
    is_layer = source is not None and source.framework == "caffe"
    return is_layer or any(natures[node] == "data" or not kept.isdisjoint(node.outputs) for node in nodes)


# --- order ---------------------------------------------------------------------------------------------------------


def _readers(members: Sequence[Sequence[Node]]) -> list[list[int]]:
    """For each group the groups that read it, each once."""
    owner = {node: place for place, nodes in enumerate(members) for node in nodes}
    found: list[dict[int, None]] = [{} for _ in members]
    for place, nodes in enumerate(members):
        for value in (value for node in nodes for value in node.inputs):
            maker = owner.get(value.node) if value is not None and value.node is not None else None
            if maker is not None and maker != place:
                found[maker][place] = None
    return [list(each) for each in found]


def _without_cycles(members: list[list[Node]]) -> list[list[Node]]:
    """The groups, those that read each other in a circle split into their nodes (a fused layer may straddle one)."""
    readers = _readers(members)
    read: list[list[int]] = [[] for _ in members]
    for place, each in enumerate(readers):
        for reader in each:
            read[reader].append(place)
    clear = frozenset((*_sorted(readers), *_sorted(read)))
    return [
        piece
        for place, nodes in enumerate(members)
        for piece in ([nodes] if place in clear else [[node] for node in nodes])
    ]


def _sorted(readers: Sequence[Sequence[int]]) -> list[int]:
    """The groups, each behind those that it reads; those on and behind a circle are left out."""
    missing = [0] * len(readers)
    for place in (place for each in readers for place in each):
        missing[place] += 1
    ready = [place for place in range(len(readers) - 1, -1, -1) if not missing[place]]
    found: list[int] = []
    while ready:
        place = ready.pop()
        found.append(place)
        for reader in reversed(readers[place]):
            missing[reader] -= 1
            if not missing[reader]:
                ready.append(reader)
    return found


def read_from(nodes: Iterable[Node]) -> list[Value]:
    """What a group reads from outside, each once, in the order of its nodes."""
    own = {value for node in nodes for value in node.outputs}
    return list(dict.fromkeys(v for node in nodes for v in node.inputs if v is not None and v not in own))


def handed_on(nodes: Sequence[Node], readers: dict[Value, int], kept: frozenset[Value]) -> list[Value]:
    """What a group makes for others.

    Args:
        nodes: the group's.
        readers: {value: how often the whole graph reads it}.
        kept: the graph's outputs.
    """
    inside: dict[Value, int] = {}
    for value in (value for node in nodes for value in node.inputs):
        if value is not None:
            inside[value] = inside.get(value, 0) + 1
    made = [value for node in nodes for value in node.outputs]
    used = [value for value in made if value in kept or readers.get(value, 0) > inside.get(value, 0)]
    return used or list(nodes[-1].outputs)
