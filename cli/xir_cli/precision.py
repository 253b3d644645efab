"""Options of narrower numbers in `xir convert`, and what is said of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeVar, cast

import click

from xir.errors import UsageError
from xir_cli.samples import SampleFiles
from xir_cli.words import amount, counted

if TYPE_CHECKING:
    from xir.precision import Precision, PrecisionReport

F = TypeVar("F", bound=Callable[..., object])

SHOWN = 5
"""The worst layers are shown; `--json` has all."""

_OPTIONS: tuple[Callable[[Callable[..., object]], Callable[..., object]], ...] = (
    click.option("--dtype", type=click.Choice(["f16", "bf16"]), help="Narrower numbers, with an error report."),
    click.option("--keep-io", is_flag=True, help="--dtype: inputs and outputs stay as they are."),
    click.option("--keep-ops", metavar="OP,...", help="--dtype: operators in f32 (softmax, norms, sums, ...)."),
    click.option("--keep-layers", metavar="LAYER,...", help="--dtype: layers in f32 as well."),
    click.option(
        "--overflow",
        type=click.Choice(["keep", "clamp", "refuse"]),
        default="keep",
        help="--dtype: weights beyond f16 stay f32, are clamped, or refused (keep).",
    ),
    click.option("--samples", multiple=True, metavar="DATA", help="--dtype: .npy, .npz or folders to measure on."),
)


def precision_options(function: F) -> F:
    """The options of narrower numbers; the command gets them as `precision: Precision | None`."""

    @functools.wraps(function)
    def wrapped(
        *args: object,
        dtype: str | None,
        keep_io: bool,
        keep_ops: str | None,
        keep_layers: str | None,
        overflow: str,
        samples: tuple[str, ...],
        **rest: object,
    ) -> object:
        chosen: Precision | None = None
        if dtype is None:
            given = {"--keep-io": keep_io, "--keep-ops": keep_ops, "--keep-layers": keep_layers, "--samples": samples}
            idle = [option for option, value in given.items() if value] + ["--overflow"] * (overflow != "keep")
            if idle:
                raise UsageError(f"{idle[0]} says nothing without --dtype", hint="add --dtype f16 or --dtype bf16")
        else:
            from xir.precision import Precision

            chosen = Precision(
                dtype,
                keep_io,
                None if keep_ops is None else tuple(filter(None, keep_ops.split(","))),
                tuple(keep_layers.split(",")) if keep_layers else (),
                cast("Literal['keep', 'clamp', 'refuse']", overflow),
                (lambda graph: SampleFiles(graph, samples)) if samples else None,
            )
        return function(*args, precision=chosen, **rest)

    decorated: Callable[..., object] = wrapped
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return cast("F", decorated)


def precision_lines(report: PrecisionReport) -> list[str]:
    """What became narrow, what did not, and the layers that moved most."""
    kept = sum(len(layers) for layers in report.kept.values())
    lines = [
        f"{report.dtype}: {report.converted} operators, {kept} stay; weights {amount(report.bytes_before)}B -> "
        f"{amount(report.bytes_after)}B; {counted(report.casts, 'cast')}"
    ]
    lines += [
        f"  stay: {', '.join(layers[:3])}{_more(len(layers))}: {reason}" for reason, layers in report.kept.items()
    ]
    worst = sorted(report.layers, key=lambda layer: layer.sqnr)[:SHOWN]
    if worst:
        lines.append(f"the layers that moved most, on {'made-up inputs' if report.made_up else 'the samples'}:")
    lines += [
        f"  {each.name} ({each.op})  relative {each.relative:.1e}, max|d|={each.max_absolute:.1e}" for each in worst
    ]
    return lines


def _more(count: int) -> str:
    return f" and {count - 3} more" if count > 3 else ""
