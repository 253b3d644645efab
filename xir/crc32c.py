"""CRC32C, masked as LevelDB stores it.

Sources: RFC 3720, appendix B.4 (the polynomial); LevelDB's util/crc32c.h (the mask). Bytes go through in many lanes at
once, whose remainders are joined by shifting each past what follows it.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78
_MASK = 0xA282EAD8
_ONES = 0xFFFFFFFF
_LANES = 4096
_WORDS = 512
"""Words of 32 bits in a lane of the largest piece."""

Words = NDArray[np.uint32]


def masked_crc32c(data: memoryview | bytes) -> int:
    """The checksum of `data` as files hold it."""
    return masked(crc32c(data))


def masked(crc: int) -> int:
    """A CRC32C as files hold it."""
    return ((crc >> 15 | crc << 17) + _MASK) & _ONES


def crc32c(data: memoryview | bytes, before: int = 0) -> int:
    """The CRC32C of `data`, or of what has the CRC32C `before` with `data` behind it."""
    state, position = before ^ _ONES, 0
    while position < len(data):
        size = _piece(len(data) - position)
        state = _advanced(state, np.frombuffer(data, np.uint8, size, position))
        position += size
    return state ^ _ONES


def _piece(left: int) -> int:
    """How many bytes to take at once: a power of two while there are many, then what is left."""
    if left < 256:
        return left
    return min(1 << (left.bit_length() - 1), 4 * _LANES * _WORDS)


def _advanced(state: int, data: NDArray[np.uint8]) -> int:
    """The register after these bytes."""
    if data.size < 256:
        table = _bytes_table()
        for byte in data.tolist():
            state = int(table[(state ^ byte) & 0xFF]) ^ state >> 8
        return state
    lanes = min(_LANES, data.size // 32)
    columns = np.ascontiguousarray(data.view("<u4").reshape(lanes, -1).T).astype(np.uint32, copy=False)
    near, far = _halves_tables()
    states = np.zeros(lanes, np.uint32)
    states[0] = state
    for column in columns:
        states ^= column
        states = far[states & np.uint32(0xFFFF)] ^ near[states >> np.uint32(16)]
    shift = _shift(data.size // lanes)
    while states.size > 1:
        states = _applied(shift, states[0::2]) ^ states[1::2]
        shift = _applied(shift, shift)
    return int(states[0])


@functools.cache
def _bytes_table() -> Words:
    """The register after one byte."""
    table: Words = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = table >> np.uint32(1) ^ (table & np.uint32(1)) * np.uint32(_POLYNOMIAL)
    return table


@functools.cache
def _halves_tables() -> tuple[Words, Words]:
    """The register after two bytes, and after two bytes with two of zeros behind them."""
    near: Words = np.arange(1 << 16, dtype=np.uint32)
    for _ in range(2):
        near = _byte_of_zeros(near)
    return near, _byte_of_zeros(_byte_of_zeros(near))


def _byte_of_zeros(states: Words) -> Words:
    """The registers after one more byte of zeros."""
    made: Words = _bytes_table()[states & np.uint32(0xFF)] ^ states >> np.uint32(8)
    return made


@functools.cache
def _shift(count: int) -> Words:
    """What `count` bytes of zeros, a power of two, make of each bit of the register."""
    operator = _byte_of_zeros(np.uint32(1) << np.arange(32, dtype=np.uint32))
    for _ in range(count.bit_length() - 1):
        operator = _applied(operator, operator)
    return operator


def _applied(operator: Words, states: Words) -> Words:
    """The registers that a linear operator makes of others."""
    made = np.zeros_like(states)
    for bit in range(32):
        made ^= (states >> np.uint32(bit) & np.uint32(1)) * operator[bit]
    return made
