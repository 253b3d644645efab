"""`xir ops`: which operator comes from and goes to which format."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from xir_cli.output import Output
from xir_cli.settings import Command, Settings
from xir_cli.table import table

if TYPE_CHECKING:
    from xir.inspect.coverage import Coverage, OperatorCoverage


@click.command(cls=Command)
@click.option("--framework", type=click.Choice(["caffe", "onnx", "torch"]), help="Show what of this framework is read.")
@click.pass_obj
def command(settings: Settings, framework: str | None) -> int:
    """Show which operator comes from and goes to which format, and which rules it has.

    Export says `direct` where ONNX has the operator, `pieces` where it goes by its decomposition. Rules are r
    reference, g gradient, d decomposition, l lowering, h host only.
    """
    from xir.inspect.coverage import coverage

    output = Output(settings)
    found = coverage()
    output.document(found.to_dict())
    if framework is not None:
        _show(found, framework, output)
        return 0
    for line in table(
        ("operator", "rules", "from Caffe", "from ONNX", "from PyTorch", "to ONNX"), [_row(o) for o in found.operators]
    ):
        output.line(line)
    output.line()
    read = f"{len(found.caffe)} Caffe layer types, {len(found.onnx)} ONNX operators"
    output.line(f"{len(found.operators)} operators; read: {read}, {len(found.torch)} overloads of PyTorch's")
    return 0


def _show(found: Coverage, framework: str, output: Output) -> None:
    """Every kind of layer of one framework, with the operators that it becomes."""
    built: dict[str, list[str]]
    if framework == "torch":
        built = {kind: list(operators) for kind, operators in found.torch.items()}
    else:
        built = {kind: [] for kind in (found.caffe if framework == "caffe" else found.onnx)}
        for operator in found.operators:
            for kind in operator.caffe if framework == "caffe" else operator.onnx:
                built[kind].append(operator.name)
    for line in table(("read", "becomes"), [(kind, _few(tuple(names))) for kind, names in sorted(built.items())]):
        output.line(line)
    output.line()
    output.line(f"{len(built)} are read")
    if framework == "torch":
        missing = [kind for kind in found.core_aten if kind not in found.torch]
        count = len(found.core_aten)
        output.line(f"{count - len(missing)} of {count} overloads of core ATen" + (": missing are" if missing else ""))
        for kind in missing:
            output.line(f"  {kind}")


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
        _few(operator.torch),
        operator.export or "-",
    )


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (f", +{len(names) - 3}" if len(names) > 3 else "")
