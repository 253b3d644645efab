"""The cheapest cut of a network of pipes: Dinic's algorithm (Soviet Math. Doklady 11, 1970), without recursion."""

from __future__ import annotations

from collections import deque

MAX_WORK = 20_000_000
"""Pipes that are looked at in one network, about ten seconds; regions of real models need thousands."""


class Network:
    """Nodes 0 (source), 1 (sink) and more, and pipes between them."""

    def __init__(self) -> None:
        """Source and sink alone."""
        self._pipes: list[list[int]] = [[], []]
        self._ends: list[int] = []
        self._room: list[int] = []
        self._work = 0

    def node(self) -> int:
        """A new node."""
        self._pipes.append([])
        return len(self._pipes) - 1

    def pipe(self, start: int, end: int, room: int) -> None:
        """A pipe: cutting it costs `room` where `start` is on the source's side and `end` is not."""
        self._pipes[start].append(len(self._ends))
        self._ends.append(end)
        self._room.append(room)
        self._pipes[end].append(len(self._ends))
        self._ends.append(start)
        self._room.append(0)

    def sink_side(self) -> set[int] | None:
        """The nodes on the sink's side of the cheapest cut, as few as can be; None where that takes too long."""
        while (level := self._levels()) is not None:
            if not self._fill(level):
                return None
        side, waiting = {1}, [1]
        while waiting:
            node = waiting.pop()
            for pipe in self._pipes[node]:
                other = self._ends[pipe]
                if self._room[pipe ^ 1] and other not in side:
                    side.add(other)
                    waiting.append(other)
        return side

    def _levels(self) -> list[int] | None:
        """How far each node is from the source, or None where the sink is not reached any more."""
        level = [-1] * len(self._pipes)
        level[0] = 0
        waiting = deque([0])
        while waiting:
            node = waiting.popleft()
            self._work += len(self._pipes[node])
            for pipe in self._pipes[node]:
                end = self._ends[pipe]
                if self._room[pipe] and level[end] < 0:
                    level[end] = level[node] + 1
                    waiting.append(end)
        return level if level[1] >= 0 else None

    def _fill(self, level: list[int]) -> bool:
        """Sends all that shortest ways can carry; False where that takes too long."""
        tried = [0] * len(self._pipes)
        way: list[int] = []
        while self._work < MAX_WORK:
            node = self._ends[way[-1]] if way else 0
            if node == 1:
                self._send(way)
                way = []
                continue
            pipe = self._next(node, tried, level)
            if pipe is not None:
                way.append(pipe)
            elif way:
                tried[self._ends[way.pop() ^ 1]] += 1
            else:
                return True
        return False

    def _next(self, node: int, tried: list[int], level: list[int]) -> int | None:
        pipes = self._pipes[node]
        while tried[node] < len(pipes):
            pipe = pipes[tried[node]]
            self._work += 1
            if self._room[pipe] and level[self._ends[pipe]] == level[node] + 1:
                return pipe
            tried[node] += 1
        return None

    def _send(self, way: list[int]) -> None:
        self._work += len(way)
        amount = min(self._room[pipe] for pipe in way)
        for pipe in way:
            self._room[pipe] -= amount
            self._room[pipe ^ 1] += amount
