"""What the global options say; they are taken before and after the command's name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import click

HELP = "Global options (see xir --help): --json -v -q --seed N --plugin MODULE --trust-links"


@dataclass(slots=True)
class Settings:
    """The global options, and what a failing command has to be reported with.

    Attributes:
        json: one document on standard output instead of text.
        verbosity: 0, more with each -v, less with each -q.
        seed: the first seed of everything that is made up.
        plugins: modules with handlers for layers of the person's own.
        trust_links: takes companion files that are links.
        command: the command's name, once it is known.
        writes: whether the command writes files, so that a failure may say that it did not.
        written: files that stand in their places already, for a failure after them.
    """

    json: bool = False
    verbosity: int = 0
    seed: int = 0
    plugins: list[str] = field(default_factory=list[str])
    trust_links: bool = False
    command: str | None = None
    writes: bool = False
    written: list[str] = field(default_factory=list[str])

    @classmethod
    def foreseen(cls, arguments: Sequence[str]) -> Settings:
        """Settings that know about `--json` already, so that even a wrong command line is answered as asked for."""
        options = arguments[: arguments.index("--")] if "--" in arguments else arguments
        return cls(json="--json" in options)


def settings_of(context: click.Context) -> Settings:
    """The settings of the running command line."""
    return context.ensure_object(Settings)


def _set_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    settings_of(context).json |= value


def _raise_verbosity(context: click.Context, _: click.Parameter, value: int) -> None:
    settings_of(context).verbosity += value


def _lower_verbosity(context: click.Context, _: click.Parameter, value: int) -> None:
    settings_of(context).verbosity -= value


def _set_seed(context: click.Context, _: click.Parameter, value: int | None) -> None:
    if value is not None:
        settings_of(context).seed = value


def _add_plugins(context: click.Context, _: click.Parameter, value: tuple[str, ...]) -> None:
    settings_of(context).plugins.extend(value)


def _set_trust(context: click.Context, _: click.Parameter, value: bool) -> None:
    settings_of(context).trust_links |= value


def global_options(*, hidden: bool = False) -> list[click.Parameter]:
    """The global options; `hidden` leaves them out of a command's own help."""
    return [
        click.Option(
            ["--json"],
            is_flag=True,
            expose_value=False,
            hidden=hidden,
            callback=_set_json,
            help="Print one JSON document on standard output.",
        ),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            expose_value=False,
            hidden=hidden,
            callback=_raise_verbosity,
            help="Say more on standard error; may be repeated.",
        ),
        click.Option(
            ["-q", "--quiet"],
            count=True,
            expose_value=False,
            hidden=hidden,
            callback=_lower_verbosity,
            help="Say less: no notes, no progress.",
        ),
        click.Option(
            ["--seed"],
            type=click.IntRange(min=0),
            metavar="N",
            expose_value=False,
            hidden=hidden,
            callback=_set_seed,
            help="The first seed of inputs and weights that are made up (0).",
        ),
        click.Option(
            ["--plugin"],
            multiple=True,
            metavar="MODULE",
            expose_value=False,
            hidden=hidden,
            callback=_add_plugins,
            help="A module, or a .py file, with handlers for layers of your own. It runs code.",
        ),
        click.Option(
            ["--trust-links"],
            is_flag=True,
            expose_value=False,
            hidden=hidden,
            callback=_set_trust,
            help="Take companion files that are links.",
        ),
    ]


class Command(click.Command):
    """A command that takes the global options too."""

    writes = False

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parses, known by name to whoever reports a failure."""
        settings = settings_of(ctx)
        settings.command, settings.writes = ctx.info_name, self.writes
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters and the global ones."""
        return [*super().get_params(ctx), *global_options(hidden=True)]

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Keeps the lines of examples: docstrings are raw, so click's mark for that stands in them as two letters."""
        self.help = (self.help or "").replace("\\b\n", "\b\n")
        super().format_help_text(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Ends the help with what every command takes."""
        formatter.write_paragraph()
        formatter.write_text(HELP)


class WritingCommand(Command):
    """A command that writes files; a failure says what was written, mostly nothing."""

    writes = True
