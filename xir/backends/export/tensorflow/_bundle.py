"""Tensor bundles, written: one file with the elements, and an index of them.

Sources: tensorflow/core/util/tensor_bundle/tensor_bundle.h, tensorflow/core/protobuf/tensor_bundle.proto, and LevelDB's
doc/table_format.md, whose form the index has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from xir.backends.export.tensorflow._encode import TYPES, shape_of
from xir.backends.export.wire import data, fixed32, integer, varint
from xir.crc32c import crc32c, masked, masked_crc32c
from xir.files import OutputFile
from xir.ir.constant import Constant

ALIGNMENT = 64
"""Where elements may begin in the file: Eigen's kernels take them there as they lie (EIGEN_MAX_ALIGN_BYTES)."""

BLOCK_BYTES = 4096
"""Bytes from which a block of the index ends (LevelDB's Options::block_size)."""

_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_FOOTER = 40
"""Bytes of the two places in the footer, before the magic number."""

_PLAIN = b"\0"
_HEADER = integer(1, 1) + data(3, integer(1, 1))
"""A BundleHeaderProto: one file of elements, in little-endian order, version 1 of the format."""


def file_names(prefix: str) -> tuple[str, str]:
    """What the file of the elements and the index are called."""
    return f"{prefix}.data-00000-of-00001", f"{prefix}.index"


def write_bundle(tensors: Mapping[str, Constant], elements: OutputFile, index: OutputFile) -> None:
    """Writes tensors by their names, piece by piece.

    Raises:
        FileError: the disk refuses.
    """
    entries = {b"": _HEADER}
    for key, constant in sorted((name.encode(), constant) for name, constant in tensors.items()):
        elements.write(bytes(-elements.tell() % ALIGNMENT))
        start, crc = elements.tell(), 0
        for chunk in constant.chunks():
            elements.write(chunk)
            crc = crc32c(chunk, crc)
        entries[key] = (
            integer(1, TYPES[constant.dtype])
            + data(2, shape_of(constant.shape))
            + integer(4, start)
            + integer(5, constant.nbytes)
            + fixed32(6, masked(crc))
        )
    _write_table(entries, index)


def _write_table(entries: Mapping[bytes, bytes], output: OutputFile) -> None:
    """A table of keys in order: their blocks, one of what is told of them (nothing), one of places, the footer."""
    places: dict[bytes, bytes] = {}
    for last, block in _blocks(entries):
        places[last] = _stored(block, output)
    about = _stored(_block({}), output)
    footer = about + _stored(_block(places), output)
    output.write(footer.ljust(_FOOTER, b"\0") + _MAGIC)


def _blocks(entries: Mapping[bytes, bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The last key and the bytes of each block."""
    held: dict[bytes, bytes] = {}
    size = 0
    for key, value in entries.items():
        held[key] = value
        size += len(key) + len(value)
        if size >= BLOCK_BYTES:
            yield key, _block(held)
            held, size = {}, 0
    if held:
        yield next(reversed(held)), _block(held)


def _block(entries: Mapping[bytes, bytes]) -> bytes:
    """A block whose keys are each told in full, so that a reader may begin at each."""
    out, starts = bytearray(), list[int]()
    for key, value in entries.items():
        starts.append(len(out))
        out += varint(0) + varint(len(key)) + varint(len(value)) + key + value
    starts = starts or [0]
    return bytes(out) + b"".join(start.to_bytes(4, "little") for start in (*starts, len(starts)))


def _stored(block: bytes, output: OutputFile) -> bytes:
    """Writes a block with its checksum; answers where it is, as other blocks tell it."""
    start = output.tell()
    output.write(block + _PLAIN + masked_crc32c(block + _PLAIN).to_bytes(4, "little"))
    return varint(start) + varint(len(block))
