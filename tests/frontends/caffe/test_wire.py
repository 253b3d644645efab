"""The wire format, right and wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.frontends.caffe.encoding import field_bytes, tag, varint, write
from xir.errors import FormatError, UnsafeError, XirError
from xir.files import open_mapped
from xir.frontends.caffe.wire import FIXED32, LENGTH, VARINT, Wire


def scan(wire: Wire) -> list[tuple[int, int, int, int]]:
    records, position = [], 0
    while position < wire.size:
        record = wire.record(position, wire.size)
        records.append(record)
        position = record[3]
    return records


def wire_of(folder: Path, content: bytes, **known: int) -> Wire:
    return Wire(open_mapped(write(folder / "x.bin", content)), **known)


def test_record_reads_every_wire_type(tmp_path: Path) -> None:
    content = tag(1, 0) + varint(300) + field_bytes(200, b"abc") + tag(3, 5) + b"\0\0\x80\x3f" + tag(4, 1) + b"\0" * 8
    wire = wire_of(tmp_path, content)
    assert scan(wire) == [(1, VARINT, 300, 3), (200, LENGTH, 6, 9), (3, FIXED32, 10, 14), (4, 1, 15, 23)]
    assert wire.read(6, 9) == b"abc"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x08", "a varint goes on, but 0 are there: the file is cut short"),
        (b"\x08\x80", "cut short"),
        (b"\x08" + b"\x80" * 10 + b"\x01", "longer than 10 bytes"),
        (b"\x0a\x05abc", "field 1 declares 5 bytes, but 3 are there: the file is cut short"),
        (b"\x0a" + varint((1 << 63) - 1), "declares 9223372036854775807 bytes"),
        (b"\x0d\0\0", "takes 4 bytes, but 2 are there"),
        (b"\x09\0\0", "takes 8 bytes, but 2 are there"),
        (b"\x0b", "wire type group start"),
        (b"\x0c", "wire type group end"),
        (b"\x0e", "wire type 6"),
        (b"\x0f", "wire type 7"),
        (b"\x00\x01", "impossible number 0"),
        (varint(1 << 40), "impossible number"),
    ],
)
def test_record_refuses(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason) as caught:
        scan(wire_of(tmp_path, content))
    assert "byte " in caught.value.message
    assert caught.value.hint


def test_record_stays_inside_its_message(tmp_path: Path) -> None:
    wire = wire_of(tmp_path, b"\x0a\x03abc\x08\x01")
    with pytest.raises(FormatError, match="its message ends after 2"):
        wire.record(0, 4)


def test_budget_ends_a_file_of_many_tiny_fields(tmp_path: Path) -> None:
    wire = wire_of(tmp_path, b"\x08\x01" * 101, limit=100)
    with pytest.raises(UnsafeError, match="more than 100 fields"):
        scan(wire)


def test_again_has_a_whole_budget(tmp_path: Path) -> None:
    wire = wire_of(tmp_path, b"\x08\x01" * 100, limit=100)
    assert len(scan(wire)) == len(scan(wire.again())) == 100


def test_packed_varints(tmp_path: Path) -> None:
    content = varint(5) + varint(1 << 40) + varint(-1)
    assert wire_of(tmp_path, content).packed_varints(0, len(content)) == [5, 1 << 40, (1 << 64) - 1]


def test_packed_varints_cost_the_budget(tmp_path: Path) -> None:
    with pytest.raises(UnsafeError, match="fields"):
        wire_of(tmp_path, b"\x01" * 20, limit=10).packed_varints(0, 20)


def test_packed_fixed_refuses_a_remainder(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="has 5 bytes"):
        wire_of(tmp_path, b"\0" * 5).packed_fixed(0, 5, "<f4")


@pytest.mark.parametrize("count", [1, 3, 1000, 300_000])
def test_run_reads_unpacked_numbers(tmp_path: Path, count: int) -> None:
    values = np.arange(count, dtype="<f4")
    rows = np.zeros(count, dtype=[("tag", "u1"), ("value", "<f4")])
    rows["tag"], rows["value"] = 0x2D, values
    content = rows.tobytes() + b"\x08\x01"
    wire = wire_of(tmp_path, content)
    found, behind = wire.run(0, len(content), "<f4")
    np.testing.assert_array_equal(found, values)
    assert behind == 5 * count


def test_windows_cover_a_file_larger_than_one(tmp_path: Path) -> None:
    content = b"".join(field_bytes(1, bytes(70_000)) + b"\x10" + varint(index) for index in range(5))
    values = [record[2] for record in scan(wire_of(tmp_path, content)) if record[1] == VARINT]
    assert values == [0, 1, 2, 3, 4]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(min_size=1, max_size=200))
def test_any_bytes_scan_or_fail_with_one_error(tmp_path: Path, content: bytes) -> None:
    try:
        records = scan(wire_of(tmp_path, content))
    except XirError:
        return
    assert records[-1][3] == len(content)
