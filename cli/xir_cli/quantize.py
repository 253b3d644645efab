"""`xir quantize`: a model with integer weights, and integers between its layers, with what that costs."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

import click

from xir_cli.arguments import reading_options, refuse_folder, refuse_overwriting
from xir_cli.output import Output
from xir_cli.progress import ProgressLine
from xir_cli.samples import SampleFiles
from xir_cli.settings import Settings, WritingCommand
from xir_cli.words import amount, counted

if TYPE_CHECKING:
    from xir.backends.export.report import ExportReport
    from xir.frontends.options import Loaded, LoadOptions
    from xir.precision import Quantization, QuantizationReport, QuantizationResult, QuantizedLayer
    from xir.precision.settings import Method, Mode, WeightType

F = TypeVar("F", bound=Callable[..., object])

SHOWN = 10
"""The worst layers are shown; `-v` shows all."""


_OPTIONS: tuple[Callable[[Callable[..., object]], Callable[..., object]], ...] = (
    click.option(
        "--mode", type=click.Choice(["static", "dynamic", "weights"]), default="static", help="What (static)."
    ),
    click.option("--weights", type=click.Choice(["int8", "int4"]), default="int8", help="Integers of weights (int8)."),
    click.option("--per-channel/--per-tensor", default=True, help="A scale for each channel of a weight, or one."),
    click.option("--symmetric", is_flag=True, help="Static: activations in i8 around 0 instead of u8."),
    click.option(
        "--calibration-method",
        "method_of_ranges",
        type=click.Choice(["mse", "minmax", "percentile", "entropy"]),
        default="mse",
        help="Static: how ranges follow from the samples (mse).",
    ),
    click.option("--percentile", type=float, default=99.999, help="Static: for that method (99.999)."),
    click.option(
        "--block", type=int, default=0, metavar="N", help="Weights: neighbours that share a scale (int4: 32)."
    ),
    click.option("--exclude", metavar="LAYER,...", help="Layers that stay in float."),
    click.option(
        "--max-error", type=float, metavar="E", help="Layers beyond this relative error stay (0.1; int4: 0.25)."
    ),
    click.option(
        "--no-bias-correction", "correct_bias", is_flag=True, flag_value=False, default=True, help="Keep biases."
    ),
)


def quantization_options(function: F) -> F:
    """The options of a quantisation; the command gets them as `chosen: Quantization`."""

    @functools.wraps(function)
    def wrapped(
        *args: object,
        mode: str,
        weights: str,
        per_channel: bool,
        symmetric: bool,
        method_of_ranges: str,
        percentile: float,
        block: int,
        exclude: str | None,
        max_error: float | None,
        correct_bias: bool,
        **rest: object,
    ) -> object:
        from xir.precision import Quantization

        chosen = Quantization(
            cast("Mode", mode),
            cast("WeightType", weights),
            per_channel,
            symmetric,
            cast("Method", method_of_ranges),
            percentile,
            block,
            tuple(exclude.split(",")) if exclude else (),
            max_error,
            correct_bias,
        )
        return function(*args, chosen=chosen, **rest)

    decorated: Callable[..., object] = wrapped
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return cast("F", decorated)


@click.command(cls=WritingCommand)
@click.argument("model", metavar="MODEL")
@click.option("-o", "--out", required=True, metavar="FILE", help="The file to write: .onnx, .tflite or .xir.")
@click.option(
    "--calibration", multiple=True, metavar="DATA", help="Samples: .npy, .npz, or a folder of them; may be repeated."
)
@quantization_options
@click.option("--level", type=click.IntRange(0, 2), default=2, help="How much to optimize first: 0, 1 or 2 (2).")
@click.option("--opset", type=int, metavar="N", help="ONNX: the operator set.")
@click.option("--target", metavar="RUNTIME", help="ONNX: the runtime that shall read it: ort==1.31, openvino, ...")
@reading_options
@click.pass_obj
def command(
    settings: Settings,
    model: str,
    out: str,
    calibration: tuple[str, ...],
    chosen: Quantization,
    level: int,
    opset: int | None,
    target: str | None,
    options: LoadOptions,
) -> int:
    r"""Quantise a model, and tell what that costs layer by layer.

    static: ranges from the samples, QuantizeLinear and DequantizeLinear around layers. dynamic: products in integers,
    ranges at run time. weights: only weights are integers. Layers whose own error is too large stay in float.

    \b
    xir quantize model.onnx -o int8.onnx --calibration samples/
    xir quantize model.onnx -o int4.onnx --mode weights --weights int4
    """
    refuse_folder(out, several=False)
    refuse_overwriting({"-o": out}, (model, *calibration, options.prototxt, options.mean))
    output = Output(settings)
    result, loaded = _quantized(settings, output, model, calibration, chosen, level, options)
    from xir.api import export

    written = export(result.graph, out, opset=opset, target=target, metadata=loaded.metadata)
    settings.written.append(out)
    for note in (*loaded.notes, *result.report.notes):
        output.note(note)
    for line in _lines(written, result.report, every=settings.verbosity > 0):
        output.line(line)
    output.document({"export": written.to_dict(), **result.report.to_dict()})
    return 0


def _quantized(
    settings: Settings,
    output: Output,
    model: str,
    calibration: tuple[str, ...],
    chosen: Quantization,
    level: int,
    options: LoadOptions,
) -> tuple[QuantizationResult, Loaded]:
    """The quantised model, and what was read."""
    from xir.api import optimize, read
    from xir.precision import quantize
    from xir.precision.calibration import RandomSamples
    from xir.reference import made_up_inputs
    from xir.verification import workable_sizes

    with ProgressLine(output, model) as progress:
        progress("reading", 0, 1)
        loaded = read(model, options)
        progress("optimizing", 0, 1)
        graph = optimize(loaded.graph, level=level)
        progress("quantising", 0, 1)
        if calibration:
            return quantize(graph, SampleFiles(graph, calibration), settings=chosen), loaded
        with made_up_inputs():
            made = quantize(
                graph,
                settings=chosen,
                made_up=RandomSamples(graph, settings.seed, least=workable_sizes(graph, settings.seed)),
            )
        return made, loaded


def _lines(written: ExportReport, report: QuantizationReport, every: bool) -> list[str]:
    versions = f"  opset {written.opset}" if written.opset is not None else ""
    share = report.bytes_after / report.bytes_before if report.bytes_before else 1.0
    lines = [
        f"{written.format}  {written.path}{versions}   {counted(written.nodes, 'node')}",
        f"{report.quantized} of {counted(len(report.layers), 'layer')} with weights quantised; weights "
        f"{amount(report.bytes_before)}B -> {amount(report.bytes_after)}B ({share:.0%})",
    ]
    lines += [f"output {each.name}: {_decibels(each.sqnr)}, max|d|={each.max_absolute:.3g}" for each in report.outputs]
    ranked = sorted(report.layers, key=_badness)
    shown = list(report.layers) if every else ranked[:SHOWN]
    if shown:
        lines.append("layer, own noise, noise with all before it:" if every else "the worst layers, own noise, in all:")
    lines += [_layer(each) for each in shown]
    return lines


def _badness(layer: QuantizedLayer) -> float:
    return layer.own.sqnr if layer.own is not None else math.inf


def _layer(layer: QuantizedLayer) -> str:
    own = _decibels(layer.own.sqnr) if layer.own is not None else "-"
    total = _decibels(layer.total.sqnr) if layer.total is not None else "-"
    state = "" if layer.quantized else f"  float: {layer.reason}"
    return f"  {layer.name} ({layer.op})  {own}  {total}{state}"


def _decibels(number: float) -> str:
    return "exact" if number == math.inf else "not finite" if number == -math.inf else f"{number:.1f} dB"
