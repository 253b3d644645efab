"""`xir inspect`: a model at a glance, and its graph as a drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from xir.errors import UsageError
from xir_cli.arguments import reading_options, refuse_overwriting
from xir_cli.output import Output
from xir_cli.settings import Command, Settings
from xir_cli.table import MAX_CELL, table
from xir_cli.weights import holds_weights, inspect_weights
from xir_cli.words import amount, counted

if TYPE_CHECKING:
    from xir.frontends.options import LoadOptions
    from xir.inspect.placement import PlacedLayer, Placement
    from xir.inspect.provenance import Provenance
    from xir.inspect.summary import Summary
    from xir.ir.graph import Graph
    from xir.ir.source import Source


@click.command(cls=Command)
@click.argument("model", metavar="MODEL")
@click.option("--dot", metavar="FILE", help="Draw the graph as Graphviz DOT text.")
@click.option("--svg", metavar="FILE", help="Draw the graph as an SVG picture.")
@click.option("--names", is_flag=True, help="Also list every value with its name and type, for --output.")
@click.option("--placement", is_flag=True, help="Show where each layer of the compiled model runs, and why not.")
@click.option("--map", "mapped", is_flag=True, help="Show of every node the layers, modules and lines it comes from.")
@click.option("--optimized", is_flag=True, help="--map: after optimization.")
@reading_options
@click.pass_obj
def command(
    settings: Settings,
    model: str,
    dot: str | None,
    svg: str | None,
    names: bool,
    placement: bool,
    mapped: bool,
    optimized: bool,
    options: LoadOptions,
) -> int:
    r"""Show layers, shapes, parameters and FLOPs; draw the graph.

    A multiplication and an addition count as two FLOPs. Of checkpoints and safetensors, which hold no graph, the
    tensors are listed.

    \b
    xir inspect model.caffemodel
    xir inspect model.onnx --svg model.svg
    xir inspect model.onnx --placement
    xir inspect model.pt2 --map --optimized
    xir inspect weights.pth
    """
    from xir.api import read, show
    from xir.inspect.summary import summarize

    refuse_overwriting({"--dot": dot, "--svg": svg}, (model, options.prototxt))
    if optimized and not mapped:
        raise UsageError("--optimized says nothing without --map", hint="add --map")
    if not (dot or svg or placement or mapped) and holds_weights(model):
        return inspect_weights(settings, model)
    output = Output(settings)
    loaded = read(model, options)
    summary = summarize(loaded, names=names)
    if dot is not None:
        show(loaded.graph, dot, format="dot")
    if svg is not None:
        show(loaded.graph, svg, format="svg")
    for note in summary.notes:
        output.note(note)
    details, lines = _details(loaded.graph, placement, mapped, optimized)
    for line in lines or _lines(summary):
        output.line(line)
    output.document(summary.to_dict() | details)
    return 0


def _details(graph: Graph, placement: bool, mapped: bool, optimized: bool) -> tuple[dict[str, object], list[str]]:
    """What is told in place of the summary, as plain data and as lines; nothing where nothing was asked for."""
    document: dict[str, object] = {}
    lines: list[str] = []
    if placement:
        from xir.inspect.placement import place

        placed = place(graph)
        document["placement"] = placed.to_dict()
        lines += _placement_lines(placed)
    if mapped:
        from xir.inspect.provenance import provenance
        from xir.passes import optimize

        origins = provenance(optimize(graph) if optimized else graph)
        document["map"] = origins.to_dict()
        lines += [*([""] if lines else []), *_map_lines(origins)]
    return document, lines


def _map_lines(origins: Provenance) -> list[str]:
    """A line for each source of each node; the node's name and operator stand in the first of them."""
    from xir.inspect.provenance import has_line, has_module

    rows: list[tuple[str, ...]] = []
    for node in origins.nodes:
        name = f"{node.name} ({', '.join(node.inside)})" if node.inside else node.name
        cells = [(source.layer, source.kind, _module(source), _line(source)) for source in node.sources]
        first, *others = cells or [("", "", "", "")]
        rows += [(name, node.operator, *first), *(("", "", *other) for other in others)]
    counts = [origins.share(), origins.share(has_module), origins.share(has_line)]
    told = ", ".join(f"{count} {what}" for (count, _), what in zip(counts, _TOLD, strict=True))
    head = ("node", "operator", "layer", "type", "module", "line")
    return [*table(head, rows), "", f"{counted(len(origins.nodes), 'node')}: {told}"]


_TOLD = ("with a source", "with a module", "with a line")


def _module(source: Source) -> str:
    """`blocks.0.conv: Conv2d`."""
    short = (source.module or "").rpartition(".")[2]
    path = ".".join(source.path)
    return f"{path}: {short}" if path and short else path or short


def _line(source: Source) -> str:
    """The place; of one too long for the table its end, which tells most."""
    told = source.location or ""
    return told if len(told) <= MAX_CELL else f"...{told[3 - MAX_CELL :]}"


def _placement_lines(placement: Placement) -> list[str]:
    rows = [(layer.name, layer.kind, _where(layer, placement)) for layer in placement.layers]
    idle = sum(not layer.steps for layer in placement.layers)
    return [
        *table(("layer", "type", "runs"), rows),
        "",
        f"{counted(placement.kernels, 'kernel')} of machine code ({placement.cpu}), "
        f"{counted(placement.hosted, 'step')} on the host, {counted(len(placement.layers), 'layer')}"
        + (f", {idle} with nothing to do" if idle else ""),
        *(
            f"host: {', '.join(step.operators)} ({', '.join(step.layers)}): {step.reason}"
            for step in placement.steps
            if step.reason
        ),
    ]


def _where(layer: PlacedLayer, placement: Placement) -> str:
    """`kernel 3 with relu1`, `kernels 4, 5`, `host: why`, `nothing to do`."""
    if not layer.steps:
        return layer.where
    steps = [placement.steps[number] for number in layer.steps]
    numbers = ", ".join(str(step.number) for step in steps)
    others = dict.fromkeys(name for step in steps for name in step.layers if name != layer.name)
    inside = " in a " + steps[0].inside[-1] if steps[0].inside else ""
    what = f"host, step {numbers}: {layer.reason}" if layer.reason else f"kernel{'s' * (len(steps) > 1)} {numbers}"
    return what + inside + (f" with {', '.join(others)}" if others else "")


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
