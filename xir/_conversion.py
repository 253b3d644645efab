"""Reading, writing and checking as one job: what `convert` and `optimize_model` do."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

from xir._exporting import check_versions, export_format, export_tidied, plan_export
from xir.backends.export.report import PIP_TORCH, ExportReport
from xir.errors import MismatchError, Problem, UnsupportedError
from xir.files import staged_write
from xir.frontends.adjust import Wanted, adjusted
from xir.frontends.load import load_model, recognize
from xir.frontends.options import Loaded, LoadOptions
from xir.frontends.partial import PartlyReadError
from xir.frontends.state import state_of
from xir.frontends.type_spec import split_specs
from xir.inspect.conversion import ConversionPlan, ConversionReport, parameter_count
from xir.inspect.optimization import NearMiss, OptimizationReport
from xir.inspect.transposes import transposes_of
from xir.ir.constant import Constant
from xir.ir.graph import Graph
from xir.ir.types import DType, Type
from xir.passes import ATTENTION_OPSET, Trace, count_transposes, optimize, tidied
from xir.precision import Precision, narrowed_as
from xir.verification import (
    ATOL,
    RTOL,
    SEEDS,
    Certificate,
    OnnxRuntimeRunner,
    ReferenceRunner,
    Runner,
    TorchRunner,
    check_memory,
    has_onnxruntime,
    has_torch,
    peak_bytes,
    verify_runners,
    workable_sizes,
)
from xir.verification.twin import twin_of

if TYPE_CHECKING:
    from xir.backends.export.onnx import ExportPlan


TypeSpec: TypeAlias = "str | Type | bool | int | float"
Model: TypeAlias = "str | os.PathLike[str] | Graph"
Progress: TypeAlias = Callable[[str, int, int], None]
"""Told what is being done, how many of its steps are done, and how many there are."""


def read(source: Model, options: LoadOptions | None = None) -> Loaded:
    """What `load` reads, with what a person should know of it: format, files, layers, notes.

    Args:
        source: the file, or a graph.
        options: how to read it.

    Raises:
        XirError: see `xir.errors` for the kinds.
    """
    return _read(source, options or LoadOptions(), Wanted())


def load_options(
    options: LoadOptions | None,
    prototxt: str | os.PathLike[str] | None,
    inputs: Mapping[str, TypeSpec] | None,
    outputs: Sequence[str] | None,
    method: str | None = None,
    weights: str | os.PathLike[str] | None = None,
) -> LoadOptions:
    """`options` with what was said beside them."""
    chosen = options or LoadOptions()
    given = chosen.weights if weights is None else os.fspath(weights)
    chosen = replace(chosen, method=method or chosen.method, weights=given)
    if prototxt is not None:
        chosen = replace(chosen, prototxt=os.fspath(prototxt))
    if inputs:
        types, numbers = split_specs(inputs)
        chosen = replace(chosen, inputs=types, numbers=numbers)
    return chosen if outputs is None else replace(chosen, outputs=tuple(outputs))


def second_options(options: LoadOptions | None) -> LoadOptions:
    """What concerns both files: fills, seed, plugins, links and training, but no names of the first one's inputs."""
    chosen = options or LoadOptions()
    return LoadOptions(
        fill_missing=chosen.fill_missing,
        seed=chosen.seed,
        plugins=chosen.plugins,
        trust_links=chosen.trust_links,
        training=chosen.training,
    )


