"""A plan as a ModelProto in pieces. Field numbers are those of onnx.proto (onnx 1.23)."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field

from xir.backends.export.onnx import _wire as wire
from xir.backends.export.onnx._form import Inner, OnnxAttribute, OnnxType, domain_version
from xir.backends.export.onnx._names import Names
from xir.backends.export.onnx._plan import Nested, Plan, Record, RecordAttribute, Ref, StepPlan
from xir.backends.export.onnx._tensor import NUMBERS, Payload, payload
from xir.ir.constant import Constant
from xir.ir.dims import Dim, Symbol, symbols_of, to_text
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.source import Source
from xir.ir.types import DType, MapType, OptionalType, SequenceType, TensorType, Type, UnrankedType

SOURCE_KEY = "xir.source"
"""The key of a node's metadata that holds its source layers, as JSON."""

SYMBOLS_KEY = "xir.symbols"
"""The key of the model's metadata that holds what is known of symbolic sizes: {name: [minimum, maximum, divisor]}."""

METADATA_IR_VERSION = 10
"""The first IR version whose nodes have metadata_props (onnx.proto, Version)."""

_FLOAT, _INT, _STRING, _TENSOR, _GRAPH, _FLOATS, _INTS, _STRINGS, _TYPE = 1, 2, 3, 4, 5, 6, 7, 8, 13
"""AttributeProto.AttributeType."""


STATE_KEY = "xir.state"
"""The key of the model's metadata that lists, as JSON, the inputs that are the model's state.

What these begin with are initializers: one that is called like an input is the input's default (onnx IR.md, "Graphs").
"""


@dataclass(frozen=True, slots=True)
class Header:
    """What stands in the model around the graph.

    Attributes:
        opset: the version of the default operator set.
        ir_version: the version of the file format.
        producer_version: ours.
        metadata: the model's metadata_props.
        documentation: the model's doc_string.
        state: what inputs of the graph begin with.
    """

    opset: int
    ir_version: int
    producer_version: str
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    documentation: str = ""
    state: Mapping[Value, Constant] = field(default_factory=dict[Value, Constant])


@dataclass(frozen=True, slots=True)
class External:
    """Where a weight lies in the data file.

    Attributes:
        location: the data file's name.
        offset: of its first byte.
        length: bytes.
    """

    location: str
    offset: int
    length: int


def encode_model(plan: Plan, names: Names, header: Header, external: Mapping[Value, External]) -> list[wire.Piece]:
    """The ModelProto in pieces; weights in `external` are only named."""
    encoder = _Encoder(names, header.ir_version >= METADATA_IR_VERSION, external)
    parts = [part.graph for step in plan.training for part in step.parts]
    ends = tuple(value for graph in (plan.graph, *parts) for value in (*graph.inputs, *graph.outputs))
    symbols = _symbol_names(ends)
    pieces = encoder.graph(plan, plan.graph.inputs, symbols)
    begun = {names.values[value]: constant for value, constant in header.state.items()}
    for name, constant in begun.items():
        pieces += wire.nested(5, encode_tensor(constant, name, None))
    ranges = _ranges(ends)
    metadata = dict(header.metadata) | ({SYMBOLS_KEY: ranges} if ranges else {})
    metadata |= {STATE_KEY: _JSON.encode([*begun])} if begun else {}
    head = b"".join(
        (
            wire.integer(1, header.ir_version),
            wire.text(2, "xir"),
            wire.text(3, header.producer_version),
            wire.text(6, header.documentation) if header.documentation else b"",
        )
    )
    tail = b"".join(
        (
            *(
                wire.data(8, wire.text(1, domain) + wire.integer(2, domain_version(domain, header.opset)))
                for domain in ("", *sorted({record.domain for record in plan.file_records()} - {""}))
            ),
            *(wire.entry(14, key, value) for key, value in metadata.items()),
        )
    )
    training = [piece for step in plan.training for piece in wire.nested(20, encoder.training(plan, step, symbols))]
    return [head, *wire.nested(7, pieces), tail, *training]


