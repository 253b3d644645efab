"""CRC32C against the RFC's values and against itself byte by byte."""

from __future__ import annotations

import numpy as np
import pytest

from xir.crc32c import crc32c, masked_crc32c

# RFC 3720, appendix B.4, and the check value of the CRC catalogue
KNOWN = ((b"", 0), (b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43))


@pytest.mark.parametrize(("data", "value"), KNOWN)
def test_known_values(data: bytes, value: int) -> None:
    assert crc32c(data) == value


def _slow(data: bytes) -> int:
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


@pytest.mark.parametrize("size", [255, 256, 257, 511, 1024, 4099, 70_000])
def test_lanes_agree_with_bytes(size: int) -> None:
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8).tobytes()
    assert crc32c(memoryview(data)) == _slow(data)


def test_pieces_of_the_largest_size() -> None:
    assert crc32c(bytes(9_000_001)) == 0x23A9550B


@pytest.mark.parametrize("cut", [0, 1, 300, 5_000])
def test_pieces_one_after_another(cut: int) -> None:
    data = bytes(range(256)) * 20
    assert crc32c(data[cut:], crc32c(data[:cut])) == crc32c(data)


def test_mask_is_that_of_leveldb() -> None:
    assert masked_crc32c(b"foo") == ((crc32c(b"foo") >> 15 | crc32c(b"foo") << 17) + 0xA282EAD8) & 0xFFFFFFFF
