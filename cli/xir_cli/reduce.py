"""`xir reduce`: a failing model shrunk to a minimal reproduction."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import click

from xir.errors import UsageError
from xir_cli.arguments import ROUNDS, reading_options, refuse_folder, refuse_overwriting
from xir_cli.feeds import read_feeds, write_arrays
from xir_cli.output import Output
from xir_cli.parts import Target, signature, target_options
from xir_cli.progress import ProgressLine
from xir_cli.settings import Settings, WritingCommand
from xir_cli.words import counted, short

if TYPE_CHECKING:
    from xir.frontends.options import LoadOptions
    from xir.ir.graph import Graph
    from xir.ir.source import Source
    from xir.surgery import Reduction
    from xir.surgery.divergence import Divergence
    from xir.surgery.judging import Predicate
    from xir_cli.feeds import Array

Answer: TypeAlias = "tuple[list[str], dict[str, object]]"
"""What is told: as lines, and as a document."""

RUNTIME = "onnxruntime"

_LAST_STEPS = 12


@click.command(cls=WritingCommand)
@click.argument("model", metavar="MODEL")
@click.option("-o", "--out", metavar="FILE", required=True, help="The file to write: .onnx or .xir.")
@click.option(
    "--against", default=RUNTIME, metavar="WHAT", help="onnxruntime (the default), or a model that should agree."
)
@click.option("--command", "words", metavar="'CMD {}'", help="Fails where this command does; {} is the model's file.")
@click.option("--feed", multiple=True, metavar="NAME=FILE", help="An input from a .npy file; or one .npz for all.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), default=60.0, help="For one try (60).")
@click.option("--max-tries", type=click.IntRange(min=1), default=2000, help="End with what is found by then (2000).")
@click.option("--rtol", type=click.FloatRange(min=0), help="Relative tolerance (1e-3).")
@click.option("--atol", type=click.FloatRange(min=0), help="Absolute tolerance (1e-4), times the largest element.")
@target_options
@reading_options
@click.pass_obj
def command(
    settings: Settings,
    model: str,
    out: str,
    against: str,
    words: str | None,
    feed: tuple[str, ...],
    seconds: float,
    max_tries: int,
    rtol: float | None,
    atol: float | None,
    target: Target,
    options: LoadOptions,
) -> int:
    r"""Shrink a failing model to a minimal reproduction that fails in the same way.

    It fails where onnxruntime computes something else than the reference, or refuses or dies of the model; or, with
    --command, where the command ends with another exit code than 0, dies, or takes too long ({inputs} stands for an
    .npz file of the inputs). Against another model the first layer that differs is cut out of both. Beside the result
    lie the inputs on which it fails, as FILE.inputs.npz.

    \b
    xir reduce model.onnx -o small.onnx
    xir reduce model.onnx -o small.onnx --command 'python check.py {} {inputs}'
    xir reduce model.caffemodel -o small.onnx --against converted.onnx
    """
    stem = os.path.splitext(out)[0]
    inputs, other = f"{stem}.inputs.npz", f"{stem}.against{os.path.splitext(out)[1]}"
    refuse_folder(out, several=False)
    refuse_overwriting({"-o": out, "the inputs": inputs}, (model, options.prototxt, options.mean))
    if words is not None and against != RUNTIME:
        raise UsageError("--command and --against contradict each other", hint="leave one out")
    job = _Job(settings, Output(settings), target, options, (rtol, atol), read_feeds(feed) or None)
    if against != RUNTIME:
        refuse_overwriting({"-o": out, "the other part": other}, (model, against))
    with ProgressLine(job.output, model) as progress:
        if against != RUNTIME:
            lines, document = job.against(model, against, out, other, inputs, progress)
        else:
            predicate = job.runtime() if words is None else _Command(words)
            lines, document = job.alone(model, predicate, (seconds, max_tries), out, inputs, progress)
    job.tell(lines, document)
    return 0


class _Job:
    """One call of the command."""

    def __init__(
        self,
        settings: Settings,
        output: Output,
        target: Target,
        options: LoadOptions,
        tolerance: tuple[float | None, float | None],
        feeds: Mapping[str, Array] | None,
    ) -> None:
        from xir.verification import ATOL, RTOL

        rtol, atol = tolerance
        self.settings, self.output, self.target, self.options = settings, output, target, options
        self.tolerance = (RTOL if rtol is None else rtol, ATOL if atol is None else atol)
        self.feeds = feeds
        self.seeds = tuple(settings.seed + number for number in range(ROUNDS))

    def runtime(self) -> Predicate:
        """The disagreement with onnxruntime."""
        from xir.surgery import Disagreement

        return Disagreement(*self.tolerance, opset=self.target.opset, target=self.target.target).prepare()

    def alone(
        self,
        model: str,
        predicate: Predicate,
        limits: tuple[float, int],
        out: str,
        inputs: str,
        progress: ProgressLine,
    ) -> Answer:
        """Reduces one model."""
        from xir.api import read
        from xir.surgery import reduce

        progress("reading", 0, 1)
        loaded = read(model, self.options)
        found = reduce(
            loaded.graph,
            predicate,
            feeds=self.feeds,
            seeds=self.seeds,
            seconds=limits[0],
            max_tries=limits[1],
            progress=progress,
        )
        self._write(found.graph, out)
        self._write_feeds(inputs, found.feeds)
        return [*_lines(found), f"written: {out}, {inputs}"], {**found.to_dict(), "files": [out, inputs]}

    def against(self, a: str, b: str, out: str, other: str, inputs: str, progress: ProgressLine) -> Answer:
        """Cuts the first layer that differs out of two models."""
        from xir.surgery.divergence import reduce_against

        progress("comparing", 0, 1)
        rtol, atol = self.tolerance
        found = reduce_against(a, b, feeds=self.feeds, seeds=self.seeds, rtol=rtol, atol=atol, options=self.options)
        self._write(found.a, out)
        self._write(found.b, other)
        self._write_feeds(inputs, found.feeds)
        files = [out, other, inputs]
        return [*_divergence_lines(found), f"written: {', '.join(files)}"], {**found.to_dict(), "files": files}

    def tell(self, lines: Sequence[str], document: Mapping[str, object]) -> None:
        """Tells the answer."""
        for line in lines:
            self.output.line(line)
        self.output.document(document)

    def _write(self, graph: Graph, path: str) -> None:
        from xir.api import export

        export(graph, path, format=self.target.format, opset=self.target.opset, target=self.target.target)
        self.settings.written.append(path)

    def _write_feeds(self, path: str, feeds: Mapping[str, Array]) -> None:
        from xir.inspect.results import flat

        write_arrays(path, flat(feeds))
        self.settings.written.append(path)


class _Command:
    """Whether a command fails on a model; another exit code is another failure."""

    def __init__(self, words: str) -> None:
        """Reads the command as a shell would, though no shell runs it.

        Raises:
            UsageError: no word holds `{}`, or a quotation has no end.
        """
        try:
            self.words = shlex.split(words)
        except ValueError as error:
            raise UsageError(f"--command {words}: {error}") from error
        if not any("{}" in word for word in self.words):
            raise UsageError(f"--command {words}: {{}} must stand where the model's file shall")

    def __call__(self, graph: Graph, feeds: Mapping[str, Array]) -> str:
        """The command's exit code where it is not 0; the signal where one ended it."""
        from xir.api import export

        with tempfile.TemporaryDirectory(prefix="xir-") as folder:
            path, arrays = os.path.join(folder, "model.onnx"), os.path.join(folder, "inputs.npz")
            export(graph, path)
            if any("{inputs}" in word for word in self.words):
                write_arrays(arrays, feeds)
            words = [word.replace("{}", path).replace("{inputs}", arrays) for word in self.words]
            try:
                code = subprocess.run(words, check=False).returncode
            except OSError as error:
                raise UsageError(f"--command: {words[0]}: {error.strerror}") from error
        if code < 0:
            return f"signal {-code}"
        return f"exit code {code}" if code else ""


