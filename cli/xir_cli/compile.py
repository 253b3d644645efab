"""`xir compile`: a model as a library that C programs call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from xir_cli.arguments import reading_options, refuse_folder, refuse_overwriting
from xir_cli.output import Output
from xir_cli.progress import ProgressLine
from xir_cli.settings import Settings, WritingCommand
from xir_cli.words import amount, source_line

if TYPE_CHECKING:
    from xir.api import CompileReport
    from xir.frontends.options import LoadOptions

CPUS = ("x86-64-v3", "x86-64-v4", "native", "aarch64")
"""As in `xir.backends.codegen.ahead`, which is imported only by the command at work."""


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
@click.option(
    "--cpu",
    metavar="NAMES",
    default=CPUS[0],
    help=f"The processors, with commas between them: {', '.join(CPUS)} ({CPUS[0]}).",
)
@click.option("--exact", is_flag=True, help="Only what computes the same bit for bit, and no sums of fewer products.")
@click.option("--no-verify", is_flag=True, help="Do not run the code and compare it with the reference.")
@reading_options
@click.pass_obj
def command(
    settings: Settings,
    model: str,
    out: str,
    weights: Literal["embedded", "beside"],
    cpu: str,
    exact: bool,
    no_verify: bool,
    options: LoadOptions,
) -> int:
    r"""Compile a model to a library for C programs, with a header: no Python and no xir at run time.

    Sizes that are not known are given in every call. The header has the name of the library.

    \b
    xir compile model.onnx -o model.so
    xir compile model.onnx -o model.o --weights beside
    xir compile model.caffemodel -o model.so --input data=f32[N,3,224,224] --cpu x86-64-v3,x86-64-v4
    """
    from xir.api import compile_to, read
    from xir.backends.codegen.ahead.files import file_names

    refuse_folder(out, several=False)
    files = zip(("-o", "the header", "the weights"), file_names(out, weights == "beside"), strict=False)
    refuse_overwriting(dict(files), (model, options.prototxt, options.mean))
    output = Output(settings)
    with ProgressLine(output, model) as progress:
        progress("reading", 0, 1)
        loaded = read(model, options)
        progress("compiling", 0, 1)
        check = not no_verify
        report = compile_to(loaded.graph, out, cpu=cpu, weights=weights, exact=exact, verify=check, progress=progress)
    settings.written.extend(report.written.files)
    for note in loaded.notes:
        output.note(note)
    output.line(source_line(loaded, 0))
    _show(output, report)
    return 0


def _show(output: Output, report: CompileReport) -> None:
    """What was written, and what shows that it is right."""
    written = report.written
    output.line(f"{', '.join(written.cpus)}: {', '.join(written.files)}")
    memory = "what its sizes need" if written.memory is None else f"{amount(written.memory)}B"
    output.line(f"{amount(written.weight_bytes)}B of weights, {memory} of memory for each model")
    output.line(f"{', '.join(written.functions)}: see {written.files[1]}")
    for name, certificate in report.certificates.items():
        output.line(f"{name}: {certificate.summary()}")
    for name, reason in report.unverified.items():
        output.note(f"the code for {name} was not run: {reason}")
    output.document(
        {
            "files": list(written.files),
            "cpus": list(written.cpus),
            "weights": "beside" if len(written.files) > 2 else "embedded",
            "weight_bytes": written.weight_bytes,
            "memory_bytes": written.memory,
            "functions": list(written.functions),
            "certificates": {name: each.to_dict() for name, each in report.certificates.items()},
            "unverified": report.unverified,
        }
    )
