"""The one door to the file system: bounded reads, contained companion files, memory maps, atomic writes.

Reading (`read_bytes`, `open_mapped`, `open_beneath`): only regular files, never more bytes than the caller allows,
and never outside the model's folder for a name that a model file gives. Weights are `FileSlice` values: they are
mapped or copied file to file and never become Python objects.

Writing (`atomic_write`, `atomic_group`): the new file appears whole under its name, or not at all, and the old file
stays what it was, on a full disk, an exception, Ctrl-C or a kill. SIGTERM ends a Python process without unwinding;
the command line therefore turns it into an exception, and a program that embeds xir may do the same.

Every refusal of the operating system leaves here as `FileError` (XIR-E901) with the path and what to do.
"""

from __future__ import annotations

from xir._reading import (
    FileSlice,
    MappedFile,
    PathLike,
    file_error,
    open_beneath,
    open_mapped,
    read_bytes,
    read_text,
)
from xir._staging import staged_write
from xir._writing import AtomicGroup, OutputFile, atomic_group, atomic_write

__all__ = [
    "AtomicGroup",
    "FileSlice",
    "MappedFile",
    "OutputFile",
    "PathLike",
    "atomic_group",
    "atomic_write",
    "file_error",
    "open_beneath",
    "open_mapped",
    "read_bytes",
    "read_text",
    "staged_write",
]
