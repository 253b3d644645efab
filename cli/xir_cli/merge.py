"""`xir merge`: two models as one."""

from __future__ import annotations

from collections.abc import Sequence

import click

from xir.errors import UsageError
from xir_cli.arguments import plain_options, refuse_folder, refuse_overwriting
from xir_cli.output import Output
from xir_cli.parts import Target, signature, target_options, write_part
from xir_cli.progress import ProgressLine
from xir_cli.settings import Settings, WritingCommand
from xir_cli.words import report_lines


@click.command(cls=WritingCommand)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("-o", "--out", metavar="FILE", required=True, help="The file to write: .onnx or .xir.")
@click.option("--connect", multiple=True, metavar="OUT=IN", help="A's value or layer OUT feeds B's input IN.")
@click.option("--prefix", metavar="TEXT", help="Stands before every name of B; else only before those that clash.")
@click.option("--name", default="", metavar="TEXT", help="The name of the merged model.")
@click.option(
    "--no-verify", "verify", is_flag=True, flag_value=False, default=True, help="Do not run the result to compare."
)
@target_options
@click.pass_obj
def command(
    settings: Settings,
    a: str,
    b: str,
    out: str,
    connect: tuple[str, ...],
    prefix: str | None,
    name: str,
    verify: bool,
    target: Target,
) -> int:
    r"""Join two models: outputs of A become inputs of B. Formats and opsets of the two may differ.

    Without --connect outputs and inputs of the same name are connected, or the only output with the only input. What is
    not connected stays an input or an output of the whole.

    \b
    xir merge backbone.caffemodel head.onnx --connect pool5=features -o whole.onnx
    xir merge model.onnx softmax.onnx -o whole.onnx
    """
    from xir.api import read
    from xir.surgery import merge

    refuse_folder(out, several=False)
    refuse_overwriting({"-o": out}, (a, b))
    output = Output(settings)
    with ProgressLine(output, f"{a}, {b}") as progress:
        progress("reading", 0, 1)
        first, second = (read(path, plain_options(settings)) for path in (a, b))
        whole = merge(first.graph, second.graph, connect=_connections(connect), prefix=prefix, name=name)
        report = write_part(settings, whole, out, target, verify, progress)
    for note in (*first.notes, *second.notes):
        output.note(note)
    output.line(f"takes  {signature(whole.input_names, whole.inputs)}")
    output.line(f"gives  {signature(whole.output_names, whole.outputs)}")
    for line in report_lines(report)[1:]:
        output.line(line)
    output.document({**report.to_dict(), "inputs": list(whole.input_names), "outputs": list(whole.output_names)})
    return 0


def _connections(words: Sequence[str]) -> dict[str, list[str]] | None:
    """The words `OUT=IN`; one OUT may feed several inputs."""
    found: dict[str, list[str]] = {}
    for word in words:
        out, _, into = word.rpartition("=")
        if not out or not into:
            raise UsageError(f"--connect {word}: expected OUT=IN")
        found.setdefault(out, []).append(into)
    return found or None
