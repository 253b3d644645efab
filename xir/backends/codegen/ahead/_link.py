"""Shared libraries: an object given to the system's linker."""

from __future__ import annotations

import os
import shutil
import subprocess

from xir.errors import FileError, MissingExtraError

DRIVERS = ("cc", "gcc", "clang")
"""Compilers that know where the system's libraries lie."""
LINKERS = ("ld", "ld.lld")
"""Linkers alone: they are told the names of the libraries that every GNU system has."""
SECONDS = 600
"""No linker takes longer."""


def find_linker() -> str:
    """The path of what links.

    Raises:
        MissingExtraError: if there is nothing.
    """
    for name in (*DRIVERS, *LINKERS):
        found = shutil.which(name)
        if found is not None:
            return found
    raise MissingExtraError(
        f"a shared library needs a linker, and there is none of {', '.join((*DRIVERS, *LINKERS))}",
        number=702,
        hint="apt install gcc (or binutils, or lld); -o model.o needs none",
    )


def link(linker: str, source: str, target: str, name: str) -> None:
    """Links an object.

    Args:
        linker: what `find_linker` found.
        source: the object's path.
        target: the path of the library to write.
        name: what programs that are linked with it look for.

    Raises:
        FileError: if the linker refuses.
    """
    alone = os.path.basename(linker) in LINKERS
    told = ["-soname", name] if alone else ["-Xlinker", "-soname", "-Xlinker", name]
    libraries = ["-l:libm.so.6", "-l:libc.so.6"] if alone else ["-lm"]
    command = [linker, "-shared", "-o", target, source, *told, *libraries]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FileError(f"{linker} cannot link: {error}", hint="-o model.o needs no linker") from error
    if done.returncode != 0:
        said = done.stderr.strip()[-2000:]
        raise FileError(f"{linker} cannot link: {said}", hint="-o model.o needs no linker")
