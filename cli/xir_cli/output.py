"""Standard output (text for people, or one versioned JSON document) and standard error (everything else)."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TextIO, cast

from xir.errors import FileError, printable
from xir_cli.settings import Settings

DOCUMENT_VERSION = 1
"""The version of every JSON document; it grows when a field changes its meaning or goes."""


class Output:
    """Where a command speaks.

    Whoever reads standard output may stop reading (`xir ops | head`): the rest is dropped, and the work goes on.
    """

    def __init__(self, settings: Settings) -> None:
        """Speaks as `settings` ask for."""
        self.settings = settings

    def line(self, text: str = "") -> None:
        """One line of the answer; nothing where a document is asked for."""
        if not self.settings.json:
            _write(sys.stdout, printable(text) + "\n")

    def document(self, content: Mapping[str, object]) -> None:
        """The answer as a document; nothing where text is asked for."""
        if self.settings.json:
            head = {"version": DOCUMENT_VERSION, "command": self.settings.command}
            whole = {**head, **{key: plain(value) for key, value in content.items() if key not in head}}
            _write(sys.stdout, json.dumps(whole, indent=2, allow_nan=False) + "\n")

    def note(self, text: str) -> None:
        """Something to know, on standard error; silent with -q."""
        if self.settings.verbosity >= 0:
            _write(sys.stderr, f"note: {printable(text)}\n")

    def say(self, text: str, level: int = 0) -> None:
        """One line on standard error where at least `level` times -v is given."""
        if self.settings.verbosity >= level:
            _write(sys.stderr, printable(text) + "\n")

    def error_line(self, text: str, *, head: str = "") -> None:
        """One line of an error, on standard error; `head` is printed first, in red on a terminal."""
        if head and color(sys.stderr):
            head = f"\x1b[31m{head}\x1b[0m"
        _write(sys.stderr, head + printable(text) + "\n")


def color(stream: TextIO) -> bool:
    """Whether a stream takes colors: a terminal, and NO_COLOR is not set (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def plain(value: object) -> object:
    """A value as JSON has it: numbers that JSON lacks become their names."""
    match value:
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping():
            return {str(key): plain(item) for key, item in cast("Mapping[object, object]", value).items()}
        case str() | int() | None:
            return value
        case Sequence():
            return [plain(item) for item in cast("Sequence[object]", value)]
        case _:
            return str(value)


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        silence(stream)
    except OSError as error:
        silence(stream)
        if stream is sys.stdout:
            reason = os.strerror(error.errno) if error.errno is not None else str(error)
            raise FileError(
                f"cannot write the answer: {reason}", file="standard output", hint="check where the output goes to"
            ) from error


def silence(stream: TextIO) -> None:
    """Lets a stream go nowhere from now on, so that not even the interpreter's last flush fails."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
