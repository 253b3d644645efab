"""The files of a model that was compiled ahead of time: library or object, header, and weights."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from xir.backends.codegen.ahead._header import MARK, prefix_of
from xir.backends.codegen.ahead._link import find_linker, link
from xir.backends.codegen.ahead.compile import Ahead, compile_ahead
from xir.errors import UsageError
from xir.files import OutputFile, PathLike, atomic_write, staged_write
from xir.ir.graph import Graph

ENDINGS = (".so", ".o")
"""A shared library, or an object."""


@dataclass(frozen=True, slots=True)
class AheadReport:
    """What was written.

    Attributes:
        files: the paths: library or object, header, and the weights if they lie beside.
        name: what the functions' names begin with.
        header: the header's text.
        weight_bytes: bytes of the weights.
        memory: bytes that `init` takes for each model, beside the weights.
    """

    files: tuple[str, ...]
    name: str
    header: str
    weight_bytes: int
    memory: int


def file_names(path: PathLike, beside: bool) -> tuple[str, ...]:
    """The files that are written for a library or object: itself, its header, and its weights.

    Raises:
        UsageError: if the name ends in neither `.so` nor `.o`.
    """
    name: str = os.fspath(path)
    stem, ending = os.path.splitext(name)
    if ending not in ENDINGS:
        raise UsageError(f"{name}: expected the name of a library, .so, or of an object, .o", hint="-o model.so")
    return (name, stem + ".h", *((stem + ".weights",) if beside else ()))


def write_ahead(
    graph: Graph, path: PathLike, *, cpu: str = "x86-64-v3", beside: bool = False, exact: bool = False
) -> AheadReport:
    """Compiles a graph to a shared library or an object, a C header, and with `beside` a file of weights.

    All appear together, the library last, or nothing does.

    Args:
        graph: what is computed, of known sizes; it is compiled as it is.
        path: the file to write, `.so` or `.o`; the others lie beside it and have its name.
        cpu: `x86-64-v3` (AVX2 and FMA), `x86-64-v4` (AVX-512), or `native`, this machine's.
        beside: whether the weights come into a file of their own, which is mapped.
        exact: no convolutions by fewer products.

    Raises:
        UsageError: if the ending or the processor is not known, or a header stands there that is somebody's own.
        UnsupportedError: if sizes are not known, or layers run only by the reference.
        MissingExtraError: if llvmlite is not installed, or for a library there is no linker.
        FileError: if a file cannot be written, or the linker refuses.
    """
    files = file_names(path, beside)
    _check_header(files[1])
    linker = find_linker() if files[0].endswith(".so") else None
    name = prefix_of(os.path.splitext(os.path.basename(files[0]))[0])
    made = compile_ahead(graph, name, cpu=cpu, beside=beside, exact=exact)
    with staged_write(path) as staged:
        folder = os.path.dirname(staged)
        _write(os.path.join(folder, os.path.basename(files[1])), lambda file: file.write(made.header.encode("ascii")))
        if beside:
            _write(os.path.join(folder, os.path.basename(files[2])), made.write_weights)
        if linker is None:
            _write(staged, made.write_object)
        else:
            _library(made, linker, staged, os.path.basename(files[0]))
    return AheadReport(files, name, made.header, made.weight_bytes, made.memory)


def _library(made: Ahead, linker: str, staged: str, name: str) -> None:
    source = staged + ".part.o"
    try:
        _write(source, made.write_object)
        link(linker, source, staged, name)
    finally:
        if os.path.lexists(source):
            os.unlink(source)


def _write(path: str, fill: Callable[[OutputFile], object]) -> None:
    with atomic_write(path) as file:
        fill(file)


def _check_header(path: str) -> None:
    """Refuses to write over a header that somebody wrote by hand."""
    try:
        with open(path, "rb") as file:
            begin = file.read(len(MARK))
    except FileNotFoundError:
        return
    except OSError:
        begin = b""
    if begin != MARK.encode("ascii"):
        raise UsageError(f"{path} is there and was not written by xir compile", hint="choose another name for -o")
