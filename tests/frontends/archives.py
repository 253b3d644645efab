"""Zip archives made byte by byte, right ones and wrong ones."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xir.files import open_mapped
from xir.frontends._archive import Archive


@dataclass
class Member:
    """A member, each field of which may lie; None is what is right."""

    name: str | bytes
    content: bytes = b""
    deflate: bool = False
    local_name: bytes | None = None
    flags: int = 0
    method: int | None = None
    checksum: int | None = None
    packed: int | None = None
    unpacked: int | None = None
    header: int | None = None
    local: Mapping[str, int] = field(default_factory=dict)
    alignment: int = 64


def archive_bytes(members: Sequence[Member], *, wide: bool = True, comment: bytes = b"", end: Mapping = {}) -> bytes:
    """An archive; `wide` writes the 64-bit end too, as torch does; `end` replaces numbers of the end records."""
    body, directory = bytearray(), bytearray()
    for member in members:
        name = member.name if isinstance(member.name, bytes) else member.name.encode()
        packed = member.content
        if member.deflate:
            worker = zlib.compressobj(9, zlib.DEFLATED, -15)
            packed = worker.compress(member.content) + worker.flush()
        truth = {
            "flags": member.flags,
            "method": (8 if member.deflate else 0) if member.method is None else member.method,
            "checksum": zlib.crc32(member.content) if member.checksum is None else member.checksum,
            "packed": len(packed) if member.packed is None else member.packed,
            "unpacked": len(member.content) if member.unpacked is None else member.unpacked,
        }
        said = truth | dict(member.local)
        header = len(body) if member.header is None else member.header
        padding = -(len(body) + 34 + len(name)) % member.alignment
        extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding
        body += struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 0, said["flags"], said["method"], 0, 0, said["checksum"],
                            said["packed"], said["unpacked"], len(name), len(extra))  # fmt: skip
        body += (name if member.local_name is None else member.local_name) + extra + packed
        directory += struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 0, 0, truth["flags"], truth["method"], 0, 0,
                                 truth["checksum"], truth["packed"], truth["unpacked"], len(name), 0, 0, 0, 0, 0,
                                 header)  # fmt: skip
        directory += name
    numbers = {"disk": 0, "count": len(members), "length": len(directory), "start": len(body)} | dict(end)
    four = (numbers["disk"], 0, numbers["count"], numbers["count"], numbers["length"], numbers["start"])
    ending = b""
    if wide:
        record = len(body) + len(directory)
        ending = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 30, 45, *four)
        ending += struct.pack("<4sIQI", b"PK\6\7", 0, numbers.get("record", record), 1)
    count = min(numbers["count"], 0xFFFF)  # which says "look there"
    short = (*four[:2], count, count, numbers.get("short length", four[4]), four[5])
    return bytes(body + directory) + ending + struct.pack("<4sHHHHIIH", b"PK\5\6", *short, len(comment)) + comment


def torch_archive(members: Mapping[str, bytes], folder: str = "archive", **options: object) -> bytes:
    """An archive of stored members in one folder."""
    return archive_bytes([Member(f"{folder}/{name}", content) for name, content in members.items()], **options)


def open_archive(folder: Path, data: bytes, name: str = "file.pt") -> Archive:
    """The archive of these bytes, in a file."""
    (folder / name).write_bytes(data)
    return Archive(open_mapped(folder / name).whole())
