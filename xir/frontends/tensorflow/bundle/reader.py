"""Tensor bundles: an index of tensors (`NAME.index`) and the files that hold their bytes (`NAME.data-00000-of-00001`).

Source: tensorflow/core/util/tensor_bundle/tensor_bundle.h and tensorflow/core/protobuf/tensor_bundle.proto.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from xir.crc32c import masked_crc32c
from xir.errors import FormatError, InvalidModelError, UnsupportedError
from xir.files import FileSlice, MappedFile, open_beneath
from xir.frontends._wire import Wire
from xir.frontends.tensorflow.bundle.keys import Extent, part_key
from xir.frontends.tensorflow.bundle.parts import cut, extents_of, joined
from xir.frontends.tensorflow.bundle.table import Table
from xir.frontends.tensorflow.proto.binary import read_message
from xir.frontends.tensorflow.proto.message import Message
from xir.frontends.tensorflow.tensors import dtype_of, shape_of_message
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.types import DType, TensorType
from xir.limits import byte_count

SUFFIX = ".index"
"""How the name of an index ends; its companions are called as it is without that."""

MAX_SHARDS = 99_999
"""Files of one bundle: their numbers have five digits."""

_VERSION = 1
"""The version of the format that this is (tensor_bundle.h, kTensorBundleVersion)."""

_HEADER = b""


class Bundle:
    """The tensors of a checkpoint, whose bytes stay in their files.

    Attributes:
        path: the index.
        entries: what is told of each tensor, by name: `BundleEntryProto` messages.
    """

    def __init__(self, index: MappedFile, table: Table, *, trust_links: bool = False) -> None:
        """Reads the entries of an index.

        Raises:
            FormatError: it is none, or damaged.
            UnsupportedError: a newer TensorFlow or a machine of the other byte order wrote it.
        """
        self.path = index.path
        self._trust_links = trust_links
        self._shards: dict[int, MappedFile] = {}
        self._parts, header = _messages(index, table)
        self._count = _shards(header, index.path)
        self.entries: Mapping[str, Message] = {
            _name(key, index.path): entry for key, entry in self._parts.items() if not key.startswith(b"\0")
        }

    @property
    def files(self) -> tuple[str, ...]:
        """The index and the files that were opened so far."""
        return (self.path, *(self._shards[number].path for number in sorted(self._shards)))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tensors."""
        return tuple(self.entries)

    def has(self, name: str) -> bool:
        """Whether there is a tensor of this name."""
        return name in self.entries

    def constant(self, name: str) -> Constant:
        """A tensor, whole; its checksum is looked at.

        Raises:
            InvalidModelError: there is none of this name, or it leaves its file, or its parts do not make a whole.
            FormatError: its bytes are damaged.
            UnsupportedError: its elements have no type here.
        """
        entry = self._entry(name)
        slices = entry.messages("slices")
        if not slices:
            return self._stored(entry, name)
        type = self._type(entry, name)
        parts = [self._stored(self._part(name, each), name) for each in slices]
        held = sum(shard.size for shard in self._shards.values())
        return joined(type, [(extents_of(each), part) for each, part in zip(slices, parts, strict=True)], name, held)

    def part(self, name: str, extents: Sequence[Extent]) -> Constant:
        """A part of a tensor; one that is stored as such stays in its file.

        Raises:
            InvalidModelError, FormatError, UnsupportedError: as `constant`.
        """
        stored = self._parts.get(part_key(name, extents))
        if stored is not None:
            return self._stored(stored, name)
        return cut(self.constant(name), extents, name)

    def _entry(self, name: str) -> Message:
        entry = self.entries.get(name)
        if entry is None:
            raise InvalidModelError(f"the checkpoint has no tensor {name[:200]!r}", file=self.path)
        return entry

    def _part(self, name: str, told: Message) -> Message:
        extents = extents_of(told)
        found = self._parts.get(part_key(name, extents))
        if found is None:
            raise InvalidModelError(f"a part of {name!r} is not in the checkpoint: {extents}", file=self.path)
        return found

    def _type(self, entry: Message, name: str) -> TensorType:
        sizes = shape_of_message(entry.message("shape")) or ()
        if any(size is None for size in sizes):
            raise InvalidModelError(f"the checkpoint does not tell the shape of {name!r}", file=self.path)
        dtype = dtype_of(entry.integer("dtype"), f"{name!r} of the checkpoint")
        return TensorType(dtype, tuple(size or 0 for size in sizes))

    def _stored(self, entry: Message, name: str) -> Constant:
        type = self._type(entry, name)
        if type.dtype is DType.STRING:
            raise UnsupportedError(f"{name!r} of the checkpoint is of strings")
        sizes = type.static_shape or ()
        offset, length = entry.integer("offset"), entry.integer("size")
        needed = byte_count(sizes, 8 * type.dtype.dtype.itemsize, what=name, file=self.path)
        if needed != length:
            raise InvalidModelError(
                f"{name!r} is {type!r}, which takes {needed} bytes; the checkpoint has {length}",
                number=504,
                file=self.path,
            )
        data = self._shard(entry.integer("shard_id")).slice(offset, length, what=repr(name))
        if masked_crc32c(data.view()) != entry.integer("crc32c"):
            raise FormatError(
                f"the checksum of {name!r} is wrong", file=data.path, hint="the file is damaged: fetch it again"
            )
        return Constant(type, data) if type.dtype.bits >= 8 else constant_of(_unpacked(data, type), type.dtype)

    def _shard(self, number: int) -> MappedFile:
        if not 0 <= number < self._count:
            raise InvalidModelError(f"a tensor is in file {number} of {self._count}", file=self.path)
        if number not in self._shards:
            folder, index = os.path.split(self.path)
            name = f"{index.removesuffix(SUFFIX)}.data-{number:05d}-of-{self._count:05d}"
            self._shards[number] = open_beneath(folder, name, trust_links=self._trust_links)
        return self._shards[number]


def _messages(index: MappedFile, table: Table) -> tuple[dict[bytes, Message], Message]:
    """The entries by key, and the header, which stands at the empty key."""
    wire = Wire(index, "checkpoint", table.content)
    if _HEADER not in table.entries:
        raise FormatError("the table is no index of tensors: it has no header", file=index.path)
    spans = {key: span for key, span in table.entries.items() if key != _HEADER}
    entries = {key: read_message(wire, span, "BundleEntryProto") for key, span in spans.items()}
    return entries, read_message(wire, table.entries[_HEADER], "BundleHeaderProto")


def _shards(header: Message, path: str) -> int:
    """How many files the bundle has, once its header was looked at."""
    if header.integer("endianness"):
        raise UnsupportedError("the checkpoint has the order of bytes of other machines", file=path)
    version = header.message("version")
    if version is not None and version.integer("min_consumer") > _VERSION:
        raise UnsupportedError(
            f"the checkpoint needs version {version.integer('min_consumer')} of the format", file=path
        )
    count = header.integer("num_shards")
    if not 0 <= count <= MAX_SHARDS:
        raise InvalidModelError(f"the checkpoint has {count} files of data", file=path)
    return count


def _name(key: bytes, path: str) -> str:
    try:
        return key.decode()
    except UnicodeDecodeError:
        raise FormatError(f"the name {key[:80]!r} is not UTF-8", file=path) from None


def _unpacked(data: FileSlice, type: TensorType) -> Array:
    """Elements of less than a byte, which checkpoints store one a byte."""
    stored = np.frombuffer(data.view(), np.int8 if type.dtype.is_signed else np.uint8)
    return stored.astype(type.dtype.dtype).reshape(type.static_shape or ())
