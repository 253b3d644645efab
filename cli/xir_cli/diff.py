"""`xir diff`: what two models differ in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from xir_cli.arguments import reading_options
from xir_cli.output import Output
from xir_cli.progress import ProgressLine
from xir_cli.settings import Command, Settings
from xir_cli.words import amount, counted, short

if TYPE_CHECKING:
    from xir.frontends.options import LoadOptions
    from xir.surgery import Change, Difference, NodeChange, WeightChange

DIFFERENT = 1
"""The exit code with --exit-code where something differs."""

SHOWN_CONSEQUENCES = 3

_SIGNS = {"added": "+", "removed": "-"}


@click.command(cls=Command)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--weights", is_flag=True, help="List every weight that differs, with how much.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 where anything differs.")
@reading_options
@click.pass_obj
def command(settings: Settings, a: str, b: str, weights: bool, exit_code: bool, options: LoadOptions) -> int:
    r"""Show what two models differ in: operators, attributes, types, names, weights.

    The two may be of different formats. Operators are aligned by names and source layers first, then by structure.
    Options of reading concern A. -v lists also operators of which only results or names differ.

    \b
    xir diff old.onnx new.onnx --weights
    xir diff model.caffemodel model.onnx --exit-code
    """
    from xir.surgery import diff

    output = Output(settings)
    with ProgressLine(output, f"{a}, {b}") as progress:
        progress("comparing", 0, 1)
        found = diff(a, b, options=options)
    for line in _lines(found, weights, settings.verbosity > 0):
        output.line(line)
    output.document(found.to_dict())
    return DIFFERENT if exit_code and not found.equal else 0


def _lines(found: Difference, weights: bool, all_operators: bool) -> list[str]:
    lines = [
        f"a  {found.a}   {counted(found.nodes[0], 'operator')}",
        f"b  {found.b}   {counted(found.nodes[1], 'operator')}",
    ]
    if found.equal:
        return [
            *lines,
            f"nothing differs: {counted(found.same_operators, 'operator')}, {counted(found.same_weights, 'weight')}",
        ]
    lines += _section("file", found.model)
    lines += _section("inputs", found.inputs)
    lines += _section("outputs", found.outputs)
    lines += _section("training", found.training)
    lines += _operators(found.operators, found.same_operators, all_operators)
    return lines + _weights(found.weights, found.same_weights, weights)


def _section(title: str, changes: Sequence[Change]) -> list[str]:
    return [f"{title}:", *(f"  {_change(change)}" for change in changes)] if changes else []


def _change(change: Change) -> str:
    if change.a is None:
        return f"+ {change.field}: {change.b}"
    if change.b is None:
        return f"- {change.field}: {change.a}"
    return f"~ {change.field}: {change.a} -> {change.b}"


def _operators(changes: Sequence[NodeChange], same: int, all_operators: bool) -> list[str]:
    lines: list[str] = []
    consequences: list[str] = []
    for change in changes:
        if change.is_consequence and not all_operators:
            consequences.append(change.layer)
            continue
        lines.append(f"  {_SIGNS.get(change.kind, '~')} {change.layer} ({change.op})")
        lines += [f"      {_change(each)[2:]}" for each in change.changes]
    if consequences:
        more = ", ..." if len(consequences) > SHOWN_CONSEQUENCES else ""
        shown = ", ".join(consequences[:SHOWN_CONSEQUENCES])
        lines.append(f"  {counted(len(consequences), 'operator')} with other types or names of results: {shown}{more}")
    return [f"operators: {same:,} the same", *lines]


def _weights(changes: Sequence[WeightChange], same: int, listed: bool) -> list[str]:
    counts: dict[str, int] = {}
    for change in changes:
        counts[change.kind] = counts.get(change.kind, 0) + 1
    words = "".join(f"; {number:,} {kind}" for kind, number in counts.items())
    hint = "" if listed or not changes else " (--weights lists them)"
    return [f"weights: {same:,} the same{words}{hint}", *(_weight(change) for change in changes if listed)]


def _weight(change: WeightChange) -> str:
    names = " -> ".join(dict.fromkeys(name for name in (change.a, change.b) if name is not None))
    types = " -> ".join(dict.fromkeys(type for type in (change.a_type, change.b_type) if type is not None))
    sign = _SIGNS.get(change.kind, "~")
    line = f"  {sign} {names}: {types}"
    if change.max_absolute is not None and change.max_relative is not None and change.changed_bytes:
        line += f"  max |d| {short(change.max_absolute)}, max rel {short(change.max_relative)}"
    if change.changed_elements:
        line += f", {amount(change.changed_elements)} elements"
    return f"{line}, {amount(change.changed_bytes)} bytes" if change.changed_bytes and sign == "~" else line
