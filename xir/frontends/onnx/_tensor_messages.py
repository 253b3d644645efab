"""The tensors in an ONNX file: TensorProto and SparseTensorProto (onnx.proto of onnx 1.23)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xir.frontends.onnx._wire import Record, Span, Wire
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


class _TensorReader:
    """One TensorProto; repeated data fields may come packed, in pieces, or one by one."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
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
                    key, value = read_entry(wire, wire.child(span, record))
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
