"""Results that nobody reads: carried values and results of loops, branches and maps, and what they alone need.

What counts is found from the results of the model backwards, through all bodies at once: a value that a loop carries
counts when its last value does, or when a result that counts is made of it. Each value is visited once. All of that is
bit-exact; what would have failed to compute a result that nobody reads does not fail any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import cast

from xir.ir.builder import apply
from xir.ir.dims import Dim, Shape, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Node, Op, Value
from xir.ir.rewrite import Rewriter, rewrite
from xir.ir.walk import all_graphs
from xir.ops.norm import layer_norm
from xir.ops.pool import max_pool
from xir.ops.shape import slice_
from xir.passes._bodies import Kept, Layout, bodies_of, layout_of, narrowed, rebuilt, sizes_of, symbols_in
from xir.passes._pipeline import Pass, Trace

Place = tuple[Node, Layout, int]
"""An input of a body: the operator, its layout, which input."""


class Live:
    """The values that the results of a graph need, in the graph and in all of its bodies.

    Attributes:
        values: those values.
    """

    def __init__(self, graph: Graph) -> None:
        """Finds them."""
        self.values: dict[Value, None] = {}
        self._pending: list[Value] = []
        self._entered: dict[Node, None] = {}
        self._places: dict[Value, list[Place]] = {}
        self._graphs = tuple(all_graphs(graph))
        self._layouts: dict[Node, Layout] = {}
        for each in self._graphs:
            self._note_bodies(each)
        self._mark((*graph.outputs, *graph.inputs))
        self._spread()
        while self._mark_what_is_told():
            self._spread()

    def _note_bodies(self, graph: Graph) -> None:
        for node in graph.nodes:
            layout = layout_of(node)
            if layout is None:
                continue
            self._layouts[node] = layout
            for body in bodies_of(node, layout).values():
                for place, value in enumerate(body.inputs):
                    self._places.setdefault(value, []).append((node, layout, place))

    def _mark(self, values: Iterable[Value | None]) -> None:
        for value in values:
            if value is not None and value not in self.values:
                self.values[value] = None
                self._pending.append(value)

    def _spread(self) -> None:
        while self._pending:
            value = self._pending.pop()
            for node, layout, place in self._places.get(value, ()):
                self._enter_input(node, layout, place)
            if value.node is not None:
                self._enter_node(value.node, value.index)

    def _enter_node(self, node: Node, index: int) -> None:
        """What a result of a node needs."""
        layout = self._layouts.get(node)
        if layout is None:
            if node not in self._entered:
                self._entered[node] = None
                self._mark(node.inputs)
            return
        self._mark(node.inputs[: layout.before + layout.own])
        for body in bodies_of(node, layout).values():
            self._mark(body.outputs[: layout.ahead])
            self._mark((body.outputs[index + layout.ahead],))
            if index < layout.carried:
                self._mark((body.inputs[layout.own + index],))
            if node.op.name == "sequence_map":  # it is as long as its first sequence
                self._mark(body.inputs[:1])

    def _enter_input(self, node: Node, layout: Layout, place: int) -> None:
        """What an input of a body needs: its operand, and where it is carried the result that follows it."""
        if place < layout.own:
            return
        self._mark((node.inputs[place + layout.before],))
        if place < layout.own + layout.carried:
            for body in bodies_of(node, layout).values():
                self._mark((body.outputs[place - layout.own + layout.ahead],))

    def _mark_what_is_told(self) -> bool:
        """Marks inputs that tell a size that what counts mentions, or how many steps there are, where no other does."""
        before = len(self.values)
        for node, layout in self._layouts.items():
            if layout.pieces and any(value in self.values for value in node.outputs):
                (body,) = bodies_of(node, layout).values()
                pieces = body.inputs[layout.captured - layout.pieces : layout.captured]
                if not any(value in self.values for value in pieces):
                    self._mark(pieces[:1])
        for graph in self._graphs[1:]:
            told = {dim for value in graph.inputs if value in self.values for dim in sizes_of(value)}
            for symbol in dict.fromkeys(self._mentioned(graph)):
                if symbol not in told:
                    self._mark(value for value in graph.inputs if symbol in sizes_of(value))
        return len(self.values) > before

    def _mentioned(self, graph: Graph) -> Iterator[Symbol]:
        for node in graph.nodes:
            if any(value in self.values for value in node.outputs):
                yield from symbols_in(node.attributes.values())
        for value in graph.outputs:
            if value in self.values:
                yield from symbols_in(sizes_of(value))


Narrow = Callable[[Node, Sequence[bool], Node], "Sequence[Value] | None"]
"""Gets a node, which of its results count, and the node with its operands rebuilt; answers what takes its place."""


def _rewritten(graph: Graph, change: Narrow) -> Graph:
    live = Live(graph).values
    orders: dict[Rewriter, Iterator[Node]] = {}

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        old = next(orders.setdefault(rewriter, iter(rewriter.graph.nodes)))
        return change(old, [value in live for value in old.outputs], node)

    return rewrite(graph, replace)


def drop_unread(graph: Graph, trace: Trace) -> Graph:
    """The graph whose operators with bodies carry and make only what counts, and whose splits cut out one piece."""
    live = Live(graph).values
    made: dict[tuple[Graph, Kept], Graph] = {}

    def change(old: Node, counts: Sequence[bool], node: Node) -> Sequence[Value] | None:
        layout = layout_of(old)
        if layout is None:
            return _one_piece(counts, node, trace) if old.op.name == "split" else None
        kept = _kept(old, layout, live)
        if kept.results == tuple(range(len(old.outputs))) and len(kept.places) == len(old.inputs) - _lead(layout):
            return None
        trace.fire("drop_unread")
        if not kept.results:
            return [Value(value.type) for value in node.outputs]
        bodies = bodies_of(node, layout)
        for name, body in bodies.items():
            if (body, kept) not in made:
                made[body, kept] = narrowed(body, layout, kept)
            bodies[name] = made[body, kept]
        results = dict(zip(kept.results, rebuilt(node, layout, bodies, kept).outputs, strict=True))
        return [results.get(place) or Value(value.type) for place, value in enumerate(node.outputs)]

    return _rewritten(graph, change)


def _lead(layout: Layout) -> int:
    return layout.before + layout.own


def _kept(node: Node, layout: Layout, live: Mapping[Value, None]) -> Kept:
    """What counts of an operator with bodies."""
    inputs = [body.inputs for body in bodies_of(node, layout).values()]
    places = tuple(
        place
        for place in range(layout.own, len(node.inputs) - layout.before)
        if any(each[place] in live for each in inputs)
    )
    carried = [place - layout.own for place in places if place < layout.own + layout.carried]
    others = [place for place, value in enumerate(node.outputs) if place >= layout.carried and value in live]
    pieces = sum(layout.own + layout.carried <= place < layout.captured for place in places)
    return Kept(places, (*carried, *others), len(carried), pieces)


def _one_piece(counts: Sequence[bool], node: Node, trace: Trace) -> Sequence[Value] | None:
    """split(x)[i] == slice(x), where nobody reads another piece."""
    if sum(counts) != 1 or len(counts) == 1 or node.inputs[1] is not None:
        return None
    trace.fire("drop_unread")
    sizes, axis = cast("Shape", node.attributes["sizes"]), cast("int", node.attributes["axis"])
    place = counts.index(True)
    start: Dim = 0
    for size in sizes[:place]:
        start = start + size
    x = cast("Value", node.inputs[0])
    piece = slice_(x, axes=(axis,), starts=(start,), stops=(start + sizes[place],), steps=(1,))
    return [piece if wanted else Value(value.type) for wanted, value in zip(counts, node.outputs, strict=True)]


_PLAIN: Mapping[str, Op] = {"max_pool_with_indices": max_pool, "layer_norm_with_statistics": layer_norm}
"""Operators whose first result is all that another makes."""


def drop_statistics(graph: Graph, trace: Trace) -> Graph:
    """The graph with max_pool and layer_norm where nobody reads the places of maxima, or the statistics.

    Of zeros with either sign, max_pool may hand on another one.
    """
    if not any(node.op.name in _PLAIN for each in all_graphs(graph) for node in each.nodes):
        return graph

    def change(old: Node, counts: Sequence[bool], node: Node) -> Sequence[Value] | None:
        plain = _PLAIN.get(old.op.name)
        if plain is None or any(counts[1:]):
            return None
        trace.fire("drop_statistics")
        (first,) = apply(plain, node.inputs, node.attributes).outputs
        return (first, *(Value(value.type) for value in node.outputs[1:]))

    return _rewritten(graph, change)


UNREAD = Pass("drop_unread", "loops and branches make what is read, and carry what that needs", drop_unread)
STATISTICS = Pass("drop_statistics", "results besides that nobody reads are not made", drop_statistics, exact=False)
