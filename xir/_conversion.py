"""Reading, writing and checking as one job: what `convert` and `optimize_model` do."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from xir._exporting import check_versions, export_format, plan_export
from xir._job import Check, job_of, level_for
from xir._loading import Model, Progress, TypeSpec, load_options, read, read_adjusted
from xir.errors import Problem, UnsupportedError
from xir.frontends.adjust import Wanted
from xir.frontends.options import LoadOptions
from xir.frontends.partial import PartlyReadError
from xir.inspect.conversion import ConversionPlan, ConversionReport, parameter_count
from xir.inspect.optimization import NearMiss, OptimizationReport
from xir.ir.graph import Graph
from xir.passes import count_transposes, optimize, tidied
from xir.precision import Precision, narrowed_as
from xir.verification import ATOL, RTOL, SEEDS, peak_bytes

if TYPE_CHECKING:
    from xir.backends.export.onnx import ExportPlan


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
    job = job_of(path, format, (opset, target, ir_version), Check.of(verify, seeds, rtol, atol), progress)
    loaded = job.read(lambda: read_adjusted(source, load_options(options, prototxt, inputs, outputs), wanted))
    return job.narrow(loaded, job.optimize(loaded, level, None, exact, fast_math), precision)


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
    job = job_of(path, format, (opset, target, ir_version), Check.of(verify, seeds, rtol, atol), progress)
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
        legal = optimize(graph, level=level_for(level, opset), passes=passes, exact=exact, fast_math=fast_math)
        legal = legal if precision is None else narrowed_as(legal, precision, measured=False).graph
        tidy = partial(tidied, exact=exact) if level and passes is None else None
        return plan_export(legal, chosen, opset=opset, ir_version=ir_version, target=target, tidy=tidy)

    try:
        loaded = read_adjusted(source, options or LoadOptions(), Wanted.of(rename_inputs, nchw_inputs, nchw_outputs))
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
