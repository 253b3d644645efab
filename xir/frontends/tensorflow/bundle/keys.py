"""Keys of parts of variables, whose pieces sort as what they stand for.

Sources: tensorflow/core/util/saved_tensor_slice_util.cc (EncodeTensorNameSlice) and tsl/lib/strings/ordered_code.cc.
"""

from __future__ import annotations

from collections.abc import Sequence

Extent = tuple[int, int]
"""Where a part begins along an axis, and how many elements it has; (0, -1) is all of the axis."""


def part_key(name: str, extents: Sequence[Extent]) -> bytes:
    """The key of a part of the variable `name`."""
    key = b"\0" + _text(name) + _count(len(extents))
    for start, length in extents:
        key += _signed(start) + _signed(length)
    return key


def _count(value: int) -> bytes:
    """A number: how many bytes it has, then these, the largest first."""
    size = (value.bit_length() + 7) // 8
    return bytes([size]) + value.to_bytes(size, "big")


def _text(text: str) -> bytes:
    """A text with an end that no text has; UTF-8 has no byte 255, which would be marked as well."""
    return text.encode().replace(b"\0", b"\0\xff") + b"\0\x01"


def _signed(value: int) -> bytes:
    """A signed number: as many leading bits as it has bytes, all of them turned over where it is negative."""
    size = (~value if value < 0 else value).bit_length() // 7 + 1
    marks = ((1 << size) - 1) << (7 * size)
    return ((value & ((1 << 8 * size) - 1)) ^ marks).to_bytes(size, "big")
