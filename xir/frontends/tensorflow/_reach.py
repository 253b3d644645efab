"""What a graph does where some of its nodes run: all that they need, with the functions that are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from xir.errors import UnsafeError
from xir.frontends.tensorflow.model import TfFunction, TfGraph, TfNode

VARIABLES = frozenset(("VarHandleOp", "VariableV2", "Variable"))
"""Nodes that are variables."""

PASSING = frozenset(("Identity", "RefIdentity", "Enter", "RefEnter"))
"""Nodes that hand on what they take."""

_CHOICES = frozenset(("If", "StatelessIf", "Case", "StatelessCase"))
"""Calls whose first operand says which function is called."""

WRITERS = ("Assign", "Apply", "Scatter", "SparseApply", "ResourceApply", "ResourceScatter", "ResourceSparseApply")
"""How the names of operators begin that change the variable that is their first operand."""

MAX_SCOPES = 20_000
"""Calls with different variables that are looked into."""


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """The nodes of the graph, or of one call of a function.

    Attributes:
        nodes: the nodes by name.
        bound: the variable that an argument of the function stands for, by the names of both.
        is_top: whether it is the graph itself.
        kinds: what counts as a variable: nodes of these kinds.
    """

    nodes: Mapping[str, TfNode]
    bound: Mapping[str, str] = field(default_factory=dict[str, str])
    is_top: bool = False
    kinds: frozenset[str] = VARIABLES

    def variable(self, name: str) -> str | None:
        """The variable that a node or argument hands out."""
        node = self.source(name)
        if node is None:
            return self.bound.get(name)
        if node.kind in self.kinds:
            return node.name if self.is_top else None
        return self.bound.get(node.inputs[0].node) if node.inputs and node.kind in PASSING else None

    def source(self, name: str) -> TfNode | None:
        """The node from which a value comes that others hand on; the last one of these where it is an argument."""
        node = self.nodes.get(name)
        for _ in range(len(self.nodes)):
            if node is None or node.kind not in PASSING or not node.inputs:
                break
            before = self.nodes.get(node.inputs[0].node)
            if before is None:
                break
            node = before
        return node


def reached(graph: TfGraph, starts: Sequence[str], kinds: frozenset[str] = VARIABLES) -> Iterator[tuple[TfNode, Reach]]:
    """The nodes that run so that those of the names `starts` can, each with the nodes among which it stands.

    Args:
        graph: the graph.
        starts: names of nodes.
        kinds: which nodes are followed through calls as variables are.

    Raises:
        UnsafeError: functions call one another too often.
    """
    top = Reach(graph.nodes, is_top=True, kinds=kinds)
    pending: list[tuple[Reach, list[TfNode]]] = [(top, needed(graph, starts))]
    seen: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    while pending:
        reach, nodes = pending.pop()
        for node in nodes:
            yield node, reach
            for function, bound in _calls(graph, node, reach):
                key = (function.name, tuple(sorted(bound.items())))
                if key not in seen:
                    seen.add(key)
                    pending.append((Reach(function.nodes, bound, kinds=kinds), list(function.nodes.values())))
            if len(seen) > MAX_SCOPES:
                raise UnsafeError(f"functions call one another in more than {MAX_SCOPES} ways", number=806)


def written(graph: TfGraph, starts: Sequence[str]) -> frozenset[str]:
    """The variables that a run for these nodes changes."""
    found: set[str] = set()
    for node, reach in reached(graph, starts):
        if node.kind.startswith(WRITERS) and node.inputs:
            variable = reach.variable(node.inputs[0].node)
            if variable is not None:
                found.add(variable)
    return frozenset(found)


def needed(graph: TfGraph, starts: Sequence[str]) -> list[TfNode]:
    """The nodes of the graph itself that must run so that those of the names `starts` can."""
    found: dict[str, TfNode] = {}
    pending = list(starts)
    while pending:
        name = pending.pop()
        node = graph.nodes.get(name)
        if node is not None and name not in found:
            found[name] = node
            pending += [edge.node for edge in node.inputs]
            pending += node.controls
    return list(found.values())


def _calls(graph: TfGraph, node: TfNode, reach: Reach) -> Iterator[tuple[TfFunction, dict[str, str]]]:
    """The functions that a node calls, with the variables that it gives them."""
    operands = node.inputs[1:] if node.kind in _CHOICES else node.inputs
    for function in functions_of(graph, node):
        bound: dict[str, str] = {}
        for argument, edge in zip(function.arguments, operands, strict=False):
            variable = reach.variable(edge.node)
            if variable is not None:
                bound[argument] = variable
        yield function, bound


def functions_of(graph: TfGraph, node: TfNode) -> Iterator[TfFunction]:
    """The functions that a node calls or names."""
    names = [node.kind]
    for held in node.attributes.values():
        single, several = held.message("func"), held.message("list")
        names += [] if single is None else [single.text("name")]
        names += [] if several is None else [each.text("name") for each in several.messages("func")]
    for name in names:
        function = graph.functions.get(name)
        if function is not None:
            yield function
