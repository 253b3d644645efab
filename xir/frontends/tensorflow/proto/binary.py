"""Binary messages: each field as the table says; what the table does not say is an error."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from xir.frontends._wire import FIXED32, FIXED64, LENGTH, VARINT, Record, Span, Wire
from xir.frontends.tensorflow.proto.message import Item, Message
from xir.frontends.tensorflow.proto.schema import Field, Schema, load_schema

_INTEGERS: Mapping[str, np.dtype[np.generic]] = MappingProxyType(
    {
        "int32": np.dtype(np.int32),
        "int64": np.dtype(np.int64),
        "uint32": np.dtype(np.uint32),
        "uint64": np.dtype(np.uint64),
        "bool": np.dtype(np.bool_),
    }
)
_REALS: Mapping[str, np.dtype[np.generic]] = MappingProxyType(
    {"float": np.dtype("<f4"), "double": np.dtype("<f8"), "fixed32": np.dtype("<u4")}
)
_MAPPED = frozenset(("tensor_content",))
"""Fields whose bytes stay in the file, for they are as large as the weights."""


def read_message(wire: Wire, span: Span, type: str) -> Message:
    """The message of `type` in `span`.

    Raises:
        FormatError: the bytes are not in the wire format, or a field is none of the message's.
        UnsafeError: it is nested too deep, or there is more in it than the limits allow.
    """
    return _Reader(wire, load_schema()).message(span, type)


class _Reader:
    def __init__(self, wire: Wire, schema: Schema) -> None:
        self.wire = wire
        self.schema = schema

    def message(self, span: Span, type: str) -> Message:
        fields = self.schema.numbers.get(type, {})
        values: dict[str, list[Item]] = {}
        for record in self.wire.records(span):
            field = fields.get(record[0])
            if field is None:
                self.wire.unknown(type, record)
            held = values.setdefault(field.name, [])
            item = self.item(span, record, field)
            if field.is_repeated:
                held.append(item)
            else:
                held[:] = [item]
        return Message(type, values)

    def item(self, span: Span, record: Record, field: Field) -> Item:
        match field.category:
            case "message":
                return self.message(self.wire.child(span, record), field.type)
            case "text":
                return self.wire.text(record)
            case "bytes":
                return self.wire.slice(record) if field.name in _MAPPED else self.wire.bytes(record)
            case "enum":
                return self._integer(record, field)
            case _:
                return self._number(record, field)

    def _number(self, record: Record, field: Field) -> Item:
        if field.type in _REALS:
            found = self.wire.numbers(record, _REALS[field.type])
        elif field.is_repeated:
            found = self.wire.varints([record], _INTEGERS[field.type])
        else:
            number = self._integer(record, field)
            return bool(number) if field.type == "bool" else number
        if field.is_repeated:
            return found
        if found.size != 1:
            self.wire.fail(record[2], f"{field.message}.{field.name} should hold one number")
        value = found[0].item()
        return float(value) if field.category == "real" else int(value)

    def _integer(self, record: Record, field: Field) -> Item:
        """One number; the list of an enumeration's values comes as an array."""
        if field.is_repeated:
            return self.wire.varints([record], np.dtype(np.int64))
        if record[1] != VARINT:
            wires = {LENGTH: "bytes", FIXED32: "4 bytes", FIXED64: "8 bytes"}
            self.wire.fail(record[2], f"{field.message}.{field.name} holds {wires.get(record[1])}, expected a number")
        return self.wire.integer(record)
