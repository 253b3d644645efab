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


CROSS = ("aarch64-linux-gnu-gcc",)
"""What links for AArch64 elsewhere."""


def find_linker(arch: str = "x86_64") -> str:
    """The path of what links for an architecture.

    Raises:
        MissingExtraError: if there is nothing.
    """
    names, package = (CROSS, "gcc-aarch64-linux-gnu") if arch == "aarch64" else ((*DRIVERS, *LINKERS), "gcc")
    for name in names:
        found = shutil.which(name)
        if found is not None:
            return found
    other = "" if arch == "aarch64" else " (or binutils, or lld)"
    raise MissingExtraError(
        f"a shared library needs a linker, and there is none of {', '.join(names)}",
        number=702,
        hint=f"apt install {package}{other}; -o model.o needs none",
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
    libraries = ["-l:libm.so.6", "-l:libc.so.6"] if alone else ["-lm", "-pthread"]
    command = [linker, "-shared", "-o", target, source, *told, *libraries]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FileError(f"{linker} cannot link: {error}", hint="-o model.o needs no linker") from error
    if done.returncode != 0:
        said = done.stderr.strip()[-2000:]
        raise FileError(f"{linker} cannot link: {said}", hint="-o model.o needs no linker")
