"""Zip archives (`torch.save`, `torch.jit.save`, `torch.export.save`, Keras 3): checked members, mapped where stored.

The format is PKWARE's (APPNOTE.TXT 6.3.10; section numbers below are its own). torch writes it with miniz (caffe2/
serialize/inline_container.cc): members are stored and aligned to 64 bytes, a local header says no sizes (they follow
the data), and the directory's end is there in its 64-bit form too. Everything is read from the directory at the end,
compared with the local headers, and refused where two readers of zip files could see two different archives.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from xir.errors import FormatError, InvalidModelError, UnsafeError, UnsupportedError, XirError
from xir.files import FileSlice, MappedFile
from xir.limits import MAX_ARCHIVE_MEMBERS, MEBI, ArchiveMember, check_archive, check_name, check_size

MAX_DIRECTORY_BYTES = 32 * MEBI
"""Bytes of a directory: `MAX_ARCHIVE_MEMBERS` members with names of some hundred characters."""

FREE_INFLATED_BYTES = 64 * MEBI
"""Bytes to which the deflated members of one archive may unpack, however small the archive is."""

MAX_INFLATED_RATIO = 20
"""Bytes to which each byte of deflated members may unpack on average, above `FREE_INFLATED_BYTES`: they are held in
memory. torch and Keras deflate nothing; where somebody did, weights shrink to a half at most and text to a tenth."""

_END = struct.Struct("<4sHHHHIIH")
_END_64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR = struct.Struct("<4sIQI")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_ALL_16, _ALL_32 = 0xFFFF, 0xFFFFFFFF
_ENCRYPTED, _SIZES_FOLLOW = 0x2041, 0x8
"""Bits of a member's flags (section 4.4.4): encrypted in any way (0, 6, 13); sizes stand behind the data (3)."""
_STORED, _DEFLATED = 0, 8


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive.

    Attributes:
        name: its path in the archive, with forward slashes.
        data: its bytes as they lie in the archive.
        size: how many bytes it has, unpacked.
        deflated: whether they are packed (RFC 1951).
        checksum: the CRC-32 of the unpacked bytes as the directory says it.
    """

    name: str
    data: FileSlice
    size: int
    deflated: bool
    checksum: int


@dataclass(frozen=True, slots=True)
class _Row:
    """What the directory says of a member."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    checksum: int
    packed: int
    unpacked: int
    header: int


def looks_like_archive(head: bytes) -> bool:
    """Whether a file that starts with these bytes may be a zip archive."""
    return head[:4] == b"PK\x03\x04"


class Archive:
    """The members of an archive, by their paths below its one folder, where there is one.

    torch puts everything into one folder that is called after the file (`archive/data.pkl`); nobody relies on its name,
    so members go by what follows it: `archive["data.pkl"]`.

    Attributes:
        path: the file's path, for messages.
        folder: the name of the one folder that all members stand in, with a slash at its end; empty if there is none.
        members: {path below the folder: the member}, in the directory's order.
    """

    def __init__(self, data: FileSlice) -> None:
        """Reads and checks the directory of an archive, which may itself be a stored member of another.

        Raises:
            FormatError: the bytes are no zip archive.
            InvalidModelError: the directory contradicts itself or the local headers, members overlap, leave the
                archive or share a name.
            UnsafeError: a name leaves the archive's folder, members are too many or unpack to too much, or are
                encrypted.
            UnsupportedError: members are packed by something other than deflate.
        """
        self.path = data.path
        view = data.view()
        if not looks_like_archive(bytes(view[:4])):
            raise FormatError("is no zip archive", file=self.path)
        start, end, count = _directory(view, self.path)
        rows = list(_rows(view, start, end, count, self.path))
        _check_sizes(rows, self.path)
        members = [_member(view, data, row, start) for row in rows]
        _check_apart(rows, members, data.offset)
        self.folder = _common_folder(rows)
        self.members: Mapping[str, Member] = {
            member.name.removeprefix(self.folder): member for member in members if not member.name.endswith("/")
        }

    def __contains__(self, name: object) -> bool:
        """Whether there is a member `name` below the folder."""
        return name in self.members

    def __getitem__(self, name: str) -> Member:
        """The member `name`; raises InvalidModelError where there is none."""
        found = self.members.get(name)
        if found is None:
            raise InvalidModelError(
                f"the archive has no member {name[:200]!r}",
                number=505,
                file=self.path,
                hint="the file is damaged, or was not written by a framework: save it again",
            )
        return found

    def below(self, folder: str) -> Iterator[tuple[str, Member]]:
        """The members in `folder` (`data/`), by their paths below it."""
        for name, member in self.members.items():
            if name.startswith(folder):
                yield name[len(folder) :], member

    def read(self, name: str, limit: int) -> bytes:
        """All bytes of the member `name`, unpacked, in memory.

        Raises:
            InvalidModelError: there is none, or its packed bytes are damaged.
            UnsafeError: it has more than `limit` bytes.
        """
        member = self[name]
        check_size(member.size, limit, what=f"archive member {name[:200]!r}", file=self.path)
        content = self.content(name)
        return content.read() if isinstance(content, FileSlice) else content

    def content(self, name: str) -> FileSlice | bytes:
        """The bytes of the member `name`: where they lie if it is stored, else unpacked.

        Raises:
            InvalidModelError: there is none, or its packed bytes are damaged.
        """
        member = self[name]
        return _inflate(member) if member.deflated else member.data