@dataclass(frozen=True, slots=True)
class _Encoder:
    """Writes graphs.

    Attributes:
        names: of everything.
        metadata: whether nodes have metadata.
        external: weights that lie in the data file.
    """

    names: Names
    metadata: bool
    external: Mapping[Value, External]

    def training(self, model: Plan, step: StepPlan, symbols: Mapping[Symbol, str]) -> list[wire.Piece]:
        """The TrainingInfoProto."""
        values, pieces = self.names.values, list[wire.Piece]()
        weights = {name: value for plan in (model, *step.parts) for name, value in _weights(plan.graph)}
        for number, plan in ((1, step.initialization), (2, step.algorithm)):
            if plan is not None:
                pieces += wire.nested(number, self.graph(plan, step.own_inputs(plan), symbols, step.shared))
        for number, (_, part, bindings) in zip((3, 4), step.step.parts, strict=True):
            outputs = {} if part is None else dict(zip(part.output_names, part.outputs, strict=True))
            for weight, output in bindings:
                pieces.append(wire.entry(number, values[weights[weight]], values[outputs[output]]))
        return pieces

    def graph(
        self,
        plan: Plan,
        inputs: tuple[Value, ...],
        symbols: Mapping[Symbol, str] | None = None,
        shared: Container[Ref] = (),
    ) -> list[wire.Piece]:
        """The GraphProto.

        Args:
            plan: of the graph.
            inputs: those that ONNX's graph has.
            symbols: names of symbols without one; of a body, its own.
            shared: what another graph of the file holds.
        """
        graph, names = plan.graph, self.names
        pieces: list[wire.Piece] = []
        for record, name in zip(plan.records, names.nodes[plan], strict=True):
            pieces += self.node(record, name)
        pieces.append(wire.text(2, graph.name or "model"))
        for parameter in graph.parameters:
            if parameter.value in shared:
                continue
            name = names.values[parameter.value]
            pieces += wire.nested(5, encode_tensor(parameter.constant, name, self.external.get(parameter.value)))
        for made, constant in plan.literals.items():
            pieces += wire.nested(5, encode_tensor(constant, names.values[made], None))
        if symbols is None:
            symbols = _symbol_names((*inputs, *graph.outputs))
        for number, values in ((11, inputs), (12, [value for value in graph.outputs if value not in shared])):
            for value in values:
                encoded = wire.text(1, names.values[value]) + wire.data(2, encode_type(value.type, symbols))
                pieces.append(wire.data(number, encoded))
        return _merged(pieces)

    def node(self, record: Record, name: str) -> list[wire.Piece]:
        """The NodeProto, as a field of its graph."""
        values = self.names.values
        inputs = [("" if ref is None else values[ref]) for ref in record.inputs]
        while inputs and not inputs[-1]:
            inputs.pop()
        outputs = [("" if ref is None else values[ref]) for ref in record.outputs]
        texts = (*(wire.text(1, text) for text in inputs), *(wire.text(2, text) for text in outputs))
        head = b"".join((*texts, wire.text(3, name), wire.text(4, record.kind)))
        pieces: list[wire.Piece] = [head + (wire.text(7, record.domain) if record.domain else b"")]
        for key, value in record.attributes.items():
            pieces += wire.nested(5, self.attribute(key, value))
        if record.source:
            if self.metadata:
                pieces.append(wire.entry(9, SOURCE_KEY, source_text(record.source)))
            else:
                pieces.append(wire.text(6, "; ".join(str(source) for source in record.source)))
        return wire.nested(1, pieces)

    def attribute(self, name: str, value: RecordAttribute) -> list[wire.Piece]:
        """The AttributeProto."""
        if isinstance(value, Nested):
            body = wire.nested(6, self.graph(value.plan, value.body.formal))
            return [wire.text(1, name), *body, wire.integer(20, _GRAPH)]
        return _encode_attribute(name, value)


def _merged(pieces: list[wire.Piece]) -> list[wire.Piece]:
    """Neighbouring bytes as one piece."""
    merged: list[wire.Piece] = []
    run: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            run.append(piece)
            continue
        merged.append(b"".join(run))
        merged.append(piece)
        run = []
    merged.append(b"".join(run))
    return merged


_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
"""Made once: `json.dumps` makes one for every call."""


def source_text(sources: tuple[Source, ...]) -> str:
    """The sources as JSON: a list of objects, parts that say nothing left out."""
    return _JSON.encode([_source_dict(source) for source in sources])


def _source_dict(source: Source) -> dict[str, object]:
    full: dict[str, object] = {
        "framework": source.framework,
        "file": source.file,
        "layer": source.layer,
        "kind": source.kind,
        "path": list(source.path),
        "module": source.module,
        "location": source.location,
        "order": source.order,
        "layout": None if source.layout is None else list(source.layout),
    }
    return {key: value for key, value in full.items() if value not in (None, [], 0)}


def _encode_attribute(name: str, value: OnnxAttribute) -> list[wire.Piece]:
    pieces: list[wire.Piece] = [wire.text(1, name)]
    match value:
        case int():
            pieces.append(wire.integer(3, value) + wire.integer(20, _INT))
        case float():
            pieces.append(wire.single(2, value) + wire.integer(20, _FLOAT))
        case str():
            pieces.append(wire.data(4, _text_bytes(value)) + wire.integer(20, _STRING))
        case Constant():
            pieces += [*wire.nested(5, encode_tensor(value, "", None)), wire.integer(20, _TENSOR)]
        case tuple():
            pieces.append(_encode_list(value))
        case OnnxType(type):
            pieces.append(wire.data(14, encode_type(type, {})) + wire.integer(20, _TYPE))
        case Inner():
            raise TypeError(f"the body {name!r} has no plan")
    return pieces