def convert(
    source: Model,
    path: str | os.PathLike[str],
    *,
    verify: bool = True,
    precision: Precision | None = None,
    options: LoadOptions | None = None,
    prototxt: str | os.PathLike[str] | None = None,
    inputs: Mapping[str, TypeSpec] | None = None,
    outputs: Sequence[str] | None = None,
    rename_inputs: Mapping[str, str] | None = None,
    nchw_inputs: Sequence[str] = (),
    nchw_outputs: Sequence[str] = (),
    format: str | None = None,
    opset: int | None = None,
    target: str | None = None,
    ir_version: int | None = None,
    level: int = 2,
    exact: bool = False,
    fast_math: bool = False,
    seeds: Sequence[int] = SEEDS,
    rtol: float = RTOL,
    atol: float = ATOL,
    progress: Progress | None = None,
) -> ConversionReport:
    """Reads a model, optimizes it, writes it, and verifies what was written against what was read.

    Args:
        source: the file, or a graph.
        path: the file to write.
        verify: compares the source, run by the reference, with the file, run by onnxruntime if that is installed.
        precision: makes the numbers narrower; the file is verified against the narrow model then.
        options: how to read the source.
        prototxt: see `load`.
        inputs: see `load`.
        outputs: see `load`.
        rename_inputs: {input: its name in the written file}.
        nchw_inputs: inputs [N, H, W, C] that the written file shall take as [N, C, H, W].
        nchw_outputs: outputs [N, H, W, C] that it shall give as [N, C, H, W].
        format: see `export`.
        opset: see `export`.
        target: see `export`.
        ir_version: see `export`.
        level: how much to optimize; 0 keeps the graph as it was read.
        exact: allows only bit-exact optimizations.
        fast_math: see `optimize`.
        seeds: seeds of the verification's inputs.
        rtol: relative tolerance.
        atol: absolute tolerance.
        progress: told what is being done.

    Raises:
        MismatchError: if the file computes something else; nothing is written then, `error.certificate` says where.
        XirError: what reading and writing raise, and UnsafeError for a verification beyond `MAX_RUN_BYTES` of memory.
    """
    wanted = Wanted.of(rename_inputs, nchw_inputs, nchw_outputs)
    job = _job(path, format, (opset, target, ir_version), _Check.of(verify, seeds, rtol, atol), progress)
    loaded = job.read(lambda: _read(source, load_options(options, prototxt, inputs, outputs), wanted))
    return job.narrow(loaded, job.optimize(loaded, level, None, exact, fast_math), precision)


@dataclass(frozen=True, slots=True)
class _Check:
    """How what was written is compared with what was read."""

    seeds: tuple[int, ...]
    rtol: float
    atol: float

    @classmethod
    def of(cls, verify: bool, seeds: Sequence[int], rtol: float, atol: float) -> _Check | None:
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


