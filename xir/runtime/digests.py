"""Hashes of weights, remembered for files that lie still.

A model of 600 MB takes a third of a second to hash, longer than all else that a cached compilation does. So the hashes
of a file's parts lie in the cache (`xir.runtime.cache`) under the state of the file: device, inode, size, times
of modification and of change. The kernel sets the time of change at every write(2), truncate(2) and rename(2), and
nobody else can (inode(7)). What is written through a shared memory map counts as a change only when a page is first
written and again after the system has cleaned it, 35 seconds later (vm.dirty_expire_centisecs and
vm.dirty_writeback_centisecs in admin-guide/sysctl/vm.rst); so a file that was changed less than `STILL` ago is hashed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping

from xir.files import FileSlice, MappedFile
from xir.ir.constant import Constant
from xir.runtime.cache import Cache, key_of

STILL = 60
"""Seconds since the last change of a file before hashes of it are remembered."""
SMALL = 1 << 20
"""Bytes of a file's parts that are hashed each time, as that is as fast as to look hashes up."""


def digests(constants: Iterable[Constant], cache: Cache) -> Mapping[Constant, str]:
    """The SHA-256 of the bytes of constants in hexadecimal.

    Raises:
        FileError: if a file is no longer as it was when it was opened.
    """
    files: dict[MappedFile, dict[tuple[int, int], None]] = {}
    listed = list(constants)
    for constant in listed:
        if isinstance(constant.data, FileSlice):
            files.setdefault(constant.data.file, {})[constant.data.offset, constant.data.length] = None
    found = {file: _of_file(file, list(parts), cache) for file, parts in files.items()}
    return {each: _digest(each, found) for each in listed}


def _digest(constant: Constant, found: Mapping[MappedFile, Mapping[tuple[int, int], str]]) -> str:
    part = constant.data
    return found[part.file][part.offset, part.length] if isinstance(part, FileSlice) else constant.digest()


def _of_file(file: MappedFile, parts: list[tuple[int, int]], cache: Cache) -> dict[tuple[int, int], str]:
    """The hashes of parts of a file, (offset, length)."""
    state = file.state()
    still = time.time() - state[-1] / 1e9 > STILL and sum(length for _, length in parts) > SMALL
    key = key_of(["digests", *map(str, state), *(f"{offset} {length}" for offset, length in parts)])
    known = cache.get(key) if still else None
    size = hashlib.sha256().digest_size
    if known is not None and len(known) == size * len(parts):
        return {part: known[number * size :][:size].hex() for number, part in enumerate(parts)}
    made = {(offset, length): file.slice(offset, length).sha256() for offset, length in parts}
    if still and file.state() == state:
        cache.put(key, b"".join(map(bytes.fromhex, made.values())))
    return made
