"""Bringing a graph into operators that a format has: rounds that take apart what its tables have no form for.

A form looks at one node and answers with what the format writes, with simpler operators of ours (a value, or a tuple
of values), or with why not (`Refusal`). What the format writes is the format's own business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from xir.errors import InvalidModelError, Problem, UnsupportedError
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, rewrite
from xir.limits import MAX_UNROLLED_NODES, check_inlined, inlining_limit
from xir.ops import definition

_MAX_ROUNDS = 64
"""Rounds until nothing changes; decompositions are a few storeys deep."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a node has no form."""

    reason: str


def decomposed(node: Node, target: str) -> Value | tuple[Value, ...] | Refusal:
    """The node by its operator's own decomposition, or a refusal where it has none."""
    rule = definition(node).decompose_rule
    if rule is None:
        return Refusal(f"{target} has no such operation")
    try:
        result = rule(*node.inputs, **node.attributes)
    except UnsupportedError as error:
        return Refusal(error.message if error.hint is None else f"{error.message} ({error.hint})")
    return result if isinstance(result, Value) else tuple(result)


def legalize(
    graph: Graph,
    answer: Callable[[Node], object],
    target: str,
    tidy: Callable[[Graph], Graph] | None = None,
) -> Graph:
    """The graph in operators that have a form each.

    Args:
        graph: the graph; bodies are brought into form too.
        answer: what the format's tables say of a node; whatever is no refusal and no value is a form.
        target: the format's name, for messages.
        tidy: cleans up what the pieces of operators leave, such as equal ones.

    Raises:
        UnsupportedError: operators that have none; all of them are listed.
    """
    if tidy is not None:
        return legalize(tidy(legalize(graph, answer, target)), answer, target)
    limit = max(MAX_UNROLLED_NODES, inlining_limit(len(graph.nodes)))
    for _ in range(_MAX_ROUNDS):
        round_ = _Round(answer, limit)
        graph = rewrite(graph, round_.replace)
        if not round_.changed:
            if round_.refused:
                raise _unsupported(round_.refused, graph, target)
            return graph
    raise InvalidModelError(f"legalisation for {target} does not come to rest", hint="please report this model")


@dataclass(slots=True)
class _Round:
    """One walk over the graph; remembers whether anything changed and what was refused."""

    answer: Callable[[Node], object]
    limit: int
    made: int = 0
    changed: bool = False
    refused: list[tuple[Node, Refusal]] = field(default_factory=list[tuple[Node, Refusal]])

    def replace(self, node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        said = self.answer(node)
        if isinstance(said, Refusal):
            self.refused.append((node, said))
            return None
        values = (said,) if isinstance(said, Value) else said
        if not isinstance(values, tuple):
            return None
        self.changed = True
        self.made += 1
        check_inlined(self.made, what="the layers that come apart", limit=self.limit)
        return cast("tuple[Value, ...]", values)


def _layer_name(node: Node, graph: Graph) -> str:
    """What a person calls the node: its layer's name, else its result's."""
    return node.source[0].layer if node.source else graph.name_of(node.outputs[0])


def _unsupported(refused: Sequence[tuple[Node, Refusal]], graph: Graph, target: str) -> UnsupportedError:
    groups: dict[tuple[str, str], list[str]] = {}
    for node, refusal in refused:
        kind = node.source[0].kind if node.source else node.op.name
        reason = refusal.reason if kind == node.op.name else f"{node.op.name}: {refusal.reason}"
        groups.setdefault((kind, reason), []).append(_layer_name(node, graph))
    problems = tuple(Problem(kind, tuple(layers), reason, None) for (kind, reason), layers in groups.items())
    lines = [
        f"{problem.kind} x{len(problem.layers)} ({', '.join(problem.layers[:3])}"
        f"{', ...' if len(problem.layers) > 3 else ''}): {problem.reason}"
        for problem in problems
    ]
    message = f"{len(refused)} of {len(graph.nodes)} nodes have no form in {target}: " + "; ".join(lines)
    return UnsupportedError(message, problems=problems)
