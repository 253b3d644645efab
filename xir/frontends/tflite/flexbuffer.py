"""The options of custom operators: FlexBuffers, of which a map of plain numbers and texts is read.

The layout is that of flatbuffers' flexbuffers.h: the last byte is the width of the root, the byte before it the root's
packed type (kind in the upper six bits, width of its children in the lower two); offsets lead back.
"""

from __future__ import annotations

import struct

from xir.errors import InvalidModelError, UnsupportedError

Plain = bool | int | float | str

_INT, _UINT, _FLOAT, _KEY, _STRING = 1, 2, 3, 4, 5
_INDIRECT = {6: _INT, 7: _UINT, 8: _FLOAT}
_MAP, _BOOL, _NULL = 9, 26, 0
_FORMATS = {
    _INT: {1: "<b", 2: "<h", 4: "<i", 8: "<q"},
    _UINT: {1: "<B", 2: "<H", 4: "<I", 8: "<Q"},
    _FLOAT: {4: "<f", 8: "<d"},
}


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def number(self, kind: int, place: int, width: int) -> int | float:
        format = _FORMATS[kind].get(width)
        if format is None or place < 0 or place + width > len(self.data):
            raise InvalidModelError("the options of a custom operator are damaged")
        found: int | float = struct.unpack_from(format, self.data, place)[0]
        return found

    def unsigned(self, place: int, width: int) -> int:
        return int(self.number(_UINT, place, width))

    def text(self, place: int) -> str:
        end = self.data.find(b"\0", max(place, 0))
        if place < 0 or end < 0:
            raise InvalidModelError("the options of a custom operator are damaged")
        return self.data[place:end].decode("utf-8", "surrogateescape")

    def plain(self, packed: int, place: int, width: int) -> Plain:
        kind, child = packed >> 2, 1 << (packed & 3)
        if kind in _FORMATS:
            return self.number(kind, place, width)
        if kind == _BOOL:
            return bool(self.unsigned(place, width))
        if kind in _INDIRECT:
            return self.number(_INDIRECT[kind], place - self.unsigned(place, width), child)
        if kind in (_KEY, _STRING):
            return self.text(place - self.unsigned(place, width))
        raise UnsupportedError(f"an option of a custom operator is of FlexBuffers' type {kind}")


def read_map(data: bytes) -> dict[str, Plain]:
    """The options by name.

    Raises:
        InvalidModelError: the bytes are no such map.
        UnsupportedError: an option is no plain number or text.
    """
    reader = _Reader(data)
    width, packed = reader.unsigned(len(data) - 1, 1), reader.unsigned(len(data) - 2, 1)
    if packed >> 2 != _MAP:
        raise InvalidModelError("the options of a custom operator are no map")
    root = len(data) - 2 - width
    start = root - reader.unsigned(root, width)
    size = 1 << (packed & 3)
    count = reader.unsigned(start - size, size)
    if start + count * (size + 1) > len(data):
        raise InvalidModelError("the options of a custom operator are damaged")
    keys = start - 3 * size - reader.unsigned(start - 3 * size, size)
    key_size = reader.unsigned(start - 2 * size, size)
    found: dict[str, Plain] = {}
    for index in range(count):
        place = keys + index * key_size
        name = reader.text(place - reader.unsigned(place, key_size))
        kind = reader.unsigned(start + count * size + index, 1)
        found[name] = reader.plain(kind, start + index * size, size)
    return found
