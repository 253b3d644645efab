"""Which node works in which layout so that transposes move as few bytes as can be: cheapest cuts, one a move.

A move proposes another layout for each node of a region: one node takes what a neighbour has, and all others what
follows from that without a transpose between them. Which nodes take it and which stay is a cut of the region into two,
and the cheapest one is found exactly (expansion moves: Boykov, Veksler and Zabih, Fast approximate energy minimization
via graph cuts, 2001). A move is made only where it lowers the cost of the whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from xir.ir.node import Node, Value
from xir.ir.types import TensorType
from xir.passes.layout._flow import Network
from xir.passes.layout._perms import Perm, compose, inverse
from xir.passes.layout._rules import RESULT, Laid
from xir.passes.layout._web import Reader, Web

MAX_SWEEPS = 4
"""How often all transposes are looked at; nearly all models are done after the first time, and see it at the next."""

MAX_PROPOSED = 64
"""Layouts that are proposed for each node in one sweep, in the mean."""

Field = dict[Node, Laid]


def assign(web: Web) -> None:
    """Finds the states of the nodes, see the module's text."""
    for _ in range(MAX_SWEEPS):
        if not _sweep(web):
            return


def _sweep(web: Web) -> bool:
    room = MAX_PROPOSED * (len(web.graph.nodes) + 1)
    seen: set[tuple[Node, Laid]] = set()
    better = False
    for value in list(web.readers):
        for reader in web.readers[value]:
            if not web.price(value, web.stored(value), web.wanted(reader)):
                continue
            for node, laid in _meetings(web, value, reader):
                if (node, laid) in seen or room <= 0:
                    continue
                proposed = _spread(web, node, laid)
                room -= len(proposed)
                seen.update(proposed.items())
                better = _expand(web, proposed) or better
    return better


def _meetings(web: Web, value: Value, reader: Reader) -> Iterator[tuple[Node, Laid]]:
    """The ways in which one transpose goes away: the reader takes what is there, or the maker makes what is wanted."""
    found = (
        None if reader.node is None else _asked(web, reader.node, reader.place, _own(reader, web.stored(value))),
        None if value.node is None else _asked(web, value.node, RESULT, web.wanted(reader), value.index),
    )
    for node, laid in zip((reader.node, value.node), found, strict=True):
        if node is not None and laid is not None and laid != web.states.get(node):
            yield node, laid


def _own(reader: Reader, stored: Perm) -> Perm:
    """How the operand is stored when the value that it is a transpose of is stored as `stored`."""
    return compose(inverse(reader.perm), stored)


def _asked(web: Web, node: Node, place: int, perm: Perm, index: int = 0) -> Laid | None:
    """The node's layout with an operand, or result `index`, stored as `perm`; None where it cannot."""
    rule = web.rules.get(node.op.name)
    if rule is None or not all(isinstance(each.type, TensorType) for each in (*node.inputs, *node.outputs) if each):
        return None
    laid = rule(node, place, perm)
    got = None if laid is None else laid.results[index] if place == RESULT else laid.operands[place]
    return laid if got == perm else None


def _spread(web: Web, start: Node, laid: Laid) -> Field:
    """What all nodes of the region take when `start` takes `laid` and no transpose is to stand between them."""
    found: Field = {start: laid}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for value, perm in _stored_by(web, node, found[node]):
            if value.node is not None:
                _offer(web, value.node, RESULT, perm, value.index, found, waiting)
            for reader in web.readers.get(value, ()):
                if reader.node is not None:
                    _offer(web, reader.node, reader.place, _own(reader, perm), 0, found, waiting)
    return found


def _stored_by(web: Web, node: Node, laid: Laid) -> Iterator[tuple[Value, Perm]]:
    """How a node wants the values stored that it reads and makes, but for those that nothing can move."""
    yield from zip(node.outputs, laid.results, strict=True)
    for value, own in zip(node.inputs, laid.operands, strict=True):
        if value is not None and own is not None:
            root, perm = web.root(value)
            if not web.is_constant(root) and root.node is not None and root.node.op.name in web.rules:
                yield root, compose(perm, own)


def _offer(web: Web, node: Node, place: int, perm: Perm, index: int, found: Field, waiting: deque[Node]) -> None:
    if node in found:
        return
    laid = _asked(web, node, place, perm, index)
    if laid is not None and not _is_now(web, node, laid):
        found[node] = laid
        waiting.append(node)


