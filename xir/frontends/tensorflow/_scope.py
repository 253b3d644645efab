"""One graph while it is built: the main one, the body of a loop, the call of a function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from xir.frontends.tensorflow._handles import Operand, flattened
from xir.frontends.tensorflow.model import TfNode
from xir.ir.node import Value

_NONE: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Scope:
    """One graph while it is built.

    Attributes:
        nodes: its nodes by name.
        parent: the graph around it.
        is_frame: whether it is a step of a loop of the parent's own nodes.
        calls: the calls around it, by the names of their nodes.
        functions: the functions that are being expanded.
        results: what nodes make, by name.
        lost: names of nodes that could not be built.
    """

    nodes: Mapping[str, TfNode]
    parent: Scope | None = None
    is_frame: bool = False
    calls: tuple[str, ...] = _NONE
    functions: tuple[str, ...] = _NONE
    results: dict[str, tuple[Operand | None, ...]] = field(default_factory=dict[str, "tuple[Operand | None, ...]"])
    lost: set[str] = field(default_factory=set[str])

    @property
    def depth(self) -> int:
        """How many graphs are around it."""
        return sum(1 for _ in self.around())

    def around(self) -> Iterator[Scope]:
        """The graphs around it, the innermost first."""
        scope = self.parent
        while scope is not None:
            yield scope
            scope = scope.parent

    def step(self) -> Scope:
        """The scope of a step of a loop of its own nodes."""
        return Scope(self.nodes, self, True, self.calls, self.functions)

    def has(self, name: str) -> bool:
        """Whether nothing is left to do for the node: it is built, or is known not to be possible."""
        return name in self.results or name in self.lost

    def known(self, without: frozenset[str] = frozenset()) -> dict[Value, None]:
        """The values of this scope and those around it, but literals and the results of the nodes `without`.

        A body captures these; literals are repeated in it.
        """
        found: dict[Value, None] = {}
        for scope in (self, *self.around()):
            for name, results in scope.results.items():
                if scope is self and name in without:
                    continue
                for value in flattened([result for result in results if result is not None]):
                    if not is_literal(value):
                        found[value] = None
        return found


def is_literal(value: Value) -> bool:
    """Whether a value is written in the graph."""
    return value.node is not None and value.node.op.name == "constant"
