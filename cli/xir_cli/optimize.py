"""`xir optimize`: a model made smaller and faster, with reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from xir.errors import UsageError
from xir_cli.arguments import (
    Comparing,
    Writing,
    comparing_options,
    reading_options,
    refuse_folder,
    refuse_overwriting,
    side_file,
    writing_options,
)
from xir_cli.output import Output
from xir_cli.progress import ProgressLine
from xir_cli.settings import Settings, WritingCommand
from xir_cli.words import counted, report_lines, source_line

if TYPE_CHECKING:
    from xir.frontends.options import LoadOptions
    from xir.inspect.optimization import OptimizationReport

SHOWN_LAYERS = 3


@click.command(cls=WritingCommand)
@click.argument("model", metavar="MODEL")
@click.option("-o", "--out", metavar="FILE", help="The file to write: .onnx, .py, .pt2, .tflite or .xir.")
@click.option("--explain", is_flag=True, help="Tell which laws were applied, which nearly were, and why not.")
@click.option(
    "--passes", metavar="NAME,...", help="These passes instead of the level's; a wrong name is answered with all."
)
@writing_options
@reading_options
@comparing_options
@click.pass_obj
def command(
    settings: Settings,
    model: str,
    out: str | None,
    explain: bool,
    passes: str | None,
    writing: Writing,
    options: LoadOptions,
    comparing: Comparing,
) -> int:
    r"""Make a model smaller and faster, and tell why (not).

    What is written is compared with the model on made-up inputs first.

    \b
    xir optimize model.onnx -o small.onnx --explain
    xir optimize model.caffemodel --explain
    """
    from xir.api import optimize_model

    _check(model, out, explain, writing, options, comparing)
    settings.writes = out is not None
    output = Output(settings)
    with side_file(comparing.certificate, settings) as certificate, ProgressLine(output, model) as progress:
        report = optimize_model(
            model,
            out,
            options=options,
            level=writing.level,
            passes=tuple(passes.split(",")) if passes else None,
            exact=writing.exact,
            fast_math=writing.fast_math,
            verify=writing.verify,
            format=writing.format,
            opset=writing.opset,
            target=writing.target,
            ir_version=writing.ir_version,
            seeds=comparing.seeds,
            rtol=comparing.rtol,
            atol=comparing.atol,
            progress=progress,
        )
        if out is not None:
            settings.written.append(out)
        if report.conversion is not None and report.conversion.certificate is not None:
            certificate(report.conversion.certificate.to_json())
    _tell(report, explain, output)
    return 0


def _tell(report: OptimizationReport, explain: bool, output: Output) -> None:
    for note in report.source.notes:
        output.note(note)
    for line in _lines(report, explain):
        output.line(line)
    output.document(report.to_dict())


def _check(
    model: str, out: str | None, explain: bool, writing: Writing, options: LoadOptions, comparing: Comparing
) -> None:
    """Refuses what contradicts itself, before anything is read."""
    if out is None and not explain:
        raise UsageError("nothing is asked for", hint="give -o FILE, or --explain, or both")
    if comparing.certificate is not None and (out is None or not writing.verify):
        raise UsageError("--certificate needs a verification: -o FILE, and no --no-verify")
    refuse_folder(out, several=False)
    refuse_overwriting({"-o": out, "--certificate": comparing.certificate}, (model, options.prototxt, options.mean))


def _lines(report: OptimizationReport, explain: bool) -> list[str]:
    written = report_lines(report.conversion) if report.conversion is not None else []
    lines = written[:1] or [source_line(report.source, 0)]
    lines.append(f"{report.before} operators became {report.after}")
    lines += written[1:]
    if not explain:
        return lines
    lines.append(f"{counted(report.transposes, 'transpose')} left")
    laws = report.laws
    lines += ["", "applied:"] if report.fired else ["", "applied: nothing"]
    for law, times in report.fired.items():
        lines += [f"  {law}  x{times}", *_law(laws[law])]
    named: set[str] = set(report.fired)
    lines += ["nearly applied:"] if report.misses else []
    for miss in report.misses:
        more = ", ..." if len(miss.layers) > SHOWN_LAYERS else ""
        layers = ", ".join(miss.layers[:SHOWN_LAYERS]) + more
        lines.append(f"  {miss.law}  x{len(miss.layers)}  {layers}: {miss.reason}")
        lines += [] if miss.law in named else _law(laws[miss.law])
        named.add(miss.law)
    return lines


def _law(text: str) -> list[str]:
    """A law's text under its name."""
    return [f"      {line}".rstrip() for line in text.splitlines()]
