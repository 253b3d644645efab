"""The `.safetensors` format: a length, a JSON header, the elements. (github.com/huggingface/safetensors, README)

Read with every number of the header checked before it is believed, tensors as slices of the file; written in bounded
memory, file to file where the elements lie in a file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from xir.errors import FormatError, InvalidModelError, UnsupportedError
from xir.files import FileSlice, MappedFile, OutputFile
from xir.ir.constant import Constant
from xir.ir.types import DType, TensorType, dtype_from_name
from xir.limits import MEBI, byte_count, check_present, check_size

MAX_HEADER_BYTES = 16 * MEBI
"""Bytes of a header. The format allows 100 MB (safetensors/src/tensor.rs, MAX_HEADER_SIZE), which read as JSON takes
gigabytes; 10,000 tensors take about 2 MB."""

_CODES: Mapping[DType, str] = {
    DType.FLOAT64: "F64",
    DType.FLOAT32: "F32",
    DType.FLOAT16: "F16",
    DType.BFLOAT16: "BF16",
    DType.INT64: "I64",
    DType.INT32: "I32",
    DType.INT16: "I16",
    DType.INT8: "I8",
    DType.UINT64: "U64",
    DType.UINT32: "U32",
    DType.UINT16: "U16",
    DType.UINT8: "U8",
    DType.BOOL: "BOOL",
    DType.FLOAT8E4M3FN: "F8_E4M3",
    DType.FLOAT8E5M2: "F8_E5M2",
}
"""The element types that every reader of the format knows; others are stored as U8, one item after the other, with
`xir.type.<name>` in the metadata saying what they are."""

_READ: Mapping[str, DType] = {code: dtype for dtype, code in _CODES.items()} | {
    "C64": DType.COMPLEX64,
    "F8_E8M0": DType.FLOAT8E8M0,
    "F8_E4M3FNUZ": DType.FLOAT8E4M3FNUZ,
    "F8_E5M2FNUZ": DType.FLOAT8E5M2FNUZ,
}
"""Codes that are read; the later ones (safetensors 0.6 and 0.7, src/tensor.rs, Dtype) are not known everywhere yet."""

_RAW, _TYPE = "U8", "xir.type."


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor of a file: the format's code, the shape, the bytes."""

    code: str
    shape: tuple[int, ...]
    data: FileSlice


