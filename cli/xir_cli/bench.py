"""`xir bench`: how fast compiled models are, alone or beside onnxruntime."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from xir_cli.arguments import expanded, reading_options
from xir_cli.feeds import read_feeds
from xir_cli.inputs import complete
from xir_cli.output import Output
from xir_cli.progress import ProgressLine
from xir_cli.settings import Command, Settings
from xir_cli.table import table
from xir_cli.words import amount, counted, duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xir.frontends.options import Loaded, LoadOptions
    from xir.inspect.bench import Bench
    from xir_cli.feeds import Array


@click.command(cls=Command)
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--against", type=click.Choice(["onnxruntime"]), help="Measure this runtime too, in turns with xir.")
@click.option("--feed", multiple=True, metavar="NAME=FILE", help="An input: .npy; or one .npz for all. Else made up.")
@click.option("--threads", metavar="N,N...", help="How many threads (1, 2, 4 ... up to all).")
@click.option("--warm", type=click.IntRange(min=0), default=3, metavar="N", help="Calls before the measured ones (3).")
@click.option("--repeat", type=click.IntRange(min=1), default=50, metavar="N", help="Measured calls, at most (50).")
@click.option("--tune", is_flag=True, help="Choose tiles by measuring them; the bits are the same.")
@reading_options
@click.pass_obj
def command(
    settings: Settings,
    models: tuple[str, ...],
    against: str | None,
    feed: tuple[str, ...],
    threads: str | None,
    warm: int,
    repeat: int,
    tune: bool,
    options: LoadOptions,
) -> int:
    r"""Measure compiled models: latency by threads, time to compile (cold and from the cache), peak memory.

    Times to compile and memory are those of processes of their own. With --against the calls of both runtimes
    alternate; a speedup is the quotient of the shortest calls, above 1 where xir is faster.

    \b
    xir bench model.onnx
    xir bench *.onnx --against onnxruntime --threads 1,2
    """
    from xir.inspect.bench import need_onnxruntime

    counts = _counts(threads)
    if against is not None:
        need_onnxruntime()
    output = Output(settings)
    found: list[Bench] = []
    for model in expanded(models):
        with ProgressLine(output, model) as progress:
            how = (counts, warm, repeat, tune)
            found.append(_measured(model, options, settings.seed, read_feeds(feed), against, how, progress))
        for line in _lines(found[-1]):
            output.line(line)
    output.document({"models": [each.to_dict() for each in found]})
    return 0


def _counts(text: str | None) -> tuple[int, ...]:
    from xir.errors import UsageError

    parts = text.split(",") if text else []
    if not all(part.isascii() and part.isdigit() and len(part) < 10 and int(part) for part in parts):
        raise UsageError(f"--threads {text}: expected whole numbers from 1 on, such as 1,2")
    return tuple(map(int, parts))


def _measured(
    model: str,
    options: LoadOptions,
    seed: int,
    feeds: Mapping[str, Array],
    against: str | None,
    how: tuple[tuple[int, ...], int, int, bool],
    progress: ProgressLine,
) -> Bench:
    from xir.api import read
    from xir.inspect.bench import bench
    from xir.reference import made_up_inputs

    progress("reading", 0, 1)
    loaded = read(model, options)
    given = complete(loaded, dict(feeds), True, seed)
    threads, warm, repeat, tune = how
    with ExitStack() as folders, made_up_inputs():
        own, other = _files(model, loaded, options, against, folders)
        return bench(
            loaded.graph,
            given,
            own,
            other=other,
            threads=threads,
            warm=warm,
            repeat=repeat,
            tune=tune,
            name=model,
            tell=progress,
        )


def _files(
    model: str, loaded: Loaded, options: LoadOptions, against: str | None, folders: ExitStack
) -> tuple[str, str | None]:
    """The files that processes of their own read: the model's where it says all, else written for the purpose."""
    from xir.api import export
    from xir.frontends.options import LoadOptions as Plain

    whole = options == Plain(seed=options.seed)
    if loaded.format == "onnx" and whole:
        return model, model if against else None
    folder = folders.enter_context(tempfile.TemporaryDirectory(prefix="xir-bench-"))
    own = model
    if not whole:
        own = os.path.join(folder, "model.xir")
        export(loaded.graph, own)
    if against is None:
        return own, None
    other = os.path.join(folder, "model.onnx")
    export(loaded.graph, other, target="ort")
    return own, other


def _lines(bench: Bench) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for each in bench.latencies:
        ratio = bench.ratio(each.threads) if each.runtime == "xir" else None
        spread = f"{duration(each.quantile(0.1))} to {duration(each.quantile(0.9))}"
        speedup = "" if ratio is None else f"{ratio:.2f}x"
        rows.append((each.runtime, str(each.threads), duration(each.least), duration(each.median), spread, speedup))
    lines = [bench.model, *table(("runtime", "threads", "min", "median", "10 % to 90 %", "speedup"), rows, right=(1,))]
    for start in bench.starts:
        what = "opens" if start.runtime != "xir" else "compiles, from the cache" if start.cached else "compiles, cold"
        lines.append(
            f"{start.runtime} {what}: {duration(start.seconds)} ({duration(start.cpu)} of CPU), "
            f"peak memory {amount(start.peak)}B"
        )
    if bench.hosted:
        lines.append(f"{counted(len(bench.hosted), 'step')} on the host: {', '.join(dict.fromkeys(bench.hosted))}")
    return [*lines, ""]
