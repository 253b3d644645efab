"""`xir verify`: two models on the same inputs, output by output and layer by layer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

import click

from xir.errors import MismatchError
from xir_cli.arguments import Comparing, comparing_options, permutations, reading_options, refuse_overwriting, side_file
from xir_cli.feeds import read_feeds
from xir_cli.output import Output
from xir_cli.progress import ProgressLine
from xir_cli.settings import Command, Settings
from xir_cli.words import certificate_lines

if TYPE_CHECKING:
    from xir.frontends.options import LoadOptions


@click.command(cls=Command)
@click.argument("a", metavar="A")
@click.argument("b", metavar="[B]", required=False)
@click.option("--runtime", type=click.Choice(["cpu"]), help="Compile B (A where there is no B), and run machine code.")
@click.option("--per-layer", is_flag=True, help="Compare every layer that both have, and name the first that differs.")
@click.option("--align", multiple=True, metavar="NAME=AXES", help="A's axes in B's order: data=0,2,3,1.")
@click.option("--feed", multiple=True, metavar="NAME=FILE", help="An input of A from a .npy file; or one .npz.")
@reading_options
@comparing_options
@click.pass_obj
def command(
    settings: Settings,
    a: str,
    b: str | None,
    runtime: Literal["cpu"] | None,
    per_layer: bool,
    align: tuple[str, ...],
    feed: tuple[str, ...],
    options: LoadOptions,
    comparing: Comparing,
) -> int:
    r"""Compare two models on the same inputs; exit code 6 where they differ.

    A is run by the reference, B by onnxruntime where it is an ONNX file and onnxruntime is installed, else by the
    reference. With --runtime cpu B is compiled; without B it is A. Options of reading concern A.

    \b
    xir verify model.caffemodel model.onnx --per-layer
    xir verify model.onnx --runtime cpu
    xir verify nchw.caffemodel nhwc.onnx --align data=0,2,3,1
    """
    from xir.api import verify

    refuse_overwriting({"--certificate": comparing.certificate}, (a, b))
    output = Output(settings)
    name = ", ".join(os.path.basename(each) for each in (a, b) if each is not None)
    with side_file(comparing.certificate) as write_certificate, ProgressLine(output, name) as progress:
        certificate = verify(
            a,
            b,
            runtime=runtime,
            inputs=read_feeds(feed) or None,
            per_layer=per_layer,
            align=permutations(align),
            rtol=comparing.rtol,
            atol=comparing.atol,
            seeds=comparing.seeds,
            options=options,
            progress=progress,
        )
        write_certificate(certificate.to_json())
    for line in certificate_lines(certificate):
        output.line(line)
    output.document(certificate.to_dict())
    return 0 if certificate.passed else MismatchError.number // 100
