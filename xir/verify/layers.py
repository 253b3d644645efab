"""Which values of two graphs stand for the same layer, and where the two first differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.types import TensorType
from xir.reference import run


@dataclass(frozen=True, slots=True)
class Pair:
    """One layer on both sides, with the permutation from the first side's axes to the second's."""

    name: str
    a: Value
    b: Value
    a_words: str
    b_words: str
    layout: tuple[int, ...] | None = None


def pair_layers(a: Graph, b: Graph) -> tuple[list[Pair], list[str]]:
    """The layers that both graphs have, in the first one's order, and those that have no partner.

    Values pair by their names; what is left pairs by the layer that the last node of a source made.
    """
    by_name = {b.names[value]: value for node in b.nodes for value in node.outputs if value in b.names}
    by_name.update(
        (name, value) for name, value in zip(b.output_names, b.outputs, strict=True) if value.node is not None
    )
    by_layer = _last_of_layers(b)
    pairs: list[Pair] = []
    unpaired: list[str] = []
    outputs = {value: name for name, value in zip(a.output_names, a.outputs, strict=True)}
    a_layers = {value: name for name, value in _last_of_layers(a).items()}
    for node in a.nodes:
        for value in node.outputs:
            name = outputs.get(value) or a.names.get(value)
            layer = a_layers.get(value)
            partner = by_name.get(name) if name is not None else None
            if partner is None and layer is not None:
                partner = by_layer.get(layer)
            if partner is not None and _comparable(value, partner):
                pairs.append(Pair(name or layer or "", value, partner, words(node), words(partner.node)))
            elif layer is not None:
                unpaired.append(layer)
    return pairs, unpaired


def _last_of_layers(graph: Graph) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for node in graph.nodes:
        if node.source and len(node.outputs) == 1:
            found[node.source[-1].layer] = node.outputs[0]
    return found


def _comparable(a: Value, b: Value) -> bool:
    return (
        isinstance(a.type, TensorType)
        and isinstance(b.type, TensorType)
        and a.type.dtype is b.type.dtype
        and a.type.rank == b.type.rank
    )


def words(node: Node | None) -> str:
    """The layer that a node stands for: `Caffe conv3 (Convolution)`."""
    if node is None:
        return "input"
    if not node.source:
        return node.op.name
    source = node.source[-1]
    return f"{source.framework} {source.layer} ({source.kind})"


def values_of(graph: Graph, wanted: set[Value], feeds: Mapping[str, Array]) -> dict[Value, Array]:
    """The arrays of some values of a graph, computed by the reference."""
    kept: dict[Value, Array] = {}

    def observe(node: Node, results: tuple[Array, ...]) -> None:
        for value, array in zip(node.outputs, results, strict=True):
            if value in wanted:
                kept[value] = np.asarray(array)

    run(graph, feeds, observe=observe)
    return kept
