"""`xir run`: a model on arrays, a picture, or made-up inputs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from xir.errors import UsageError
from xir_cli.arguments import pairs, reading_options, refuse_overwriting
from xir_cli.feeds import read_feeds, write_arrays
from xir_cli.output import Output
from xir_cli.pictures import SUFFIXES, Look, read_picture
from xir_cli.progress import ProgressLine
from xir_cli.settings import Settings, WritingCommand

if TYPE_CHECKING:
    from xir.frontends.options import Loaded, LoadOptions
    from xir.inspect.results import OutputSummary, RunReport
    from xir_cli.feeds import Array


@click.command(cls=WritingCommand)
@click.argument("model", metavar="MODEL")
@click.option("--feed", multiple=True, metavar="NAME=FILE", help="An input: .npy, .png or .jpg; or one .npz for all.")
@click.option("--random", is_flag=True, help="Make up the inputs that are not fed, from --seed.")
@click.option("--out", metavar="FILE.npz|FOLDER", help="Write the outputs: an .npz file, or .npy files in a folder.")
@click.option("--rgb/--bgr", default=None, help="Pictures: which color stands first (BGR for Caffe, else RGB).")
@click.option("--image-mean", metavar="B,G,R", help="Pictures: what to subtract from pixels of 0 to 255.")
@click.option("--image-scale", type=float, default=1.0, help="Pictures: what to multiply with after that (1).")
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
    options: LoadOptions,
) -> int:
    r"""Run a model by the reference, and show the largest elements of each output.

    \b
    xir run model.onnx --random
    xir run model.caffemodel --feed data=input.npy --out outputs.npz
    xir run model.caffemodel --feed data=cat.png --image-mean 104,117,123
    """
    from xir.api import read
    from xir.inspect.results import flat, report_run
    from xir.reference import made_up_inputs, run

    refuse_overwriting({"--out": out}, (model, *(word.rpartition("=")[2] for word in feed)))
    settings.writes = out is not None
    output = Output(settings)
    with ProgressLine(output, model) as progress:
        progress("reading", 0, 1)
        loaded = read(model, options)
        bgr = loaded.format == "caffe" if rgb is None else not rgb
        notes = list(loaded.notes)
        if rgb is None and any(_is_picture(word) for word in feed):
            notes.append(f"pictures are fed {'blue' if bgr else 'red'} first; --rgb or --bgr says it otherwise")
        feeds = _feeds(loaded, feed, Look(bgr, _numbers(image_mean), image_scale))
        given = tuple(feeds)
        feeds = _complete(loaded, feeds, random, settings.seed)
        progress("running", 0, 1)
        with made_up_inputs() if len(given) < len(feeds) else nullcontext():
            results = run(loaded.graph, feeds)
    if out is not None:
        write_arrays(out, flat(results))
    report = report_run(model, feeds, results, tuple(notes))
    for note in report.notes:
        output.note(note)
    for line in _lines(report):
        output.line(line)
    output.document(report.to_dict())
    return 0


def _is_picture(word: str) -> bool:
    return word.lower().endswith(SUFFIXES)


def _numbers(text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise UsageError(f"--image-mean {text}: expected numbers, such as 104,117,123") from None


def _feeds(loaded: Loaded, words: Sequence[str], look: Look) -> dict[str, Array]:
    """The inputs that files give."""
    graph = loaded.graph
    types = {name: value.type for name, value in zip(graph.input_names, graph.inputs, strict=True)}
    found = read_feeds([word for word in words if not _is_picture(word)], types)
    unknown = [name for name in found if name not in types]
    if unknown:
        raise UsageError(
            f"the model has no input {unknown[0]!r}; it has {list(types)}",
            hint="xir inspect shows them with their types",
        )
    for name, path in pairs("--feed", [word for word in words if _is_picture(word)]).items():
        if name not in types:
            raise UsageError(f"the model has no input {name!r}; it has {list(types)}")
        if name in found:
            raise UsageError(f"--feed names {name!r} twice")
        found[name] = read_picture(path, types[name], name, look)
    return found


def _complete(loaded: Loaded, feeds: dict[str, Array], random: bool, seed: int) -> dict[str, Array]:
    """The feeds with made-up arrays for the inputs that are missing."""
    from xir.reference import random_inputs
    from xir.verification import check_memory, workable_sizes

    missing = [name for name in loaded.graph.input_names if name not in feeds]
    if not missing:
        return feeds
    if not random:
        raise UsageError(
            f"nothing is fed to {', '.join(repr(name) for name in missing)}",
            hint="give --feed NAME=FILE.npy, or --random to make inputs up",
        )
    check_memory(loaded.graph, what="the run")
    least = workable_sizes(loaded.graph, seed, feeds)
    return {**random_inputs(loaded.graph, seed, least=least), **feeds}


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
