"""The command `xir`: the list of commands, which are imported only when they are called.

`xir --help` imports nothing but click: no numpy, no onnx, no rich, and looks up no entry points.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import cast

import click

from xir_cli.failures import report, terminating
from xir_cli.output import Output, silence
from xir_cli.settings import Settings, global_options

COMMANDS = {
    "convert": "Convert models, and verify what was written.",
    "run": "Run a model on arrays, a picture or made-up inputs.",
    "inspect": "Show layers, shapes, parameters and FLOPs; draw the graph.",
    "profile": "Show what each kernel of the compiled model takes.",
    "bench": "Measure compiled models: latency, compile times, memory.",
    "verify": "Compare two models, and find the first layer that differs.",
    "diff": "Show what two models differ in: operators, types, names, weights.",
    "extract": "Cut a part out of a model.",
    "merge": "Join two models: outputs of one feed inputs of the other.",
    "reduce": "Shrink a failing model to a minimal reproduction.",
    "optimize": "Make a model smaller and faster, and tell why (not).",
    "quantize": "Give a model integer weights, and tell what that costs.",
    "compile": "Compile a model to a library for C programs.",
    "conformance": "Run a suite of cases on any runtimes.",
    "ops": "Show which operator comes from and goes to which format.",
    "formats": "Show which formats are read and written.",
    "doctor": "Check this installation.",
}
"""{command: what it does}; each stands in the file of its name as `command`."""

COLLECT_AFTER = (100_000, 50, 100)
"""Thresholds of Python's cycle collector: a graph lives as long as the command, so looking for dead ones seldom pays
(a third of the time of a conversion of 10,000 layers went there with Python's own thresholds)."""


MAX_OPEN_FILES = 65_536
"""Files that one command may hold open, where the system lets it."""


class Commands(click.Group):
    """The group of all commands, imported one by one when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command of that name."""
        if cmd_name not in COMMANDS:
            return None
        return cast("click.Command", import_module(f"xir_cli.{cmd_name}").command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _show_version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from xir import __version__

        click.echo(f"xir {__version__}")
        context.exit()


def _group() -> Commands:
    version = click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_version,
        help="Print the version.",
    )
    return Commands(
        name="xir",
        params=[*global_options(), version],
        context_settings={"help_option_names": ["-h", "--help"]},
        help="One graph for every deep-learning framework: import a model, verify it, convert it, run it.",
        epilog="Exit codes: 0 ok, 1 difference (diff), 2 usage, 3 unreadable or unknown format, 4 unsupported "
        "operator, 5 invalid model, 6 numeric mismatch, 7 missing extra, 8 unsafe or too large, 9 input/output, "
        "70 bug of xir, 130 interrupted.",
        no_args_is_help=True,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and returns the exit code."""
    gc.set_threshold(*COLLECT_AFTER)
    given = list(sys.argv[1:] if arguments is None else arguments)
    _allow_open_files()
    settings = Settings.foreseen(given)
    output = Output(settings)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    try:
        with terminating():
            result: object = _group().main(given, prog_name="xir", standalone_mode=False, obj=settings)
        code = result if isinstance(result, int) else 0
    except BaseException as error:
        code = _reported(error, output, given)
    _flush()
    return code


def _allow_open_files() -> None:
    """Raises the soft limit of open files, often 1,024: exporters store a model in a file for each of its weights."""
    try:
        import resource
    except ImportError:  # other systems have no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _reported(error: BaseException, output: Output, arguments: Sequence[str]) -> int:
    """Reports the error; a second one, met while reporting (a full disk behind standard output), is the last."""
    try:
        return report(error, output, arguments)
    except BaseException as second:
        return report(second, Output(Settings()), arguments)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            silence(stream)
