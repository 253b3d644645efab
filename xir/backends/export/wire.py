"""Protobuf's wire format, written: fields by their numbers.

Source: protobuf's encoding guide (tags, varints, length-delimited fields).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable


def varint(value: int) -> bytes:
    """A number as a base-128 varint; negative ones as 64-bit two's complement (int32, int64 and enum fields)."""
    value &= 0xFFFFFFFFFFFFFFFF
    if value < 0x80:
        return _SMALL[value]
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SMALL = tuple(bytes((value,)) for value in range(0x80))


def integer(number: int, value: int) -> bytes:
    """Field `number` with an integer (wire type 0)."""
    return varint(number << 3) + varint(value)


def single(number: int, value: float) -> bytes:
    """Field `number` with a 32-bit float (wire type 5)."""
    return varint(number << 3 | 5) + struct.pack("<f", value)


def begun(number: int, length: int) -> bytes:
    """What stands before the `length` bytes of field `number`, which are bytes or a message (wire type 2)."""
    return varint(number << 3 | 2) + varint(length)


def data(number: int, value: bytes) -> bytes:
    """Field `number` with bytes or an encoded message (wire type 2)."""
    return begun(number, len(value)) + value


def fixed32(number: int, value: int) -> bytes:
    """Field `number` with 32 bits (wire type 5)."""
    return varint(number << 3 | 5) + value.to_bytes(4, "little")


def text(number: int, value: str) -> bytes:
    """Field `number` with a string; characters that UTF-8 cannot hold are replaced."""
    return data(number, value.encode("utf-8", "replace"))


def unpacked_integers(number: int, values: Iterable[int]) -> bytes:
    """Field `number` once for each integer, as onnx.proto (proto2) writes `ints` and `dims`."""
    tag = varint(number << 3)
    return b"".join(tag + varint(value) for value in values)


def unpacked_floats(number: int, values: Iterable[float]) -> bytes:
    """Field `number` once for each 32-bit float, as onnx.proto (proto2) writes `floats`."""
    tag = varint(number << 3 | 5)
    return b"".join(tag + struct.pack("<f", value) for value in values)


def entry(number: int, key: str, value: str) -> bytes:
    """Field `number` with a StringStringEntryProto."""
    return data(number, text(1, key) + text(2, value))
