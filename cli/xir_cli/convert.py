"""`xir convert`: models become files of another format, verified before they take their place."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import click

from xir.errors import UsageError
from xir_cli.arguments import (
    Comparing,
    Writing,
    comparing_options,
    expanded,
    pairs,
    reading_options,
    refuse_folder,
    refuse_overwriting,
    side_file,
    writing_options,
)
from xir_cli.batch import Batch, run_batch
from xir_cli.output import Output
from xir_cli.precision import precision_lines, precision_options
from xir_cli.progress import ProgressLine
from xir_cli.settings import Settings, WritingCommand
from xir_cli.weights import WEIGHT_FILES, Tensors, convert_weights, tensor_options
from xir_cli.words import output_lines, plan_lines, report_lines

if TYPE_CHECKING:
    from xir.api import Progress
    from xir.frontends.options import LoadOptions
    from xir.inspect.conversion import ConversionPlan, ConversionReport
    from xir.precision import Precision

F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a model is to be converted."""

    options: LoadOptions
    comparing: Comparing
    writing: Writing
    rename_inputs: Mapping[str, str]
    nchw_inputs: tuple[str, ...]
    nchw_outputs: tuple[str, ...]
    dry_run: bool
    map: str | None
    tensors: Tensors
    precision: Precision | None = None


def _names_option(option: str, name: str, words: str) -> Callable[[F], F]:
    """An option that takes names between commas."""

    def apart(context: click.Context, parameter: click.Parameter, names: str | None) -> tuple[str, ...]:
        return tuple(names.split(",")) if names else ()

    return click.option(option, name, metavar="NAME,...", help=words, callback=apart)


