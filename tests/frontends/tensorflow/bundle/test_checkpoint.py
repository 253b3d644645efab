"""Checkpoints of both versions as weights, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.frontends.tensorflow.bundle.tables import number, of
from tests.frontends.tensorflow.saved import numbers, unpack
from xir.crc32c import masked_crc32c
from xir.errors import FormatError, InvalidModelError, UnsupportedError, XirError
from xir.files import open_mapped
from xir.frontends.tensorflow.bundle.checkpoint import open_checkpoint
from xir.frontends.tensorflow.bundle.keys import part_key
from xir.frontends.weights import load_weights

FIRST = ("first/version1.ckpt", "first/version2.ckpt.index", "variables/variables.index")


@pytest.mark.parametrize("inner", FIRST)
def test_lists_whole_variables_whatever_their_parts(inner: str, tmp_path: Path) -> None:
    weights = load_weights(unpack("old", tmp_path) / inner)
    assert weights.format == "tensorflow_checkpoint"
    assert sorted(weights.tensors) == ["kernel", "scale", "table"]
    np.testing.assert_array_equal(weights.tensors["kernel"].array(), numbers(4, 3))
    np.testing.assert_array_equal(weights.tensors["table"].array(), numbers(5, 3))
    assert weights.tensors["scale"].array() == np.float32(0.5)


@pytest.mark.parametrize("inner", FIRST)
def test_a_part_that_is_stored_otherwise_is_cut_out(inner: str, tmp_path: Path) -> None:
    found = open_checkpoint(open_mapped(unpack("old", tmp_path) / inner))
    np.testing.assert_array_equal(found.part("table", [(1, 3), (0, -1)]).array(), numbers(5, 3)[1:4])
    np.testing.assert_array_equal(found.part("table", [(2, 2), (0, 3)]).array(), numbers(5, 3)[2:4])
    with pytest.raises(InvalidModelError, match="leaves its 5 elements"):
        found.part("table", [(4, 3), (0, -1)])
    with pytest.raises(InvalidModelError, match="2 axes"):
        found.part("table", [(0, -1)])
    with pytest.raises(InvalidModelError, match="no tensor 'other'"):
        found.constant("other")


def test_objects_are_called_by_their_path(tmp_path: Path) -> None:
    weights = load_weights(unpack("dense", tmp_path) / "variables" / "variables.index")
    assert sorted(weights.tensors) == ["bias", "kernel", "rows"]


def _field(place: int, wire: int, value: bytes) -> bytes:
    return number(place << 3 | wire) + (number(len(value)) if wire == 2 else b"") + value


def _shape(*sizes: int) -> bytes:
    return b"".join(_field(2, 2, _field(1, 0, number(size & ((1 << 64) - 1)))) for size in sizes)


def _header(shards: int = 1, endianness: int = 0, needs: int = 1) -> bytes:
    version = _field(1, 0, number(1)) + _field(2, 0, number(needs))
    return _field(1, 0, number(shards)) + _field(2, 0, number(endianness)) + _field(3, 2, version)


def _tensor(
    shape: bytes,
    size: int,
    offset: int = 0,
    crc: int | None = None,
    dtype: int = 1,
    shard: int = 0,
    slices: bytes = b"",
) -> bytes:
    checksum = masked_crc32c(DATA[offset : offset + size]) if crc is None else crc
    numbers = ((1, dtype), (3, shard), (4, offset), (5, size))
    told = b"".join(_field(place, 0, number(value)) for place, value in numbers)
    return told + _field(2, 2, shape) + _field(6, 5, checksum.to_bytes(4, "little")) + slices


def _slice(*extents: tuple[int, int]) -> bytes:
    parts = [_field(1, 0, number(start)) + _field(2, 0, number(length)) for start, length in extents]
    return _field(7, 2, b"".join(_field(1, 2, part) for part in parts))


DATA = np.arange(8, dtype=np.float32).tobytes()
GOOD = _tensor(_shape(2, 4), 32)
HALVES = {
    b"a": _tensor(_shape(2, 4), 0, slices=_slice((0, 1), (0, 4)) + _slice((1, 1), (0, 4))),
    part_key("a", [(0, 1), (0, 4)]): _tensor(_shape(1, 4), 16),
    part_key("a", [(1, 1), (0, 4)]): _tensor(_shape(1, 4), 16, 16),
}


def _read(folder: Path, entries: dict[bytes, bytes], name: str = "a") -> np.ndarray:
    (folder / "x.index").write_bytes(of(entries))
    (folder / "x.data-00000-of-00001").write_bytes(DATA)
    return open_checkpoint(open_mapped(folder / "x.index")).constant(name).array()


@pytest.mark.parametrize("entries", [{b"a": GOOD}, HALVES], ids=["whole", "halves"])
def test_reads_a_bundle_by_hand(entries: dict[bytes, bytes], tmp_path: Path) -> None:
    np.testing.assert_array_equal(_read(tmp_path, {b"": _header()} | entries), np.arange(8.0).reshape(2, 4))


def _only(entry: bytes) -> dict[bytes, bytes]:
    return {b"": _header(), b"a": entry}


BAD = {
    "no header": ({b"a": GOOD}, FormatError, "no header"),
    "other byte order": ({b"": _header(endianness=1), b"a": GOOD}, UnsupportedError, "order of bytes"),
    "newer version": ({b"": _header(needs=2), b"a": GOOD}, UnsupportedError, "version 2"),
    "too many files": ({b"": _header(shards=1 << 30), b"a": GOOD}, InvalidModelError, "files of data"),
    "no such file": (_only(_tensor(_shape(2, 4), 32, shard=7)), InvalidModelError, "file 7 of 1"),
    "file that is absent": ({b"": _header(shards=2), b"a": GOOD}, XirError, "cannot open"),
    "name that is no text": ({b"": _header(), b"\xff": GOOD}, FormatError, "UTF-8"),
    "outside of the file": (_only(_tensor(_shape(2, 4), 32, 8)), InvalidModelError, "range inside"),
    "size that is not the shape's": (_only(_tensor(_shape(2, 4), 28)), InvalidModelError, "takes 32 bytes"),
    "enormous shape": (_only(_tensor(_shape(1 << 40, 1 << 40), 32)), XirError, "2\\^63"),
    "negative size": (_only(_tensor(_shape(-2, 4), 32)), InvalidModelError, "does not tell"),
    "wrong checksum": (_only(_tensor(_shape(2, 4), 32, crc=5)), FormatError, "checksum"),
    "handle": (_only(_tensor(_shape(2, 4), 32, dtype=20)), UnsupportedError, "DataType 20"),
    "strings": (_only(_tensor(_shape(2, 4), 32, dtype=7)), UnsupportedError, "strings"),
    "unknown field": (_only(GOOD + _field(9, 0, b"\1")), FormatError, "no field 9"),
    "part that is absent": (_only(HALVES[b"a"]), InvalidModelError, "not in the checkpoint"),
    "part outside": (
        _only(_tensor(_shape(2, 4), 0, slices=_slice((1, 2), (0, 4)))) | {part_key("a", [(1, 2), (0, 4)]): GOOD},
        InvalidModelError,
        "leaves its 2",
    ),
    "part of another shape": (
        _only(_tensor(_shape(2, 4), 0, slices=_slice((0, 1), (0, 4)))) | {part_key("a", [(0, 1), (0, 4)]): GOOD},
        InvalidModelError,
        "expected \\[1, 4\\]",
    ),
    "parts that are no whole": (
        HALVES | {b"": _header(), b"a": _tensor(_shape(2, 4), 0, slices=_slice((0, 1), (0, 4)))},
        InvalidModelError,
        "leave some",
    ),
    "whole that no file holds": (
        HALVES | {b"": _header(), b"a": _tensor(_shape(1 << 30, 4), 0, slices=_slice((0, 1), (0, 4)))},
        InvalidModelError,
        "declares",
    ),
}


@pytest.mark.parametrize(("entries", "kind", "why"), BAD.values(), ids=BAD)
def test_refuses(entries: dict[bytes, bytes], kind: type[XirError], why: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=why):
        _read(tmp_path, entries)


KEYS: Sequence[tuple[str, list[tuple[int, int]], bytes]] = (
    # by saved_tensor_slice_util.cc: 0, the name and its end, the number of axes, then start and length of each
    ("v", [(0, -1)], b"\0v\0\1\1\1\x80\x7f"),
    ("v", [(63, 64)], b"\0v\0\1\1\1\xbf\xc0\x40"),
    ("a\0b", [], b"\0a\0\xffb\0\1\0"),
    ("v", [(1 << 20, 1 << 55)], b"\0v\0\1\1\1\xf0\x10\0\0" + b"\xff\x80\x80\0\0\0\0\0\0"),
)


@pytest.mark.parametrize(("name", "extents", "key"), KEYS)
def test_keys_of_parts(name: str, extents: list[tuple[int, int]], key: bytes) -> None:
    assert part_key(name, extents) == key


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flip(data: bytes) -> bytes:
    return data[:20] + bytes([data[20] ^ 4]) + data[21:]


@pytest.mark.parametrize("inner", FIRST)
@pytest.mark.parametrize("damage", [_cut, _flip])
def test_damage_is_refused(inner: str, damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = unpack("old", tmp_path) / inner
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(FormatError):
        open_checkpoint(open_mapped(path))
