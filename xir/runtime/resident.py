"""What a process holds in memory and does not need: the compiler's code, once a program is loaded, and freed heap.

LLVM's library is 130 MB, of which a compilation reads 70 MB and loading an object 45 MB. Its pages are copies of the
file's; given back, they are read again where they are needed, from memory as a rule.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator
from pathlib import Path

MAPS = Path("/proc/self/smaps")
"""Where Linux describes the process's memory (proc_pid_smaps(5))."""


def give_back(library: str) -> None:
    """Gives back the pages of a library that are its file's, and heap that is free; nothing where neither can be done.

    Args:
        library: what the library's file name begins with.
    """
    functions = ctypes.CDLL(None)
    try:
        text = MAPS.read_text("utf-8", "surrogateescape")
    except OSError:
        return
    for start, end in _unchanged(text, library):
        functions.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)
    if hasattr(functions, "malloc_trim"):  # of the GNU C library alone
        functions.malloc_trim(ctypes.c_size_t(0))


def _unchanged(text: str, library: str) -> Iterator[tuple[int, int]]:
    """The ranges that map a library's file and of which no page was ever written to: nothing is lost with them."""
    area: tuple[int, int] | None = None
    for line in text.splitlines():
        first, *rest = line.split(None, 5)
        if "-" in first and rest:
            name = rest[4].rpartition("/")[2] if len(rest) == 5 else ""
            start, end = (int(part, 16) for part in first.split("-"))
            area = (start, end) if name.startswith(library) and "w" not in rest[0] else None
        elif first == "Anonymous:" and rest[0] == "0" and area is not None:
            yield area
