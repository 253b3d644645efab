"""`xir extract`: a part of a model as a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from xir_cli.arguments import reading_options, refuse_folder, refuse_overwriting
from xir_cli.output import Output
from xir_cli.parts import Target, names_in, signature, target_options, write_part
from xir_cli.progress import ProgressLine
from xir_cli.settings import Settings, WritingCommand
from xir_cli.words import report_lines

if TYPE_CHECKING:
    from xir.frontends.options import LoadOptions


@click.command(cls=WritingCommand)
@click.argument("model", metavar="MODEL")
@click.option("-o", "--out", metavar="FILE", required=True, help="The file to write: .onnx or .xir.")
@click.option("--inputs", "cut", multiple=True, metavar="NAME,...", help="What the part takes: values or layers.")
@click.option("--outputs", "wanted", multiple=True, metavar="NAME,...", help="What it gives: values or layers.")
@click.option(
    "--no-verify", "verify", is_flag=True, flag_value=False, default=True, help="Do not run the part to compare."
)
@target_options
@reading_options
@click.pass_obj
def command(
    settings: Settings,
    model: str,
    out: str,
    cut: tuple[str, ...],
    wanted: tuple[str, ...],
    verify: bool,
    target: Target,
    options: LoadOptions,
) -> int:
    r"""Cut a part out of a model between any values.

    A layer's name stands for what it makes. Without --inputs the part takes those of the model's inputs that it needs,
    without --outputs it gives the model's outputs. The file is compared with the part on made-up inputs.

    \b
    xir extract model.onnx -o part.onnx --inputs pool1 --outputs conv3,prob
    xir extract model.caffemodel -o head.onnx --inputs fc6
    """
    from xir.api import read
    from xir.surgery import extract
    from xir.surgery.names import Names

    refuse_folder(out, several=False)
    refuse_overwriting({"-o": out}, (model, options.prototxt, options.mean))
    output = Output(settings)
    with ProgressLine(output, model) as progress:
        progress("reading", 0, 1)
        loaded = read(model, options)
        known = Names(loaded.graph).known
        part = extract(loaded.graph, inputs=names_in(cut, known), outputs=names_in(wanted, known))
        report = write_part(settings, part, out, target, verify, progress)
    for note in loaded.notes:
        output.note(note)
    output.line(f"takes  {signature(part.input_names, part.inputs)}")
    output.line(f"gives  {signature(part.output_names, part.outputs)}")
    for line in report_lines(report)[1:]:
        output.line(line)
    output.document({**report.to_dict(), "inputs": list(part.input_names), "outputs": list(part.output_names)})
    return 0
