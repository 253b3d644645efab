"""`xir compile`: a model as a library that C programs call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from xir_cli.arguments import reading_options, refuse_folder, refuse_overwriting
from xir_cli.output import Output
from xir_cli.progress import ProgressLine
from xir_cli.settings import Settings, WritingCommand
from xir_cli.words import amount, source_line

if TYPE_CHECKING:
    from xir.frontends.options import LoadOptions

CPUS = ("x86-64-v3", "x86-64-v4", "native")
"""As in `xir.backends.codegen.engine`, which is imported only by the command at work."""


@click.command(cls=WritingCommand)
@click.argument("model", metavar="MODEL")
@click.option(
    "-o", "--out", metavar="FILE", required=True, help="The file to write: .so, or .o, which needs no linker."
)
@click.option(
    "--weights",
    type=click.Choice(["embedded", "beside"]),
    default="embedded",
    help="In the library, or in a file beside it that is mapped (embedded).",
)
@click.option("--cpu", metavar="NAME", default=CPUS[0], help=f"The processor: {', '.join(CPUS)} ({CPUS[0]}).")
@click.option("--exact", is_flag=True, help="Only what computes the same bit for bit, and no sums of fewer products.")
@reading_options
@click.pass_obj
def command(settings: Settings, model: str, out: str, weights: str, cpu: str, exact: bool, options: LoadOptions) -> int:
    r"""Compile a model to a library for C programs, with a header: no Python and no xir at run time.

    Every size must be known. The header has the name of the library.

    \b
    xir compile model.onnx -o model.so
    xir compile model.onnx -o model.o --weights beside
    xir compile model.caffemodel -o model.so --input data=f32[1,3,224,224] --cpu native
    """
    from xir.api import optimize, read
    from xir.backends.codegen.ahead.files import file_names, write_ahead

    refuse_folder(out, several=False)
    beside = weights == "beside"
    files = dict(zip(("-o", "the header", "the weights"), file_names(out, beside), strict=False))
    refuse_overwriting({**files}, (model, options.prototxt, options.mean))
    output = Output(settings)
    with ProgressLine(output, model) as progress:
        progress("reading", 0, 1)
        loaded = read(model, options)
        progress("compiling", 0, 1)
        report = write_ahead(optimize(loaded.graph, exact=exact), out, cpu=cpu, beside=beside, exact=exact)
    settings.written.extend(report.files)
    for note in loaded.notes:
        output.note(note)
    output.line(source_line(loaded, 0))
    output.line(f"{cpu}: {', '.join(report.files)}")
    output.line(f"{amount(report.weight_bytes)}B of weights, {amount(report.memory)}B of memory for each model")
    functions = [f"{report.name}_{each}" for each in ("init", "run", "free")]
    output.line(f"{', '.join(functions)}: see {report.files[1]}")
    output.document(
        {
            "files": list(report.files),
            "cpu": cpu,
            "weights": weights,
            "weight_bytes": report.weight_bytes,
            "memory_bytes": report.memory,
            "functions": functions,
        }
    )
    return 0
