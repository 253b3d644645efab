"""`xir profile`: what each kernel of the compiled model takes, against what the machine can do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from xir_cli.arguments import reading_options, refuse_overwriting, side_file
from xir_cli.feeds import read_feeds
from xir_cli.inputs import complete
from xir_cli.output import Output, plain
from xir_cli.progress import ProgressLine
from xir_cli.settings import Settings, WritingCommand
from xir_cli.table import table
from xir_cli.words import counted, duration, share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xir.frontends.options import LoadOptions
    from xir.inspect.profile import LayerTime, Profile, StepTime


@click.command(cls=WritingCommand)
@click.argument("model", metavar="MODEL")
@click.option("--feed", multiple=True, metavar="NAME=FILE", help="An input: .npy; or one .npz for all. Else made up.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="At most so many threads (all).")
@click.option("--warm", type=click.IntRange(min=0), default=3, metavar="N", help="Runs before the measured ones (3).")
@click.option("--repeat", type=click.IntRange(min=1), default=20, metavar="N", help="Measured runs (20).")
@click.option("--top", type=click.IntRange(min=1), default=20, metavar="N", help="Rows to show (20); --json has all.")
@click.option("--by", type=click.Choice(["layer", "kernel"]), default="kernel", help="What a row is (kernel).")
@click.option("--trace", metavar="FILE", help="Write the runs as trace events for chrome://tracing and Perfetto.")
@reading_options
@click.pass_obj
def command(
    settings: Settings,
    model: str,
    feed: tuple[str, ...],
    threads: int | None,
    warm: int,
    repeat: int,
    top: int,
    by: str,
    trace: str | None,
    options: LoadOptions,
) -> int:
    r"""Show what each kernel of the compiled model takes: time, GFLOP/s, GB/s, and how near that is to the machine.

    The model is compiled so that it notes when each kernel begins. Medians of several runs are shown.

    \b
    xir profile model.onnx
    xir profile model.onnx --threads 1 --by layer --top 5
    xir profile model.onnx --trace trace.json
    """
    from xir.api import read
    from xir.inspect.profile import profile
    from xir.reference import made_up_inputs

    refuse_overwriting({"--trace": trace}, (model, *(word.rpartition("=")[2] for word in feed)))
    settings.writes = trace is not None
    output = Output(settings)
    with side_file(trace, settings) as write_trace, ProgressLine(output, model) as progress:
        progress("reading", 0, 1)
        loaded = read(model, options)
        feeds = complete(loaded, read_feeds(feed), True, settings.seed)
        with made_up_inputs():
            found = profile(loaded.graph, feeds, threads=threads, warm=warm, repeat=repeat, tell=progress)
        write_trace(json.dumps(plain(found.trace())) + "\n")
    for note in loaded.notes:
        output.note(note)
    for line in _lines(found, found.steps if by == "kernel" else found.layers, top):
        output.line(line)
    output.document(found.to_dict() | {"notes": list(loaded.notes)})
    return 0


def _lines(profile: Profile, rows: Sequence[StepTime | LayerTime], top: int) -> list[str]:
    peaks = profile.peaks
    longest = sorted(rows, key=lambda row: -row.seconds)
    cells = [_cells(row, profile) for row in longest[:top]]
    rest = sum(row.seconds for row in longest[top:])
    if rest:
        cells.append((f"({len(rows) - top} more)", "", duration(rest), share(rest, profile.total), "", "", "", ""))
    between = profile.between
    cells.append(("(between kernels)", "", duration(between), share(between, profile.total), "", "", "", ""))
    head = ("layer", "computes", "time", "share", "GFLOP/s", "of peak", "GB/s", "of peak")
    return [
        *table(head, cells, right=(2, 3, 4, 5, 6, 7)),
        "",
        f"{counted(len(profile.steps), 'kernel')}, {duration(profile.seconds)} a run on "
        f"{counted(profile.threads, 'thread')} (median of {profile.repeat}; {duration(profile.plain)} unwatched)",
        f"peaks, measured: {peaks.flops / 1e9:.1f} GFLOP/s (f32), {peaks.bytes / 1e9:.1f} GB/s (copy, both ways)",
    ]


def _cells(row: StepTime | LayerTime, profile: Profile) -> tuple[str, ...]:
    from xir.inspect.profile import StepTime

    if isinstance(row, StepTime):
        what = "on the host: " * (row.where == "host") + ", ".join(row.operators)
    else:
        what = counted(row.steps, "kernel")
    flops, bytes = (amount / row.seconds if row.seconds else 0.0 for amount in (row.flops, row.bytes))
    return (
        row.name,
        what,
        duration(row.seconds),
        share(row.seconds, profile.total),
        f"{flops / 1e9:.1f}",
        share(flops, profile.peaks.flops),
        f"{bytes / 1e9:.1f}",
        share(bytes, profile.peaks.bytes),
    )