def _lines(found: Reduction) -> list[str]:
    first, last = found.steps[0], found.steps[-1]
    shown = found.steps[1:][-_LAST_STEPS:]
    hidden = len(found.steps) - 1 - len(shown)
    lines = [f"{found.verdict}"]
    lines += [f"  ... {counted(hidden, 'step')} before"] if hidden else []
    lines += [f"  {step.what}: {counted(step.nodes, 'operator')}, {counted(step.elements, 'number')}" for step in shown]
    tried = counted(found.tries, "try").replace("trys", "tries")
    ended = "" if found.complete else "; no tries were left, it may get smaller still"
    return [
        *lines,
        f"{counted(first.nodes, 'operator')} became {last.nodes}, {counted(first.elements, 'number')} "
        f"{last.elements:,}, after {tried}{ended}",
        *(f"  {node.op.name}{_origin(node.source)}" for node in found.graph.nodes if node.op.name != "constant"),
        f"takes  {signature(found.graph.input_names, found.graph.inputs)}",
        f"gives  {signature(found.graph.output_names, found.graph.outputs)}",
    ]


def _origin(sources: Sequence[Source]) -> str:
    return f"  {sources[0]}" if sources else ""


def _divergence_lines(found: Divergence) -> list[str]:
    distance = found.difference.reason or f"max |d| {short(found.difference.max_absolute)}"
    return [
        f"the first layer that differs: {found.layer}, {distance}",
        f"{counted(found.nodes[0], 'operator')} became {len(found.a.nodes)}, {found.nodes[1]:,} of the other model "
        f"{len(found.b.nodes)}",
        f"takes  {signature(found.a.input_names, found.a.inputs)}",
        f"gives  {signature(found.a.output_names, found.a.outputs)}",
    ]
