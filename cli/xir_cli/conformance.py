"""`xir conformance`: a suite of cases on any runtimes, each case in a process that may die of it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from xir.errors import MismatchError, MissingExtraError, UsageError
from xir_cli.arguments import refuse_overwriting
from xir_cli.output import Output
from xir_cli.progress import ProgressLine
from xir_cli.settings import Command, Settings
from xir_cli.table import table

if TYPE_CHECKING:
    from xir_conformance.report import Change, Report

MAX_LINES = 20
"""Cases that are named on the terminal; reports name all of them."""


@dataclass(frozen=True, slots=True)
class Reports:
    """Which files are written.

    Attributes:
        out: the report as JSON.
        junit: the report as JUnit XML.
        html: the report as a page.
        compare: an earlier report, which is read.
    """

    out: str | None
    junit: str | None
    html: str | None
    compare: str | None

    def write(self, report: Report, compared: Sequence[Change] | None) -> None:
        """Writes what was asked for."""
        import json

        from xir_conformance.junit import to_junit
        from xir_conformance.page import to_html
        from xir_conformance.report import write_text

        if self.out is not None:
            write_text(self.out, json.dumps(report.to_dict(), indent=1) + "\n")
        if self.junit is not None:
            write_text(self.junit, to_junit(report))
        if self.html is not None:
            write_text(self.html, to_html(report, compared))


def report_options(function: Callable[..., int]) -> Callable[..., int]:
    """The options of reports; the command gets them as `reports: Reports`."""

    @functools.wraps(function)
    def wrapped(
        *args: object, out: str | None, junit: str | None, html: str | None, compare: str | None, **rest: object
    ) -> int:
        refuse_overwriting({"--out": out, "--junit": junit, "--html": html}, ())
        return function(*args, reports=Reports(out, junit, html, compare), **rest)

    decorated: Callable[..., int] = wrapped
    for option in (
        click.option("--compare", metavar="FILE", help="Tell what changed since this report (JSON)."),
        click.option("--html", metavar="FILE", help="Write the report, one HTML page."),
        click.option("--junit", metavar="FILE", help="Write the report, JUnit XML."),
        click.option("--out", metavar="FILE", help="Write the report, JSON."),
    ):
        decorated = option(decorated)
    return decorated


@click.command(cls=Command)
@click.option("--suite", default="onnx", metavar="NAME", help="The suite (onnx), or a folder of cases: ./mine.")
@click.option("--runtime", "runtimes", default="xir", metavar="NAMES", help="Runtimes, with commas between (xir).")
@click.option("--match", metavar="REGEX", help="Only the cases whose names hold this.")
@click.option("--shard", default="1/1", metavar="I/N", help="Only the I-th of N parts.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="Processes at once (all processors).")
@click.option("--time-limit", type=click.FloatRange(min=0.1), default=60.0, metavar="S", help="Seconds a case (60).")
@click.option("--memory-limit", type=click.IntRange(min=1), default=4096, metavar="MIB", help="MiB a case (4096).")
@report_options
@click.pass_obj
def command(
    settings: Settings,
    suite: str,
    runtimes: str,
    match: str | None,
    shard: str,
    jobs: int | None,
    time_limit: float,
    memory_limit: int,
    reports: Reports,
) -> int:
    r"""Run a suite of cases on runtimes, each case in a process that may die of it.

    Exit code 6 where a case fails that is not known to, where one passes that is known to fail, and, with --compare,
    where one is lost. Other people's runtimes (onnxruntime, onnx-reference) are told, and fail nothing.

    \b
    xir conformance --runtime xir,onnxruntime --html report.html
    xir conformance --match '^test_softmax' --compare yesterday.json
    """
    names = tuple(dict.fromkeys(name.strip() for name in runtimes.split(",") if name.strip()))
    if not names:
        raise UsageError("--runtime names none", hint="--runtime xir,onnxruntime")
    _require_onnx()
    from xir_conformance.plugins import check_runtimes, suite_named
    from xir_conformance.pool import Limits
    from xir_conformance.report import changes, read_outcomes
    from xir_conformance.runner import run_suite, shard_from_text

    check_runtimes(names)
    part = shard_from_text(shard)
    earlier = None if reports.compare is None else read_outcomes(reports.compare)
    output = Output(settings)
    with ProgressLine(output) as progress:
        progress("reading the suite", 0, 1)
        report = run_suite(
            suite_named(suite),
            names,
            match=match,
            shard=part,
            jobs=jobs or len(os.sched_getaffinity(0)),
            limits=Limits(seconds=time_limit, memory=memory_limit << 20),
            progress=progress,
        )
    compared = None if earlier is None else changes(report, earlier)
    reports.write(report, compared)
    return _tell(report, compared, output)


def _require_onnx() -> None:
    """Refuses to go on without onnx, which brings the suite and its judge."""
    if find_spec("onnx") is None:
        raise MissingExtraError("the conformance tests need onnx", hint="pip install 'onnx>=1.23'")


def _tell(report: Report, compared: Sequence[Change] | None, output: Output) -> int:
    counts = {name: run.counts() for name, run in report.runs.items()}
    statuses = [status for status in next(iter(counts.values())) if any(count[status] for count in counts.values())]
    rows = [
        (name, *(str(counts[name][status]) for status in statuses), f"{run.seconds:.1f}")
        for name, run in report.runs.items()
    ]
    for line in table(("runtime", *statuses, "seconds"), rows, right=range(1, len(statuses) + 2)):
        output.line(line)
    lines = [
        f"{name}: {surprise}"
        for name, run in report.runs.items()
        if not run.peer
        for surprise in report.surprises(name)
    ]
    lost = [f"{change.runtime}: {name}: lost" for change in compared or () for name in change.lost]
    for change in compared or ():
        gained = f"{len(change.gained)} gained, {len(change.new)} new, {len(change.gone)} gone"
        output.line(f"{change.runtime}: {len(change.lost)} lost, {gained} since the earlier report")
    for line in [*lines, *lost][:MAX_LINES]:
        output.line(line)
    if len(lines) + len(lost) > MAX_LINES:
        output.line(f"... and {len(lines) + len(lost) - MAX_LINES} more")
    told = {} if compared is None else {"changes": {change.runtime: change.to_dict() for change in compared}}
    output.document({**report.to_dict(), **told, "surprises": lines})
    return MismatchError.number // 100 if lines or lost else 0