def archive_of(file: MappedFile) -> Archive | None:
    """The archive that a file is, to look for what tells formats apart; None where it is none that can be read."""
    if not looks_like_archive(file.read_at(0, min(file.size, 4))):
        return None
    try:
        return Archive(file.whole())
    except XirError:
        return None


def _directory(view: memoryview, path: str) -> tuple[int, int, int]:
    """(start, end, members) of the directory (sections 4.3.14 to 4.3.16), which must end where its end record starts.

    Archives with a comment at their end are refused: a comment can hold a second directory.
    """
    place = len(view) - _END.size
    if place < 0 or bytes(view[place : place + 4]) != b"PK\x05\x06":
        raise FormatError(
            "has no zip directory at its end", file=path, hint="the file is cut short or damaged: fetch it again"
        )
    _, disk, first_disk, here, count, length, start, comment = _END.unpack_from(view, place)
    values: tuple[int, ...] = (disk, first_disk, here, count, length, start)
    located = place - _LOCATOR.size
    if located >= 0 and bytes(view[located : located + 4]) == b"PK\x06\x07":
        place, values = _directory_64(view, located, values, path)
    disk, first_disk, here, count, length, start = values
    if disk or first_disk or here != count or comment:
        raise UnsafeError("the archive is a part of several, or has a comment", number=807, file=path)
    check_size(length, MAX_DIRECTORY_BYTES, what="the archive's directory", file=path)
    if start + length != place:
        raise InvalidModelError(
            f"the archive's directory lies at {start} with {length} bytes; expected it to end at {place}",
            number=504,
            file=path,
            hint="the file is cut short or something was put before it: fetch it again",
        )
    if count > MAX_ARCHIVE_MEMBERS:
        raise UnsafeError(f"the archive has more than {MAX_ARCHIVE_MEMBERS} members", number=807, file=path)
    return start, place, count


def _directory_64(view: memoryview, located: int, values: tuple[int, ...], path: str) -> tuple[int, tuple[int, ...]]:
    """Where the 64-bit end record starts, and its values: the 32-bit ones must be the same or say "look there"."""
    _, disk, place, disks = _LOCATOR.unpack_from(view, located)
    if disk or disks != 1 or place + _END_64.size != located or bytes(view[place : place + 4]) != b"PK\x06\x06":
        raise InvalidModelError("the archive's 64-bit directory is not where it should be", number=504, file=path)
    _, size, _, _, *wide = _END_64.unpack_from(view, place)
    fills = (_ALL_16, _ALL_16, _ALL_16, _ALL_16, _ALL_32, _ALL_32)
    agree = all(short in (long, fill) for short, long, fill in zip(values, wide, fills, strict=True))
    if size != _END_64.size - 12 or not agree:
        raise InvalidModelError("the archive's two directories contradict each other", number=504, file=path)
    return place, tuple(wide)


def _rows(view: memoryview, start: int, end: int, count: int, path: str) -> Iterator[_Row]:
    """The rows of the directory (section 4.3.12), whose number and length are as declared."""
    place = start
    for _ in range(count):
        if place + _CENTRAL.size > end or bytes(view[place : place + 4]) != b"PK\x01\x02":
            raise InvalidModelError("the archive's directory ends early", number=504, file=path)
        fields = _CENTRAL.unpack_from(view, place)
        flags, method, checksum, packed, unpacked = fields[3], fields[4], *fields[7:10]
        name_length, extra_length, comment_length, disk, header = *fields[10:14], fields[16]
        place += _CENTRAL.size
        after = place + name_length + extra_length + comment_length
        if after > end:
            raise InvalidModelError("the archive's directory ends early", number=504, file=path)
        raw = bytes(view[place : place + name_length])
        extra = bytes(view[place + name_length : place + name_length + extra_length])
        name = _checked_name(raw, path)
        unpacked, packed, header = _widened(extra, (unpacked, packed, header), name, path)
        if disk:
            raise UnsafeError(f"archive member {name!r} lies in another file", number=807, file=path)
        yield _Row(name, raw, flags, method, checksum, packed, unpacked, header)
        place = after
    if place != end:
        raise InvalidModelError("the archive's directory has bytes of no member", number=504, file=path)


def _widened(extra: bytes, values: tuple[int, int, int], name: str, path: str) -> list[int]:
    """Values of which those that fill their 32 bits stand in the 64-bit extra field, in this order (section 4.5.3)."""
    result = list(values)
    wide = [position for position, value in enumerate(values) if value == _ALL_32]
    if not wide:
        return result
    field = _extra_field(extra, 1)
    if field is None or len(field) < 8 * len(wide):
        raise InvalidModelError(f"archive member {name!r} lacks its 64-bit sizes", number=504, file=path)
    for number, position in enumerate(wide):
        result[position] = int.from_bytes(field[8 * number : 8 * number + 8], "little")
    return result


