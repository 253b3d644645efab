"""`xir optimize`: a model made smaller and faster, with reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from xir.errors import UsageError
from xir_cli.arguments import Comparing, comparing_options, reading_options, refuse_overwriting
from xir_cli.output import Output
from xir_cli.progress import ProgressLine
from xir_cli.settings import Settings, WritingCommand
from xir_cli.words import report_lines, source_line

if TYPE_CHECKING:
    from xir.frontends.options import LoadOptions
    from xir.inspect.optimization import OptimizationReport

SHOWN_LAYERS = 3


@click.command(cls=WritingCommand)
@click.argument("model", metavar="MODEL")
@click.option("-o", "--out", metavar="FILE", help="The file to write: .onnx or .xir.")
@click.option("--explain", is_flag=True, help="Tell which laws were applied, which nearly were, and why not.")
@click.option("--level", type=click.IntRange(0, 2), default=2, help="How much to optimize: 0, 1 or 2 (2).")
@click.option("--exact", is_flag=True, help="Only laws that keep every bit.")
@click.option(
    "--passes", metavar="NAME,...", help="These passes instead of the level's; a wrong name is answered with all."
)
@click.option("--to", "format", type=click.Choice(["onnx", "xir"]), help="The format; else the file's ending decides.")
@click.option("--opset", type=int, metavar="N", help="ONNX: the operator set.")
@click.option("--target", metavar="RUNTIME", help="ONNX: the runtime that shall read it: ort==1.31, openvino, ...")
@click.option("--no-verify", "verify", is_flag=True, flag_value=False, default=True, help="Do not run both to compare.")
@reading_options
@comparing_options
@click.pass_obj
def command(
    settings: Settings,
    model: str,
    out: str | None,
    explain: bool,
    level: int,
    exact: bool,
    passes: str | None,
    format: str | None,
    opset: int | None,
    target: str | None,
    verify: bool,
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

    if out is None and not explain:
        raise UsageError("nothing is asked for", hint="give -o FILE, or --explain, or both")
    if comparing.certificate is not None and (out is None or not verify):
        raise UsageError("--certificate needs a verification: -o FILE, and no --no-verify")
    refuse_overwriting({"-o": out, "--certificate": comparing.certificate}, (model, options.prototxt, options.mean))
    settings.writes = out is not None
    output = Output(settings)
    with ProgressLine(output, model) as progress:
        report = optimize_model(
            model,
            out,
            options=options,
            level=level,
            passes=tuple(passes.split(",")) if passes else None,
            exact=exact,
            verify=verify,
            format=format,
            opset=opset,
            target=target,
            seeds=comparing.seeds,
            rtol=comparing.rtol,
            atol=comparing.atol,
            progress=progress,
        )
    comparing.write(report.conversion.certificate if report.conversion is not None else None)
    for note in report.source.notes:
        output.note(note)
    for line in _lines(report, explain):
        output.line(line)
    output.document(report.to_dict())
    return 0


def _lines(report: OptimizationReport, explain: bool) -> list[str]:
    written = report_lines(report.conversion) if report.conversion is not None else []
    lines = written[:1] or [source_line(report.source, 0)]
    lines.append(f"{report.before} operators became {report.after}")
    lines += written[1:]
    if not explain:
        return lines
    lines += ["", "applied:"] if report.fired else ["", "applied: nothing"]
    lines += [f"  {law}  x{times}" for law, times in report.fired.items()]
    if report.misses:
        lines.append("nearly applied:")
        lines += [
            f"  {miss.law}  x{len(miss.layers)}  {', '.join(miss.layers[:SHOWN_LAYERS])}"
            f"{', ...' if len(miss.layers) > SHOWN_LAYERS else ''}: {miss.reason}"
            for miss in report.misses
        ]
    return lines
