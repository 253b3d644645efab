"""Tar archives, as torch wrote them until version 0.1.10: plain files, where they lie.

The format is that of POSIX.1-1988 with the extended headers of POSIX.1-2001 (pax), in which Python's writer puts times.
"""

from __future__ import annotations

from collections.abc import Mapping

from xir.errors import FormatError, InvalidModelError, UnsafeError
from xir.files import FileSlice
from xir.limits import MAX_NAME_BYTES, check_size

_BLOCK = 512
_MAX_MEMBERS = 64
"""torch's archives have four: sys_info, pickle, storages, tensors."""
_FILES, _EXTENDED = (b"0", b"\0"), (b"x", b"g")


def looks_like_tar(head: bytes) -> bool:
    """Whether a file that starts with these bytes (a block, at least) may be a tar archive."""
    return len(head) >= _BLOCK and head[257:262] == b"ustar" and _octal(head[148:156]) == _checksum(head[:_BLOCK])


def tar_members(data: FileSlice) -> Mapping[str, FileSlice]:
    """{name: bytes} of the files in an archive.

    Raises:
        FormatError: it is no tar archive, or cut short.
        InvalidModelError: two files have one name.
        UnsafeError: something in it is no plain file, or there are too many.
    """
    view = data.view()
    members: dict[str, FileSlice] = {}
    place = 0
    for _ in range(2 * _MAX_MEMBERS):
        head = bytes(view[place : place + _BLOCK])
        if len(head) == _BLOCK and not any(head):
            return members
        size = _octal(head[124:136])
        if not looks_like_tar(head) or size is None or place + _BLOCK + size > data.length:
            raise FormatError("is a damaged tar archive", file=data.path, hint="fetch the file again")
        kind, name = head[156:157], head[:100].rstrip(b"\0").decode("utf-8", "replace")
        content = data.slice(place + _BLOCK, size, what=f"archive member {name!r}")
        if kind in _EXTENDED:
            _check_extended(content)
        elif kind not in _FILES:
            raise UnsafeError(f"archive member {name!r} is no plain file", number=802, file=data.path)
        elif name in members:
            raise InvalidModelError(f"two members of the archive are called {name!r}", number=505, file=data.path)
        else:
            members[name] = content
        place += _BLOCK + -(-size // _BLOCK) * _BLOCK
    raise UnsafeError(f"the archive has more than {_MAX_MEMBERS} members", number=807, file=data.path)


def _octal(digits: bytes) -> int | None:
    text = digits.rstrip(b"\0 ").lstrip(b" ")
    return int(text, 8) if text and all(digit in b"01234567" for digit in text) else None


def _checksum(head: bytes) -> int:
    """The sum of the block's bytes, those of the sum itself counted as spaces."""
    return sum(head) - sum(head[148:156]) + 8 * ord(" ")


def _check_extended(content: FileSlice) -> None:
    """Extended headers may say times; names and sizes would be others than the plain header's."""
    check_size(content.length, MAX_NAME_BYTES, what="an extended header", file=content.path)
    text = content.read()
    if any(key in text for key in (b" path=", b" size=", b" linkpath=", b" GNU.")):
        raise UnsafeError("the archive says names or sizes of its members twice", number=807, file=content.path)
