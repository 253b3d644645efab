"""ONNX files as plain messages: bounded, without protobuf's own objects, weights left where they lie.

Field numbers and names are those of onnx.proto (onnx 1.23). A field that onnx.proto does not have is an error; one
that it has and xir does not need (doc strings, type annotations of inner tensors) is passed over by name here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from xir.errors import FormatError
from xir.files import PathLike, open_mapped
from xir.frontends._wire import FIXED32, Record, Span, Wire
from xir.frontends.onnx._tensor_messages import read_entry, read_sparse_tensor, read_tensor
from xir.frontends.onnx._type_messages import read_type, read_value_info
from xir.frontends.onnx.model import (
    Attribute,
    AttributeValue,
    OnnxFunction,
    OnnxGraph,
    OnnxModel,
    OnnxNode,
    OnnxTraining,
    SparseTensor,
    Tensor,
    ValueInfo,
)

_KINDS = {
    1: "FLOAT",
    2: "INT",
    3: "STRING",
    4: "TENSOR",
    5: "GRAPH",
    6: "FLOATS",
    7: "INTS",
    8: "STRINGS",
    9: "TENSORS",
    10: "GRAPHS",
    11: "SPARSE_TENSOR",
    12: "SPARSE_TENSORS",
    13: "TYPE_PROTO",
    14: "TYPE_PROTOS",
}
"""AttributeProto.AttributeType."""

_FIELDS = {
    2: "FLOAT",
    3: "INT",
    4: "STRING",
    5: "TENSOR",
    6: "GRAPH",
    7: "FLOATS",
    8: "INTS",
    9: "STRINGS",
    10: "TENSORS",
    11: "GRAPHS",
    14: "TYPE_PROTO",
    15: "TYPE_PROTOS",
    22: "SPARSE_TENSOR",
    23: "SPARSE_TENSORS",
}
"""The field of AttributeProto that holds each type."""


def read_model(path: PathLike) -> OnnxModel:
    """The model file at `path`.

    Raises:
        FormatError: the bytes are no ONNX model.
        UnsafeError: the file declares more than the limits allow.
        FileError: it cannot be read.
    """
    file = open_mapped(path)
    reader = _Reader(Wire(file, "ONNX model"))
    if file.size == 0:
        raise FormatError("the file is empty; expected an ONNX model", file=file.path, hint="fetch it again")
    return reader.model(Span(0, file.size))


@dataclass(slots=True)
class _Head:
    """What stands around the graph, as it is found."""

    ir_version: int = 0
    producer: str = ""
    graph: OnnxGraph | None = None
    opsets: dict[str, int] = field(default_factory=dict[str, int])
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    functions: dict[tuple[str, str], OnnxFunction] = field(default_factory=dict[tuple[str, str], OnnxFunction])
    training: list[OnnxTraining] = field(default_factory=list[OnnxTraining])


@dataclass(slots=True)
class _Lists:
    """The repeated values of an attribute, as they are found."""

    floats: list[float] = field(default_factory=list[float])
    ints: list[int] = field(default_factory=list[int])
    strings: list[bytes] = field(default_factory=list[bytes])
    graphs: list[OnnxGraph] = field(default_factory=list[OnnxGraph])

    def values(self) -> dict[str, AttributeValue]:
        """The lists by the types that they belong to."""
        return {
            "FLOATS": tuple(self.floats),
            "INTS": tuple(self.ints),
            "STRINGS": tuple(self.strings),
            "GRAPHS": tuple(self.graphs),
        }


class _Reader:
    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def model(self, span: Span) -> OnnxModel:
        wire, head = self.wire, _Head()
        for record in wire.records(span):
            match record[0]:
                case 7:
                    if head.graph is not None:
                        wire.fail(record[2], "the model has two graphs")
                    head.graph = self.graph(wire.child(span, record))
                case 8 | 14 | 20 | 25:
                    self.part(span, record, head)
                case _:
                    self.head(record, head)
        if head.graph is None or not head.ir_version:
            raise FormatError(
                "the file holds no ONNX model: it has no " + ("graph" if head.graph is None else "ir_version"),
                file=wire.file.path,
                hint="is it another kind of file?",
            )
        return OnnxModel(
            wire.file.path,
            head.ir_version,
            head.opsets,
            head.graph,
            head.producer,
            head.metadata,
            head.functions,
            tuple(head.training),
        )

    def part(self, span: Span, record: Record, head: _Head) -> None:
        """Fields of ModelProto that are messages, besides the graph."""
        wire = self.wire
        inner = wire.child(span, record)
        match record[0]:
            case 8:
                domain, version = self.opset(inner)
                if head.opsets.setdefault(domain, version) != version:
                    wire.fail(record[2], f"operator set {domain!r} stands twice, with different versions")
            case 14:
                key, value = read_entry(wire, inner)
                head.metadata[key] = value
            case 20:
                head.training.append(self.training(inner))
            case _:
                found = self.function(inner)
                if (found.domain, found.name) in head.functions:
                    wire.fail(record[2], f"function {found.name!r} of {found.domain!r} stands twice")
                head.functions[found.domain, found.name] = found

    def training(self, span: Span) -> OnnxTraining:
        """A TrainingInfoProto."""
        wire = self.wire
        graphs: dict[int, OnnxGraph] = {}
        bindings: dict[int, list[tuple[str, str]]] = {3: [], 4: []}
        for record in wire.records(span):
            match record[0]:
                case 1 | 2:
                    if record[0] in graphs:
                        wire.fail(record[2], "a step of training has two graphs of one kind")
                    graphs[record[0]] = self.graph(wire.child(span, record))
                case 3 | 4:
                    bindings[record[0]].append(read_entry(wire, wire.child(span, record)))
                case _:
                    wire.unknown("TrainingInfoProto", record)
        return OnnxTraining(graphs.get(1), graphs.get(2), tuple(bindings[3]), tuple(bindings[4]))

    def head(self, record: Record, head: _Head) -> None:
        """Fields of ModelProto that are plain values; versions and domains of the producer change nothing."""
        match record[0]:
            case 1:
                head.ir_version = self.wire.integer(record)
            case 2:
                head.producer = self.wire.text(record)
            case 3 | 4 | 5 | 6 | 26:
                pass
            case _:
                self.wire.unknown("ModelProto", record)

    def opset(self, span: Span) -> tuple[str, int]:
        wire, domain, version = self.wire, "", 0
        for record in wire.records(span):
            match record[0]:
                case 1:
                    domain = wire.text(record)
                case 2:
                    version = wire.integer(record)
                case _:
                    wire.unknown("OperatorSetIdProto", record)
        return "" if domain == "ai.onnx" else domain, version

    def graph(self, span: Span) -> OnnxGraph:
        wire, name = self.wire, ""
        nodes: list[OnnxNode] = []
        initializers: list[Tensor | SparseTensor] = []
        inputs: list[ValueInfo] = []
        outputs: list[ValueInfo] = []
        for record in wire.records(span):
            match record[0]:
                case 1:
                    nodes.append(self.node(wire.child(span, record), len(nodes)))
                case 2:
                    name = wire.text(record)
                case 5:
                    initializers.append(read_tensor(wire, wire.child(span, record)))
                case 11:
                    inputs.append(read_value_info(wire, wire.child(span, record)))
                case 12:
                    outputs.append(read_value_info(wire, wire.child(span, record)))
                case 15:
                    initializers.append(read_sparse_tensor(wire, wire.child(span, record)))
                case 10 | 13 | 14 | 16:
                    pass
                case _:
                    wire.unknown("GraphProto", record)
        return OnnxGraph(name, tuple(nodes), tuple(initializers), tuple(inputs), tuple(outputs))

    def node(self, span: Span, order: int) -> OnnxNode:
        wire = self.wire
        texts = {3: "", 4: "", 7: "", 8: ""}
        inputs: list[str] = []
        outputs: list[str] = []
        attributes: dict[str, Attribute] = {}
        metadata: dict[str, str] = {}
        for record in wire.records(span):
            match record[0]:
                case 1:
                    inputs.append(wire.text(record))
                case 2:
                    outputs.append(wire.text(record))
                case 3 | 4 | 7 | 8:
                    texts[record[0]] = wire.text(record)
                case 5:
                    attribute = self.attribute(wire.child(span, record))
                    if attribute.name in attributes:
                        wire.fail(record[2], f"a node has two attributes {attribute.name!r}")
                    attributes[attribute.name] = attribute
                case 9:
                    key, value = read_entry(wire, wire.child(span, record))
                    metadata[key] = value
                case 6 | 10:
                    pass
                case _:
                    wire.unknown("NodeProto", record)
        domain = "" if texts[7] == "ai.onnx" else texts[7]
        kind = f"{texts[4]}:{texts[8]}" if texts[8] else texts[4]
        return OnnxNode(texts[3], kind, domain, tuple(inputs), tuple(outputs), attributes, metadata, order)

    def attribute(self, span: Span) -> Attribute:
        """An AttributeProto; files of IR version 1 do not say the type: the field that is there tells it."""
        wire, kind, seen = self.wire, 0, 0
        texts = {1: "", 21: ""}
        found: dict[str, AttributeValue] = {"FLOAT": 0.0, "INT": 0, "STRING": b""}
        lists = _Lists()
        for record in wire.records(span):
            match record[0]:
                case 1 | 21:
                    texts[record[0]] = wire.text(record)
                case 20:
                    kind = wire.integer(record)
                case 7 | 8 | 9 | 11:
                    self.repeated(span, record, lists)
                case 13:
                    pass
                case number if number in _FIELDS:
                    found[_FIELDS[number]] = self.single(span, record)
                case _:
                    wire.unknown("AttributeProto", record)
            seen = record[0] if record[0] in _FIELDS else seen
        name, reference = texts[1], texts[21]
        word = _KINDS.get(kind, _FIELDS.get(seen, "") if kind == 0 else "")
        if not word and not reference:
            wire.fail(span.start, f"attribute {name!r} has the unknown type {kind}")
        return Attribute(name, word or "reference", (found | lists.values()).get(word), reference)

    def single(self, span: Span, record: Record) -> AttributeValue:
        """The one value of an attribute; kinds that no operator takes (lists of tensors, of types) are passed over."""
        wire = self.wire
        match record[0]:
            case 2:
                if record[1] != FIXED32:
                    wire.fail(record[3], "an attribute's f should be a 32-bit float")
                return float(wire.numbers(record, np.dtype("<f4")).astype(np.float64)[0])
            case 3:
                return wire.integer(record)
            case 4:
                return wire.bytes(record)
            case 5:
                return read_tensor(wire, wire.child(span, record))
            case 6:
                return self.graph(wire.child(span, record))
            case 14:
                return read_type(wire, wire.child(span, record))
            case 22:
                return read_sparse_tensor(wire, wire.child(span, record))
            case _:
                return None

    def repeated(self, span: Span, record: Record, found: _Lists) -> None:
        """More values of an attribute: floats, ints, strings or graphs."""
        wire = self.wire
        match record[0]:
            case 7:
                found.floats += wire.reals(record)
            case 8:
                found.ints += wire.integers(record)
            case 9:
                found.strings.append(wire.bytes(record))
            case _:
                found.graphs.append(self.graph(wire.child(span, record)))

    def function(self, span: Span) -> OnnxFunction:
        """A FunctionProto."""
        wire = self.wire
        texts = {1: "", 10: "", 13: ""}
        names: dict[int, list[str]] = {4: [], 5: [], 6: []}
        nodes: list[OnnxNode] = []
        opsets: list[tuple[str, int]] = []
        defaults: list[Attribute] = []
        for record in wire.records(span):
            match record[0]:
                case 1 | 10 | 13:
                    texts[record[0]] = wire.text(record)
                case 4 | 5 | 6:
                    names[record[0]].append(wire.text(record))
                case 7:
                    nodes.append(self.node(wire.child(span, record), len(nodes)))
                case 9:
                    opsets.append(self.opset(wire.child(span, record)))
                case 11:
                    defaults.append(self.attribute(wire.child(span, record)))
                case 2 | 3 | 8 | 12 | 14:
                    pass
                case _:
                    wire.unknown("FunctionProto", record)
        formal = [*names[6], *(attribute.name for attribute in defaults)]
        self.check_once(span, texts[1], names[4], formal, [name for name, _ in dict.fromkeys(opsets)])
        domain = "" if texts[10] == "ai.onnx" else texts[10]
        return OnnxFunction(
            domain,
            f"{texts[1]}:{texts[13]}" if texts[13] else texts[1],
            tuple(names[4]),
            tuple(names[5]),
            tuple(names[6]),
            {attribute.name: attribute for attribute in defaults},
            tuple(nodes),
            dict(opsets),
        )

    def check_once(self, span: Span, name: str, *lists: list[str]) -> None:
        """Refuses a function that has two operands, attributes or versions of an operator set of one name."""
        for what, given in zip(("operands", "attributes", "versions of an operator set"), lists, strict=True):
            if len(set(given)) != len(given):
                self.wire.fail(span.start, f"function {name!r} has two {what} of one name")
