"""Files with weights and no graph, as `xir inspect` lists them and `xir convert` writes them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

import click

from xir.errors import UsageError
from xir_cli.output import Output
from xir_cli.settings import Settings
from xir_cli.table import table
from xir_cli.words import amount, counted

if TYPE_CHECKING:
    from xir.frontends.weights import Weights

F = TypeVar("F", bound=Callable[..., object])

SIZES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
"""Bytes of each unit; those of 1024 are written KiB, MiB, GiB."""

_SHOWN_VALUES = 20
"""Words and numbers of a checkpoint that are shown; --json has all of them."""


def holds_weights(path: str) -> bool:
    """Whether the file holds weights and no graph; raises as `xir.load` where it holds neither."""
    from xir.frontends.load import find_format
    from xir.frontends.weights import WeightFormat

    return isinstance(find_format(path), WeightFormat)


def bytes_of(text: str) -> int:
    """The bytes that `5GB`, `500MiB` or `1000` mean.

    Raises:
        UsageError: it is no size.
    """
    word = text.strip().upper().removesuffix("B")
    binary = word.endswith("I")
    word = word.removesuffix("I")
    unit = word[-1:] if word[-1:] in ("K", "M", "G", "T") else ""
    digits = word.removesuffix(unit)
    if not digits.isascii() or not digits.isdigit() or (binary and not unit) or not int(digits):
        raise UsageError(f"{text} is no size", hint="such as 5GB or 500MiB")
    return int(digits) * (1024 ** ("KMGT".index(unit) + 1) if binary else SIZES[unit])


def inspect_weights(settings: Settings, path: str) -> int:
    """Lists the tensors of a file."""
    from xir.api import load_weights

    output = Output(settings)
    weights = load_weights(path, trust_links=settings.trust_links)
    for line in _lines(weights):
        output.line(line)
    output.document(_document(weights))
    return 0


def _lines(weights: Weights) -> list[str]:
    rows = [
        (name, str(constant.dtype), str(list(constant.shape)), f"{constant.nbytes:,}", _same(weights, name))
        for name, constant in weights.tensors.items()
    ]
    rows += [(name, "?", "?", "?", problem.reason) for problem in weights.problems for name in problem.layers]
    shown = list(weights.values.items())[:_SHOWN_VALUES]
    more = len(weights.values) - len(shown)
    return [
        f"{weights.format}  {' + '.join(weights.files)}",
        *(f"value   {name}: {value[:100]}" for name, value in shown),
        *([f"        and {counted(more, 'more value')} (--json)"] if more else []),
        "",
        *table(("tensor", "type", "shape", "bytes", ""), rows, right=(3,)),
        "",
        f"{counted(len(rows), 'tensor')}, {counted(_elements(weights), 'parameter')} ({amount(_bytes(weights))}B)"
        + (f", in {', '.join(weights.tables)}" if weights.tables else ""),
    ]


def _same(weights: Weights, name: str) -> str:
    return f"= {weights.shared[name]}" if name in weights.shared else ""


def _elements(weights: Weights) -> int:
    return sum(constant.elements for name, constant in weights.tensors.items() if name not in weights.shared)


def _bytes(weights: Weights) -> int:
    return sum(constant.nbytes for name, constant in weights.tensors.items() if name not in weights.shared)


def _document(weights: Weights) -> dict[str, object]:
    return {
        "format": weights.format,
        "files": list(weights.files),
        "tensors": [
            {
                "name": name,
                "type": str(constant.dtype),
                "shape": list(constant.shape),
                "bytes": constant.nbytes,
                "same_as": weights.shared.get(name),
            }
            for name, constant in weights.tensors.items()
        ],
        "tables": list(weights.tables),
        "values": dict(weights.values),
        "parameters": _elements(weights),
        "bytes": _bytes(weights),
        "problems": [problem.to_dict() for problem in weights.problems],
    }


WEIGHT_FILES = (".safetensors", ".index.json")
"""Endings of files that hold weights and no graph."""

WEIGHT_OPTIONS = frozenset(("models", "out", "table", "shard"))
"""Parameters of `xir convert` that say something of weights; all others are of graphs."""


@dataclass(frozen=True, slots=True)
class Tensors:
    """Which tensors of a checkpoint are to be written, and how.

    Attributes:
        table: the table to take, "" for all of them, or None.
        max_bytes: bytes of one file, or None.
    """

    table: str | None
    max_bytes: int | None

    def refuse(self) -> None:
        """Refuses what was said where a model is converted."""
        if self.table is not None or self.max_bytes is not None:
            raise UsageError("--table and --shard are for one file of weights", hint="leave them out")


def tensor_options(function: F) -> F:
    """The options for files of weights; the command gets them as `tensors: Tensors`."""

    @functools.wraps(function)
    def wrapped(*args: object, table: str | None, shard: str | None, **rest: object) -> object:
        return function(*args, tensors=Tensors(table, None if shard is None else bytes_of(shard)), **rest)

    decorated: Callable[..., object] = wrapped
    for option in (
        click.option("--shard", metavar="SIZE", help="Weights: spread the tensors over files of this size (5GB)."),
        click.option("--table", metavar="NAME", help="Weights: the checkpoint's table (state_dict); '' for all."),
    ):
        decorated = option(decorated)
    return cast("F", decorated)


def convert_weights(settings: Settings, source: str, path: str, tensors: Tensors) -> int:
    """Writes the tensors of a file as safetensors."""
    from xir import api

    _refuse_others()
    output = Output(settings)
    done = api.convert_weights(
        source,
        path,
        table=tensors.table,
        max_bytes=tensors.max_bytes,
        trust_links=settings.trust_links,
    )
    settings.written.extend(done.files)
    for note in done.notes:
        output.note(note)
    output.line(f"{done.files[0]}: {counted(done.tensors, 'tensor')}, {amount(done.bytes)}B")
    for file in done.files[1:]:
        output.line(f"  {file}")
    output.document(done.to_dict())
    return 0


def _refuse_others() -> None:
    """Options that say something of graphs are none of weights; raises UsageError where one was given."""
    context = click.get_current_context()
    given = [
        name
        for name in context.params
        if name not in WEIGHT_OPTIONS
        and context.get_parameter_source(name) not in (None, click.core.ParameterSource.DEFAULT)
    ]
    if given:
        raise UsageError(
            f"--{given[0].replace('_', '-')} is for models; a file of weights is to be written", hint="leave it out"
        )