def _is_now(web: Web, node: Node, laid: Laid) -> bool:
    held = web.states.get(node)
    if held is not None:
        return held == laid
    perms = (*laid.operands, *laid.results)
    return all(perm is None or perm == tuple(range(len(perm))) for perm in perms)


def _expand(web: Web, proposed: Field) -> bool:
    """Takes the best part of what is proposed; whether that lowers the cost."""
    values = list(
        dict.fromkeys(
            root
            for node in proposed
            for root in (*node.outputs, *(web.root(value)[0] for value in node.inputs if value is not None))
        )
    )
    cut = _Cut(web, proposed)
    for value in values:
        cut.add(value)
    for node in proposed:
        cut.add_toll(node)
    chosen = cut.chosen()
    if not chosen or web.bill(values, proposed, chosen) >= web.bill(values, proposed):
        return False
    web.states.update(chosen)
    return True


@dataclass(slots=True)
class _Wish:
    """Who wants a value stored in one layout: for certain, when they stay (0), when they move (1)."""

    always: bool
    by: tuple[list[int], list[int]]


class _Cut:
    """The network whose cut tells who stays (the source's side) and who moves (the sink's)."""

    def __init__(self, web: Web, proposed: Field) -> None:
        self.web, self.proposed = web, proposed
        self.network = Network()
        self.numbers = {node: self.network.node() for node in proposed}

    def chosen(self) -> Field:
        """The nodes that move."""
        side = self.network.sink_side()
        return {} if side is None else {node: self.proposed[node] for node, at in self.numbers.items() if at in side}

    def add(self, value: Value) -> None:
        """The pipes for the transposes of one value."""
        maker = self.numbers.get(value.node) if value.node is not None else None
        stays, moves = self.web.stored(value), self.web.stored(value, self.proposed)
        for perm, wish in self._wishes(value).items():
            prices = self.web.price(value, stays, perm), self.web.price(value, moves, perm)
            self._when_any(wish, min(prices))
            if maker is not None and prices[0] != prices[1]:
                self._unless(maker, wish, max(prices) - min(prices), moved=prices[1] < prices[0])

    def add_toll(self, node: Node) -> None:
        """The pipe for what one layout of a node costs more than the other."""
        more = self.web.toll(node, self.proposed) - self.web.toll(node)
        if more:
            self._pipe(self.numbers[node], int(more > 0), abs(more))

    def _wishes(self, value: Value) -> Mapping[Perm, _Wish]:
        found: dict[Perm, _Wish] = {}
        for reader in self.web.readers.get(value, ()):
            both = self.web.wanted(reader), self.web.wanted(reader, self.proposed)
            number = self.numbers.get(reader.node) if reader.node is not None else None
            for moved, perm in enumerate(both):
                wish = found.setdefault(perm, _Wish(False, ([], [])))
                if number is None or both[0] == both[1]:
                    wish.always = True
                else:
                    wish.by[moved].append(number)
        return found

    def _when_any(self, wish: _Wish, cost: int) -> None:
        """Costs when anybody has the wish: at its worst where some have it moving and others staying."""
        if wish.always or not cost:
            return
        for moved in (0, 1):
            self._hub(wish.by[moved], moved, 1 - moved, cost)

    def _unless(self, maker: int, wish: _Wish, cost: int, *, moved: bool) -> None:
        """Costs when anybody has the wish, unless the maker moves (or stays).

        Readers that have the wish only when they do the opposite of what the maker should do are no part of a cut;
        for those the maker itself pays, which is more than it may be, and `_expand` looks at the whole bill.
        """
        want = int(moved)
        if wish.always or wish.by[1 - want]:
            self._pipe(maker, 1 - want, cost)
        else:
            self._hub(wish.by[want], want, maker, cost)

    def _pipe(self, node: int, side: int, cost: int) -> None:
        """Costs when `node` stays (0) or moves (1)."""
        if side:
            self.network.pipe(0, node, cost)
        else:
            self.network.pipe(node, 1, cost)

    def _hub(self, readers: list[int], side: int, against: int, cost: int) -> None:
        """Costs once when any of `readers` is on `side` and `against`, a node or an end, on the other."""
        if not readers:
            return
        hub = readers[0]
        if len(readers) > 1:
            hub = self.network.node()
            for reader in readers:
                self._edge(hub, reader, side, cost * (len(readers) + 1))
        self._edge(against, hub, side, cost)

    def _edge(self, far: int, near: int, side: int, cost: int) -> None:
        if side:
            self.network.pipe(far, near, cost)
        else:
            self.network.pipe(near, far, cost)