class _Job:
    """One conversion, step by step: each step is told and timed."""

    def __init__(
        self,
        path: str | None,
        format: str,
        opset: int | None,
        write: _Export,
        check: _Check | None,
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
        level = _level(level, self.opset)
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
            self.check = _Check(self.check.seeds, max(rtol, self.check.rtol), max(atol, self.check.atol))
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
        with staged_write(self.path) as staged:
            report = self.export(graph, staged, self.tidy, metadata=loaded.metadata, state=state)
            self._stop("export")
            certificate = self._verified(loaded, staged, self.check)
            self._stop("verify")
            if not certificate.passed:
                raise ConversionMismatch(certificate, self.path)
        moved = report.moved(self.path)
        return ConversionReport(loaded, loaded.notes, moved, certificate, self.seconds, transposes=found)

    def _verified(self, loaded: Loaded, staged: str, check: _Check) -> Certificate:
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

    def _compared(self, loaded: Loaded, graph: Graph, written: str, check: _Check) -> Certificate:
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


def _job(
    path: str | os.PathLike[str] | None,
    format: str | None,
    versions: tuple[int | None, str | None, int | None],
    check: _Check | None,
    progress: Progress | None,
) -> _Job:
    """A conversion into `path`, or into nothing, whose versions (operator set, target, IR) are checked at once."""
    form = "" if path is None else export_format(os.fspath(path), format)
    if form:
        check_versions(form, *versions)
    write = partial(export_tidied, format=form, versions=versions)
    return _Job(None if path is None else os.fspath(path), form, versions[0], write, check, progress)


def _level(level: int, opset: int | None) -> int:
    """The level that also makes operators of new opsets, where one is asked for that has them; else `level`."""
    return 3 if level == 2 and opset is not None and opset >= ATTENTION_OPSET else level


def optimize_model(
    source: Model,
    path: str | os.PathLike[str] | None = None,
    *,
    options: LoadOptions | None = None,
    level: int = 2,
    passes: Sequence[str] | None = None,
    exact: bool = False,
    fast_math: bool = False,
    verify: bool = True,
    format: str | None = None,
    opset: int | None = None,
    target: str | None = None,
    ir_version: int | None = None,
    seeds: Sequence[int] = SEEDS,
    rtol: float = RTOL,
    atol: float = ATOL,
    progress: Progress | None = None,
) -> OptimizationReport:
    """Reads a model, optimizes it, tells what was done and what nearly was, and writes it like `convert` does.

    Args:
        source: the file, or a graph.
        path: the file to write; None writes nothing.
        options: how to read the source.
        level: see `optimize`.
        passes: see `optimize`.
        exact: see `optimize`.
        fast_math: see `optimize`.
        verify: see `convert`.
        format: see `export`.
        opset: see `export`.
        target: see `export`.
        ir_version: see `export`.
        seeds: see `convert`.
        rtol: see `convert`.
        atol: see `convert`.
        progress: told what is being done.

    Raises:
        XirError: everything that `convert` raises.
    """
    job = _job(path, format, (opset, target, ir_version), _Check.of(verify, seeds, rtol, atol), progress)
    loaded = job.read(lambda: read(source, options))
    graph = job.optimize(loaded, level, passes, exact, fast_math)
    return OptimizationReport(
        loaded,
        len(loaded.graph.nodes),
        len(graph.nodes),
        parameter_count(graph),
        dict(job.trace.fired),
        tuple(NearMiss(law, reason, tuple(layers)) for (law, reason), layers in job.trace.misses.items()),
        None if path is None else job.write(loaded, graph),
        transposes=count_transposes(graph),
    )


def plan_conversion(
    source: Model,
    path: str | os.PathLike[str],
    *,
    options: LoadOptions | None = None,
    rename_inputs: Mapping[str, str] | None = None,
    nchw_inputs: Sequence[str] = (),
    nchw_outputs: Sequence[str] = (),
    format: str | None = None,
    opset: int | None = None,
    target: str | None = None,
    ir_version: int | None = None,
    level: int = 2,
    passes: Sequence[str] | None = None,
    exact: bool = False,
    fast_math: bool = False,
    precision: Precision | None = None,
) -> ConversionPlan:
    """Everything that `convert` checks before it writes: reading, optimizing, and every operator's form.

    Raises:
        UnsupportedError: with every layer, attribute and element type that the source's reader does not take, and
            those of the other layers that the target does not take.
        XirError: everything else that reading raises.
    """
    chosen = export_format(os.fspath(path), format)
    check_versions(chosen, opset, target, ir_version)

    def planned(graph: Graph) -> ExportPlan | None:
        legal = optimize(graph, level=_level(level, opset), passes=passes, exact=exact, fast_math=fast_math)
        legal = legal if precision is None else narrowed_as(legal, precision, measured=False).graph
        tidy = partial(tidied, exact=exact) if level and passes is None else None
        return plan_export(legal, chosen, opset=opset, ir_version=ir_version, target=target, tidy=tidy)

    try:
        loaded = _read(source, options or LoadOptions(), Wanted.of(rename_inputs, nchw_inputs, nchw_outputs))
    except PartlyReadError as error:
        raise _with_problems_of_the_rest(error, planned) from None
    return ConversionPlan(loaded, chosen, planned(loaded.graph), peak_bytes(loaded.graph))


def _with_problems_of_the_rest(error: PartlyReadError, plan: Callable[[Graph], object]) -> UnsupportedError:
    """The reader's refusals, and what the target lacks for the layers that were read."""
    graph = error.partial()
    if graph is None:
        return error
    try:
        plan(graph)
    except UnsupportedError as more:
        reasons = more.problems or (Problem("the rest", (), more.message, more.hint),)
        message = f"{error.message}; of the others, {more.message.partition(': ')[0]}"
        return UnsupportedError(message, problems=(*error.problems, *reasons), file=error.source.file, hint=error.hint)
    return error


def silent(what: str, done: int, total: int) -> None:
    """Tells nobody."""


def _read(source: Model, options: LoadOptions, wanted: Wanted) -> Loaded:
    loaded = (
        Loaded(source, "graph", (source.name,), len(source.nodes))
        if isinstance(source, Graph)
        else load_model(os.fspath(source), options)
    )
    return adjusted(loaded, wanted)


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
    """What runs a file: onnxruntime for ONNX where it is installed, PyTorch for our modules, else the reference."""
    chosen = format or recognize(path).name
    if chosen == "onnx" and has_onnxruntime():
        return OnnxRuntimeRunner(path)
    if chosen == "py":
        return TorchRunner(path)
    return ReferenceRunner(load_model(path, options).graph)
