"""Where boxes stand: layers by the longest path, order by barycenters, places by the neighbours above.

The layered method of Sugiyama, Tagawa and Toda (1981), without dummy boxes: an arrow that passes layers by bends
around them. Every step takes time in proportion to boxes and arrows, so 8,000 boxes take a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SWEEPS = 4
"""How often the order of boxes is improved, down and up in turn."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a box stands: its layer, and its center on the layer in pixels."""

    layer: int
    center: float


def place(widths: Sequence[float], arrows: Sequence[tuple[int, int]], gap: float) -> list[Place]:
    """The place of each box.

    Args:
        widths: of the boxes, in pixels.
        arrows: (start, end), by position; start < end.
        gap: the least distance between two boxes of one layer, in pixels.
    """
    above: list[list[int]] = [[] for _ in widths]
    below: list[list[int]] = [[] for _ in widths]
    depth = [0] * len(widths)
    for start, end in sorted(arrows, key=lambda arrow: arrow[1]):
        above[end].append(start)
        below[start].append(end)
        depth[end] = max(depth[end], depth[start] + 1)
    layers: list[list[int]] = [[] for _ in range(max(depth, default=-1) + 1)]
    for box, layer in enumerate(depth):
        layers[layer].append(box)
    _order(layers, above, below)
    centers = [0.0] * len(widths)
    for boxes in layers:
        _spread(boxes, above, widths, gap, centers)
    return [Place(depth[box], centers[box]) for box in range(len(widths))]


def _order(layers: list[list[int]], above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> None:
    """Sorts each layer by the mean position of its boxes' neighbours, downwards and upwards in turn."""
    position: dict[int, float] = {}
    for layer in layers:
        position.update((box, float(index)) for index, box in enumerate(layer))
    for sweep in range(SWEEPS):
        neighbours = above if sweep % 2 == 0 else below
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            if len(layer) > 1:
                wanted = {box: _mean([position[other] for other in neighbours[box]], position[box]) for box in layer}
                layer.sort(key=lambda box: (wanted[box], box))
            position.update((box, float(index)) for index, box in enumerate(layer))


def _mean(numbers: Sequence[float], otherwise: float) -> float:
    return sum(numbers) / len(numbers) if numbers else otherwise


def _spread(
    layer: Sequence[int],
    above: Sequence[Sequence[int]],
    widths: Sequence[float],
    gap: float,
    centers: list[float],
) -> None:
    """Puts each box of a layer below its neighbours as far as the boxes leave room, then centers what was pushed."""
    wanted = [_mean([centers[other] for other in above[box]], 0.0) for box in layer]
    right = float("-inf")
    pushed = 0.0
    for box, want in zip(layer, wanted, strict=True):
        half = widths[box] / 2
        centers[box] = max(want, right + half)
        pushed += centers[box] - want
        right = centers[box] + half + gap
    shift = pushed / len(layer)
    for box in layer:
        centers[box] -= shift