def _extra_field(extra: bytes, wanted: int) -> bytes | None:
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        if kind == wanted:
            return extra[place + 4 : place + 4 + length]
        place += 4 + length
    return None


def _checked_name(raw: bytes, path: str) -> str:
    """The member's name; frameworks write paths of ASCII or UTF-8, whatever bit 11 of the flags says."""
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"the name of archive member {raw[:60]!r} is not UTF-8", file=path) from error
    check_name(name, what="the name of an archive member", file=path)
    parts = name.removesuffix("/").split("/")
    wrong = not name or "\0" in name or "\\" in name or name[1:2] == ":"
    if wrong or any(part in ("", ".", "..") for part in parts):
        raise UnsafeError(
            f"archive member {name[:200]!r} leaves the archive's folder; expected a relative path without '..'",
            number=801,
            file=path,
            hint="no framework writes such names: the file is hostile",
        )
    return name


def _check_sizes(rows: Iterable[_Row], path: str) -> None:
    """Refuses members that are encrypted, packed in an unknown way, of one name, or unpack to too much."""
    packed = unpacked = 0
    for row in rows:
        if row.flags & _ENCRYPTED:
            raise UnsafeError(f"archive member {row.name!r} is encrypted", number=807, file=path)
        if row.method not in (_STORED, _DEFLATED):
            raise UnsupportedError(
                f"archive member {row.name!r} is packed by method {row.method}; known are 0 (stored) and 8 (deflate)",
                file=path,
                hint="save the file again with its framework, which stores",
            )
        if row.method == _STORED and row.packed != row.unpacked:
            raise InvalidModelError(f"archive member {row.name!r} is stored in two sizes", number=504, file=path)
        if row.method == _DEFLATED:
            packed, unpacked = packed + row.packed, unpacked + row.unpacked
    check_archive((ArchiveMember(row.name, row.packed, row.unpacked) for row in rows), file=path)
    if unpacked > max(FREE_INFLATED_BYTES, MAX_INFLATED_RATIO * packed):
        raise UnsafeError(
            f"the archive's deflated members unpack from {packed} to {unpacked} bytes",
            number=807,
            file=path,
            hint="this is how archive bombs look; store the members (zip -0) if you trust them",
        )


def _member(view: memoryview, archive: FileSlice, row: _Row, limit: int) -> Member:
    """The member behind its local header (section 4.3.7), which must say what the directory says."""
    if row.header + _LOCAL.size > limit or bytes(view[row.header : row.header + 4]) != b"PK\x03\x04":
        raise InvalidModelError(f"archive member {row.name!r} is not where it should be", number=504, file=archive.path)
    _, _, flags, method, _, _, checksum, packed, unpacked, name_length, extra_length = _LOCAL.unpack_from(
        view, row.header
    )
    place = row.header + _LOCAL.size
    raw = bytes(view[place : place + name_length])
    extra = bytes(view[place + name_length : place + name_length + extra_length])
    place += name_length + extra_length
    said = checksum, *_widened(extra, (unpacked, packed, 0), row.name, archive.path)[:2]
    expected = [(row.checksum, row.unpacked, row.packed)] + [(0, 0, 0)] * bool(flags & _SIZES_FOLLOW)
    if (raw, flags, method) != (row.raw_name, row.flags, row.method) or said not in expected:
        raise InvalidModelError(
            f"the header of archive member {row.name!r} contradicts the archive's directory",
            number=504,
            file=archive.path,
            hint="two readers would see two different archives: the file is damaged or hostile",
        )
    if place + row.packed > limit:
        raise InvalidModelError(f"archive member {row.name!r} leaves the archive", number=504, file=archive.path)
    data = archive.slice(place, row.packed, what=f"archive member {row.name!r}")
    return Member(row.name, data, row.unpacked, row.method == _DEFLATED, row.checksum)


def _check_apart(rows: Iterable[_Row], members: Iterable[Member], origin: int) -> None:
    """Refuses members of which one starts before another ends: their bytes would count twice."""
    end = origin
    pairs = zip((row.header + origin for row in rows), members, strict=True)
    for header, member in sorted(pairs, key=lambda pair: pair[0]):
        if header < end:
            raise InvalidModelError(
                f"archive member {member.name!r} overlaps another", number=504, file=member.data.path
            )
        end = member.data.offset + member.data.length


def _common_folder(rows: Iterable[_Row]) -> str:
    folders = {row.name.partition("/")[0] + "/" for row in rows if "/" in row.name}
    return folders.pop() if len(folders) == 1 and all("/" in row.name for row in rows) else ""


def _inflate(member: Member) -> bytes:
    """The unpacked bytes, which must be as many as the directory says and have its checksum."""
    worker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = worker.decompress(member.data.read(), member.size + 1)
        whole = worker.eof and not worker.unused_data
    except zlib.error:
        content, whole = b"", False
    if not whole or len(content) != member.size or zlib.crc32(content) != member.checksum:
        raise InvalidModelError(
            f"the packed bytes of archive member {member.name!r} are damaged",
            number=504,
            file=member.data.path,
            hint="fetch the file again",
        )
    return content
