"""Which node of one graph is which of another: by names and sources first, then by structure.

Every step pairs nodes that are alone in being alike on both sides, the surest first:

1. the same value name, operator, attributes, and the same graph before or behind them;
2. the same source layer (framework, name, operator), the first of them on both sides with the first, and so on;
3. the same value name and operator;
4. the same graph before and behind, or before, or behind, where no other node of the graph has it;
5. neighbors of pairs: the same operand's maker, the same place's reader;
6. equal operators left over, in their order (a longest increasing sequence, so pairs do not cross);
7. nodes whose neighbors are paired with each other's, whatever their operators: one was replaced by the other.

After each step pairs spread to their neighbors (5). Each is linear but for the sequence (n log n) (patience diff, as
in Bram Cohen's; `git diff --patience`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping

from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.surgery.fingerprint import Keys, is_literal

Nodes = list[Node]


class _Side:
    """One graph with everything that its nodes may be found by."""

    def __init__(self, graph: Graph, keys: Keys) -> None:
        self.graph = graph
        self.nodes: Nodes = [node for node in graph.nodes if not is_literal(node)]
        self.place = {node: index for index, node in enumerate(self.nodes)}
        self.local = {node: keys.local(node) for node in self.nodes}
        self.up = keys.upward(graph)
        self.down = keys.downward(graph)
        self.readers: dict[Value, list[tuple[Node, int]]] = {}
        for node in self.nodes:
            for index, value in enumerate(node.inputs):
                if value is not None:
                    self.readers.setdefault(value, []).append((node, index))
        self.named = dict(graph.names) | dict(zip(graph.outputs, graph.output_names, strict=True))

    def name(self, node: Node) -> str | None:
        """The name of the first result that has one."""
        return next((self.named[value] for value in node.outputs if value in self.named), None)


class Alignment:
    """The pairs of two graphs' nodes."""

    def __init__(self, a: Graph, b: Graph, keys: Keys | None = None) -> None:
        """Pairs the nodes of `a` with those of `b`."""
        table = keys or Keys()
        self._a, self._b = _Side(a, table), _Side(b, table)
        self.forward: dict[Node, Node] = {}
        self.backward: dict[Node, Node] = {}
        self._fresh: deque[tuple[Node, Node]] = deque()
        self._align()

    @property
    def pairs(self) -> list[tuple[Node, Node]]:
        """The pairs in the order of the first graph."""
        return [(node, self.forward[node]) for node in self._a.nodes if node in self.forward]

    @property
    def only_a(self) -> Nodes:
        """The nodes of the first graph that have no partner."""
        return [node for node in self._a.nodes if node not in self.forward]

    @property
    def only_b(self) -> Nodes:
        """The nodes of the second graph that have no partner."""
        return [node for node in self._b.nodes if node not in self.backward]

    def _align(self) -> None:
        self._by(lambda side, node: _known(side.name(node), side.local[node], side.up[node]))
        self._by(lambda side, node: _known(side.name(node), side.local[node], side.down[node]))
        self._by_layer()
        self._by(lambda side, node: _known(_telling(side.name(node)), node.op.name))
        self._spread()
        self._by(lambda side, node: (side.up[node], side.down[node]))
        self._by(lambda side, node: side.up[node])
        self._by(lambda side, node: side.down[node])
        self._spread()
        self._in_order(lambda side, node: side.local[node])
        self._spread()
        self._in_order(lambda side, node: node.op.name)
        self._replaced()

    def _left(self, side: _Side) -> Nodes:
        done = self.forward if side is self._a else self.backward
        return [node for node in side.nodes if node not in done]

    def _pair(self, a: Node, b: Node) -> None:
        self.forward[a], self.backward[b] = b, a
        self._fresh.append((a, b))

    def _by(self, key: Callable[[_Side, Node], Hashable]) -> None:
        """Pairs the nodes left whose key is not None, and that of one node alone on both sides."""
        groups: list[dict[Hashable, Node | None]] = []
        for side in (self._a, self._b):
            found: dict[Hashable, Node | None] = {}
            for node in self._left(side):
                held = key(side, node)
                if held is not None:
                    found[held] = None if held in found else node
            groups.append(found)
        self._pair_lone(groups[0], groups[1])

    def _pair_lone(self, mine: Mapping[Hashable, Node | None], theirs: Mapping[Hashable, Node | None]) -> None:
        """Pairs what has the same key on both sides and shares it with nobody (None)."""
        for key, a in mine.items():
            b = theirs.get(key)
            if a is not None and b is not None:
                self._pair(a, b)

    def _by_layer(self) -> None:
        """Pairs the nodes left of one source layer and operator, in their order."""
        groups: list[dict[Hashable, Nodes]] = []
        for side in (self._a, self._b):
            found: dict[Hashable, Nodes] = {}
            for node in self._left(side):
                for framework in dict.fromkeys(source.framework for source in node.source):
                    layer = _layer_of(node, framework)
                    if layer:
                        found.setdefault((framework, layer, node.op.name), []).append(node)
            groups.append(found)
        for held, mine in groups[0].items():
            for a, b in zip(mine, groups[1].get(held, ()), strict=False):
                if a not in self.forward and b not in self.backward:
                    self._pair(a, b)

    def _spread(self) -> None:
        """Pairs the neighbors of new pairs, and theirs, as far as the operators are the same."""
        while self._fresh:
            a, b = self._fresh.popleft()
            for x, y in zip(a.inputs, b.inputs, strict=False):
                if x is not None and y is not None and x.index == y.index:
                    self._try(x.node, y.node)
            for x, y in zip(a.outputs, b.outputs, strict=False):
                self._spread_down(self._a.readers.get(x, ()), self._b.readers.get(y, ()))

    def _spread_down(self, mine: Iterable[tuple[Node, int]], theirs: Iterable[tuple[Node, int]]) -> None:
        """Pairs readers of two paired values that are alone in their operator, attributes and place."""
        groups: list[dict[Hashable, Node | None]] = []
        for side, done, readers in ((self._a, self.forward, mine), (self._b, self.backward, theirs)):
            found: dict[Hashable, Node | None] = {}
            for node, place in readers:
                if node not in done:
                    key = (side.local[node], place)
                    found[key] = None if key in found else node
            groups.append(found)
        for spot, a in groups[0].items():
            self._try(a, groups[1].get(spot))

    def _try(self, a: Node | None, b: Node | None) -> None:
        if a is None or b is None or a in self.forward or b in self.backward or a.op.name != b.op.name:
            return
        if a in self._a.place and b in self._b.place:
            self._pair(a, b)

    def _in_order(self, key: Callable[[_Side, Node], Hashable]) -> None:
        """Pairs equal nodes left over, the first with the first, as far as the pairs do not cross."""
        waiting: dict[Hashable, deque[Node]] = {}
        for node in self._left(self._b):
            waiting.setdefault(key(self._b, node), deque()).append(node)
        candidates: list[tuple[Node, Node]] = []
        for node in self._left(self._a):
            queue = waiting.get(key(self._a, node))
            if queue:
                candidates.append((node, queue.popleft()))
        for index in _increasing([self._b.place[b] for _, b in candidates]):
            self._pair(*candidates[index])

    def _replaced(self) -> None:
        """Pairs nodes left whose neighbors are partners: what stood there was replaced."""
        groups: list[dict[Hashable, Node | None]] = []
        for side, partners in ((self._a, self.forward), (self._b, {})):
            found: dict[Hashable, Node | None] = {}
            for node in self._left(side):
                spot = self._spot(side, node, partners)
                if spot is not None:
                    found[spot] = None if spot in found else node
            groups.append(found)
        self._pair_lone(groups[0], groups[1])
        self._fresh.clear()

    def _spot(self, side: _Side, node: Node, partners: Mapping[Node, Node]) -> Hashable:
        """Where a node stands, by nodes of the second graph: who makes its first operand, who reads its results.

        None where one of them has no partner.
        """
        makers = [value.node for value in node.inputs if value is not None and value.node is not None]
        readers = [reader for value in node.outputs for reader, _ in side.readers.get(value, ())]
        around = [[self._b.place.get(partners.get(each, each), -1) for each in some] for some in (makers[:1], readers)]
        outputs = tuple(index for index, value in enumerate(side.graph.outputs) if value.node is node)
        if -1 in around[0] or -1 in around[1] or not (around[0] or around[1] or outputs):
            return None
        return (tuple(around[0]), tuple(sorted(around[1])), outputs)


def _known(name: str | None, *rest: Hashable) -> Hashable:
    return None if name is None else (name, *rest)


def _telling(name: str | None) -> str | None:
    """The name, unless it is a mere number: exporters number values, each its own way."""
    return None if name is None or name.isdecimal() else name


def _layer_of(node: Node, framework: str) -> str | None:
    """The last of the layers of a framework that a node stands for."""
    own = [source for source in node.source if source.framework == framework]
    return max(own, key=lambda source: source.order).layer if own else None


def _increasing(places: list[int]) -> list[int]:
    """Indices of a longest increasing subsequence (Fredman 1975, by binary search)."""
    ends: list[int] = []
    tops: list[int] = []
    before: list[int] = []
    for index, place in enumerate(places):
        spot = bisect_left(tops, place)
        before.append(ends[spot - 1] if spot else -1)
        if spot == len(ends):
            ends.append(index)
            tops.append(place)
        else:
            ends[spot], tops[spot] = index, place
    found: list[int] = []
    current = ends[-1] if ends else -1
    while current >= 0:
        found.append(current)
        current = before[current]
    return found[::-1]
