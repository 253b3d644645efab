"""Which values of two graphs stand for the same layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from xir.ir.constant import Array
from xir.ir.dims import equal
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.source import Source
from xir.ir.types import TensorType
from xir.reference import run

Perm = tuple[int, ...]

_TITLES = {"caffe": "Caffe ", "onnx": "", "xir": ""}
"""How a framework stands before a layer's name; an ONNX node's name speaks for itself."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One layer on both sides.

    Attributes:
        name: the layer's name on the first side, or the value's where it has none.
        a: its result on the first side.
        b: its result on the second side.
        a_words: the layer on the first side, in words.
        b_words: the layer on the second side, in words.
        perm: the permutation that brings the second side's axes into the first one's order, or None.
    """

    name: str
    a: Value
    b: Value
    a_words: str
    b_words: str
    perm: Perm | None = None


def pair_layers(a: Graph, b: Graph) -> tuple[list[Pair], list[str]]:
    """The layers that both graphs have, in the first one's order, and those that have no partner.

    Outputs pair by their names. Other values pair by their names too, else by the layer that a node ends on both
    sides, unless the sources tell that the two stand for different layers: a node into which later ones were fused
    keeps the first one's name and computes the last one's result, so it pairs with the last of the layers that it
    stands for.
    """
    partners = _Partners(b)
    outputs = {value: name for name, value in zip(a.output_names, a.outputs, strict=True)}
    ends = {value: layer for (_, layer), value in _ends_of_layers(a).items()}
    pairs: list[Pair] = []
    unpaired: list[str] = []
    for node in a.nodes:
        for value in node.outputs:
            name, layer = outputs.get(value) or a.names.get(value), ends.get(value)
            output = partners.of_output(value, outputs.get(value))
            partner = output or partners.of(value, name, layer)
            if partner is not None:
                perm = None if output is not None else _between(value, partner)
                pairs.append(Pair(layer or name or "", value, partner, words(node), words(partner.node), perm))
            elif layer is not None:
                unpaired.append(layer)
    return pairs, unpaired


class _Partners:
    """The values of a graph, by everything that they may be found by."""

    def __init__(self, graph: Graph) -> None:
        self.outputs = {
            name: value for name, value in zip(graph.output_names, graph.outputs, strict=True) if value.node
        }
        self.names = {
            graph.names[value]: value for node in graph.nodes for value in node.outputs if value in graph.names
        }
        self.names.update(self.outputs)
        self.ends = _ends_of_layers(graph)
        self.layers: dict[str, list[Value]] = {}
        for (_, layer), end in self.ends.items():
            self.layers.setdefault(layer, []).append(end)

    def of_output(self, value: Value, name: str | None) -> Value | None:
        """The output of that name, if it can be compared with `value`."""
        found = self.outputs.get(name) if name is not None else None
        return found if found is not None and _comparable(value, found) else None

    def of(self, value: Value, name: str | None, layer: str | None) -> Value | None:
        """The value of that name, or at the end of that layer, which is the same layer's result as `value`."""
        found = [self.names.get(name)] if name is not None else []
        if layer is not None and value.node is not None:
            keys = ((source.framework, source.layer) for source in _last_sources(value.node).values())
            found += [*(self.ends.get(key) for key in keys), *self.layers.get(layer, [])]
        return next((each for each in found if each is not None and _same_layer(value, each)), None)


def _ends_of_layers(graph: Graph) -> dict[tuple[str, str], Value]:
    """{(framework, layer): the result of the last node that ends it}."""
    found: dict[tuple[str, str], Value] = {}
    for node in graph.nodes:
        if len(node.outputs) == 1:
            for source in _last_sources(node).values():
                found[source.framework, source.layer] = node.outputs[0]
    return found


def _last_sources(node: Node) -> dict[tuple[str, str], Source]:
    """For each framework and file that the node comes from, the last of its layers that the node stands for."""
    last: dict[tuple[str, str], Source] = {}
    for source in node.source:
        held = last.get((source.framework, source.file))
        if held is None or source.order >= held.order:
            last[source.framework, source.file] = source
    return last


