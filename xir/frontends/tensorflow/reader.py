"""GraphDef files, binary (`.pb`) and as text (`.pbtxt`), as plain graphs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from xir.errors import FormatError, InvalidModelError
from xir.files import MappedFile, PathLike, open_mapped, read_text
from xir.frontends._wire import LENGTH, VARINT, Span, Wire
from xir.frontends.tensorflow._placed import with_sources
from xir.frontends.tensorflow.model import Edge, TfFunction, TfGraph, TfNode, parse_edge
from xir.frontends.tensorflow.proto.binary import read_message
from xir.frontends.tensorflow.proto.message import Message
from xir.frontends.tensorflow.proto.pbtxt import parse_text
from xir.limits import MAX_TEXT_BYTES

_OUTLINE = {1: LENGTH, 2: LENGTH, 3: VARINT, 4: LENGTH, 5: LENGTH}
"""Fields of GraphDef with their wire types (graph.proto)."""

_TEXT_START = re.compile(
    rb"(?:\s|#[^\n]*\n)*(?:node|library|versions)\s*:?\s*[{<]\s*(?:name|op|function|producer)\s*:?"
)
_NODE_START = re.compile(rb"\bop\s*:\s*[\"']")
_HEAD = 4096
_MAX_NODES_LOOKED_AT = 3


def looks_like_graph(file: MappedFile) -> bool:
    """Whether a file is a GraphDef, from how it begins: text with nodes, or nodes with a name and an operator."""
    head = file.read_at(0, min(file.size, _HEAD))
    if _TEXT_START.match(head) is not None:
        return _NODE_START.search(head) is not None
    return holds_graph(Wire(file, "TensorFlow graph"), Span(0, file.size))


def holds_graph(wire: Wire, span: Span) -> bool:
    """Whether the first fields of a message are those of a GraphDef, and the first nodes are nodes."""
    nodes = 0
    try:
        for number, kind, start, stop in wire.records(span):
            if _OUTLINE.get(number) != kind:
                return False
            if number == 1:
                if not _is_node({record[:2] for record in wire.records(Span(start, stop))}):
                    return False
                nodes += 1
            if nodes == _MAX_NODES_LOOKED_AT:
                break
    except FormatError:
        return nodes > 0
    return nodes > 0


def _is_node(fields: set[tuple[int, int]]) -> bool:
    """Whether a message with these fields and wire types is a NodeDef with a name and an operator (node_def.proto)."""
    return {(1, LENGTH), (2, LENGTH)} <= fields <= {(number, LENGTH) for number in range(1, 9)}


def read_graph(path: PathLike) -> TfGraph:
    """The graph in a file.

    Raises:
        FormatError: the file is none, or damaged.
        InvalidModelError: names are missing or stand twice.
        UnsafeError: there is more in it than the limits allow.
    """
    file = open_mapped(path)
    head = file.read_at(0, min(file.size, _HEAD))
    if _TEXT_START.match(head) is not None:
        text = read_text(path, MAX_TEXT_BYTES)
        message = parse_text(text, "GraphDef", file=file.path)
    else:
        message = read_message(Wire(file, "TensorFlow graph"), Span(0, file.size), "GraphDef")
    return graph_of(message, file.path)


def graph_of(message: Message, path: str) -> TfGraph:
    """The graph that a GraphDef message describes; what iterators and queues hand out are placeholders."""
    nodes = _nodes(message.messages("node"), path)
    functions: dict[str, TfFunction] = {}
    library = message.message("library")
    for each in library.messages("function") if library is not None else ():
        function = _function(each, path)
        if function.name in functions:
            raise InvalidModelError(f"two functions are called {function.name!r}", file=path)
        functions[function.name] = function
    return with_sources(TfGraph(path, nodes, functions))


def _function(message: Message, path: str) -> TfFunction:
    signature = message.required("signature")
    name = signature.text("name")
    results = {entry.text("key"): entry.text("value") for entry in message.messages("ret")}
    edges: list[Edge] = []
    for output in signature.messages("output_arg"):
        edge = parse_edge(results.get(output.text("name"), ""))
        if edge is None:
            raise InvalidModelError(
                f"function {name!r} does not say what its result {output.text('name')!r} is", file=path
            )
        edges.append(edge)
    arguments = tuple(argument.text("name") for argument in signature.messages("input_arg"))
    nodes = _nodes(message.messages("node_def"), path)
    effects = dict.fromkeys(entry.text("value") for entry in message.messages("control_ret"))
    return TfFunction(name, arguments, nodes, tuple(edges), tuple(effects))


def _nodes(messages: Sequence[Message], path: str) -> dict[str, TfNode]:
    nodes: dict[str, TfNode] = {}
    for order, message in enumerate(messages):
        node = _node(message, order, path)
        if not node.name or node.name in nodes:
            raise InvalidModelError(f"the name of a node is {node.name!r}: empty, or that of two nodes", file=path)
        nodes[node.name] = node
    return nodes


def _node(message: Message, order: int, path: str) -> TfNode:
    inputs: list[Edge] = []
    controls: list[str] = []
    name, kind = message.text("name"), message.text("op")
    for text in message.texts("input"):
        edge = parse_edge(text)
        if edge is None:
            raise InvalidModelError(f"{text[:80]!r} names no result of a node", file=path, layer=name, kind=kind)
        if text.startswith("^"):
            controls.append(edge.node)
        else:
            inputs.append(edge)
    return TfNode(name, kind, tuple(inputs), tuple(controls), message.entries("attr"), order)
