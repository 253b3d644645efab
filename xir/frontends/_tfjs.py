"""What both kinds of TensorFlow.js models have: a `model.json` with a topology, and weights in shards beside it.

Source: TensorFlow.js, tfjs-core/src/io/types.ts (ModelJSON, WeightsManifestConfig, WeightGroup), io_utils.ts
(decodeWeights: which bytes of the shards, one behind another, are which weight) and tfjs-converter
(write_weights.py, quantization.py).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from xir.files import FileSlice, MappedFile, open_beneath
from xir.frontends._json import MAX_JSON_BYTES, Json
from xir.ir.constant import Constant, constant_of
from xir.ir.types import DType, TensorType
from xir.limits import MAX_MESSAGE_BYTES, check_size, element_count

_TYPES = {
    "float32": DType.FLOAT32, "int32": DType.INT32, "bool": DType.BOOL, "complex64": DType.COMPLEX64,
    "string": DType.STRING, "float16": DType.FLOAT16, "uint8": DType.UINT8, "uint16": DType.UINT16,
}  # fmt: skip
_LENGTH = 4
"""Bytes in front of each string that say how long it is (io_utils.ts, decodeWeights)."""

_FORMAT = re.compile(rb'"format"\s*:\s*"(graph|layers)-model"')


def kind_of(file: MappedFile) -> Literal["graph", "layers"] | None:
    """Which kind of model of TensorFlow.js a file is, if it is one: what it says, else what its topology is made of."""
    if file.size > MAX_JSON_BYTES or file.read_at(0, min(file.size, 64)).lstrip()[:1] != b"{":
        return None
    text = file.read_at(0, file.size)
    if b'"modelTopology"' not in text:
        return None
    said = _FORMAT.search(text)
    if said is not None:
        return "graph" if said[1] == b"graph" else "layers"
    if b'"class_name"' in text:
        return "layers"
    return "graph" if b'"node"' in text and b'"weightsManifest"' in text else None


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """The weights of a model.

    Attributes:
        held: the weights by name, in the order of the manifest; what an optimiser keeps beside them falls away.
        files: the shards that they were read from.
    """

    held: Mapping[str, Constant]
    files: tuple[str, ...]


def read_weights(manifest: Json, *, trust_links: bool) -> StoredWeights:
    """The weights that a manifest lists.

    Args:
        manifest: the `weightsManifest` of a `model.json`; the shards lie beside that file.
        trust_links: takes shards that are links.

    Raises:
        InvalidModelError: manifest and shards do not belong together, or two weights have one name.
        UnsupportedError: a weight has a type or a quantisation that xir does not read.
        UnsafeError, FileError: a shard lies elsewhere, is a link or too large, or is not there.
    """
    shards = _Shards(os.path.dirname(os.path.realpath(manifest.file)), trust_links)
    held: dict[str, Constant] = {}
    for group in manifest.items():
        for name, weight, made in shards.weights(group):
            if name in held:
                weight.invalid(f"two weights are called {name[:80]!r}")
            part = weight.maybe("group")
            if part is None or part.text() != "optimizer":
                held[name] = made
    return StoredWeights(held, tuple(shards.paths))


class _Shards:
    """Reads groups of weights.

    Attributes:
        paths: the files that were read.
    """

    def __init__(self, folder: str, trust_links: bool) -> None:
        """Shards in the folder of the model."""
        self.folder = folder
        self.trust_links = trust_links
        self.paths: list[str] = []

    def weights(self, group: Json) -> Iterator[tuple[str, Json, Constant]]:
        """(name, entry, elements) of the weights of a group, whose shards are one stream of bytes."""
        named = [each.text() for each in group.field("paths").items()]
        if len(set(named)) != len(named):
            group.invalid("a shard is listed twice")
        files = [open_beneath(self.folder, name, trust_links=self.trust_links) for name in named]
        self.paths += [file.path for file in files]
        stream = _Stream(files, 0)
        for weight in group.field("weights").items():
            yield weight.field("name").text(), weight, _weight(weight, stream)
        if stream.at != stream.size:
            group.invalid(f"the weights take {stream.at} bytes, the shards have {stream.size}")


@dataclass(slots=True)
class _Stream:
    """Shards one behind another, read from the front."""

    files: list[MappedFile]
    at: int

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def take(self, count: int, place: Json) -> bytes | FileSlice:
        """The next bytes: where they lie, if that is one shard."""
        if count > self.size - self.at:
            place.invalid(f"needs {count} bytes, {self.size - self.at} are left in the shards")
        pieces: list[FileSlice] = []
        start, self.at = self.at, self.at + count
        for file in self.files:
            low, high = max(start, 0), min(start + count, file.size)
            if low < high:
                pieces.append(FileSlice(file, low, high - low))
            start -= file.size
        if len(pieces) == 1:
            return pieces[0]
        return b"".join(piece.file.read_at(piece.offset, piece.length) for piece in pieces)


def _weight(weight: Json, stream: _Stream) -> Constant:
    dtype = _dtype(weight.field("dtype"))
    sizes = tuple(each.integer() for each in weight.field("shape").items())
    count = element_count(sizes, what="a weight")
    quantized = weight.maybe("quantization")
    if dtype is DType.STRING:
        return constant_of(_texts(weight, stream, count).reshape(sizes))
    kept = dtype if quantized is None else _dtype(quantized.field("dtype"))
    data = stream.take(count * kept.dtype.itemsize, weight)
    if quantized is None:
        return Constant(TensorType(dtype, sizes), data) if isinstance(data, FileSlice) else _array(data, dtype, sizes)
    check_size(count * dtype.dtype.itemsize, MAX_MESSAGE_BYTES, what="a quantised weight", file=weight.file)
    numbers = _array(data.file.read_at(data.offset, data.length) if isinstance(data, FileSlice) else data, kept, sizes)
    return constant_of(_restored(quantized, numbers, dtype))


def _dtype(place: Json) -> DType:
    name = place.text()
    return _TYPES[name] if name in _TYPES else place.refuse(f"no type of elements: {name[:40]!r}")


def _array(data: bytes, dtype: DType, sizes: tuple[int, ...]) -> Constant:
    return constant_of(np.frombuffer(data, dtype.dtype).reshape(sizes))


def _restored(quantized: Json, numbers: Constant, dtype: DType) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """What quantised numbers stand for: number * scale + min, of whole numbers rounded (io_utils.ts)."""
    array = numbers.array()
    if numbers.dtype is DType.FLOAT16:
        return np.asarray(array, dtype.dtype)
    if numbers.dtype not in (DType.UINT8, DType.UINT16):
        quantized.refuse(f"weights that are kept as {numbers.dtype}")
    reals = array.astype(np.float64) * quantized.field("scale").number() + quantized.field("min").number()
    return np.asarray(reals if dtype.is_floating else np.floor(reals + 0.5)).astype(dtype.dtype)


def _texts(weight: Json, stream: _Stream, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    if count > (stream.size - stream.at) // _LENGTH:
        weight.invalid(f"{count} strings do not fit into the shards")
    made = np.empty(count, object)
    for place in range(count):
        length = int.from_bytes(_read(stream, _LENGTH, weight), "little")
        made[place] = _read(stream, length, weight).decode("utf-8", "surrogateescape")
    return made


def _read(stream: _Stream, count: int, weight: Json) -> bytes:
    data = stream.take(count, weight)
    return data if isinstance(data, bytes) else data.file.read_at(data.offset, data.length)
