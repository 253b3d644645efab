"""How a command ends badly: one clear error, the right exit code, never a traceback."""

from __future__ import annotations

import os
import platform
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from types import FrameType

import click

from xir.errors import Problem, UnsafeError, UnsupportedError, UsageError, XirError
from xir_cli.output import Output

INTERNAL_BUG = 70
"""EX_SOFTWARE of sysexits.h."""

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM

SHOWN_LAYERS = 3
"""Layers that are named in a line about an unsupported kind; --json has all of them."""


class Terminated(BaseException):
    """SIGTERM arrived; an exception, so that temporary files are removed on the way out."""


@contextmanager
def terminating() -> Generator[None]:
    """Turns SIGTERM into `Terminated` inside the block; does nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(_: int, __: FrameType | None) -> None:
        raise Terminated

    held = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, held)


def report(error: BaseException, output: Output, arguments: Sequence[str]) -> int:
    """Says what went wrong and returns the exit code."""
    match error:
        case KeyboardInterrupt() | click.exceptions.Abort():
            return _interrupted(output, "interrupted", INTERRUPTED)
        case Terminated():
            return _interrupted(output, "terminated", TERMINATED)
        case click.exceptions.NoArgsIsHelpError():
            error.show(sys.stderr)
            return UsageError.number // 100
        case _:
            known = as_xir_error(error)
            if known is None:
                return _internal_bug(error, output, arguments)
            show(known, output)
            return known.exit_code


def as_xir_error(error: BaseException) -> XirError | None:
    """The error in the project's own tree; None for what is a bug."""
    match error:
        case XirError():
            return error
        case click.UsageError():
            path = error.ctx.command_path if error.ctx is not None else "xir"
            return UsageError(error.format_message(), hint=f"{path} --help shows how")
        case click.ClickException():
            return UsageError(error.format_message())
        case MemoryError():
            return UnsafeError(
                "there is not enough memory", number=809, hint="give a smaller --input, or use a larger machine"
            )
        case RecursionError():
            return UnsafeError("the model is nested too deep", number=804, hint="the file is damaged or hostile")
        case _:
            return None


def show(error: XirError, output: Output) -> None:
    """One error, as text on standard error or as a document on standard output."""
    output.document({"error": error.to_dict()})
    if output.settings.json:
        return
    problems = _problems(error)
    for number, line in enumerate(lines_of(error)):
        output.error_line(line, head=f"error {error.code}: " if number == 0 else "")
    if error.hint and not any(problem.hint == error.hint for problem in problems):
        output.error_line(f"  hint: {error.hint}")
    if output.settings.writes and (output.settings.written or not isinstance(error, UsageError)):
        output.error_line(_written(output))


def _written(output: Output) -> str:
    """What stands in its place in spite of the failure."""
    written = output.settings.written
    return f"Written: {', '.join(written)}; nothing else." if written else "Nothing written."


def _problems(error: XirError) -> tuple[Problem, ...]:
    return error.problems if isinstance(error, UnsupportedError) else ()


def lines_of(error: XirError) -> list[str]:
    """The error's headline, and a line for each kind of layer that is not supported."""
    problems = _problems(error)
    if not problems:
        return [str(error)]
    kinds = [problem.kind for problem in problems]
    counts = [f"x{len(problem.layers)}" for problem in problems]
    layers = [
        ", ".join(problem.layers[:SHOWN_LAYERS]) + (", ..." if len(problem.layers) > SHOWN_LAYERS else "")
        for problem in problems
    ]
    columns = [kinds, counts, layers]
    widths = [max(len(cell) for cell in column) for column in columns]
    lines = [error.message.partition(": ")[0]]
    for row, problem in enumerate(problems):
        cells = [column[row].ljust(width) for column, width in zip(columns, widths, strict=True)]
        lines.append(f"  {cells[0]} {cells[1]}  {cells[2]}   {_advice(problem)}".rstrip())
    return lines


def _advice(problem: Problem) -> str:
    if problem.hint is None:
        return problem.reason
    return problem.hint if problem.hint.startswith("needs ") else f"{problem.reason}; {problem.hint}"


def _interrupted(output: Output, word: str, code: int) -> int:
    output.document({"error": {"code": None, "message": word, "exit_code": code}})
    output.error_line(f"{word}." + (f" {_written(output)}" if output.settings.writes else ""))
    return code


def _internal_bug(error: BaseException, output: Output, arguments: Sequence[str]) -> int:
    place = _write_bundle(error, arguments)
    said = str(error).partition("\n")[0]
    message = f"this is a bug of xir: {type(error).__name__}: {said}"
    hint = f"please report it with {place}: it holds the command line, versions and the traceback, nothing of the model"
    output.document({"error": {"code": "XIR-BUG", "message": message, "hint": hint, "bundle": place}})
    if not output.settings.json:
        output.error_line(message, head="error XIR-BUG: ")
        output.error_line(f"  hint: {hint}")
    return INTERNAL_BUG


def _write_bundle(error: BaseException, arguments: Sequence[str]) -> str:
    """Writes what a report of a bug needs into the folder of temporary files, and returns its path."""
    lines = [
        f"xir bug report: {type(error).__name__}",
        "command line: " + " ".join(repr(argument) for argument in ("xir", *arguments)),
        f"python: {sys.version.split()[0]} ({sys.executable})",
        f"platform: {platform.platform()}",
        *(f"{name}: {number}" for name, number in _versions()),
        "",
        *traceback.format_exception(error),
    ]
    try:
        descriptor, path = tempfile.mkstemp(prefix="xir-bug-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("\n".join(lines))
    except OSError:
        return "(no bundle: the folder of temporary files cannot be written)"
    return path


def _versions() -> list[tuple[str, str]]:
    from importlib.metadata import PackageNotFoundError, version

    found: list[tuple[str, str]] = []
    for package in ("xir-compiler", "numpy", "onnx", "onnxruntime", "protobuf", "click"):
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            found.append((package, "not installed"))
    return found
