"""BlobProto in every form."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.frontends.caffe.encoding import encode_blob, field_bytes, tag, varint, write
from xir.errors import FormatError, InvalidModelError, XirError
from xir.files import FileSlice, open_mapped
from xir.frontends.caffe.blob import Blob
from xir.frontends.caffe.prototext import parse_text
from xir.frontends.caffe.weights import blob_values, scan_blob
from xir.frontends.caffe.wire import Wire

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


def scan(folder: Path, content: bytes) -> Blob:
    file = open_mapped(write(folder / "mean.binaryproto", content))
    return scan_blob(Wire(file), 0, file.size)[0]


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_scan_blob_reads_every_form(tmp_path: Path, packed: bool, double: bool) -> None:
    blob = scan(tmp_path, encode_blob(VALUES, packed=packed, double=double))
    assert (blob.shape, blob.dtype, blob.count, blob.nbytes) == (
        (2, 3),
        "f64" if double else "f32",
        6,
        48 if double else 24,
    )
    np.testing.assert_array_equal(blob.array(), VALUES)
    assert isinstance(blob.data, FileSlice) is packed
    assert repr(blob) == f"Blob({blob.dtype}[2, 3])"
    assert not blob_values(blob).flags.writeable


def test_scan_blob_takes_the_old_sizes(tmp_path: Path) -> None:
    blob = scan(tmp_path, encode_blob(VALUES, old=True))
    assert blob.shape == (1, 1, 2, 3)


def test_scan_blob_joins_several_packed_pieces(tmp_path: Path) -> None:
    content = (
        field_bytes(7, field_bytes(1, b"\x03"))
        + field_bytes(5, struct.pack("<ff", 1, 2))
        + tag(5, 5)
        + struct.pack("<f", 3)
    )
    np.testing.assert_array_equal(scan(tmp_path, content).array(), [1, 2, 3])


@pytest.mark.parametrize(
    ("code", "type_", "dtype"),
    [(0, "<f8", "f64"), (1, "<f4", "f32"), (2, "<f2", "f16"), (3, "<i4", "i32"), (4, "<u4", "u32")],
)
def test_scan_blob_reads_nvidias_raw_data(tmp_path: Path, code: int, type_: str, dtype: str) -> None:
    raw = np.arange(3).astype(type_)
    content = (
        field_bytes(7, field_bytes(1, b"\x03"))
        + tag(10, 0)
        + varint(code)
        + tag(11, 0)
        + b"\x01"
        + field_bytes(12, raw.tobytes())
    )
    blob = scan(tmp_path, content)
    assert blob.dtype == dtype
    np.testing.assert_array_equal(blob.array(), raw)


@pytest.mark.parametrize(
    "diff", [field_bytes(6, bytes(4)), tag(6, 5) + bytes(4), field_bytes(9, bytes(8)), tag(9, 1) + bytes(8)]
)
def test_scan_blob_says_that_there_are_gradients(tmp_path: Path, diff: bytes) -> None:
    assert scan(tmp_path, diff + encode_blob(np.ones(1))).gradient


def test_scan_blob_scalar_and_empty(tmp_path: Path) -> None:
    assert scan(tmp_path, field_bytes(5, bytes(4))).shape == ()
    assert scan(tmp_path, field_bytes(7, field_bytes(1, b"\x00")) + field_bytes(5, b"")).array().shape == (0,)


def test_scan_blob_reports_unknown_fields(tmp_path: Path) -> None:
    shape = field_bytes(7, b"\x08\x01\x10\x05")
    file = open_mapped(write(tmp_path / "x", shape + field_bytes(5, bytes(4)) + field_bytes(99, b"")))
    assert [number for number, _ in scan_blob(Wire(file), 0, file.size)[1]] == [2, 99]


@pytest.mark.parametrize(
    ("content", "error", "reason"),
    [
        (
            field_bytes(7, field_bytes(1, b"\x02")) + field_bytes(5, bytes(4)),
            InvalidModelError,
            r"shape \[2\], 2 elements, but holds 1",
        ),
        (field_bytes(5, bytes(5)), FormatError, "not a multiple of 4"),
        (field_bytes(8, bytes(4)), FormatError, "not a multiple of 8"),
        (tag(5, 0) + b"\x01", FormatError, "have wire type varint"),
        (field_bytes(5, bytes(4)) + field_bytes(8, bytes(8)), InvalidModelError, "both data and double_data"),
        (b"", InvalidModelError, "1 elements, but holds 0"),
        (tag(1, 0) + varint(-1), InvalidModelError, "is -1; expected 0 or more"),
        (field_bytes(7, field_bytes(1, varint(1 << 62) + varint(1 << 62))), XirError, "more than 2"),
        (field_bytes(7, field_bytes(1, varint(1 << 50))), InvalidModelError, "but holds 0"),
        (field_bytes(7, field_bytes(1, b"\x01" * 100)), XirError, "has 100 dimensions"),
        (tag(10, 0) + b"\x09" + field_bytes(12, bytes(4)), InvalidModelError, "raw data of type 9"),
        (field_bytes(12, bytes(4)), InvalidModelError, "raw data of type None"),
        (field_bytes(5, bytes(4)) * 5000, FormatError, "more than 4096 pieces"),
    ],
)
def test_scan_blob_refuses(tmp_path: Path, content: bytes, error: type[XirError], reason: str) -> None:
    with pytest.raises(error, match=reason):
        scan(tmp_path, content)


def test_text_blob_forms() -> None:
    (blob,) = parse_text(
        "blobs { shape { dim: [1, 2] } double_data: [0.1, 2] double_diff: 1 }", "LayerParameter"
    ).blobs("blobs")
    assert (blob.dtype, blob.shape, blob.gradient) == ("f64", (1, 2), True)
    np.testing.assert_array_equal(blob.array(), [[0.1, 2]])


def test_text_blob_refuses_raw_data() -> None:
    with pytest.raises(InvalidModelError, match="raw_data as text"):
        parse_text('blobs { raw_data: "ab" }', "LayerParameter")
