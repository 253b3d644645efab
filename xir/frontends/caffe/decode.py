"""Binary messages by one dialect: every field that the dialect knows becomes a value, every other one a finding.

Nothing is lost in silence: a field number that the dialect does not have, a wire type that does not fit, an
enumeration value without a name and a missing required field are `Finding`s. They are also the evidence by which the
dialect of a file is told (see `dialects`). The messages of the schema do not contain each other in circles, so the
depth of the walk is bounded by the schema, not by the file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Literal

from xir.frontends.caffe.message import Message, Value
from xir.frontends.caffe.schema import Dialect, Field, Schema
from xir.frontends.caffe.weights import scan_blob
from xir.frontends.caffe.wire import BLOB_COST, FIXED32, FIXED64, LENGTH, MESSAGE_COST, VARINT, Wire
from xir.limits import MAX_NAME_BYTES, MEBI, check_size

Reason = Literal[
    "unknown field",
    "wrong wire type",
    "unknown enumeration value",
    "odd truth value",
    "missing field",
    "repeated field",
]
"""Why something could not be read as the dialect has it."""

MAX_FINDINGS = 1000
"""Different findings that one decoding keeps; a file with more is damaged, and the first ones tell it."""

MAX_BYTES_FIELD = 16 * MEBI
"""Bytes of one `bytes` field outside of blobs (a Datum's picture, a serialized engine)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a binary file that the dialect does not explain.

    Attributes:
        message: the message's name.
        number: the field's number.
        reason: what is wrong.
        detail: the field's name or the value, where it is known.
        offset: the byte where it stands first.
        layer: the name of the layer that it stands in, or None.
    """

    message: str
    number: int
    reason: Reason
    detail: str
    offset: int
    layer: str | None = None

    def __str__(self) -> str:
        """The finding in words."""
        layer = f"layer {self.layer!r}: " if self.layer is not None else ""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{layer}{self.reason} {self.message}.{self.number}{detail} at byte {self.offset}"


_EXPECTED = {"float": FIXED32, "double": FIXED64, "string": LENGTH, "bytes": LENGTH}
_LAYERS = frozenset(("LayerParameter", "V1LayerParameter", "V0LayerParameter"))

_Values = dict[str, list[Value]]


class Decoder:
    """Decodes messages of one file by one dialect and gathers the findings.

    Attributes:
        findings: what the dialect does not explain, one for each kind of it, in the order of the file.
        doubtful: (message, number) pairs that were seen and mean different things in different forks, or that the
            dialect does not explain; the caller may clear it.
    """

    def __init__(self, wire: Wire, schema: Schema, dialect: Dialect) -> None:
        """A decoder of `wire`'s file with the numbers of `dialect`."""
        self.wire = wire
        self.schema = schema
        self.dialect: Dialect = dialect
        self.findings: list[Finding] = []
        self.doubtful: set[tuple[str, int]] = set()
        self._seen: set[tuple[str, int, str]] = set()
        self._fields: dict[tuple[str, int], Field | None] = {}

    def restart(self) -> None:
        """Forgets the findings so far."""
        self.findings = []
        self.doubtful.clear()
        self._seen.clear()

    def message(self, type: str, start: int, end: int, *, skip: frozenset[str] = frozenset()) -> Message:
        """The message of `type` in [start, end), without the fields in `skip`.

        Raises:
            FormatError: the bytes are not in the wire format.
            InvalidModelError: a blob contradicts itself.
            UnsafeError: there are too many fields.
        """
        values: _Values = {}
        position = start
        mark = len(self.findings)
        record = self.wire.record
        self.wire.charge(MESSAGE_COST)
        while position < end:
            number, wire, content, behind = record(position, end)
            field = self._field(type, number)
            if field is None:
                self._find(type, number, "unknown field", "", position)
            elif field.name not in skip:
                self._take(field, wire, content, behind, position, values)
            position = behind
        for field in self.schema.required(type):
            if field.name not in values and self.dialect in field.dialects:
                self._find(type, field.number, "missing field", field.name, start)
        if type in _LAYERS and len(self.findings) > mark:
            name = str((values.get("name") or [""])[0])
            mine = self.findings[mark:]
            self.findings[mark:] = [found if found.layer else replace(found, layer=name) for found in mine]
        return Message(self.schema, type, values, offset=start)

    def _field(self, type: str, number: int) -> Field | None:
        key = (type, number)
        if key in self.schema.ambiguous:
            self.doubtful.add(key)
        if key not in self._fields:
            found = self.schema.numbered(type, number, self.dialect)
            if len(self._fields) >= MAX_FINDINGS:
                return found
            self._fields[key] = found
        return self._fields[key]

    def _find(self, type: str, number: int, reason: Reason, detail: str, offset: int) -> None:
        key = (type, number, reason)
        self.doubtful.add((type, number))
        if key not in self._seen and len(self.findings) < MAX_FINDINGS:
            self._seen.add(key)
            self.findings.append(Finding(type, number, reason, detail, offset))

    def _take(self, field: Field, wire: int, content: int, behind: int, position: int, values: _Values) -> None:
        """Reads one record of a known field into `values`."""
        if not field.repeated and field.name in values:
            self._find(field.message, field.number, "repeated field", field.name, position)
            return
        if field.category == "message":
            self._take_message(field, wire, content, behind, position, values)
            return
        expected = _EXPECTED.get(field.type, VARINT)
        if wire == expected:
            value = self._scalar(field, content, behind, position)
            if value is not None:
                values.setdefault(field.name, []).append(value)
        elif wire == LENGTH and field.repeated and expected != LENGTH:
            values.setdefault(field.name, []).extend(self._packed(field, expected, content, behind))
        else:
            self._find(field.message, field.number, "wrong wire type", field.name, position)

    def _take_message(self, field: Field, wire: int, content: int, behind: int, position: int, values: _Values) -> None:
        if wire != LENGTH:
            self._find(field.message, field.number, "wrong wire type", field.name, position)
            return
        mine = values.setdefault(field.name, [])
        if field.type != "BlobProto":
            mine.append(self.message(field.type, content, behind))
            return
        self.wire.charge(BLOB_COST)
        blob, unknown = scan_blob(self.wire, content, behind)
        mine.append(blob)
        for number, where in unknown:
            self._find("BlobProto", number, "unknown field", "", where)

    def _scalar(self, field: Field, content: int, behind: int, position: int) -> Value | None:
        """One value; `content` is the number itself for varints, else where the bytes start."""
        match field.type:
            case "float":
                return float(struct.unpack("<f", self.wire.read(content, behind))[0])
            case "double":
                return float(struct.unpack("<d", self.wire.read(content, behind))[0])
            case "string":
                check_size(behind - content, MAX_NAME_BYTES, what=f"{field.message}.{field.name}", file=self.wire.path)
                return self.wire.read(content, behind).decode("utf-8", "backslashreplace")
            case "bytes":
                check_size(behind - content, MAX_BYTES_FIELD, what=f"{field.message}.{field.name}", file=self.wire.path)
                return self.wire.read(content, behind)
            case _:
                return self._varint(field, content, position)

    def _packed(self, field: Field, expected: int, start: int, stop: int) -> list[Value]:
        if expected != VARINT:
            return list(self.wire.packed_fixed(start, stop, "<f4" if expected == FIXED32 else "<f8"))
        found = (self._varint(field, value, start) for value in self.wire.packed_varints(start, stop))
        return [value for value in found if value is not None]

    def _varint(self, field: Field, value: int, position: int) -> Value | None:
        """A varint as the field's type has it: 32-bit types keep the low bits, as protobuf does."""
        match field.type:
            case "uint64":
                return value
            case "uint32":
                return value & 0xFFFFFFFF
            case "int32":
                return ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000
            case "int64":
                return (value ^ (1 << 63)) - (1 << 63)
            case "bool":
                if value > 1:
                    self._find(field.message, field.number, "odd truth value", f"{field.name}: {value}", position)
                return value != 0
            case _:
                name = self.schema.enum_numbers.get((field.type, self.dialect), {}).get(value)
                if name is None:
                    detail = f"{field.name}: {value}"
                    self._find(field.message, field.number, "unknown enumeration value", detail, position)
                return name
