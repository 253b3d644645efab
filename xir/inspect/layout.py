"""Where boxes stand and arrows run: the layered method of Sugiyama, Tagawa and Toda (1981).

A box stands one layer below the lowest box that it reads (longest paths). An arrow that passes layers by gets a stop in
each of them, which takes room as a box does, so that it runs behind none; arrows of one origin share their stops, and
part where they leave for their ends. Layers are ordered by barycenters, the order with the fewest crossings is kept
(counted as by Barth, Jünger and Mutzel 2002), and places are told by `coordinates`. Where stops would be too many, the
longest arrows run outside at the right. Every step takes time in proportion to boxes and stops, but for sorting.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from xir.inspect.coordinates import centers_of

MAX_STOPS = 40_000
"""Stops of all arrows; a net of 1,000 layers with a skip connection over all of it has 1,000."""

SWEEPS = 16
"""How often the order of layers is improved, down and up in turn; the tenth time seldom changes anything."""

LARGE = 5_000
"""Boxes and stops from which a quarter of the sweeps must do."""

STOP_WIDTH = 10.0
"""Pixels that a passing arrow takes in a layer."""


@dataclass(frozen=True, slots=True)
class Arc:
    """One arrow: its box of origin, its end, and which arrows of this origin are drawn as one (those of one key)."""

    start: int
    end: int
    key: Hashable = None


@dataclass(frozen=True, slots=True)
class Trunk:
    """What arrows of one origin share: the centers of its stops, in the layers right below the box `start`."""

    start: int
    stops: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout.

    Attributes:
        layers: the layer of each box, from 0.
        centers: of the boxes, in pixels.
        trunks: stops of arrows.
        branches: for each arrow the trunk whose stop in the layer above the end it leaves, or None where it passes no
            layer.
        outside: positions of arrows that run outside.
    """

    layers: tuple[int, ...]
    centers: tuple[float, ...]
    trunks: tuple[Trunk, ...]
    branches: tuple[int | None, ...]
    outside: tuple[int, ...]


def place(widths: Sequence[float], arcs: Sequence[Arc], gap: float) -> Layout:
    """The layout of boxes.

    Args:
        widths: of the boxes, in pixels.
        arcs: the arrows; start < end.
        gap: the least distance between two boxes of one layer, in pixels.
    """
    layers = _layers(len(widths), arcs)
    trunks, branches, outside = _trunks(layers, arcs)
    lines = _Lines.of(layers, arcs, trunks, branches, frozenset(outside))
    _order(lines)
    sizes = [*widths, *(STOP_WIDTH for _ in range(len(lines.layer) - len(widths)))]
    centers = centers_of(lines.rows, lines.above, lines.below, sizes, gap, len(widths))
    found: list[Trunk] = []
    position = len(widths)
    for start, length in trunks:
        found.append(Trunk(start, tuple(centers[position : position + length])))
        position += length
    return Layout(tuple(layers), tuple(centers[: len(widths)]), tuple(found), tuple(branches), tuple(outside))


# --- layers --------------------------------------------------------------------------------------------------------


def _layers(boxes: int, arcs: Sequence[Arc]) -> list[int]:
    """Longest paths; a box that reads nothing stands right above the first one that reads it."""
    layers = [0] * boxes
    reads = [False] * boxes
    for arc in sorted(arcs, key=lambda arc: arc.end):
        layers[arc.end] = max(layers[arc.end], layers[arc.start] + 1)
        reads[arc.end] = True
    nearest: dict[int, int] = {}
    for arc in arcs:
        nearest[arc.start] = min(nearest.get(arc.start, layers[arc.end]), layers[arc.end])
    return [nearest[box] - 1 if not reads[box] and box in nearest else layer for box, layer in enumerate(layers)]