class SafetensorsFile:
    """The tensors of an open file, by name.

    Attributes:
        tensors: {name: where it lies}.
        metadata: the header's free words.
    """

    def __init__(self, file: MappedFile) -> None:
        """Reads and checks the header.

        Raises:
            FormatError: the header is no JSON of the format.
            InvalidModelError: ranges leave the file, overlap, leave holes, or do not fit their shapes.
            UnsafeError: the header is larger than the format allows.
        """
        self._path = file.path
        check_present(8, file.size, what="the header's length", file=file.path)
        length = int.from_bytes(file.read_at(0, 8), "little")
        check_size(length, MAX_HEADER_BYTES, what="the header", file=file.path)
        check_present(length, file.size - 8, what="the header", file=file.path)
        header = _parse_header(file.read_at(8, length), file.path)
        self.metadata = self._metadata(header.pop("__metadata__", {}))
        body = file.slice(8 + length, file.size - 8 - length)
        self.tensors = {name: self._tensor(name, entry, body) for name, entry in header.items()}
        end = 0
        for tensor in sorted(self.tensors.values(), key=lambda t: (t.data.offset, t.data.length)):
            if tensor.data.offset != body.offset + end:
                raise InvalidModelError("tensors of the file overlap or leave holes", number=504, file=self._path)
            end += tensor.data.length
        if end != body.length:
            raise InvalidModelError(f"the file has {body.length - end} bytes of no tensor", file=self._path)

    def _metadata(self, entry: object) -> dict[str, str]:
        if not isinstance(entry, dict):
            raise FormatError("the header's metadata is no table", file=self._path)
        words = cast("dict[str, object]", entry)
        return {key: word for key, word in words.items() if isinstance(word, str)}

    def _tensor(self, name: str, entry: object, body: FileSlice) -> StoredTensor:
        fields = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
        code, shape, offsets = fields.get("dtype"), fields.get("shape"), fields.get("data_offsets")
        if not isinstance(code, str) or not isinstance(shape, list) or not isinstance(offsets, list):
            raise FormatError(f"tensor {name[:60]!r} lacks dtype, shape or data_offsets", file=self._path)
        sizes, limits = _integers(cast("list[object]", shape)), _integers(cast("list[object]", offsets))
        if sizes is None or limits is None or len(limits) != 2:
            raise FormatError(f"tensor {name[:60]!r} has a shape or offsets that are no numbers", file=self._path)
        data = body.slice(limits[0], limits[1] - limits[0], what=f"tensor {name[:60]!r}")
        return StoredTensor(code, sizes, data)

    def type_of(self, name: str) -> TensorType:
        """The type of the tensor `name`, which the file holds.

        Raises:
            FormatError: the metadata tells of a type that is none.
            UnsupportedError: xir has no such element type.
        """
        tensor = self.tensors[name]
        told = self.metadata.get(_TYPE + name)
        if told is not None:
            kind, _, sizes = told.removesuffix("]").partition("[")
            digits = sizes.split(",") if sizes else []
            if not all(each.isascii() and each.isdigit() and len(each) < 20 for each in digits):
                raise FormatError(f"tensor {name[:60]!r} is of no type: {told[:60]!r}", file=self._path)
            return TensorType(dtype_from_name(kind), tuple(int(each) for each in digits))
        if tensor.code not in _READ:
            raise UnsupportedError(
                f"elements of {tensor.code[:20]!r} have no element type here", hint="convert them to F32, F16 or BF16"
            )
        return TensorType(_READ[tensor.code], tensor.shape)

    def constant(self, name: str, type: TensorType) -> Constant:
        """The tensor `name` as a constant of `type`; its elements stay in the file.

        Raises:
            FormatError: there is none, or it is of another type.
        """
        tensor = self.tensors.get(name)
        if tensor is None:
            raise FormatError(f"has no tensor {name[:60]!r}", file=self._path)
        shape = type.static_shape or ()
        size = byte_count(shape, type.dtype.dtype.itemsize * 8, what=f"tensor {name[:60]!r}", file=self._path)
        raw = type.dtype not in _CODES and tensor.code == _RAW
        fits = tensor.shape == (size,) if raw else (_READ.get(tensor.code), tensor.shape) == (type.dtype, shape)
        if not fits or tensor.data.length != size:
            raise FormatError(
                f"tensor {name[:60]!r} is {tensor.code}{list(tensor.shape)}, expected {type!r}", file=self._path
            )
        return Constant(type, tensor.data)


def _integers(items: Sequence[object]) -> tuple[int, ...] | None:
    kept = tuple(item for item in items if isinstance(item, int) and not isinstance(item, bool))
    return kept if len(kept) == len(items) else None


def _parse_header(data: bytes, path: str) -> dict[str, object]:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        table = dict(pairs)
        if len(table) != len(pairs):
            raise FormatError("a key stands twice in the header", file=path)
        return table

    try:
        header: object = json.loads(data.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the header is no JSON: {error}", file=path, hint="is it a safetensors file?") from error
    if not isinstance(header, dict):
        raise FormatError("the header is no JSON table", file=path)
    return cast("dict[str, object]", header)


def header_bytes(tensors: Mapping[str, Constant], metadata: Mapping[str, str]) -> tuple[bytes, list[str]]:
    """The header of a file with these tensors (padded to 8 bytes), and the order in which they must be written.

    Wide elements come first, so that every tensor is aligned to its elements.
    """
    order = sorted(tensors, key=lambda name: (-tensors[name].dtype.dtype.itemsize, name))
    notes = dict(metadata)
    entries: dict[str, object] = {}
    offset = 0
    for name in order:
        constant = tensors[name]
        code = _CODES.get(constant.dtype)
        if code is None:
            notes[_TYPE + name] = repr(constant.type)
        end = offset + constant.nbytes
        shape = list(constant.shape) if code is not None else [constant.nbytes]
        entries[name] = {"dtype": code or _RAW, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps({"__metadata__": notes, **entries}, separators=(",", ":"))
    data = text.encode("ascii")
    data += b" " * (-len(data) % 8)
    return len(data).to_bytes(8, "little") + data, order


def header_name(header: bytes) -> str:
    """A short name for the content: the header holds the hash of every tensor."""
    return hashlib.sha256(header).hexdigest()[:16]


def write_tensors(output: OutputFile, header: bytes, order: Sequence[str], tensors: Mapping[str, Constant]) -> None:
    """Writes a file of the given header; raises FileError where the disk refuses or a source file changed."""
    output.write(header)
    for name in order:
        constant = tensors[name]
        if isinstance(constant.data, FileSlice):
            output.copy(constant.data)
        else:
            for chunk in constant.chunks():
                output.write(chunk)
