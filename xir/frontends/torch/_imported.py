"""A model of PyTorch that became a graph, followed again until it is known what it changes."""

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


def at_rest(
    attempt: Callable[[frozenset[str]], tuple[Imported, frozenset[str]]], changed: frozenset[str], file: str
) -> Imported:
    """The graph of a model all of whose changes are known beforehand, for they are inputs and outputs of it.

    Args:
        attempt: follows the model for these changes, and answers what it changes besides the graph.
        changed: what is known already.
        file: the file's name, for errors.

    Raises:
        InvalidModelError: each time it changes more.
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
    raise InvalidModelError("which weights the model writes does not come to rest", file=file)
