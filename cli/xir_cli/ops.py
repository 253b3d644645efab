"""`xir ops`: which operator comes from and goes to which format."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from xir_cli.output import Output
from xir_cli.settings import Command, Settings
from xir_cli.table import table

if TYPE_CHECKING:
    from xir.inspect.coverage import OperatorCoverage


@click.command(cls=Command)
@click.pass_obj
def command(settings: Settings) -> int:
    """Show which operator comes from and goes to which format, and which rules it has.

    Export says `direct` where ONNX has the operator, `pieces` where it goes by its decomposition. Rules are r
    reference, g gradient, d decomposition, l lowering, h host only.
    """
    from xir.inspect.coverage import coverage

    output = Output(settings)
    found = coverage()
    for line in table(("operator", "rules", "from Caffe", "from ONNX", "to ONNX"), [_row(o) for o in found.operators]):
        output.line(line)
    output.line()
    read = f"{len(found.caffe)} Caffe layer types, {len(found.onnx)} ONNX operators"
    output.line(f"{len(found.operators)} operators; read: {read}")
    output.document(found.to_dict())
    return 0


def _row(operator: OperatorCoverage) -> tuple[str, ...]:
    held = (
        ("r", operator.reference),
        ("g", operator.gradient),
        ("d", operator.decompose),
        ("l", operator.lower),
        ("h", operator.host is not None),
    )
    return (
        operator.name,
        "".join(letter if there else "-" for letter, there in held),
        _few(operator.caffe),
        _few(operator.onnx),
        operator.export or "-",
    )


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (f", +{len(names) - 3}" if len(names) > 3 else "")
