"""Which values of two graphs stand for the same layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.source import Source
from xir.ir.types import TensorType
from xir.reference import run

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
    """

    name: str
    a: Value
    b: Value
    a_words: str
    b_words: str


def pair_layers(a: Graph, b: Graph) -> tuple[list[Pair], list[str]]:
    """The layers that both graphs have, in the first one's order, and those that have no partner.

    Values pair by their names; what is left pairs by the layer that a node ends on both sides. ONNX files that xir
    wrote carry the layers of their source, so a fused node pairs with the last of the layers that it stands for.
    """
    by_name = {b.names[value]: value for node in b.nodes for value in node.outputs if value in b.names}
    by_name.update(
        (name, value) for name, value in zip(b.output_names, b.outputs, strict=True) if value.node is not None
    )
    by_layer = _ends_of_layers(b)
    outputs = {value: name for name, value in zip(a.output_names, a.outputs, strict=True)}
    ends = {value: layer for layer, value in _ends_of_layers(a).items()}
    pairs: list[Pair] = []
    unpaired: list[str] = []
    for node in a.nodes:
        for value in node.outputs:
            name = outputs.get(value) or a.names.get(value)
            layer = ends.get(value)
            partner = by_name.get(name) if name is not None else None
            if partner is None and layer is not None:
                partner = by_layer.get(layer)
            if partner is not None and _comparable(value, partner):
                pairs.append(Pair(layer or name or "", value, partner, words(node), words(partner.node)))
            elif layer is not None:
                unpaired.append(layer)
    return pairs, unpaired


def _ends_of_layers(graph: Graph) -> dict[str, Value]:
    """{layer: the result of the last node that ends it}."""
    found: dict[str, Value] = {}
    for node in graph.nodes:
        if len(node.outputs) == 1:
            for source in _last_sources(node):
                found[source.layer] = node.outputs[0]
    return found


def _last_sources(node: Node) -> list[Source]:
    """For each framework and file that the node comes from, the last of its layers that the node stands for."""
    last: dict[tuple[str, str], Source] = {}
    for source in node.source:
        held = last.get((source.framework, source.file))
        if held is None or source.order >= held.order:
            last[source.framework, source.file] = source
    return list(last.values())


def _comparable(a: Value, b: Value) -> bool:
    return (
        isinstance(a.type, TensorType)
        and isinstance(b.type, TensorType)
        and a.type.dtype is b.type.dtype
        and a.type.rank == b.type.rank
    )


def words(node: Node | None) -> str:
    """The layer that a node stands for: `Caffe conv3`, `/conv3/Conv`; that of the file itself, not of its source."""
    if node is None:
        return "input"
    sources = _last_sources(node)
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
