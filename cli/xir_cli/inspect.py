"""`xir inspect`: a model at a glance, and its graph as a drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from xir_cli.arguments import reading_options, refuse_overwriting
from xir_cli.output import Output
from xir_cli.settings import Command, Settings
from xir_cli.table import table
from xir_cli.words import amount, counted

if TYPE_CHECKING:
    from xir.frontends.options import LoadOptions
    from xir.inspect.summary import Summary


@click.command(cls=Command)
@click.argument("model", metavar="MODEL")
@click.option("--dot", metavar="FILE", help="Draw the graph as Graphviz DOT text.")
@click.option("--svg", metavar="FILE", help="Draw the graph as an SVG picture.")
@click.option("--names", is_flag=True, help="Also list every value with its name and type, for --output.")
@reading_options
@click.pass_obj
def command(settings: Settings, model: str, dot: str | None, svg: str | None, names: bool, options: LoadOptions) -> int:
    r"""Show layers, shapes, parameters and FLOPs; draw the graph.

    A multiplication and an addition count as two FLOPs.

    \b
    xir inspect model.caffemodel
    xir inspect model.onnx --svg model.svg
    """
    from xir.api import read, show
    from xir.inspect.summary import summarize

    refuse_overwriting({"--dot": dot, "--svg": svg}, (model, options.prototxt))
    output = Output(settings)
    loaded = read(model, options)
    summary = summarize(loaded, names=names)
    if dot is not None:
        show(loaded.graph, dot, format="dot")
    if svg is not None:
        show(loaded.graph, svg, format="svg")
    for note in summary.notes:
        output.note(note)
    for line in _lines(summary):
        output.line(line)
    output.document(summary.to_dict())
    return 0


def _lines(summary: Summary) -> list[str]:
    lines = [f"{summary.format}  {' + '.join(summary.files)}"]
    lines += [f"input   {name}: {type}" for name, type in summary.inputs]
    lines += [f"output  {name}: {type}" for name, type in summary.outputs]
    lines += [f"training  step {number}: {step}" for number, step in enumerate(summary.training, 1)]
    rows = [
        (layer.name, layer.kind, " ".join(layer.outputs), f"{layer.parameters:,}", amount(layer.flops))
        for layer in summary.layers
    ]
    lines += ["", *table(("layer", "type", "output", "parameters", "FLOPs"), rows, right=(3, 4)), ""]
    assumed = f" (with {', '.join(summary.assumed)})" if summary.assumed else ""
    lines.append(
        f"{counted(len(summary.layers), 'layer')}, {counted(summary.nodes, 'node')}, "
        f"{counted(summary.parameters, 'parameter')} "
        f"({amount(summary.bytes)}B), {amount(summary.flops)} FLOPs{assumed}"
    )
    if summary.values:
        lines += ["", *(f"{name}: {type}" for name, type in summary.values)]
    return lines
