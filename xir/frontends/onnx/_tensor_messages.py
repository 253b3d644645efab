"""The tensors in an ONNX file: TensorProto and SparseTensorProto (onnx.proto of onnx 1.23)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from xir.files import FileSlice
from xir.frontends._wire import LENGTH, Record, Span, Wire
from xir.frontends.onnx.model import SparseTensor, Tensor


def read_tensor(wire: Wire, span: Span) -> Tensor:
    """A TensorProto."""
    return _TensorReader(wire).read(span)


def read_sparse_tensor(wire: Wire, span: Span) -> SparseTensor:
    """A SparseTensorProto; raises FormatError where it has no values or no indices."""
    parts: dict[int, Tensor] = {}
    dims: list[int] = []
    for record in wire.records(span):
        match record[0]:
            case 1 | 2:
                parts[record[0]] = read_tensor(wire, wire.child(span, record))
            case 3:
                dims += wire.integers(record)
            case _:
                wire.unknown("SparseTensorProto", record)
    if len(parts) != 2:
        wire.fail(span.start, "a sparse tensor needs values and indices")
    return SparseTensor(parts[1], parts[2], tuple(dims))


def read_entry(wire: Wire, span: Span) -> tuple[str, str]:
    """A StringStringEntryProto."""
    key, value = "", ""
    for record in wire.records(span):
        match record[0]:
            case 1:
                key = wire.text(record)
            case 2:
                value = wire.bytes(record).decode("utf-8", "replace")
            case _:
                wire.unknown("StringStringEntryProto", record)
    return key, value


_BITS_8, _BITS_16 = np.dtype(np.uint8), np.dtype(np.uint16)

_STORED: Mapping[int, tuple[int, np.dtype[np.generic] | None]] = {
    1: (4, np.dtype("<f4")),
    2: (5, np.dtype(np.uint8)),
    3: (5, np.dtype(np.int8)),
    4: (5, np.dtype(np.uint16)),
    5: (5, np.dtype(np.int16)),
    6: (5, np.dtype(np.int32)),
    7: (7, np.dtype(np.int64)),
    8: (6, None),
    9: (5, np.dtype(np.bool_)),
    10: (5, _BITS_16),
    11: (10, np.dtype("<f8")),
    12: (11, np.dtype(np.uint32)),
    13: (11, np.dtype(np.uint64)),
    14: (4, np.dtype("<f4")),
    15: (10, np.dtype("<f8")),
    16: (5, _BITS_16),
    **dict.fromkeys(range(17, 29), (5, _BITS_8)),
}
"""TensorProto.DataType -> the field that holds its elements, and how (onnx.proto, the comments on the data fields).

Floats of 16 bits and fewer stand in int32_data by their bits; elements of fewer than 8 bits share bytes.
"""

_TEXT_DATA = 6
_REALS: Mapping[int, np.dtype[np.generic]] = {4: np.dtype("<f4"), 10: np.dtype("<f8")}
"""What stands in a field whatever the type of the tensor, as in one whose type is not told."""

_FIELDS = {4: "float_data", 5: "int32_data", 6: "string_data", 7: "int64_data", 10: "double_data", 11: "uint64_data"}


def _read_place(wire: Wire, span: Span, external: dict[str, str]) -> None:
    """An entry of external_data: each key once, and the name of a file as it stands there."""
    texts = {1: "", 2: ""}
    for record in wire.records(span):
        if record[0] not in texts:
            wire.unknown("StringStringEntryProto", record)
        texts[record[0]] = wire.text(record)
    if texts[1] in external:
        wire.fail(span.start, f"external data has two entries {texts[1]!r}")
    external[texts[1]] = texts[2]


class _TensorReader:
    """One TensorProto; repeated data fields may come packed, in pieces, or one by one."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.pieces: dict[int, list[Record]] = {}

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
                    _read_place(wire, wire.child(span, record), external)
                case _:
                    self.data(record)
        kind, location = numbers[2], numbers[14]
        if location not in (0, 1):
            wire.fail(span.start, f"tensor {name!r} lies at the unknown data_location {location}")
        if (raw is not None and raw.length > 0) + bool(self.pieces) + (location == 1) > 1:
            wire.fail(span.start, f"tensor {name!r} has elements in two places")
        plain, values = self.values(span, name, kind)
        strings = tuple(wire.bytes(record) for record in self.pieces.get(_TEXT_DATA, ()))
        stored = external if location == 1 else None
        return Tensor(name, tuple(dims), kind, plain or raw, values, strings, stored)

    def data(self, record: Record) -> None:
        wire = self.wire
        match record[0]:
            case 4 | 5 | 6 | 7 | 10 | 11:
                self.pieces.setdefault(record[0], []).append(record)
            case 12 | 16:
                pass
            case 3:
                wire.fail(record[2], "a tensor in segments is not ONNX's own any more")
            case _:
                wire.fail(record[3], f"TensorProto has no field {record[0]}")

    def values(self, span: Span, name: str, kind: int) -> tuple[FileSlice | None, NDArray[np.generic] | None]:
        """The elements of a data field: where they lie, if they lie there plainly, else unpacked."""
        wire = self.wire
        if len(self.pieces) > 1:
            wire.fail(span.start, "a tensor has elements in two data fields")
        for number, records in self.pieces.items():
            expected, dtype = _STORED.get(kind, (number, _REALS.get(number)))
            if expected != number:
                wire.fail(
                    span.start,
                    f"tensor {name!r} of type {kind} has its elements in {_FIELDS[number]}, not {_FIELDS[expected]}",
                )
            if dtype is None:
                return None, None
            if dtype.kind != "f":
                return None, wire.varints(records, dtype)
            parts = [wire.numbers(record, dtype) for record in records]
            if len(records) == 1 and records[0][1] == LENGTH:
                return wire.slice(records[0]), None
            wire.unpack(sum(part.nbytes for part in parts))
            return None, np.concatenate(parts)
        return None, None
