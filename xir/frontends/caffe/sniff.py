"""What a file is, told from its content: a text or binary net, a mean, a snapshot, or something else by mistake."""

from __future__ import annotations

import re
from typing import Literal, NoReturn

from xir.errors import FormatError
from xir.files import MappedFile
from xir.frontends.caffe.schema import Schema
from xir.frontends.caffe.wire import FIXED32, FIXED64, LENGTH, VARINT, Wire

Kind = Literal["text", "net", "blob", "solverstate", "hdf5"]
"""A prototxt of any message; a binary NetParameter; a binary BlobProto (mean); a solver's state; an HDF5 file."""

HEAD_BYTES = 4096
"""Bytes that are looked at before anything is read."""

_MAX_RECORDS = 50_000
_HDF5 = b"\x89HDF\r\n\x1a\n"
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "gzip data", "unpack it first: gunzip FILE"),
    (b"BZh", "bzip2 data", "unpack it first: bunzip2 FILE"),
    (b"\xfd7zXZ\x00", "xz data", "unpack it first: xz -d FILE"),
    (b"\x28\xb5\x2f\xfd", "zstd data", "unpack it first: zstd -d FILE"),
    (b"PK\x03\x04", "a zip archive", "unpack it first; PyTorch and Keras files are zip archives too"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
    (b"\x80\x02", "a Python pickle", "Caffe has no such files: is it a model of another framework?"),
    (b"\x93NUMPY", "a NumPy array", "give the net or its weights; a mean goes to the option for means"),
    (b"\xff\xfe", "text in UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16", "save it as UTF-8"),
    (b"version https://git-lfs", "a git-LFS pointer, not the file itself", "fetch the file: git lfs pull"),
)
_HTML = re.compile(rb"\s*<(?:!doctype html|html|head|\?xml)", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_TEXT_START = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s|#[^\n]*(?:\n|$))*(?:[A-Za-z_]\w*\s*[:{<\[]|\Z)")
_CORE = frozenset((1, 2, 3, 4, 6, 8, 100))
"""Fields of NetParameter that are the same in all forks: one of another wire type means another kind of file."""

_NUMERIC = frozenset(("integer", "number", "boolean", "enum"))

_SINGLE = frozenset((1, 6))
"""Fields of NetParameter that no file repeats."""


def sniff(file: MappedFile, schema: Schema) -> Kind:
    """What the file is.

    Raises:
        FormatError: it is nothing of Caffe's; the error says what it looks like.
    """
    head = file.read_at(0, min(HEAD_BYTES, file.size))
    _refuse_others(head, file.path)
    if head.startswith(_HDF5):
        return "hdf5"
    if _CONTROL.search(head) is None and _is_text(head):
        return "text"
    return _sniff_binary(file, schema)


def _is_text(head: bytes) -> bool:
    if _TEXT_START.match(head):
        return True
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4
    return True


def _refuse_others(head: bytes, path: str) -> None:
    if not head:
        raise FormatError("the file is empty", file=path, hint="fetch it again")
    if not head.strip(b"\0"):
        raise FormatError("the file begins with zeros only", file=path, hint="the download broke off: fetch it again")
    for magic, what, hint in _MAGIC:
        if head.startswith(magic):
            raise FormatError(f"the file is {what}", file=path, hint=hint)
    if _HTML.match(head):
        raise FormatError(
            "the file is a web page (HTML or XML), not a model",
            file=path,
            hint="the link led to a page: open it in a browser and use its download button",
        )


def _sniff_binary(file: MappedFile, schema: Schema) -> Kind:
    """Looks at the outermost fields: their numbers, wire types and counts."""
    wire = Wire(file)
    counts: dict[tuple[int, int], int] = {}
    position = records = 0
    trouble: FormatError | None = None
    while position < file.size and records < _MAX_RECORDS:
        try:
            number, kind, _, position = wire.record(position, file.size)
        except FormatError as error:
            trouble = error
            break
        counts[number, kind] = counts.get((number, kind), 0) + 1
        records += 1
    if _may_be_net(counts):
        return "net"
    for name, found in (("BlobProto", "blob"), ("SolverState", "solverstate")):
        if counts and _may_be(schema, name, counts):
            return "blob" if found == "blob" else "solverstate"
    _refuse(file, trouble, counts)


def _may_be_net(counts: dict[tuple[int, int], int]) -> bool:
    for (number, kind), count in counts.items():
        expected = (VARINT, LENGTH) if number == 4 else (LENGTH,)
        if number in _CORE and kind not in expected:
            return False
        if number in _SINGLE and count > 1:
            return False
    return any((number, LENGTH) in counts for number in (2, 3, 100))


def _may_be(schema: Schema, message: str, counts: dict[tuple[int, int], int]) -> bool:
    wires = {"float": FIXED32, "double": FIXED64}
    for number, kind in counts:
        fields = schema.numbers[message].get(number, ())
        allowed = {wires.get(field.type, VARINT) for field in fields if field.category in _NUMERIC}
        if any(field.repeated or field.category not in _NUMERIC for field in fields):
            allowed.add(LENGTH)
        if kind not in allowed:
            return False
    return True


def _refuse(file: MappedFile, trouble: FormatError | None, counts: dict[tuple[int, int], int]) -> NoReturn:
    start = file.read_at(0, min(16, file.size)).hex(" ")
    detail = f" ({trouble.message})" if trouble is not None and counts else ""
    raise FormatError(
        f"the file is no net, weights or mean of Caffe: it starts with {start}{detail}",
        file=file.path,
        hint="give a .prototxt, .caffemodel, .caffemodel.h5 or .binaryproto file",
    )