def _same_layer(a: Value, b: Value) -> bool:
    """Whether two values that share a name may be compared: the same layer's results, of the same form."""
    if a.node is None or b.node is None or not _same_origin(a.node, b.node):
        return False
    return _comparable(a, b, _between(a, b))


def _between(a: Value, b: Value) -> Perm | None:
    """The permutation from b's axes to a's where the sources tell that the layer's result is stored in two orders.

    A source's layout leads from the layer's own axes to ours (`xir.ir.source`).
    """
    if a.node is None or b.node is None:
        return None
    ours, theirs = _last_sources(a.node), _last_sources(b.node)
    shared = next((key for key in ours if key in theirs and ours[key].layer == theirs[key].layer), None)
    if shared is None or ours[shared].layout == theirs[shared].layout:
        return None
    here, there = ours[shared].layout, theirs[shared].layout
    ranks = {value.type.rank for value in (a, b) if isinstance(value.type, TensorType)}
    if any(perm is not None and ranks != {len(perm)} for perm in (here, there)):
        return None
    axes = tuple(range(ranks.pop()))
    there = there or axes
    return tuple(there.index(axis) for axis in here or axes)


def _same_origin(a: Node, b: Node) -> bool:
    """Whether what the two nodes tell of their origin agrees.

    Files that both come from must give both the same last layer. Without such a file the layers of a framework decide
    that both come from, such as Caffe where one net stands in a prototxt and in its caffemodel. Names of ONNX nodes
    are not asked then: every exporter makes up its own, and it is the value's name that lasts.
    """
    ours, theirs = _last_sources(a), _last_sources(b)
    shared = [key for key in ours if key in theirs]
    if shared:
        return all(ours[key].layer == theirs[key].layer for key in shared)
    frameworks = {framework: None for framework, _ in ours if framework != "onnx"}
    return all(
        _layers_of(framework, ours) & _layers_of(framework, theirs)
        for framework in frameworks
        if _layers_of(framework, theirs)
    )


def _layers_of(framework: str, sources: Mapping[tuple[str, str], Source]) -> set[str]:
    return {source.layer for (other, _), source in sources.items() if other == framework}


def _comparable(a: Value, b: Value, perm: Perm | None = None) -> bool:
    """Whether the two have the same element type and rank, and the same sizes, b's moved, as far as they are known.

    Other sizes are a difference only between results of one operator, such as a pooling that rounds otherwise.
    """
    if not isinstance(a.type, TensorType) or not isinstance(b.type, TensorType):
        return False
    if a.type.dtype is not b.type.dtype or a.type.rank != b.type.rank:
        return False
    shape = b.type.shape if perm is None else tuple(b.type.shape[axis] for axis in perm)
    other_sizes = any(equal(x, y) is False for x, y in zip(a.type.shape, shape, strict=True))
    same_operator = a.node is not None and b.node is not None and a.node.op.name == b.node.op.name
    return same_operator or not other_sizes


def words(node: Node | None) -> str:
    """The layer that a node stands for: `Caffe conv3`, `/conv3/Conv`; that of the file itself, not of its source."""
    if node is None:
        return "input"
    sources = list(_last_sources(node).values())
    if not sources:
        return node.op.name
    own = next((source for source in sources if source.framework == "onnx"), sources[-1])
    return f"{_TITLES.get(own.framework, own.framework + ' ')}{own.layer}"


def values_of(
    graph: Graph, wanted: set[Value], feeds: Mapping[str, Array]
) -> tuple[dict[Value, Array], dict[str, Array]]:
    """The arrays of some values of a graph, and of its outputs by name, computed by the reference."""
    kept: dict[Value, Array] = {}

    def observe(node: Node, results: tuple[Array, ...]) -> None:
        for value, array in zip(node.outputs, results, strict=True):
            if value in wanted:
                kept[value] = np.asarray(array)

    outputs = run(graph, feeds, observe=observe)
    return kept, outputs
