"""BlobProto, from binary and from text, as `Blob`: shape, type and place are found, the elements stay in the file.

Semantics: blob.cpp, Blob::FromProto (the old four sizes win over `shape`, `double_data` over `data`, and the number of
elements must be exactly what the shape says); NVIDIA/caffe's blob.cpp for `raw_data`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np
from numpy.typing import NDArray

from xir.errors import InvalidModelError
from xir.files import FileSlice
from xir.frontends.caffe.blob import ITEM_BYTES, Blob, BlobType, numpy_type
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.wire import FIXED32, FIXED64, LENGTH, VARINT, WIRE_NAMES, Wire
from xir.limits import element_count

_OLD_SIZES = ("num", "channels", "height", "width")
_RAW_TYPES: tuple[BlobType, ...] = ("f64", "f32", "f16", "i32", "u32")
"""NVIDIA/caffe, caffe.proto, enum Type: DOUBLE, FLOAT, FLOAT16, INT, UINT."""

_MAX_PIECES = 4096
"""Packed runs of one blob: every writer makes one; protobuf allows any number."""

_Piece = FileSlice | NDArray[np.generic]


@dataclass(slots=True)
class _Parts:
    """What the fields of one BlobProto said so far."""

    old: dict[int, int] = field(default_factory=dict[int, int])
    dims: list[int] | None = None
    single: list[_Piece] = field(default_factory=list[_Piece])
    double: list[_Piece] = field(default_factory=list[_Piece])
    raw: FileSlice | None = None
    raw_type: int | None = None
    gradient: bool = False
    unknown: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])


def scan_blob(wire: Wire, start: int, end: int) -> tuple[Blob, list[tuple[int, int]]]:
    """The BlobProto in [start, end) and its unknown fields as (number, position).

    Raises:
        FormatError: the bytes are no BlobProto.
        InvalidModelError: the shape and the elements do not belong together.
        UnsafeError: the shape is past every limit.
    """
    parts = _Parts()
    position = start
    while position < end:
        position = _take(wire, parts, position, end)
    blob = _finish(parts, f"the blob at byte {start}", wire.path, offset=start)
    return blob, parts.unknown


def _take(wire: Wire, parts: _Parts, position: int, end: int) -> int:
    """Reads one record, or one run of records, into `parts`; returns the position behind it."""
    number, kind, value, behind = wire.record(position, end)
    if number in (5, 8):
        return _take_data(wire, parts, position, end)
    if number in (6, 9, 13):
        parts.gradient = True
        return wire.run(position, end, "<f4" if kind == FIXED32 else "<f8")[1] if kind in (FIXED32, FIXED64) else behind
    if number <= 4 and kind == VARINT:
        parts.old[number] = _signed32(value)
    elif number == 7 and kind == LENGTH:
        parts.dims = (parts.dims or []) + _scan_shape(wire, value, behind, parts)
    elif number in (10, 11) and kind == VARINT:
        parts.raw_type = value if number == 10 else parts.raw_type
    elif number == 12 and kind == LENGTH:
        parts.raw = wire.file.slice(value, behind - value, what="the raw data")
    else:
        parts.unknown.append((number, position))
    return behind


def _take_data(wire: Wire, parts: _Parts, position: int, end: int) -> int:
    number, kind, start, behind = wire.record(position, end)
    pieces, type_, fixed = (parts.single, "<f4", FIXED32) if number == 5 else (parts.double, "<f8", FIXED64)
    if kind == LENGTH:
        if (behind - start) % int(type_[-1]):
            wire.fail(position, f"the elements take {behind - start} bytes, not a multiple of {type_[-1]}")
        if len(pieces) >= _MAX_PIECES:
            wire.fail(position, f"the elements of one blob come in more than {_MAX_PIECES} pieces")
        if behind > start:
            pieces.append(wire.file.slice(start, behind - start, what="the elements"))
        return behind
    if kind != fixed:
        wire.fail(position, f"the elements of a blob have wire type {WIRE_NAMES[kind]}")
    values, behind = wire.run(position, end, type_)
    pieces.append(values)
    return behind


def _scan_shape(wire: Wire, start: int, end: int, parts: _Parts) -> list[int]:
    dims: list[int] = []
    position = start
    while position < end:
        number, kind, value, behind = wire.record(position, end)
        if number == 1 and kind == VARINT:
            dims.append(_signed64(value))
        elif number == 1 and kind == LENGTH:
            dims.extend(_signed64(item) for item in wire.packed_varints(value, behind))
        else:
            parts.unknown.append((number, position))
        position = behind
    return dims


def _signed64(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _signed32(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def _shape(parts: _Parts) -> tuple[int, ...]:
    if parts.old:
        return tuple(parts.old.get(number, 0) for number in (1, 2, 3, 4))
    return tuple(parts.dims or ())


def _given(parts: _Parts) -> list[str]:
    held = (("data", parts.single), ("double_data", parts.double), ("raw_data", parts.raw))
    return [name for name, there in held if there]


def _finish(parts: _Parts, what: str, path: str | None, *, offset: int | None = None, line: int | None = None) -> Blob:
    given = _given(parts)
    if len(given) > 1:
        raise InvalidModelError(f"{what} holds both {given[0]} and {given[1]}; expected one of them", file=path)
    dtype: BlobType = "f64" if parts.double else "f32"
    pieces: list[_Piece] = parts.double or parts.single
    if parts.raw is not None:
        dtype, pieces = _raw_type(parts, what, path), [parts.raw]
    shape = _shape(parts)
    count = element_count(shape, what=what, file=path)
    present = sum(_bytes(piece) for piece in pieces)
    if present != count * ITEM_BYTES[dtype]:
        raise InvalidModelError(
            f"{what} declares the shape {list(shape)}, {count} elements, but holds {present / ITEM_BYTES[dtype]:g}",
            number=504,
            file=path,
            hint="the file is damaged: fetch it again",
        )
    return Blob(shape, dtype, _joined(pieces, shape, dtype), line=line, offset=offset, gradient=parts.gradient)


def _raw_type(parts: _Parts, what: str, path: str | None) -> BlobType:
    code = parts.raw_type
    dtype = _RAW_TYPES[code] if code is not None and code < len(_RAW_TYPES) else None
    if dtype is None:
        raise InvalidModelError(
            f"{what} holds raw data of type {code}; expected 0 to {len(_RAW_TYPES) - 1} (NVIDIA/caffe, enum Type)",
            file=path,
        )
    return dtype


def _bytes(piece: _Piece) -> int:
    return piece.length if isinstance(piece, FileSlice) else piece.nbytes


def _joined(pieces: list[_Piece], shape: tuple[int, ...], dtype: BlobType) -> FileSlice | NDArray[np.generic]:
    """One packed piece stays a range of the file; anything else becomes an array."""
    if len(pieces) == 1 and isinstance(pieces[0], FileSlice):
        return pieces[0]
    type_ = numpy_type(dtype)
    arrays = [
        np.frombuffer(piece.read(), dtype=type_) if isinstance(piece, FileSlice) else piece.view(type_)
        for piece in pieces
    ]
    joined = np.concatenate(arrays) if arrays else np.empty(0, dtype=type_)
    joined = joined.reshape(shape)
    joined.flags.writeable = False
    return joined


def text_blob(message: Message, path: str | None) -> Blob:
    """The `Blob` of a BlobProto that stands in a text file.

    Raises:
        InvalidModelError: the shape and the elements do not belong together, or it holds raw data.
    """
    parts = _Parts(gradient=any(message.has(name) for name in ("diff", "double_diff", "raw_diff")))
    for number, name in enumerate(_OLD_SIZES, 1):
        size = message.optional_integer(name)
        if size is not None:
            parts.old[number] = size
    what = f"the blob in line {message.line}"
    if message.has("shape"):
        parts.dims = list(message.message("shape").integers("dim"))
    if message.has("raw_data"):
        raise InvalidModelError(f"{what} holds raw_data as text, which xir does not read", file=path)
    for name, pieces, type_ in (("data", parts.single, "<f4"), ("double_data", parts.double, "<f8")):
        values = message.numbers(name)
        if values:
            with np.errstate(over="ignore"):
                pieces.append(np.array(values, dtype=type_))
    return _finish(parts, what, path, line=message.line)


def blob_values(blob: Blob) -> NDArray[np.floating]:
    """The elements as an array of real numbers; for means and tests."""
    return cast("NDArray[np.floating]", blob.array())
