"""Results of nodes that come from outside: the graph with placeholders in their place.

What data sets and queues hand out is no part of a graph: what comes out of them is fed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from xir.frontends.tensorflow._reach import PASSING, functions_of, needed
from xir.frontends.tensorflow.model import Edge, TfFunction, TfGraph, TfNode
from xir.frontends.tensorflow.proto.message import Message
from xir.frontends.tensorflow.tensors import DTYPES, REFERENCE, constant_from, dtype_of, shape_of_message, type_of
from xir.ir.types import Type

_FROM_ITERATORS = frozenset(("IteratorGetNext", "IteratorGetNextSync"))
_FROM_QUEUES = {
    f"QueueDequeue{how}{version}": how for how in ("", "Many", "UpTo") for version in ("", "V2")
}  # `Many` takes a number of elements at once, `UpTo` fewer where there are no more
_QUEUES = frozenset(
    f"{name}{version}"
    for name in ("FIFOQueue", "PaddingFIFOQueue", "RandomShuffleQueue", "PriorityQueue")
    for version in ("", "V2")
)
_HANDS = 100
"""Nodes that hand on a handle of a queue, one behind another."""

SOURCES = _FROM_ITERATORS | _FROM_QUEUES.keys()
"""Nodes whose results are fed."""

HANDED_OUT = _QUEUES | {"Iterator", "IteratorV2", "OneShotIterator"}
"""What they take it from, which is no part of the model."""


def with_sources(graph: TfGraph) -> TfGraph:
    """The graph in which what iterators and queues hand out are placeholders, of the types that their nodes tell.

    A node that does not tell them, or hands out what is no tensor, stays.
    """
    types: dict[Edge, Type] = {}
    for node in graph.nodes.values():
        if node.kind in SOURCES:
            types |= {Edge(node.name, "", place): told for place, told in enumerate(_handed_out(graph, node))}
    return pruned(placed(graph, types), unread(graph)) if types else graph


def unread(graph: TfGraph) -> list[str]:
    """The names of the nodes that no other node reads, or waits for."""
    read = {edge.node for node in graph.nodes.values() for edge in node.inputs}
    read.update(name for node in graph.nodes.values() for name in node.controls)
    return [name for name in graph.nodes if name not in read]


def placed(graph: TfGraph, types: Mapping[Edge, Type]) -> TfGraph:
    """The graph in which these results are placeholders, called as graphs spell them (`node`, `node:1`).

    A node of which other results are read stays, under a name that no file can hold.
    """
    new = {edge: TfNode(str(edge), "Placeholder", (), (), {}, graph.nodes[edge.node].order) for edge in types}
    cut = {edge.node for edge in types}

    def moved(edge: Edge) -> Edge:
        if edge in new:
            return Edge(new[edge].name, "", 0)
        return edge._replace(node=f"^{edge.node}") if edge.node in cut else edge

    nodes: dict[str, TfNode] = {}
    for node in graph.nodes.values():
        name = f"^{node.name}" if node.name in cut else node.name
        nodes[name] = replace(node, name=name, inputs=tuple(moved(edge) for edge in node.inputs))
    nodes |= {node.name: node for node in new.values()}
    told = {new[edge].name: type for edge, type in types.items()}
    kinds = {new[edge].name: graph.nodes[edge.node].kind for edge in types}
    return replace(graph, nodes=nodes, types={**graph.types, **told}, origins={**graph.origins, **kinds})


def pruned(graph: TfGraph, ends: Iterable[str]) -> TfGraph:
    """The part of a graph that these nodes need, with the functions that it calls."""
    kept = {node.name for node in needed(graph, list(ends))}
    nodes = {name: node for name, node in graph.nodes.items() if name in kept}
    functions: dict[str, TfFunction] = {}
    pending = list(nodes.values())
    while pending:
        for function in functions_of(graph, pending.pop()):
            if function.name not in functions:
                functions[function.name] = function
                pending += function.nodes.values()
    return replace(graph, nodes=nodes, functions=functions)


def source_notes(graph: TfGraph, inputs: Sequence[str]) -> tuple[str, ...]:
    """What a person should know of inputs that nobody asked for: one note for each kind of node."""
    found: dict[str, list[str]] = {}
    for name in inputs:
        if graph.origins.get(name) in SOURCES:
            found.setdefault(graph.origins[name], []).append(repr(name))
    return tuple(f"what {kind} hands out is an input: {', '.join(names)}" for kind, names in found.items())


def _handed_out(graph: TfGraph, node: TfNode) -> list[Type]:
    """The types of what a node takes from its iterator or queue (tensorflow/core/ops/data_flow_ops.cc)."""
    if node.kind in _FROM_ITERATORS:
        return _types(node, "output_types", _shapes(node, "output_shapes"), ())
    shapes = None if not node.inputs else _shapes(_queue(graph, node.inputs[0]), "shapes")
    how = _FROM_QUEUES[node.kind]
    batch = () if not how else (_count(graph, node) if how == "Many" else None,)
    return _types(node, "component_types", shapes, batch)


def _queue(graph: TfGraph, edge: Edge) -> TfNode | None:
    """The node that makes a queue."""
    for _ in range(_HANDS):
        node = graph.nodes.get(edge.node)
        if node is None or node.kind not in PASSING or not node.inputs:
            return node if node is not None and node.kind in _QUEUES else None
        edge = node.inputs[0]
    return None


def _count(graph: TfGraph, node: TfNode) -> int | None:
    """How many elements a node takes at once, where that is written in the graph."""
    number = graph.nodes.get(node.inputs[1].node) if len(node.inputs) > 1 else None
    held = None if number is None or number.kind != "Const" else number.attributes.get("value")
    if held is None:
        return None
    made = constant_from(held.required("tensor"), "a number of elements")
    count = int(made.array().reshape(-1)[0]) if made.dtype.is_integer and made.elements == 1 else -1
    return count if count >= 0 else None


def _shapes(node: TfNode | None, name: str) -> tuple[tuple[int | None, ...] | None, ...] | None:
    held = None if node is None else node.attributes.get(name)
    listed = None if held is None else held.message("list")
    return None if listed is None else tuple(shape_of_message(each) for each in listed.messages("shape"))


def _types(
    node: TfNode, name: str, shapes: Sequence[tuple[int | None, ...] | None] | None, batch: tuple[int | None, ...]
) -> list[Type]:
    held = node.attributes.get(name) or Message("", {})
    numbers = (held.message("list") or Message("", {})).integers("type")
    if any(number % REFERENCE not in DTYPES for number in numbers):
        return []
    dtypes = [dtype_of(number, f"attribute {name!r}") for number in numbers]
    if shapes is None or len(shapes) != len(dtypes):
        return [type_of(dtype, None) for dtype in dtypes]
    sizes = (None if shape is None else (*batch, *shape) for shape in shapes)
    return [type_of(dtype, each) for dtype, each in zip(dtypes, sizes, strict=True)]
