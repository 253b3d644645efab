"""ONNX files as plain messages: bounded, without protobuf's own objects, weights left where they lie.

Field numbers and names are those of onnx.proto (onnx 1.23). A field that onnx.proto does not have is an error; one
that it has and xir does not need (doc strings, type annotations of inner tensors) is passed over by name here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from xir.errors import FormatError
from xir.files import PathLike, open_mapped
from xir.frontends.onnx._wire import FIXED32, Record, Span, Wire
from xir.frontends.onnx.model import (
    Attribute,
    AttributeValue,
    Dimension,
    OnnxGraph,
    OnnxModel,
    OnnxNode,
    Tensor,
    TypeInfo,
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


def read_model(path: PathLike) -> OnnxModel:
    """The model file at `path`.

    Raises:
        FormatError: the bytes are no ONNX model.
        UnsafeError: the file declares more than the limits allow.
        FileError: it cannot be read.
    """
    file = open_mapped(path)
    reader = _Reader(Wire(file))
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


@dataclass(slots=True)
class _Lists:
    """The repeated values of an attribute, as they are found."""

    floats: list[float] = field(default_factory=list[float])
    ints: list[int] = field(default_factory=list[int])
    strings: list[bytes] = field(default_factory=list[bytes])


@dataclass(slots=True)
class _Parts:
    """Parts of the file that are not read, counted."""

    counts: dict[str, int] = field(default_factory=dict[str, int])

    def note(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


class _Reader:
    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def _unknown(self, message: str, record: Record) -> None:
        self.wire.fail(record[2] if record[1] == 2 else record[3], f"{message} has no field {record[0]}")

    def model(self, span: Span) -> OnnxModel:
        wire, head, parts = self.wire, _Head(), _Parts()
        for record in wire.records(span):
            match record[0]:
                case 7:
                    if head.graph is not None:
                        wire.fail(record[2], "the model has two graphs")
                    head.graph = self.graph(wire.child(span, record), parts)
                case 8:
                    domain, version = self.opset(wire.child(span, record))
                    head.opsets[domain] = version
                case 14:
                    key, value = self.entry(wire.child(span, record))
                    head.metadata[key] = value
                case 20 | 25:
                    parts.note("training information" if record[0] == 20 else "local functions")
                case _:
                    self.head(record, head)
        if head.graph is None or not head.ir_version:
            raise FormatError(
                "the file holds no ONNX model: it has no " + ("graph" if head.graph is None else "ir_version"),
                file=wire.file.path,
                hint="is it another kind of file?",
            )
        return OnnxModel(
            wire.file.path, head.ir_version, head.opsets, head.graph, head.producer, head.metadata, parts.counts
        )

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
                self._unknown("ModelProto", record)

    def opset(self, span: Span) -> tuple[str, int]:
        wire, domain, version = self.wire, "", 0
        for record in wire.records(span):
            match record[0]:
                case 1:
                    domain = wire.text(record)
                case 2:
                    version = wire.integer(record)
                case _:
                    self._unknown("OperatorSetIdProto", record)
        return "" if domain == "ai.onnx" else domain, version

    def entry(self, span: Span) -> tuple[str, str]:
        wire, key, value = self.wire, "", ""
        for record in wire.records(span):
            match record[0]:
                case 1:
                    key = wire.text(record)
                case 2:
                    value = wire.bytes(record).decode("utf-8", "replace")
                case _:
                    self._unknown("StringStringEntryProto", record)
        return key, value

    def graph(self, span: Span, parts: _Parts) -> OnnxGraph:
        wire, name = self.wire, ""
        nodes: list[OnnxNode] = []
        initializers: list[Tensor] = []
        inputs: list[ValueInfo] = []
        outputs: list[ValueInfo] = []
        for record in wire.records(span):
            match record[0]:
                case 1:
                    nodes.append(self.node(wire.child(span, record), len(nodes)))
                case 2:
                    name = wire.text(record)
                case 5:
                    initializers.append(self.tensor(wire.child(span, record)))
                case 11:
                    inputs.append(self.value_info(wire.child(span, record)))
                case 12:
                    outputs.append(self.value_info(wire.child(span, record)))
                case 14 | 15:
                    parts.note("quantization annotations" if record[0] == 14 else "sparse initializers")
                case 10 | 13 | 16:
                    pass
                case _:
                    self._unknown("GraphProto", record)
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
                    key, value = self.entry(wire.child(span, record))
                    metadata[key] = value
                case 6 | 10:
                    pass
                case _:
                    self._unknown("NodeProto", record)
        domain = "" if texts[7] == "ai.onnx" else texts[7]
        kind = f"{texts[4]}:{texts[8]}" if texts[8] else texts[4]
        return OnnxNode(texts[3], kind, domain, tuple(inputs), tuple(outputs), attributes, metadata, order)

    def attribute(self, span: Span) -> Attribute:
        wire, kind = self.wire, 0
        texts = {1: "", 21: ""}
        single: dict[int, AttributeValue] = {1: 0.0, 2: 0, 3: b""}
        lists = _Lists()
        for record in wire.records(span):
            match record[0]:
                case 1 | 21:
                    texts[record[0]] = wire.text(record)
                case 20:
                    kind = wire.integer(record)
                case 2 | 3 | 4 | 5:
                    single[record[0] - 1] = self.single(span, record)
                case 7 | 8 | 9:
                    self.repeated(record, lists)
                case 6 | 10 | 11 | 13 | 14 | 15 | 22 | 23:
                    pass
                case _:
                    self._unknown("AttributeProto", record)
        name, reference = texts[1], texts[21]
        if kind not in _KINDS and not reference:
            wire.fail(span.start, f"attribute {name!r} has the unknown type {kind}")
        single |= {6: tuple(lists.floats), 7: tuple(lists.ints), 8: tuple(lists.strings)}
        return Attribute(name, _KINDS.get(kind, "reference"), single.get(kind), reference)

    def single(self, span: Span, record: Record) -> AttributeValue:
        """The one value of an attribute: f, i, s or t."""
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
            case _:
                return self.tensor(wire.child(span, record))

    def repeated(self, record: Record, found: _Lists) -> None:
        """More values of an attribute: floats, ints or strings."""
        wire = self.wire
        match record[0]:
            case 7:
                found.floats += wire.numbers(record, np.dtype("<f4")).astype(np.float64).tolist()
            case 8:
                found.ints += wire.integers(record)
            case _:
                found.strings.append(wire.bytes(record))

    def tensor(self, span: Span) -> Tensor:
        return _TensorReader(self).read(span)

    def value_info(self, span: Span) -> ValueInfo:
        wire, name = self.wire, ""
        found: TypeInfo | None = None
        for record in wire.records(span):
            match record[0]:
                case 1:
                    name = wire.text(record)
                case 2:
                    found = self.type(wire.child(span, record))
                case 3 | 4:
                    pass
                case _:
                    self._unknown("ValueInfoProto", record)
        return ValueInfo(name, found)

    def type(self, span: Span) -> TypeInfo | None:
        wire = self.wire
        found: TypeInfo | None = None
        for record in wire.records(span):
            match record[0]:
                case 1:
                    found = self.tensor_type(wire.child(span, record))
                case 4 | 9:
                    kind = "sequence" if record[0] == 4 else "optional"
                    found = TypeInfo(kind, element=self.element(wire.child(span, record)))
                case 5 | 7 | 8:
                    found = TypeInfo({5: "map", 7: "opaque", 8: "sparse tensor"}[record[0]])
                case 6:
                    pass
                case _:
                    self._unknown("TypeProto", record)
        return found

    def element(self, span: Span) -> TypeInfo | None:
        for record in self.wire.records(span):
            if record[0] == 1:
                return self.type(self.wire.child(span, record))
            self._unknown("TypeProto", record)
        return None

    def tensor_type(self, span: Span) -> TypeInfo:
        wire, dtype = self.wire, 0
        shape: tuple[Dimension, ...] | None = None
        for record in wire.records(span):
            match record[0]:
                case 1:
                    dtype = wire.integer(record)
                case 2:
                    shape = self.shape(wire.child(span, record))
                case _:
                    self._unknown("TypeProto.Tensor", record)
        return TypeInfo("tensor", dtype, shape)

    def shape(self, span: Span) -> tuple[Dimension, ...]:
        wire = self.wire
        dims: list[Dimension] = []
        for record in wire.records(span):
            if record[0] != 1:
                self._unknown("TensorShapeProto", record)
            inner = wire.child(span, record)
            size: Dimension = Dimension()
            for part in wire.records(inner):
                match part[0]:
                    case 1:
                        size = Dimension(value=wire.integer(part))
                    case 2:
                        size = Dimension(name=wire.text(part) or None)
                    case 3:
                        pass
                    case _:
                        self._unknown("TensorShapeProto.Dimension", part)
            dims.append(size)
        return tuple(dims)


class _TensorReader:
    """One TensorProto; repeated data fields may come packed, in pieces, or one by one."""

    def __init__(self, reader: _Reader) -> None:
        self.reader = reader
        self.wire = reader.wire
        self.pieces: dict[int, list[NDArray[np.generic]]] = {}
        self.strings: list[bytes] = []

    def read(self, span: Span) -> Tensor:
        wire, name, raw = self.wire, "", None
        numbers = {2: 0, 14: 0}
        dims: list[int] = []
        external: dict[str, str] = {}
        for record in wire.records(span):
            match record[0]:
                case 1:
                    dims += wire.integers(record)
                case 2 | 14:
                    numbers[record[0]] = wire.integer(record)
                case 8:
                    name = wire.text(record)
                case 9:
                    raw = wire.slice(record)
                case 13:
                    key, value = self.reader.entry(wire.child(span, record))
                    external[key] = value
                case _:
                    self.data(record)
        values, location = self.values(span), numbers[14]
        if location not in (0, 1):
            wire.fail(span.start, f"tensor {name!r} lies at the unknown data_location {location}")
        stored = external if location == 1 else None
        return Tensor(name, tuple(dims), numbers[2], raw, values, tuple(self.strings), stored)

    def data(self, record: Record) -> None:
        wire = self.wire
        match record[0]:
            case 4:
                piece: NDArray[np.generic] = wire.numbers(record, np.dtype("<f4"))
            case 10:
                piece = wire.numbers(record, np.dtype("<f8"))
            case 5 | 7 | 11:
                piece = np.array([record[2]], np.uint64) if record[1] == 0 else wire.packed(record)
            case 6:
                self.strings.append(wire.bytes(record))
                return
            case 12 | 16:
                return
            case 3:
                wire.fail(record[2], "a tensor in segments is not ONNX's own any more")
            case _:
                wire.fail(record[3], f"TensorProto has no field {record[0]}")
        self.pieces.setdefault(record[0], []).append(piece)

    def values(self, span: Span) -> NDArray[np.generic] | None:
        if len(self.pieces) > 1:
            self.wire.fail(span.start, "a tensor has elements in two data fields")
        for pieces in self.pieces.values():
            return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return None