def _trunks(layers: Sequence[int], arcs: Sequence[Arc]) -> tuple[list[tuple[int, int]], list[int | None], list[int]]:
    """(start, number of stops) of each trunk, the trunk of each arrow, and the arrows that no trunk is left for."""
    longest: dict[tuple[int, Hashable], int] = {}
    passed = [layers[arc.end] - layers[arc.start] - 1 for arc in arcs]
    left = MAX_STOPS
    outside: set[int] = set()
    for number in sorted(range(len(arcs)), key=lambda number: (passed[number], number)):
        key = arcs[number].start, arcs[number].key
        more = passed[number] - longest.get(key, 0)
        if passed[number] and more > left:
            outside.add(number)
        elif more > 0:
            longest[key] = passed[number]
            left -= more
    places = {key: place for place, key in enumerate(longest)}
    branches = [
        places[arc.start, arc.key] if passed[number] and number not in outside else None
        for number, arc in enumerate(arcs)
    ]
    return [(start, length) for (start, _), length in longest.items()], branches, sorted(outside)


@dataclass(frozen=True, slots=True)
class _Lines:
    """Boxes and stops (numbered behind the boxes), layer by layer, with their neighbours."""

    layer: list[int]
    rows: list[list[int]]
    above: list[list[int]]
    below: list[list[int]]

    @classmethod
    def of(
        cls,
        layers: Sequence[int],
        arcs: Sequence[Arc],
        trunks: Sequence[tuple[int, int]],
        branches: Sequence[int | None],
        outside: frozenset[int],
    ) -> _Lines:
        """Every arrow as a line from layer to layer."""
        total = len(layers) + sum(length for _, length in trunks)
        made = cls([*layers], [[] for _ in range(max(layers, default=-1) + 1)], _lists(total), _lists(total))
        first: list[int] = []
        for start, length in trunks:
            first.append(len(made.layer))
            for step in range(length):
                made._link(start if step == 0 else len(made.layer) - 1, len(made.layer))
                made.layer.append(layers[start] + 1 + step)
        for number, arc in enumerate(arcs):
            if number not in outside:
                trunk = branches[number]
                passed = layers[arc.end] - layers[arc.start] - 1
                made._link(arc.start if trunk is None else first[trunk] + passed - 1, arc.end)
        for one, layer in enumerate(made.layer):
            made.rows[layer].append(one)
        return made

    def _link(self, upper: int, lower: int) -> None:
        self.below[upper].append(lower)
        self.above[lower].append(upper)


def _lists(count: int) -> list[list[int]]:
    return [[] for _ in range(count)]


# --- order ---------------------------------------------------------------------------------------------------------


def _order(lines: _Lines) -> None:
    """Sorts each layer by the mean position of its neighbours, downwards and upwards in turn, and keeps the best."""
    position: list[float] = [0.0] * len(lines.layer)
    for row in lines.rows:
        for index, one in enumerate(row):
            position[one] = float(index)
    best: list[list[int]] = [list(row) for row in lines.rows]
    fewest: int | None = None
    for sweep in range(SWEEPS if len(lines.layer) < LARGE else SWEEPS // 4):
        down = sweep % 2 == 0
        for row in lines.rows if down else reversed(lines.rows):
            _sort_row(row, lines.above if down else lines.below, position)
        crossings = sum(_crossings(row, lines.below, position) for row in lines.rows)
        if fewest is None or crossings < fewest:
            fewest, best = crossings, [list(row) for row in lines.rows]
        if not crossings:
            break
    lines.rows[:] = best


def _sort_row(row: list[int], neighbours: Sequence[Sequence[int]], position: list[float]) -> None:
    wanted = {one: _mean([position[other] for other in neighbours[one]], position[one]) for one in row}
    row.sort(key=lambda one: (wanted[one], position[one]))
    for index, one in enumerate(row):
        position[one] = float(index)


def _mean(numbers: Sequence[float], otherwise: float) -> float:
    return sum(numbers) / len(numbers) if numbers else otherwise


def _crossings(row: Sequence[int], below: Sequence[Sequence[int]], position: Sequence[float]) -> int:
    """How many pairs of lines below a layer cross: inversions, counted in a Fenwick tree."""
    ends = [int(end) for one in row for end in sorted(position[other] for other in below[one])]
    tree = [0] * (max(ends, default=0) + 2)
    crossings = 0
    for seen, end in enumerate(ends):
        index, before = end + 1, 0
        while index:
            before += tree[index]
            index &= index - 1
        crossings += seen - before
        index = end + 1
        while index < len(tree):
            tree[index] += 1
            index += index & -index
    return crossings
