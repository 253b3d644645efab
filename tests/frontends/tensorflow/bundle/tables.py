"""Tables written by hand, right or wrong where a test wants them so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xir.crc32c import masked_crc32c

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")


def number(value: int) -> bytes:
    """A varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def entry(key: bytes, value: bytes, shared: int = 0) -> bytes:
    """An entry whose key is told but for the first `shared` bytes."""
    return number(shared) + number(len(key)) + number(len(value)) + key + value


def block(entries: Sequence[bytes]) -> bytes:
    """A block that begins at one place."""
    return b"".join(entries) + bytes(4) + (1).to_bytes(4, "little")


def stored(content: bytes, kind: int = 0) -> bytes:
    """A block as the file has it, with its kind and checksum."""
    marked = content + bytes([kind])
    return marked + masked_crc32c(marked).to_bytes(4, "little")


def table(blocks: Sequence[bytes], handles: Sequence[tuple[int, int]] | None = None) -> bytes:
    """A table of stored blocks; `handles` says where they are where that is not told truly."""
    places: list[tuple[int, int]] = []
    out = b""
    for each in blocks:
        places.append((len(out), len(each) - 5))
        out += each
    index = [
        entry(b"k%04d" % place, number(offset) + number(size)) for place, (offset, size) in enumerate(handles or places)
    ]
    start, content = len(out), block(index)
    footer = number(0) + number(0) + number(start) + number(len(content))
    return out + stored(content) + footer.ljust(40, b"\0") + MAGIC


def of(entries: Mapping[bytes, bytes]) -> bytes:
    """A table of these entries in one block."""
    return table([stored(block([entry(key, value) for key, value in sorted(entries.items())]))])
