"""ELF objects as LLVM writes them: sections, filling them, and the symbols that others must define.

Source of every number: the System V Application Binary Interface, "Object Files" (Elf64_Ehdr, Elf64_Shdr, Elf64_Sym).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_CONTENT, _SYMBOLS = 1, 2
"""sh_type: SHT_PROGBITS, SHT_SYMTAB."""
_IN_MEMORY = 2
"""sh_flags: SHF_ALLOC, and no SHF_WRITE."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its name, type, place and bytes in the file, the section it refers to and bytes of an entry."""

    name: str
    type: int
    start: int
    size: int
    link: int
    entry: int


def sections(data: bytes) -> tuple[Section, ...]:
    """The sections of a 64-bit little-endian object, in order."""
    (table,) = struct.unpack_from("<Q", data, 40)
    entry, count, names = struct.unpack_from("<HHH", data, 58)
    raw = [struct.unpack_from("<IIQQQQIIQQ", data, table + entry * number) for number in range(count)]
    text = raw[names][4]
    return tuple(Section(_text(data, text + each[0]), each[1], each[4], each[5], each[6], each[9]) for each in raw)


def filled(data: bytes, name: str, other: str, alignment: int) -> bytes:
    """The object with a section of zeros, which takes no bytes in the file, as one of data that follow the object.

    Args:
        data: the object.
        name: the section's name.
        other: the name that it gets, as many letters long.
        alignment: its beginning in the file is a multiple of it.
    """
    made = bytearray(data)
    (table,) = struct.unpack_from("<Q", data, 40)
    entry, _, names = struct.unpack_from("<HHH", data, 58)
    found = sections(data)
    number = next(place for place, each in enumerate(found) if each.name == name)
    header = table + entry * number
    (letters,) = struct.unpack_from("<I", data, header)
    place = found[names].start + letters
    made[place : place + len(name)] = other.encode("ascii")
    made += bytes(-len(made) % alignment)
    struct.pack_into("<IQ", made, header + 4, _CONTENT, _IN_MEMORY)
    struct.pack_into("<Q", made, header + 24, len(made))
    return bytes(made)


def undefined(data: bytes) -> tuple[str, ...]:
    """The names of the symbols that are used and not defined, in alphabetical order."""
    return tuple(sorted(set(_undefined(data))))


def _undefined(data: bytes) -> Iterator[str]:
    found = sections(data)
    for table in found:
        if table.type != _SYMBOLS:
            continue
        names = found[table.link].start
        for place in range(table.start + table.entry, table.start + table.size, table.entry):
            name, _, _, section = struct.unpack_from("<IBBH", data, place)
            if section == 0:
                yield _text(data, names + name)


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode("ascii", "backslashreplace")