def _encode_list(value: tuple[int, ...] | tuple[float, ...] | tuple[str, ...]) -> bytes:
    whole = tuple(item for item in value if isinstance(item, int))
    if len(whole) == len(value):
        return wire.unpacked_integers(8, whole) + wire.integer(20, _INTS)
    texts = tuple(item for item in value if isinstance(item, str))
    if len(texts) == len(value):
        return b"".join(wire.data(9, _text_bytes(text)) for text in texts) + wire.integer(20, _STRINGS)
    numbers = tuple(item for item in value if isinstance(item, float))
    return wire.unpacked_floats(7, numbers) + wire.integer(20, _FLOATS)


def encode_tensor(constant: Constant, name: str, external: External | None) -> list[wire.Piece]:
    """The TensorProto in pieces."""
    head = wire.unpacked_integers(1, constant.shape) + wire.integer(2, NUMBERS[constant.dtype])
    if name:
        head += wire.text(8, name)
    if constant.dtype is DType.STRING:
        return [head + b"".join(wire.data(6, _text_bytes(item)) for item in constant.array().reshape(-1).tolist())]
    if external is not None:
        entries = {"location": external.location, "offset": str(external.offset), "length": str(external.length)}
        tail = b"".join(wire.entry(13, key, value) for key, value in entries.items())
        return [head + tail + wire.integer(14, 1)]
    raw = payload(constant)
    small = _small(raw)
    if small is not None:
        return [head + wire.data(9, small)]
    return [head + wire.varint(9 << 3 | 2) + wire.varint(raw.length), raw]


_SMALL_BYTES = 4096


def _small(raw: Payload) -> bytes | None:
    """The bytes of a payload that is not worth a piece of its own."""
    return b"".join(raw.chunks()) if raw.length <= _SMALL_BYTES else None


def _text_bytes(item: object) -> bytes:
    return item if isinstance(item, bytes) else str(item).encode("utf-8", "surrogateescape")


def _ranges(values: tuple[Value, ...]) -> str:
    """What is known of the named sizes of inputs and outputs, as JSON; empty where nothing is known."""
    found: dict[str, list[int | None]] = {}
    sizes = [size for value in values if isinstance(value.type, TensorType) for size in value.type.shape]
    for symbol in (symbol for size in sizes for symbol in symbols_of(size)):
        if symbol.name is not None and (symbol.minimum, symbol.maximum, symbol.divisor) != (0, None, 1):
            found[symbol.name] = [symbol.minimum, symbol.maximum, symbol.divisor]
    return json.dumps(found, ensure_ascii=False, sort_keys=True, separators=(",", ":")) if found else ""


def _weights(graph: Graph) -> Iterator[tuple[str, Value]]:
    yield from ((graph.name_of(parameter.value), parameter.value) for parameter in graph.parameters)


def _symbol_names(values: tuple[Value, ...]) -> dict[Symbol, str]:
    """Names for the nameless symbols of the model's inputs and outputs."""
    found: dict[Symbol, str] = {}
    taken: set[str] = set()
    for value in values:
        if isinstance(value.type, TensorType):
            for symbol in (symbol for size in value.type.shape for symbol in symbols_of(size)):
                if symbol.name is None:
                    found.setdefault(symbol, "")
                else:
                    taken.add(symbol.name)
    number = 0
    for symbol in found:
        while f"unknown_{number}" in taken:
            number += 1
        found[symbol] = f"unknown_{number}"
        number += 1
    return found


def encode_type(type: Type, symbols: Mapping[Symbol, str]) -> bytes:
    """The TypeProto."""
    match type:
        case TensorType(dtype, shape):
            dims = b"".join(wire.data(1, _encode_size(size, symbols)) for size in shape)
            return wire.data(1, wire.integer(1, NUMBERS[dtype]) + wire.data(2, dims))
        case SequenceType(element):
            return wire.data(4, wire.data(1, encode_type(element, symbols)))
        case OptionalType(element):
            return wire.data(9, wire.data(1, encode_type(element, symbols)))
        case MapType(key, element):
            return wire.data(5, wire.integer(1, NUMBERS[key]) + wire.data(2, encode_type(element, symbols)))
        case UnrankedType(dtype):
            return wire.data(1, wire.integer(1, NUMBERS[dtype]))


def _encode_size(size: Dim, symbols: Mapping[Symbol, str]) -> bytes:
    return wire.integer(1, size) if isinstance(size, int) else wire.text(2, to_text(size, symbols))
