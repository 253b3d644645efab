"""The types in an ONNX file: ValueInfoProto, TypeProto and TensorShapeProto (onnx.proto of onnx 1.23)."""

from __future__ import annotations

from xir.frontends._wire import Span, Wire
from xir.frontends.onnx.model import Dimension, TypeInfo, ValueInfo


def read_value_info(wire: Wire, span: Span) -> ValueInfo:
    """A ValueInfoProto."""
    name = ""
    found: TypeInfo | None = None
    for record in wire.records(span):
        match record[0]:
            case 1:
                name = wire.text(record)
            case 2:
                found = read_type(wire, wire.child(span, record))
            case 3 | 4:
                pass
            case _:
                wire.unknown("ValueInfoProto", record)
    return ValueInfo(name, found)


def read_type(wire: Wire, span: Span) -> TypeInfo | None:
    """A TypeProto; None where it says nothing."""
    found: TypeInfo | None = None
    for record in wire.records(span):
        match record[0]:
            case 1:
                found = _tensor_type(wire, wire.child(span, record))
            case 4 | 9:
                kind = "sequence" if record[0] == 4 else "optional"
                found = TypeInfo(kind, element=_element(wire, wire.child(span, record)))
            case 5:
                found = _map(wire, wire.child(span, record))
            case 7 | 8:
                found = TypeInfo("opaque" if record[0] == 7 else "sparse tensor")
            case 6:
                pass
            case _:
                wire.unknown("TypeProto", record)
    return found


def _element(wire: Wire, span: Span) -> TypeInfo | None:
    for record in wire.records(span):
        if record[0] == 1:
            return read_type(wire, wire.child(span, record))
        wire.unknown("TypeProto", record)
    return None


def _map(wire: Wire, span: Span) -> TypeInfo:
    key = 0
    element: TypeInfo | None = None
    for record in wire.records(span):
        match record[0]:
            case 1:
                key = wire.integer(record)
            case 2:
                element = read_type(wire, wire.child(span, record))
            case _:
                wire.unknown("TypeProto.Map", record)
    return TypeInfo("map", key, element=element)


def _tensor_type(wire: Wire, span: Span) -> TypeInfo:
    dtype = 0
    shape: tuple[Dimension, ...] | None = None
    for record in wire.records(span):
        match record[0]:
            case 1:
                dtype = wire.integer(record)
            case 2:
                shape = _shape(wire, wire.child(span, record))
            case _:
                wire.unknown("TypeProto.Tensor", record)
    return TypeInfo("tensor", dtype, shape)


def _shape(wire: Wire, span: Span) -> tuple[Dimension, ...]:
    dims: list[Dimension] = []
    for record in wire.records(span):
        if record[0] != 1:
            wire.unknown("TensorShapeProto", record)
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
                    wire.unknown("TensorShapeProto.Dimension", part)
        dims.append(size)
    return tuple(dims)
