"""Variables that a run changes: inputs of the graph, and what they hold as the run goes on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager

from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends.tensorflow._frames import Frames
from xir.frontends.tensorflow._reach import WRITERS
from xir.frontends.tensorflow._scope import Scope
from xir.frontends.tensorflow.model import TfNode
from xir.ir.constant import Constant
from xir.ir.dims import equal
from xir.ir.node import Value

SILENT = frozenset(("NoOp", "Assert", "Print", "PrintV2"))
"""Nodes that others wait for, and that make nothing."""


class Written:
    """The variables that one run changes.

    TensorFlow orders what reads and writes them by control edges, which are followed where there are such variables.

    Attributes:
        names: the variables' nodes.
        entries: the inputs of the graph that they are, by name, of those that were read or written.
        begins: what they hold before the first run.
    """

    def __init__(self, names: frozenset[str]) -> None:
        """The variables with these names, as they are before the run."""
        self.names = names
        self.entries: dict[str, Value] = {}
        self.begins: dict[str, Constant] = {}
        self._current: dict[str, Value] = {}
        self._inside = 0

    def after(self) -> Mapping[str, Value]:
        """What they hold after the run, by name."""
        return self._current

    def named(self, taken: Collection[str]) -> dict[str, tuple[Value, Value]]:
        """{name: (what a variable is before the run, what it is after)}; names that are taken get a word more."""
        found: dict[str, tuple[Value, Value]] = {}
        for variable, entry in self.entries.items():
            name = variable
            while name in taken or f"{name}.new" in taken or name in found:
                name += ".variable"
            found[name] = (entry, self._current[variable])
        return found

    def read(self, name: str, first: Callable[[], Constant]) -> Value:
        """What a variable holds now; `first` tells what it holds before the first run."""
        if name not in self.entries:
            self.begins[name] = first()
            self.entries[name] = self._current[name] = Value(self.begins[name].type)
        return self._current[name]

    def assign(self, name: str, value: Value, first: Callable[[], Constant]) -> None:
        """Lets a variable hold a value from here on.

        Raises:
            UnsupportedError: its size changes.
            InvalidModelError: its type changes.
        """
        held = self.read(name, first)
        if held.dtype is not value.dtype:
            raise InvalidModelError(f"the variable {name!r} is {held.type!r}, assigned to it is {value.type!r}")
        if held.rank != value.rank or not all(
            equal(a, b) is True for a, b in zip(held.shape, value.shape, strict=True)
        ):
            raise UnsupportedError(f"the variable {name!r} is {held.type!r}, assigned to it is {value.type!r}")
        self._current[name] = value

    @contextmanager
    def inside(self) -> Generator[None]:
        """Inside, nothing may be assigned: it is a body, which runs any number of times."""
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    def check(self, node: TfNode, scope: Scope, frames: Frames) -> None:
        """Refuses assignments that do not happen exactly once a run.

        Raises:
            UnsupportedError: the node changes a variable in a branch or loop.
        """
        if not self.names or not node.kind.startswith(WRITERS):
            return
        framed = any(each.is_frame for each in (scope, *scope.around()))
        if self._inside or framed or frames.branches(node.name):
            raise UnsupportedError("a variable that is changed in a branch or loop")
