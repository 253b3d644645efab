"""`xir ops`: which operator comes from and goes to which format."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from xir_cli.output import Output
from xir_cli.settings import Command, Settings
from xir_cli.table import table

if TYPE_CHECKING:
    from xir.inspect.coverage import Coverage, OperatorCoverage


_FRAMEWORKS = {
    "caffe": "Caffe",
    "onnx": "ONNX",
    "torch": "PyTorch",
    "tensorflow": "TensorFlow",
    "tflite": "TFLite",
    "keras": "Keras",
}


@click.command(cls=Command)
@click.option("--framework", type=click.Choice(list(_FRAMEWORKS)), help="Show what of this framework is read.")
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
    head = ("operator", "rules", *(f"from {title}" for title in _FRAMEWORKS.values()), "to ONNX")
    for line in table(head, [_row(each) for each in found.operators]):
        output.line(line)
    output.line()
    read = ", ".join(f"{len(found.read[name])} of {title}" for name, title in _FRAMEWORKS.items())
    output.line(f"{len(found.operators)} operators; read are {read}")
    return 0


def _show(found: Coverage, framework: str, output: Output) -> None:
    """Every kind of layer of one framework, with the operators that it becomes, and what is not read."""
    read = found.read[framework]
    for line in table(("read", "becomes"), [(kind, _few(names)) for kind, names in sorted(read.items())]):
        output.line(line)
    output.line()
    output.line(f"{len(read)} are read")
    for kind, reason in sorted(found.refused.get(framework, {}).items()):
        output.line(f"  {kind} is refused: {reason}")
    if framework in found.unread:
        unread = found.unread[framework]
        output.line(f"{len(unread)} others that {_FRAMEWORKS[framework]} declares are not" + (":" if unread else ""))
        for line in textwrap.wrap(", ".join(unread), 118):
            output.line(f"  {line}")
    if framework == "torch":
        missing = [kind for kind in found.core_aten if kind not in read]
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
        *(_few(operator.read[name]) for name in _FRAMEWORKS),
        operator.export or "-",
    )


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (f", +{len(names) - 3}" if len(names) > 3 else "")
