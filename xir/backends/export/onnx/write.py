"""Writing the file: pieces in order, weights file to file, and a data file beside it where one file cannot hold all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xir.backends.export.onnx import _wire as wire
from xir.backends.export.onnx._encode import External, Header, encode_model
from xir.backends.export.onnx._names import Names
from xir.backends.export.onnx._plan import Plan
from xir.backends.export.onnx._tensor import Payload, payload
from xir.errors import UnsupportedError
from xir.files import AtomicGroup, OutputFile, PathLike, atomic_group
from xir.ir.node import Value
from xir.ir.types import DType
from xir.limits import MAX_MESSAGE_BYTES

ALIGNMENT = 4096
"""Where a weight may begin in the data file: at a page, so that runtimes can map it (onnx docs/ExternalData.md,
'offset ... should be page-aligned (4096) for mmap support')."""

EXTERNAL_FROM = 1024
"""Bytes from which a weight goes into the data file; smaller ones stay where shape inference sees them (the
`size_threshold` of onnx.external_data_helper is 1024)."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes:
        size: bytes of the model file.
        data_file: the data file's name, or None.
        data_size: its bytes.
    """

    size: int
    data_file: str | None = None
    data_size: int = 0


def write_model(path: PathLike, plan: Plan, names: Names, header: Header, external: bool | None) -> Written:
    """Writes the model at `path`: whole, or not at all.

    Args:
        path: of the model file.
        plan: what to write.
        names: its names.
        header: what stands around it.
        external: whether weights go into a data file; None where they must.

    Raises:
        UnsupportedError: one file cannot hold it, and `external` forbids two.
        FileError: the disk refuses.
    """
    with atomic_group(path) as group:
        data_name: str | None = None
        data_size = 0
        pieces = [] if external else encode_model(plan, names, header, {})
        if external or (external is None and wire.size_of(pieces) > MAX_MESSAGE_BYTES):
            name: str = os.fspath(path)
            places, data_name, data_size = _write_data(group, os.path.basename(name), plan)
            pieces = encode_model(plan, names, header, places)
        size = wire.size_of(pieces)
        if size > MAX_MESSAGE_BYTES:
            raise UnsupportedError(
                f"the model takes {size} bytes; one protobuf file holds {MAX_MESSAGE_BYTES}",
                hint="let the weights go into a data file beside it (external_data)",
            )
        _write_pieces(group.model, pieces)
    return Written(size, data_name, data_size)


def _write_pieces(output: OutputFile, pieces: Iterable[wire.Piece]) -> None:
    for piece in pieces:
        if isinstance(piece, Payload):
            piece.write(output)
        else:
            output.write(piece)


def _write_data(group: AtomicGroup, stem: str, plan: Plan) -> tuple[Mapping[Value, External], str | None, int]:
    """The data file, named by the hash of its content, and where each weight lies in it."""
    chosen: list[tuple[Value, Payload]] = []
    for parameter in plan.weights():
        if parameter.constant.dtype is not DType.STRING:
            raw = payload(parameter.constant)
            if raw.length >= EXTERNAL_FROM:
                chosen.append((parameter.value, raw))
    if not chosen:
        return {}, None, 0
    output, digest = group.data(), hashlib.sha256()
    offsets: dict[Value, tuple[int, int]] = {}
    for value, raw in chosen:
        gap = bytes(-output.tell() % ALIGNMENT)
        output.write(gap)
        digest.update(gap)
        offsets[value] = (output.tell(), raw.length)
        for chunk in raw.chunks():
            output.write(chunk)
            digest.update(chunk)
    name = f"{stem}.{digest.hexdigest()[:16]}.data"
    group.name(output, name)
    return {value: External(name, *place) for value, place in offsets.items()}, name, output.tell()
