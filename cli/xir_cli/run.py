"""`xir run`: a model on arrays, a picture, or made-up inputs."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from xir.errors import UsageError
from xir_cli.arguments import reading_options, refuse_overwriting
from xir_cli.feeds import write_arrays
from xir_cli.inputs import complete, given_feeds, is_picture, numbers
from xir_cli.output import Output
from xir_cli.pictures import Look
from xir_cli.progress import ProgressLine
from xir_cli.settings import Settings, WritingCommand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xir.frontends.options import LoadOptions
    from xir.inspect.results import OutputSummary, RunReport
    from xir.ir.graph import Graph
    from xir_cli.feeds import Array


@click.command(cls=WritingCommand)
@click.argument("model", metavar="MODEL")
@click.option("--feed", multiple=True, metavar="NAME=FILE", help="An input: .npy, .png or .jpg; or one .npz for all.")
@click.option("--random", is_flag=True, help="Make up the inputs that are not fed, from --seed.")
@click.option("--out", metavar="FILE.npz|FOLDER", help="Write the outputs: an .npz file, or .npy files in a folder.")
@click.option("--rgb/--bgr", default=None, help="Pictures: which color stands first (BGR for Caffe, else RGB).")
@click.option("--image-mean", metavar="B,G,R", help="Pictures: what to subtract from pixels of 0 to 255.")
@click.option("--image-scale", type=float, default=1.0, help="Pictures: what to multiply with after that (1).")
@click.option("--compiled", is_flag=True, help="Run machine code for this processor instead of the reference.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="--compiled: at most so many threads (all).")
@reading_options
@click.pass_obj
def command(
    settings: Settings,
    model: str,
    feed: tuple[str, ...],
    random: bool,
    out: str | None,
    rgb: bool | None,
    image_mean: str | None,
    image_scale: float,
    compiled: bool,
    threads: int | None,
    options: LoadOptions,
) -> int:
    r"""Run a model by the reference or as machine code, and show the largest elements of each output.

    \b
    xir run model.onnx --random --compiled
    xir run model.caffemodel --feed data=input.npy --out outputs.npz
    xir run model.caffemodel --feed data=cat.png --image-mean 104,117,123
    """
    from xir.api import read
    from xir.inspect.results import flat, report_run

    _check_threads(threads, compiled)
    refuse_overwriting({"--out": out}, (model, *(word.rpartition("=")[2] for word in feed)))
    settings.writes, output = out is not None, Output(settings)
    with ProgressLine(output, model) as progress:
        progress("reading", 0, 1)
        loaded = read(model, options)
        bgr = loaded.format == "caffe" if rgb is None else not rgb
        notes = list(loaded.notes)
        if rgb is None and any(is_picture(word) for word in feed):
            notes.append(f"pictures are fed {'blue' if bgr else 'red'} first; --rgb or --bgr says it otherwise")
        feeds = given_feeds(loaded, feed, Look(bgr, numbers(image_mean), image_scale))
        made_up = len(feeds) < len(loaded.graph.inputs)
        feeds = complete(loaded, feeds, random, settings.seed)
        progress("running", 0, 1)
        results = _results(loaded.graph, feeds, made_up, compiled, threads)
    if out is not None:
        write_arrays(out, flat(results))
    report = report_run(model, feeds, results, tuple(notes))
    for note in report.notes:
        output.note(note)
    for line in _lines(report):
        output.line(line)
    output.document(report.to_dict())
    return 0


def _check_threads(threads: int | None, compiled: bool) -> None:
    if threads is not None and not compiled:
        raise UsageError("--threads says nothing without --compiled", hint="add --compiled")


def _results(
    graph: Graph, feeds: Mapping[str, Array], made_up: bool, compiled: bool, threads: int | None
) -> Mapping[str, Array]:
    """The outputs by name, of the reference or of machine code."""
    from xir.api import compile
    from xir.reference import made_up_inputs, run

    with made_up_inputs() if made_up else nullcontext():
        if not compiled:
            return run(graph, feeds)
        with compile(graph, threads=threads) as model:
            return dict(zip(graph.output_names, model.run(None, feeds), strict=True))


def _lines(report: RunReport) -> list[str]:
    return [line for result in report.outputs for line in _output_lines(result)]


def _output_lines(result: OutputSummary) -> list[str]:
    head = f"{result.name}  {result.dtype}{list(result.shape)}".replace(", ", ",")
    if result.minimum is not None:
        head += f"  min {result.minimum:.6g}, max {result.maximum:.6g}, mean {result.mean:.6g}"
    if result.nonfinite:
        head += f"  {result.nonfinite} NaN or infinite"
    head += "".join(f"  {text!r}" for text in result.texts)
    return [head, *(f"  {value:<12.6g} at {list(index)}" for index, value in result.top)]
