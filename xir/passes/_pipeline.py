"""Passes in order, repeated until nothing changes; what fired and what nearly did is kept for `--explain`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from xir.ir.builder import sourced
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, drop_unused_parameters, rewrite
from xir.ir.source import unite
from xir.ir.walk import all_graphs
from xir.passes._pattern import Match, Rule

MAX_ROUNDS = 20
"""Rounds of the whole pipeline; each round makes the graph smaller by some law, so real models need two or three."""

MAX_CHAIN = 64
"""How often rules may follow one another at one node in one round."""


@dataclass(slots=True)
class Trace:
    """What happened: counts of laws that fired, and the near misses that are left in the result.

    Attributes:
        fired: {law or pass: how often}.
        misses: {(law, reason): the layers, in order}.
        grown: bytes by which folded constants are larger than what they were made of.
        worked: multiplications, or elements made, that folding has taken.
        transposes: how many transposes are left in the result.
    """

    fired: dict[str, int] = field(default_factory=dict[str, int])
    misses: dict[tuple[str, str], dict[str, None]] = field(default_factory=dict[tuple[str, str], dict[str, None]])
    grown: int = 0
    worked: int = 0
    transposes: int = 0

    def fire(self, name: str, times: int = 1) -> None:
        """Counts that a law or pass changed something."""
        if times:
            self.fired[name] = self.fired.get(name, 0) + times

    def miss(self, name: str, reason: str, node: Node) -> None:
        """Notes a near miss."""
        layer = node.source[-1].layer if node.source else node.op.name
        self.misses.setdefault((name, reason), {})[layer] = None


@dataclass(frozen=True, slots=True)
class Pass:
    """One step of a pipeline.

    Attributes:
        name: its name, for `--explain` and `passes=`.
        law: what stays the same, in words.
        run: graph and trace in, graph out; the same graph when nothing changed.
        exact: whether the result is bit for bit the same; else it is the same over the reals.
        approximate: whether the result differs even over the reals; such a pass runs only where it is asked for.
        level: the lowest optimization level that runs it.
        rules: the rules that it applies, where it is made of rules.
    """

    name: str
    law: str
    run: Callable[[Graph, Trace], Graph]
    exact: bool = True
    level: int = 1
    approximate: bool = False
    rules: tuple[Rule, ...] = ()


def apply_rules(graph: Graph, rules: Iterable[Rule], trace: Trace) -> Graph:
    """The graph with every rule applied where it matches, each node again until none does."""
    by_root: dict[str, list[Rule]] = {}
    for each in rules:
        for root in dict.fromkeys(each.roots):
            by_root.setdefault(root, []).append(each)

    if not any(node.op.name in by_root for each in all_graphs(graph) for node in each.nodes):
        return drop_unused_parameters(graph)

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        result: tuple[Value, ...] | None = None
        current: Node | None = node
        for _ in range(MAX_CHAIN):
            if current is None:
                break
            made = first_replacement(by_root.get(current.op.name, []), current, rewriter, trace)
            if made is None:
                break
            result = made
            current = made[0].node if len(made) == 1 else None
        return result

    return rewrite(graph, replace)


def first_replacement(rules: Sequence[Rule], node: Node, rewriter: Rewriter, trace: Trace) -> tuple[Value, ...] | None:
    for each in rules:
        found = each.match(node, rewriter)
        if isinstance(found, str):
            trace.miss(each.name, found, node)
        elif isinstance(found, Match):
            with sourced(*unite(matched.source for matched in found.nodes)):
                made = each.replace(found)
            trace.fire(each.name)
            return made
    return None


def rules_pass(name: str, law: str, rules: Sequence[Rule], *, level: int = 1) -> list[Pass]:
    """Passes that apply `rules`: of those that are bit-exact, that hold over the reals, and that hold nearly."""
    made: list[Pass] = []
    for exact, approximate, suffix in ((True, False, ""), (False, False, "_over_the_reals"), (False, True, "_nearly")):
        chosen = [each for each in rules if each.exact is exact and each.approximate is approximate]
        if chosen:

            def run(graph: Graph, trace: Trace, chosen: Sequence[Rule] = chosen) -> Graph:
                return apply_rules(graph, chosen, trace)

            made.append(Pass(name + suffix, law, run, exact, level, approximate, tuple(chosen)))
    return made


def _run(each: Pass, graph: Graph, trace: Trace, quiet: dict[str, tuple[Graph, Trace]]) -> Graph:
    """The graph after a pass; one that changed nothing does not look at the same graph again.

    Args:
        each: the pass.
        graph: the graph.
        trace: gets what happened.
        quiet: {pass: the graph that it left alone, and its near misses there}.
    """
    known, noted = quiet.get(each.name, (None, trace))
    after = graph
    if known is not graph:
        noted = Trace(trace.fired, grown=trace.grown, worked=trace.worked)
        after = each.run(graph, noted)
        trace.grown, trace.worked = noted.grown, noted.worked
        if after is graph:
            quiet[each.name] = (graph, noted)
    for key, layers in noted.misses.items():
        trace.misses.setdefault(key, {}).update(layers)
    return after


def run_pipeline(graph: Graph, passes: Sequence[Pass], trace: Trace) -> Graph:
    """The graph after all passes, repeated until a round changes nothing.

    A near miss of one round may fire in the next, so those of the last round count.
    """
    last = Trace(trace.fired)
    quiet: dict[str, tuple[Graph, Trace]] = {}
    for _ in range(MAX_ROUNDS):
        before = graph
        last = Trace(trace.fired, grown=last.grown, worked=last.worked)
        for each in passes:
            graph = _run(each, graph, last, quiet)
        if graph is before:
            break
    for key, layers in last.misses.items():
        trace.misses.setdefault(key, {}).update(layers)
    trace.grown += last.grown
    trace.worked += last.worked
    trace.transposes = count_transposes(graph)
    return graph


def count_transposes(graph: Graph) -> int:
    """How many transposes a graph and its bodies have."""
    return sum(node.op.name == "transpose" for each in all_graphs(graph) for node in each.nodes)
