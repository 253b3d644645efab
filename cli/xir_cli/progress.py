"""Progress of long work: a bar on a terminal, plain lines elsewhere where they are asked for."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from xir_cli.output import Output, color

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE = 0.5
"""Seconds of work before a bar appears: what is over sooner needs none, and rich takes 0.1 s to import."""


class ProgressLine:
    """Shows what is being done, on standard error, until the block ends.

    On a terminal it is rich's bar, which appears once the work has taken `PATIENCE`; elsewhere, and with --json, it is
    a line a step, with -v.
    """

    def __init__(self, output: Output, title: str = "") -> None:
        """Shows the steps of `title`."""
        self._output = output
        self._title = title
        self._start = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> ProgressLine:
        """Starts."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Shows that `done` of `total` steps of `what` are done."""
        settings = self._output.settings
        if settings.verbosity < 0:
            return
        if settings.json or not sys.stderr.isatty():
            count = f" {done + 1}/{total}" if total > 1 else ""
            self._output.say(f"{what}{count} {self._title}".rstrip(), level=1)
        elif time.monotonic() - self._start > PATIENCE:
            self._show(what, done, total)

    def _show(self, what: str, done: int, total: int) -> None:
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import BarColumn, Progress, TextColumn

        text = escape(f"{what} {self._title}".strip())
        if self._bar is None:
            columns = (TextColumn("{task.description}"), BarColumn())
            self._bar = Progress(*columns, console=Console(stderr=True, no_color=not color(sys.stderr)), transient=True)
            self._task = self._bar.add_task(text, completed=done, total=total)
            self._bar.start()
        elif self._task is not None:
            self._bar.update(self._task, description=text, completed=done, total=total)
