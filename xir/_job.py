"""One conversion, step by step: reading, optimizing, narrowing, writing, and comparing what was written."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from xir._exporting import check_versions, export_format, export_tidied, make_folder
from xir._loading import Progress, silent
from xir.backends.export.report import PIP_TORCH, ExportReport
from xir.errors import MismatchError
from xir.files import staged_write
from xir.frontends.load import load_model, recognize
from xir.frontends.options import Loaded, LoadOptions
from xir.frontends.state import state_of
from xir.inspect.conversion import ConversionReport
from xir.inspect.transposes import transposes_of
from xir.ir.constant import Constant
from xir.ir.graph import Graph
from xir.ir.types import DType
from xir.passes import ATTENTION_OPSET, Trace, optimize, tidied
from xir.precision import Precision, narrowed_as
from xir.verification import (
    Certificate,
    LiteRTRunner,
    OnnxRuntimeRunner,
    ReferenceRunner,
    Runner,
    TorchRunner,
    check_memory,
    has_litert,
    has_onnxruntime,
    has_torch,
    verify_runners,
    workable_sizes,
)
from xir.verification.nodes import is_quantized
from xir.verification.twin import twin_of


@dataclass(frozen=True, slots=True)
class Check:
    """How what was written is compared with what was read."""

    seeds: tuple[int, ...]
    rtol: float
    atol: float

    @classmethod
    def of(cls, verify: bool, seeds: Sequence[int], rtol: float, atol: float) -> Check | None:
        """None where nothing is to be compared."""
        return cls(tuple(seeds), rtol, atol) if verify else None


_SHOWN = 4
"""Names of metadata that a note shows."""


class _Export(Protocol):
    """Writes a graph as it was asked for."""

    def __call__(
        self,
        graph: Graph,
        path: str,
        tidy: Callable[[Graph], Graph] | None,
        *,
        metadata: Mapping[str, str],
        state: Mapping[str, Constant],
    ) -> ExportReport:
        """See `export_tidied`."""
        ...


class Job:
    """One conversion, step by step: each step is told and timed."""

    def __init__(
        self,
        path: str | None,
        format: str,
        opset: int | None,
        write: _Export,
        check: Check | None,
        told: Progress | None,
    ) -> None:
        self.path = path or ""
        self.format, self.opset, self.export, self.check = format, opset, write, check
        self.tell = told or silent
        self.trace = Trace()
        self.seconds: dict[str, float] = {}
        self.again: Callable[[Graph], Graph] = optimize
        self.tidy: Callable[[Graph], Graph] | None = None
        self.by_reference = False
        self._since = time.perf_counter()

    def _stop(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step] = now - self._since
        self._since = now

    def read(self, how: Callable[[], Loaded]) -> Loaded:
        """Reads, and refuses what the verification could not hold."""
        self.tell("reading", 0, 1)
        loaded = how()
        if self.path and self.check is not None:
            check_memory(loaded.graph, what="the verification")
        self._stop("load")
        return loaded

    def optimize(self, loaded: Loaded, level: int, passes: Sequence[str] | None, exact: bool, fast_math: bool) -> Graph:
        """Optimizes, and keeps the trace."""
        self.tell("optimizing", 0, 1)
        self.tidy = partial(tidied, exact=exact) if level and passes is None else None
        level = level_for(level, self.opset)
        self.again = lambda twin: optimize(twin, level=level, passes=passes, exact=exact, fast_math=fast_math)
        graph = optimize(loaded.graph, level=level, passes=passes, exact=exact, fast_math=fast_math, trace=self.trace)
        self._stop("optimize")
        return graph

    def narrow(self, loaded: Loaded, graph: Graph, precision: Precision | None) -> ConversionReport:
        """Makes the numbers narrower where that is asked for, and writes the file.

        That is verified against the narrow model, within `PrecisionReport.tolerances` at least.
        """
        if precision is None:
            return self.write(loaded, graph)
        self.tell("narrowing", 0, 1)
        least = workable_sizes(graph) if precision.samples is None else None
        made = narrowed_as(graph, precision, least=least)
        self._stop("narrow")
        if self.check is not None:
            rtol, atol = made.report.tolerances
            self.check = Check(self.check.seeds, max(rtol, self.check.rtol), max(atol, self.check.atol))
        # onnxruntime has no kernels for bf16 on the CPU (1.31, OperatorKernels.md): the reference reads the file again.
        self.by_reference = made.report.dtype is DType.BFLOAT16
        narrow = replace(loaded, graph=made.graph, notes=(*loaded.notes, *made.report.notes))
        return replace(self.write(narrow, made.graph), precision=made.report)

    def write(self, loaded: Loaded, graph: Graph) -> ConversionReport:
        """Writes the file, and lets it take its place only when it computes what `loaded` does."""
        self.tell("writing", 0, 1)
        if loaded.metadata and self.format != "onnx":
            loaded = replace(loaded, notes=(*loaded.notes, _no_place(loaded, self.format)))
        if self.check is not None and self.format == "py" and not has_torch():
            note = f"not verified, for PyTorch is not installed: {PIP_TORCH}"
            self.check, loaded = None, replace(loaded, notes=(*loaded.notes, note))
        if loaded.state and self.format not in ("onnx", "py"):
            told = f"a .{self.format} file has no place for what {', '.join(map(repr, loaded.state))} begin with"
            loaded = replace(loaded, notes=(*loaded.notes, told))
        state, found = state_of(graph, loaded.state), transposes_of(loaded.graph, graph)
        if self.check is None:
            report = self.export(graph, self.path, self.tidy, metadata=loaded.metadata, state=state)
            self._stop("export")
            return ConversionReport(loaded, loaded.notes, report, None, self.seconds, transposes=found)
        make_folder(self.path, self.format)
        with staged_write(self.path) as staged:
            report = self.export(graph, staged, self.tidy, metadata=loaded.metadata, state=state)
            self._stop("export")
            certificate = self._verified(loaded, staged, self.check)
            self._stop("verify")
            if not certificate.passed:
                raise ConversionMismatch(certificate, self.path)
        moved = report.moved(self.path)
        return ConversionReport(loaded, loaded.notes, moved, certificate, self.seconds, transposes=found)

    def _verified(self, loaded: Loaded, staged: str, check: Check) -> Certificate:
        """Compares the written file with its source, and a twin where made-up weights would show nothing."""
        certificate = self._compared(loaded, loaded.graph, staged, check)
        seed = check.seeds[0] if check.seeds else 0
        twin = twin_of(loaded.graph, loaded.made_up, seed=seed, always=bool(certificate.constant))
        if twin is None or not certificate.passed:
            return certificate
        with tempfile.TemporaryDirectory(prefix="xir-") as folder:
            path = os.path.join(folder, f"twin.{self.format}")
            self.export(self.again(twin), path, self.tidy, metadata={}, state=state_of(twin, loaded.state))
            return replace(certificate, twin=self._compared(loaded, twin, path, check))

    def _compared(self, loaded: Loaded, graph: Graph, written: str, check: Check) -> Certificate:
        return verify_runners(
            graph,
            ReferenceRunner(load_model(written).graph) if self.by_reference else runner_of(written, self.format),
            names=(os.path.basename(loaded.files[0]), os.path.basename(self.path)),
            seeds=check.seeds,
            rtol=check.rtol,
            atol=check.atol,
            progress=lambda done, total: self.tell("verifying", done, total),
            state=state_of(graph, loaded.state),
        )


def job_of(
    path: str | os.PathLike[str] | None,
    format: str | None,
    versions: tuple[int | None, str | None, int | None],
    check: Check | None,
    progress: Progress | None,
) -> Job:
    """A conversion into `path`, or into nothing, whose versions (operator set, target, IR) are checked at once."""
    form = "" if path is None else export_format(os.fspath(path), format)
    if form:
        check_versions(form, *versions)
    write = partial(export_tidied, format=form, versions=versions)
    return Job(None if path is None else os.fspath(path), form, versions[0], write, check, progress)


def level_for(level: int, opset: int | None) -> int:
    """The level that also makes operators of new opsets, where one is asked for that has them; else `level`."""
    return 3 if level == 2 and opset is not None and opset >= ATTENTION_OPSET else level


def _no_place(loaded: Loaded, format: str) -> str:
    """What a person should know of metadata that is not written."""
    names = list(loaded.metadata)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"the model's metadata ({', '.join(names[:_SHOWN])}{more}) has no place in a .{format} file"


class ConversionMismatch(MismatchError):
    """A conversion computes something else than its source."""

    def __init__(self, certificate: Certificate, path: str) -> None:
        """Says which output differs most."""
        super().__init__(
            f"the written file computes something else: {certificate.summary()}; outputs {list(certificate.differing)}",
            file=path,
            hint="xir verify SOURCE FILE --per-layer finds the first layer that differs",
        )
        self.certificate = certificate


def runner_of(path: str, format: str | None = None, options: LoadOptions | None = None) -> Runner:
    """What runs a file: onnxruntime, LiteRT where they are installed, PyTorch for our modules, else the reference.

    LiteRT's integers may be one step beside ours, which no tolerance of real numbers allows: files with scales are run
    by the reference.
    """
    chosen = format or recognize(path).name
    if chosen == "onnx" and has_onnxruntime():
        return OnnxRuntimeRunner(path)
    if chosen == "py":
        return TorchRunner(path)
    graph = load_model(path, options).graph
    if chosen == "tflite" and has_litert() and not is_quantized(graph):
        return LiteRTRunner(path)
    return ReferenceRunner(graph)
