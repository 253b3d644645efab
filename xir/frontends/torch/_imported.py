"""A model of PyTorch that became a graph; the import is a fixed point of what the model is known to change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from xir.errors import InvalidModelError, XirError
from xir.ir.constant import Constant
from xir.ir.graph import Graph

_MAX_PASSES = 6
"""How often a model is followed until it is known which weights and attributes it changes."""


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """A program that became a graph.

    Attributes:
        graph: its inputs are those that a caller feeds, then the state: buffers that the program changes. Its outputs
            are what the model returns, then the new elements of what it changes, called `NAME.new`.
        state: what the state begins with, by the names of these inputs.
        notes: what a person should know of how it was read.
        calls: how many operators the program calls.
    """

    graph: Graph
    state: Mapping[str, Constant]
    notes: tuple[str, ...]
    calls: int


def until_stable(
    attempt: Callable[[frozenset[str]], tuple[Imported, frozenset[str]]], changed: frozenset[str], file: str
) -> Imported:
    """Imports a model again until it changes nothing beyond what was known before: its fixed point.

    What a model changes (buffers, attributes) is an input and an output of its graph, and only the import finds it out.

    Args:
        attempt: imports the model for a set of changes; answers the import, and the changes that it met.
        changed: what is known already.
        file: the file's name, for errors.

    Raises:
        InvalidModelError: each import meets more changes.
        XirError: as `attempt`; the error names the file.
    """
    try:
        for _ in range(_MAX_PASSES):
            imported, written = attempt(changed)
            if written <= changed:
                return imported
            changed |= written
    except XirError as error:
        if error.source.file is None:
            error.source = replace(error.source, file=file)
        raise
    raise InvalidModelError(
        f"the model writes other weights each of {_MAX_PASSES} times that it is imported", file=file
    )
