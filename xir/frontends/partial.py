"""What can be known of a model of which a part is not supported."""

from __future__ import annotations

from collections.abc import Callable

from xir.errors import Problem, UnsupportedError
from xir.ir.graph import Graph


class PartlyReadError(UnsupportedError):
    """Some layers of a model are not supported; the others can still be checked for what comes after the reading.

    Attributes:
        partial: makes the graph of the layers that were taken, with every value that none of them reads as an output;
            None where no layer was taken.
    """

    def __init__(
        self,
        message: str,
        *,
        problems: tuple[Problem, ...],
        file: str | None,
        partial: Callable[[], Graph | None],
    ) -> None:
        """The error of `UnsupportedError`, with the rest of the model."""
        super().__init__(message, problems=problems, file=file)
        self.partial = partial
