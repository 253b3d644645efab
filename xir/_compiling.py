"""Compiling a graph ahead of time: the files are written, run, and compared before they take their places."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from xir._loading import Progress, silent
from xir.errors import MismatchError, MissingExtraError, UsageError
from xir.ir.graph import Graph
from xir.passes import optimize
from xir.verification import ATOL, RTOL, SEEDS, Certificate, check_memory, verify_runners

if TYPE_CHECKING:
    from xir.backends.codegen.ahead.files import AheadReport


@dataclass(frozen=True, slots=True)
class CompileReport:
    """What was written, and what shows that it computes what the graph does.

    Attributes:
        written: the files, and what stands in them.
        certificates: {processor: the comparison of its code with the reference}.
        unverified: {processor: why its code was not run}.
    """

    written: AheadReport
    certificates: dict[str, Certificate]
    unverified: dict[str, str]


def compile_to(
    graph: Graph,
    path: str | os.PathLike[str],
    *,
    cpu: str = "x86-64-v3",
    weights: Literal["embedded", "beside"] = "embedded",
    exact: bool = False,
    verify: bool = True,
    rtol: float = RTOL,
    atol: float = ATOL,
    seeds: Sequence[int] = SEEDS,
    progress: Progress | None = None,
) -> CompileReport:
    """Writes a graph as machine code for C programs, with a header; it needs neither Python nor xir.

        report = xir.compile_to(graph, "model.so", cpu="x86-64-v3,x86-64-v4")
        report.written.files         # model.so, model.h
        report.certificates          # the library was run: what it computes, compared with the reference

    The graph is optimized first. Sizes may be symbols: the functions take them in every call. The files appear
    together, and only if the code computes what the graph does. What this machine cannot run (another architecture, a
    better processor, an object where there is no linker) is written all the same, and the report says so.

    Args:
        graph: what is computed.
        path: the file to write: a shared library `.so`, or an object `.o`, which needs no linker.
        cpu: `x86-64-v3`, `x86-64-v4`, `native`, several of them with commas between them, or `aarch64`.
        weights: in the library, or in a file beside it that is mapped.
        exact: as in `xir.compile`.
        verify: whether the code is run and compared with the reference.
        rtol: relative tolerance.
        atol: absolute tolerance.
        seeds: seeds of made-up inputs.
        progress: told what is being done.

    Raises:
        UsageError: if an option is not known, or a header stands there that xir did not write.
        UnsupportedError: if an input is no tensor, or layers run only by the reference; all are listed.
        MissingExtraError: if llvmlite is not installed, or for a library there is no linker.
        MismatchError: if the code computes something else.
        FileError: if a file cannot be written.
    """
    from xir.backends.codegen.ahead.files import write_ahead

    if weights not in ("embedded", "beside"):
        raise UsageError(f"weights lie 'embedded' or 'beside', not {weights!r}")
    check = _Check(graph, os.fspath(path), tuple(seeds), (rtol, atol), progress or silent)
    if verify:
        check_memory(graph, what="the verification")
    written = write_ahead(
        optimize(graph, exact=exact),
        path,
        cpu=cpu,
        beside=weights == "beside",
        exact=exact,
        check=check.files if verify else None,
    )
    return CompileReport(written, check.certificates, check.unverified)


@dataclass(slots=True)
class _Check:
    """How what was written is compared with the graph, and what was found."""

    graph: Graph
    path: str
    seeds: tuple[int, ...]
    tolerances: tuple[float, float]
    tell: Progress
    certificates: dict[str, Certificate] = field(default_factory=dict[str, Certificate])
    unverified: dict[str, str] = field(default_factory=dict[str, str])

    def files(self, report: AheadReport) -> None:
        """Compares every version of the code that runs here."""
        with tempfile.TemporaryDirectory(prefix="xir-") as folder:
            library = _library(report, folder, self.unverified)
            for cpu in report.cpus if library else ():
                self._version(report, library, cpu)

    def _version(self, report: AheadReport, library: str, cpu: str) -> None:
        from xir.verification.library import LibraryRunner

        runner = LibraryRunner(self.graph, report, library, cpu)
        if runner.refused:
            self.unverified[cpu] = f"this machine's processor does not run it (init answers {runner.refused})"
            return
        names = self.graph.name, os.path.basename(self.path)
        rtol, atol = self.tolerances
        found = verify_runners(
            self.graph,
            runner,
            names=names,
            seeds=self.seeds,
            rtol=rtol,
            atol=atol,
            progress=lambda done, total: self.tell("verifying", done, total),
        )
        runner.close()
        self.certificates[cpu] = found
        if not found.passed:
            raise MismatchError(
                f"the machine code computes something else: {found.summary()}; outputs {list(found.differing)}",
                file=self.path,
                hint="--exact takes no algorithm with fewer products; --no-verify writes it all the same",
            )


def _library(report: AheadReport, folder: str, unverified: dict[str, str]) -> str:
    """The path of a library of what was written, or nothing and why."""
    from xir.backends.codegen.ahead._link import find_linker, link

    if "aarch64" in report.cpus:
        unverified["aarch64"] = "this machine is no AArch64"
        return ""
    if report.files[0].endswith(".so"):
        return report.files[0]
    made = os.path.join(folder, "object.so")
    try:
        link(find_linker(), report.files[0], made, "object.so")
    except MissingExtraError as error:
        unverified.update(dict.fromkeys(report.cpus, error.message))
        return ""
    return made
