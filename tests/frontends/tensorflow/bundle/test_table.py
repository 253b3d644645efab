"""Tables: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.frontends.tensorflow.bundle.tables import block, entry, number, of, stored, table
from xir.errors import FormatError, UnsafeError, XirError
from xir.files import open_mapped
from xir.frontends.tensorflow.bundle.table import read_table


def _read(data: bytes, folder: Path) -> dict[bytes, bytes]:
    path = folder / "x.index"
    path.write_bytes(data)
    found = read_table(open_mapped(path))
    return {key: found.content[span.start : span.stop] for key, span in found.entries.items()}


def test_reads_blocks_plain_and_packed(tmp_path: Path) -> None:
    second = block([entry(b"c", b"3" * 40), entry(b"a", b"4", shared=1)])
    packed = number(len(second)) + b"\xf0" + bytes([len(second) - 1]) + second
    data = table([stored(block([entry(b"a", b"1"), entry(b"b", b"2")])), stored(packed, 1)])
    assert _read(data, tmp_path) == {b"a": b"1", b"b": b"2", b"c": b"3" * 40, b"ca": b"4"}


GOOD = of({b"a": b"1", b"b": b"2"})
FLIPPED = bytes([GOOD[0] ^ 1]) + GOOD[1:]
PLAIN = stored(block([entry(b"a", b"1")]))
BAD = {
    "nothing": (b"", "does not end"),
    "cut short": (GOOD[:-9], "does not end"),
    "flipped bit": (FLIPPED, "checksum"),
    "block outside": (table([PLAIN], [(10_000, 20)]), "outside"),
    "block of enormous size": (table([PLAIN], [(0, 1 << 60)]), "outside"),
    "one block twice": (table([PLAIN], [(0, len(PLAIN) - 5)] * 2), "overlap"),
    "unknown packing": (table([stored(block([entry(b"a", b"1")]), 7)]), "not known"),
    "empty block": (table([stored(b"")]), "declares"),
    "places outside": (table([stored(b"\xff\xff\xff\x7f")]), "declares"),
    "key out of order": (table([stored(block([entry(b"b", b"1"), entry(b"a", b"2")]))]), "not behind"),
    "key twice": (table([stored(block([entry(b"a", b"1"), entry(b"a", b"2")]))]), "not behind"),
    "shares too much": (table([stored(block([entry(b"a", b"1", shared=3)]))]), "leaves its block"),
    "value outside": (table([stored(block([b"\0\1\x7fa"]))]), "leaves its block"),
    "cut entry": (table([stored(block([b"\0\xff"]))]), "does not end"),
}


@pytest.mark.parametrize(("data", "why"), BAD.values(), ids=BAD)
def test_refuses(data: bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=why):
        _read(data, tmp_path)


def test_refuses_a_bomb(tmp_path: Path) -> None:
    with pytest.raises(UnsafeError, match="declares"):
        _read(table([stored(b"\xff\xff\xff\xff\x0f\x00a", 1)]), tmp_path)


def test_refuses_more_keys_than_the_limit(tmp_path: Path) -> None:
    long = entry(b"a" * 60_000, b"") + b"".join(number(60_000 + place) + b"\1\0b" for place in range(1500))
    with pytest.raises(UnsafeError, match="bytes of keys"):
        _read(table([stored(block([long]))]), tmp_path)


@pytest.mark.parametrize("size", range(0, len(GOOD), 7))
def test_every_cut_is_refused(size: int, tmp_path: Path) -> None:
    with pytest.raises(XirError):
        _read(GOOD[:size], tmp_path)
