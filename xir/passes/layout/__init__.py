"""The global layout pass: every value is stored so that what is left of all transposes moves the fewest bytes.

Formats with channels last bring a convolution between two transposes; between convolutions stand operators that can
work in either layout. `_rules` says how they do, `_web` reads a graph as values and what their readers want, and what
that costs, `_assignment` finds the cheapest layouts, `_flow` the cheapest cuts for it, `_rebuild` makes the graph.
`_channels` writes products along channels so that they can take either layout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from xir.ir.graph import Graph
from xir.passes._bodies import with_each_graph
from xir.passes._pipeline import Pass, Trace, count_transposes
from xir.passes.layout._assignment import assign
from xir.passes.layout._channels import along_channels
from xir.passes.layout._rebuild import rebuild
from xir.passes.layout._rules import EXACT, RULES, Ask
from xir.passes.layout._web import Web

__all__ = ["PASSES", "RULES"]

LAW = "f(transpose(x)) == transpose(f(x)): each value is stored so that transposes move the fewest bytes"

CHANNELS = "products and norms along the last axis go along the second where that leaves fewer transposes"


def _laid_out(graph: Graph, rules: Mapping[str, Ask]) -> Graph:
    if not any(node.op.name == "transpose" for node in graph.nodes):
        return graph
    web = Web.of(graph, rules)
    assign(web)
    return rebuild(web) if web.states or web.has_idle() else graph


def _pass(name: str, law: str, turn: Callable[[Graph], Graph], *, exact: bool, level: int = 1) -> Pass:
    def run(graph: Graph, trace: Trace) -> Graph:
        after = with_each_graph(graph, turn)
        if after is not graph:
            trace.fire(name, max(1, count_transposes(graph) - count_transposes(after)))
        return after

    return Pass(name, law, run, exact, level)


PASSES = (
    _pass("layout", LAW, lambda graph: _laid_out(graph, EXACT), exact=True),
    _pass("layout_over_the_reals", LAW, lambda graph: _laid_out(graph, RULES), exact=False),
    _pass("layout_of_channels", CHANNELS, along_channels, exact=False, level=2),
)
