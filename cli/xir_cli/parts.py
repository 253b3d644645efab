"""What the commands share that write a graph which they made of others: extract, merge, reduce."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

import click

from xir_cli.arguments import WRITTEN

if TYPE_CHECKING:
    from xir.api import ConversionReport
    from xir.ir.graph import Graph
    from xir.ir.node import Value
    from xir_cli.progress import ProgressLine
    from xir_cli.settings import Settings

F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be written.

    Attributes:
        format: the format, or None where the file's ending decides.
        opset: ONNX: the operator set, or None.
        target: ONNX: the runtime that shall read it, or None.
    """

    format: str | None
    opset: int | None
    target: str | None


def target_options(function: F) -> F:
    """The options of what is written, as it stands in the graph; the command gets them as `target: Target`."""

    @functools.wraps(function)
    def wrapped(*args: object, format: str | None, opset: int | None, target: str | None, **rest: object) -> object:
        return function(*args, target=Target(format, opset, target), **rest)

    decorated: Callable[..., object] = wrapped
    for option in (
        click.option("--target", metavar="RUNTIME", help="ONNX: the runtime that shall read it: ort==1.31, openvino."),
        click.option("--opset", type=int, metavar="N", help="ONNX: the operator set (21, or what the target takes)."),
        click.option("--to", "format", type=click.Choice(WRITTEN), help="The format; else the file's ending decides."),
    ):
        decorated = option(decorated)
    return cast("F", decorated)


def write_part(
    settings: Settings, graph: Graph, out: str, target: Target, verify: bool, progress: ProgressLine
) -> ConversionReport:
    """Writes a graph as it is, and compares the file with it unless `verify` is False."""
    from xir.api import convert

    report = convert(
        graph,
        out,
        verify=verify,
        format=target.format,
        opset=target.opset,
        target=target.target,
        level=0,
        seeds=tuple(settings.seed + number for number in range(3)),
        progress=progress,
    )
    settings.written.append(out)
    return report


def names_in(words: Sequence[str], known: Iterable[str]) -> tuple[str, ...] | None:
    """The names that words like `a,b` list; a word that is a name as it stands is one. None for no word at all."""
    if not words:
        return None
    held = frozenset(known)
    return tuple(name for word in words for name in ([word] if word in held else word.split(",")) if name)


def signature(names: Sequence[str], values: Sequence[Value]) -> str:
    """Inputs or outputs in words: `data: f32[1,3,8,8], mask: bool[8]`."""
    return ", ".join(f"{name}: {value.type!r}" for name, value in zip(names, values, strict=True)) or "nothing"