@click.command(cls=WritingCommand)
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("-o", "--out", metavar="FILE", help="The file to write.")
@click.option("--out-dir", metavar="FOLDER", help="The folder to write into, for several models.")
@click.option("--keep-going", is_flag=True, help="Several models: go on after a failure.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), default=1, help="Several models: how many at a time (1).")
@click.option("--rename-inputs", metavar="OLD=NEW,...", help="Other names for inputs.")
@_names_option("--inputs-as-nchw", "nchw_inputs", "Take inputs [N,H,W,C] as [N,C,H,W].")
@_names_option("--outputs-as-nchw", "nchw_outputs", "Give outputs [N,H,W,C] as [N,C,H,W].")
@click.option("--keep-names", is_flag=True, help="Every named result stays; optimizes nothing (--level 0).")
@click.option("--map", metavar="FILE", help="Write which layer became which nodes, JSON.")
@click.option("--dry-run", is_flag=True, help="Check everything, write nothing.")
@tensor_options
@precision_options
@writing_options
@reading_options
@comparing_options
@click.pass_obj
def command(
    settings: Settings,
    models: tuple[str, ...],
    out: str | None,
    out_dir: str | None,
    keep_going: bool,
    jobs: int,
    rename_inputs: str | None,
    nchw_inputs: tuple[str, ...],
    nchw_outputs: tuple[str, ...],
    keep_names: bool,
    map: str | None,
    tensors: Tensors,
    dry_run: bool,
    precision: Precision | None,
    writing: Writing,
    options: LoadOptions,
    comparing: Comparing,
) -> int:
    r"""Convert models, and verify what was written.

    The result is compared with the source on three made-up inputs before it takes its place; where they differ,
    nothing is written and the exit code is 6.

    \b
    xir convert model.caffemodel -o model.onnx --input data=f32[N,3,224,224]
    xir convert 'models/*.caffemodel' --out-dir onnx --keep-going -j 2
    xir convert weights.pth -o weights.safetensors
    """
    renamed = pairs("--rename-inputs", rename_inputs.split(",") if rename_inputs else ())
    writing = _with_names_kept(writing) if keep_names else writing
    wishes = Wishes(options, comparing, writing, renamed, nchw_inputs, nchw_outputs, dry_run, map, tensors, precision)
    sources = expanded(models)
    _check(wishes, out, out_dir, sources)
    if out is not None:
        return _convert_one(settings, sources[0], out, wishes)
    targets = tuple(_targets(sources, str(out_dir), writing.format or "onnx"))
    _make_folder(str(out_dir), dry_run)
    return run_batch(
        settings, Batch(targets, keep_going, jobs), lambda source, path: _do(source, path, wishes).to_dict()
    )


def _with_names_kept(writing: Writing) -> Writing:
    """What is to be written, with every result of the source in it.

    Raises:
        UsageError: if it is to be optimized as well, which fuses layers and so loses what is between them.
    """
    source = click.get_current_context().get_parameter_source("level")
    asked = source is not click.core.ParameterSource.DEFAULT
    if writing.fast_math or (asked and writing.level):
        raise UsageError(
            "--keep-names keeps every named result, and optimizations fuse some away", hint="leave one out"
        )
    return replace(writing, level=0)


def _check(wishes: Wishes, out: str | None, out_dir: str | None, sources: Sequence[str]) -> None:
    """Refuses what contradicts itself, before anything is read."""
    if (out is None) == (out_dir is None):
        raise UsageError("one of -o FILE (one model) and --out-dir FOLDER (several) is needed")
    if out is not None and len(sources) != 1:
        hint = _as_one_model(sources, out) or "use --out-dir FOLDER"
        raise UsageError(f"-o names one file for {len(sources)} models", hint=hint)
    refuse_folder(out, several=True)
    if out_dir is not None:
        wishes.tensors.refuse()
    if out_dir is not None and (wishes.comparing.certificate is not None or wishes.map is not None):
        raise UsageError("--certificate and --map are for one model", hint="convert the models one by one")
    if wishes.comparing.certificate is not None and not wishes.writing.verify:
        raise UsageError("--certificate needs the verification that --no-verify leaves out")
    if out is not None:
        written = {"-o": out, "--certificate": wishes.comparing.certificate, "--map": wishes.map}
        refuse_overwriting(written, (*sources, wishes.options.prototxt, wishes.options.mean))


def _as_one_model(sources: Sequence[str], out: str) -> str | None:
    """How to say that two files are structure and weights of one Caffe model, as other converters take them."""
    descriptions = [path for path in sources if path.lower().endswith((".prototxt", ".pbtxt", ".pt"))]
    weights = [path for path in sources if path not in descriptions and ".caffemodel" in path.lower()]
    if len(sources) != 2 or len(descriptions) != 1 or len(weights) != 1:
        return None
    return f"xir convert {weights[0]} --prototxt {descriptions[0]} -o {out}"


def _targets(sources: Sequence[str], folder: str, format: str) -> Iterator[tuple[str, str]]:
    """Each model and the file that it becomes: its own name with the format's ending."""
    from xir._exporting import ending_of

    taken: dict[str, str] = {}
    for source in sources:
        name = os.path.basename(source)
        stem = name.removesuffix(".h5").rpartition(".")[0] or name
        path = os.path.join(folder, f"{stem}.{ending_of(format)}")
        if path in taken:
            raise UsageError(f"{taken[path]} and {source} would both become {path}", hint="convert them one by one")
        taken[path] = source
        refuse_overwriting({"--out-dir": path}, sources)
        yield source, path


def _make_folder(folder: str, dry_run: bool) -> None:
    from xir.files import file_error

    if not dry_run:
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise file_error(error, folder, "make the folder") from error


def _do(source: str, path: str, wishes: Wishes, progress: Progress | None = None) -> ConversionReport | ConversionPlan:
    """Converts one model, or plans it."""
    from xir.api import convert, plan_conversion

    if wishes.dry_run:
        return plan_conversion(
            source,
            path,
            options=wishes.options,
            rename_inputs=wishes.rename_inputs,
            nchw_inputs=wishes.nchw_inputs,
            nchw_outputs=wishes.nchw_outputs,
            format=wishes.writing.format,
            opset=wishes.writing.opset,
            target=wishes.writing.target,
            ir_version=wishes.writing.ir_version,
            level=wishes.writing.level,
            exact=wishes.writing.exact,
            fast_math=wishes.writing.fast_math,
            precision=wishes.precision,
        )
    return convert(
        source,
        path,
        verify=wishes.writing.verify,
        precision=wishes.precision,
        options=wishes.options,
        rename_inputs=wishes.rename_inputs,
        nchw_inputs=wishes.nchw_inputs,
        nchw_outputs=wishes.nchw_outputs,
        format=wishes.writing.format,
        opset=wishes.writing.opset,
        target=wishes.writing.target,
        ir_version=wishes.writing.ir_version,
        level=wishes.writing.level,
        exact=wishes.writing.exact,
        fast_math=wishes.writing.fast_math,
        seeds=wishes.comparing.seeds,
        rtol=wishes.comparing.rtol,
        atol=wishes.comparing.atol,
        progress=progress,
    )


def _convert_one(settings: Settings, source: str, path: str, wishes: Wishes) -> int:
    from xir.api import ConversionMismatch
    from xir.inspect.conversion import ConversionPlan

    if path.endswith(WEIGHT_FILES):
        return convert_weights(settings, source, path, wishes.tensors)
    wishes.tensors.refuse()
    output = Output(settings)
    try:
        done = _written(settings, source, path, wishes, output)
    except ConversionMismatch as error:
        for line in output_lines(error.certificate):
            output.say(line, level=-1)
        raise
    if isinstance(done, ConversionPlan):
        notes, lines = done.source.notes, plan_lines(done, path)
    else:
        notes, lines = done.notes, report_lines(done)
        lines += precision_lines(done.precision) if done.precision is not None else []
    for note in notes:
        output.note(note)
    for line in lines:
        output.line(line)
    output.document(done.to_dict())
    return 0


def _written(
    settings: Settings, source: str, path: str, wishes: Wishes, output: Output
) -> ConversionReport | ConversionPlan:
    """Converts one model, or plans it; the files beside the result are opened before, and get their names after it.

    Raises:
        ConversionMismatch: as `xir.api.convert`; the certificate is written all the same.
        XirError: everything else that `convert` raises.
    """
    from xir.api import ConversionMismatch
    from xir.inspect.conversion import ConversionPlan

    certificate, layers = (None, None) if wishes.dry_run else (wishes.comparing.certificate, wishes.map)
    with side_file(certificate, settings) as write_certificate:
        try:
            with side_file(layers, settings) as write_map:
                with ProgressLine(output, os.path.basename(source)) as progress:
                    done = _do(source, path, wishes, progress)
                if isinstance(done, ConversionPlan):
                    return done
                settings.written.append(path)
                write_map(_map(done))
        except ConversionMismatch as error:
            write_certificate(error.certificate.to_json())
            mismatch = error
        else:
            if done.certificate is not None:
                write_certificate(done.certificate.to_json())
            return done
    raise mismatch


def _map(report: ConversionReport) -> str:
    """Which layer became which nodes, as JSON."""
    export = report.export
    layers = {
        layer: {"nodes": list(nodes), "results": list(export.results.get(layer, ()))}
        for layer, nodes in export.layers.items()
    }
    content = {"version": 1, "source": list(report.source.files), "model": export.path, "layers": layers}
    return json.dumps(content, indent=2) + "\n"
