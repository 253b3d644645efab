"""The files of a model that was compiled ahead of time: library or object, header, and weights."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from xir.backends.codegen.ahead._header import MARK, prefix_of
from xir.backends.codegen.ahead._link import find_linker, link
from xir.backends.codegen.ahead._processors import processors_of
from xir.backends.codegen.ahead.compile import Ahead, compile_ahead
from xir.errors import UsageError
from xir.files import OutputFile, PathLike, atomic_write, staged_write
from xir.ir.dims import Symbol
from xir.ir.graph import Graph

ENDINGS = (".so", ".o")
"""A shared library, or an object."""


@dataclass(frozen=True, slots=True)
class AheadReport:
    """What was written.

    Attributes:
        files: the paths: library or object, header, and the weights if they lie beside.
        name: what the functions' names begin with.
        functions: the functions that the header declares.
        cpus: the processors that the code is for, the least of them first.
        symbols: the sizes that a caller gives, in the order of the header.
        header: the header's text.
        weight_bytes: bytes of the weights, for all processors.
        memory: bytes that a model takes beside the weights; None where the sizes of a call decide it.
    """

    files: tuple[str, ...]
    name: str
    functions: tuple[str, ...]
    cpus: tuple[str, ...]
    symbols: tuple[Symbol, ...]
    header: str
    weight_bytes: int
    memory: int | None


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


Check = Callable[["AheadReport"], object]
"""What looks at the files before they take their places; what it raises keeps them from doing so."""


def write_ahead(
    graph: Graph,
    path: PathLike,
    *,
    cpu: str = "x86-64-v3",
    beside: bool = False,
    exact: bool = False,
    check: Check | None = None,
) -> AheadReport:
    """Compiles a graph to a shared library or an object, a C header, and with `beside` a file of weights.

    All appear together, the library last, or nothing does.

    Args:
        graph: what is computed; it is compiled as it is.
        path: the file to write, `.so` or `.o`; the others lie beside it and have its name.
        cpu: `x86-64-v3` (AVX2 and FMA), `x86-64-v4` (AVX-512), `native`, this machine's, or several of them with commas
            between them, of which the program takes the best that it can run; or `aarch64`.
        beside: whether the weights come into a file of their own, which is mapped.
        exact: no convolutions by fewer products.
        check: is told the files while they lie elsewhere.

    Raises:
        UsageError: if the ending or the processor is not known, or a header stands there that is somebody's own.
        UnsupportedError: if an input is no tensor, or layers run only by the reference.
        MissingExtraError: if llvmlite is not installed, or for a library there is no linker.
        FileError: if a file cannot be written, or the linker refuses.
    """
    files = file_names(path, beside)
    _check_header(files[1])
    arch = processors_of(cpu)[0].machine.arch
    linker = find_linker(arch) if files[0].endswith(".so") else None
    name = prefix_of(os.path.splitext(os.path.basename(files[0]))[0])
    made = compile_ahead(graph, name, cpu=cpu, beside=beside, exact=exact)
    cpus = tuple(each.name for each in made.shared.processors)
    symbols = made.shared.symbols
    report = AheadReport(files, name, made.functions, cpus, symbols, made.header, made.weights.size, made.memory)
    with staged_write(path) as staged:
        folder = os.path.dirname(staged)
        placed = (staged, *(os.path.join(folder, os.path.basename(file)) for file in files[1:]))
        _write(placed[1], lambda file: file.write(made.header.encode("ascii")))
        if beside:
            _write(placed[2], made.write_weights)
        if linker is None:
            _write(staged, made.write_object)
        else:
            _library(made, linker, staged, os.path.basename(files[0]))
        if check is not None:
            check(replace(report, files=placed))
    return report


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
